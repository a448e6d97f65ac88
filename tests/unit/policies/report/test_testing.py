"""What judges, and what a person is told about it; what the engine says is told to it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from moorage.cache import Cache
from moorage.manifests.model import Item, Manifest
from moorage.policies.engine.judgement import Judgement
from moorage.policies.inputs.model import Inputs
from moorage.policies.load import read_library
from moorage.policies.model import Action, PolicyError
from moorage.policies.report import testing
from moorage.policies.report.testing import Rules

from ..builders import policy_files, set_files

NOW = datetime(2027, 1, 1, tzinfo=UTC)
SCHEMA = {"targetVersion": {"type": "string", "description": "The version."}}


def library(*files: dict[str, bytes], name: str = "test"):
    return read_library({path: text for each in files for path, text in each.items()}, name=name, origin=name)


LIBRARY = library(
    policy_files("naming"),
    policy_files("apis", schema=SCHEMA, parameters={"targetVersion": "1.30"}),
    set_files("baseline", ["naming"]),
    set_files("versions", ["apis"]),
)


def item(kind: str = "Pod", name: str = "a", namespace: str | None = "shop", **labels: str) -> Item:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), "labels": labels}
    return Item({"apiVersion": "v1", "kind": kind, "metadata": metadata}, Manifest("a.yaml", "x\n"))


def inputs(*items: Item, **namespaces: dict[str, str]) -> Inputs:
    found = {
        name: {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name, labels in namespaces.items()
    }
    return Inputs(items, found)


@pytest.fixture
def judged(monkeypatch):
    """Test inputs, and return the report with what the engine was asked."""
    asked = SimpleNamespace()

    def judge(compiled, subjects, **how):
        asked.compiled, asked.subjects, asked.how = compiled, subjects, how
        return Judgement(())

    monkeypatch.setattr(testing, "judge", judge)
    monkeypatch.setattr(testing, "locate", Path)

    def run(given: Inputs, *libraries, **rules):
        report = testing.test(
            given, Rules(libraries or (LIBRARY,), NOW, **rules), cache=Cache(None), keep_going=False
        )  # fmt: skip
        return report, asked

    return run


def names(asked) -> list[str]:
    return sorted(constraint.name for constraint in asked.compiled.constraints)


def test_where_nobody_opted_in_every_policy_judges_and_that_is_told(judged):
    report, asked = judged(inputs(item()))
    assert names(asked) == ["apis", "naming"]
    assert "every policy judged" in report.notes[-1]


@pytest.mark.parametrize(
    "labels", [{"policy.moorage.dev/nope": "enforce"}, {"policy.moorage.dev/baseline": "on"}]
)
def test_a_label_that_asks_for_what_there_is_not_is_told_and_not_made_up_for(judged, labels):
    report, asked = judged(inputs(item(), shop=labels))
    assert {constraint.action for constraint in asked.compiled.constraints if not constraint.sets} == set()
    (note,) = report.notes
    assert "namespace shop" in note


def test_a_set_that_there_is_not_is_told_with_those_that_there_are(judged):
    report, _ = judged(inputs(item(), shop={"policy.moorage.dev/nope": "enforce"}))
    assert "the set nope, which there is not" in report.notes[0]
    assert "there are baseline, versions" in report.notes[0]


def test_an_object_that_a_file_has_twice_is_told(judged):
    text = Manifest("a.yaml", "x\nx\nx\n")
    pods = [Item(item().content, text, begin=begin) for begin in (0, 4)]
    report, _ = judged(inputs(*pods, item()))  # the last is in another file
    told = [note for note in report.notes if "twice" in note]
    assert told == ["a.yaml:3: Pod shop/a is there twice, first on line 1; the last one counts"]


def test_a_policy_in_no_set_is_told(judged):
    report, _ = judged(inputs(item(), shop={}), library(policy_files("naming")))
    assert any(note.startswith("naming is in no set, so no cluster judges by it") for note in report.notes)


@pytest.mark.parametrize(
    ("api_version", "kind", "says"),
    [
        ("apps/v1", "Deploymnet", "apps/v1 has no Deploymnet (did you mean Deployment?)"),
        ("apps/v1beta1", "Deployment", "apps/v1beta1 has no Deployment, apps/v1 has"),
        ("v1", "Deployment", "v1 has no Deployment, apps/v1 has"),
    ],
)
def test_a_kind_that_kubernetes_does_not_serve_is_told(judged, api_version, kind, says):
    wrong = Item(
        {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}}, Manifest("a.yaml", "x")
    )
    report, _ = judged(inputs(wrong, wrong, item()), floor={"baseline": Action.WARN})
    assert report.notes[0] == f"a.yaml:1: {says}; no cluster takes it (and 1 more)"


def test_only_policies_that_judged_something_are_counted(monkeypatch, judged):
    certificate = Item(
        {"apiVersion": "cert.example/v1", "kind": "Cert", "metadata": {}}, Manifest("b.yaml", "x")
    )
    judged(inputs())  # it replaces what judges
    monkeypatch.setattr(
        testing, "judge", lambda *_, **__: Judgement((), policies=frozenset(["naming"]), strangers=(1,))
    )
    report, _ = judged(inputs(item(), certificate))
    assert (list(report.policies), report.loaded) == (["naming"], 2)
    assert "1 object is of a kind that no policy judges: Cert.cert.example" in report.notes


def test_where_a_namespace_opted_in_its_sets_judge(judged):
    _, asked = judged(inputs(item(), shop={"policy.moorage.dev/baseline": "warn"}))
    assert all(constraint.sets for constraint in asked.compiled.constraints)
    assert asked.how["namespaces"] == {"shop": {"policy.moorage.dev/baseline": "warn"}}


def test_namespaces_that_nothing_is_known_of_are_told(judged):
    report, _ = judged(inputs(item(), item(namespace="kube-system")), floor={"baseline": Action.WARN})
    (note,) = report.notes
    assert note.startswith('namespace "shop" is not among the manifests: only --set judges it')


def test_nothing_that_a_cluster_has_counts_beside_its_version_in_files(judged):
    there = [item(name=name, old="yes").content for name in ("a", "b")]
    _, asked = judged(Inputs([item()], inventory=there))
    assert [subject.identity.name for subject in asked.how["inventory"]] == ["b"]


def parameters(asked) -> dict[str, object]:
    return {
        each.name: each.object["spec"].get("parameters", {}).get("targetVersion")
        for each in asked.compiled.constraints
        if each.policy == "apis"
    }


def test_looking_ahead_changes_what_judges_where_nobody_opted_in(judged):
    _, asked = judged(inputs(item()), target_version="1.38")
    assert parameters(asked) == {"apis": "1.38"}
    assert "naming" in names(asked)


def test_looking_ahead_is_a_floor_where_somebody_opted_in(judged):
    _, asked = judged(inputs(item()), target_version="1.38", floor={"baseline": Action.WARN})
    assert set(parameters(asked).values()) == {"1.38"}
    assert any(name.startswith("naming") for name in names(asked))


def test_looking_ahead_uses_the_set_of_that_name_where_there_is_one(judged):
    own = library(
        policy_files("apis", schema=SCHEMA),
        set_files("upgrade-1.38", [{"name": "apis", "parameters": {"targetVersion": "1.38"}}]),
        set_files("upgrade-1.35", [{"name": "apis", "parameters": {"targetVersion": "1.35"}}]),
    )
    given = inputs(item(), shop={"policy.moorage.dev/upgrade-1.35": "enforce"})
    _, asked = judged(given, own, target_version="1.38")
    assert set(parameters(asked).values()) == {"1.38", "1.35"}


def test_looking_further_ahead_than_the_policies_do_is_told(judged):
    report, _ = judged(inputs(item()), target_version="1.31")
    assert any("know Kubernetes up to 1.30" in note for note in report.notes)
    report, _ = judged(inputs(item()), target_version="1.30")
    assert not any("know Kubernetes" in note for note in report.notes)


def test_looking_ahead_needs_a_version_and_a_policy_that_does(judged):
    with pytest.raises(PolicyError, match="is not a version"):
        judged(inputs(item()), target_version="v1.38")
    with pytest.raises(PolicyError, match="no policy has the parameter"):
        judged(inputs(item()), library(policy_files("naming")), target_version="1.38")


def test_what_could_not_be_read_is_not_judged_around(judged, monkeypatch):
    from moorage.manifests.model import InputError, Problem, Where

    monkeypatch.setattr(testing, "judge", lambda *_, **__: pytest.fail("it judged"))
    broken = Inputs([item()], problems=[Problem(InputError("broken", hint="mend"), Where("a.yaml", 3))])
    report, _ = judged(broken)
    assert report.exit_code == 2
    assert (report.failures[0].message, report.failures[0].hint) == ("broken", "mend")
