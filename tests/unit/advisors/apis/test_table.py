"""The table that comes with Moorage: what it says, and that the policy says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from moorage.advisors.apis.table import Name, State, read_changes, table
from moorage.advisors.apis.versions import TargetError, Targets, parse, parse_targets, shown

POLICY = Path(__file__).parents[4] / "policies/policies/deprecated-apis"
PROJECTS = frozenset({"cert-manager"})


@pytest.mark.parametrize(
    ("name", "deprecated", "removed", "replacement"),
    [
        ("policy/v1beta1 PodDisruptionBudget", (1, 21), (1, 25), "policy/v1 PodDisruptionBudget"),
        ("extensions/v1beta1 Ingress", (1, 14), (1, 22), "networking.k8s.io/v1 Ingress"),
        ("apps/v1beta1 Deployment", (1, 8), (1, 16), "apps/v1 Deployment"),
        ("policy/v1beta1 PodSecurityPolicy", (1, 21), (1, 25), None),
        # It declares no removal; its types outlived it.
        ("rbac.authorization.k8s.io/v1alpha1 Role", None, (1, 23), "rbac.authorization.k8s.io/v1 Role"),
        ("settings.k8s.io/v1alpha1 PodPreset", None, (1, 20), None),
        (
            "apiregistration.k8s.io/v1beta1 APIService",
            (1, 19),
            (1, 22),
            "apiregistration.k8s.io/v1 APIService",
        ),
    ],
)
def test_what_kubernetes_says_of_itself(
    name: str, deprecated: tuple[int, int] | None, removed: tuple[int, int], replacement: str | None
) -> None:
    found = table().by_name(*name.split(" "))
    assert found is not None
    assert (found.deprecated, found.removed) == (deprecated, removed)
    assert (str(found.replacement) if found.replacement else None) == replacement


def test_what_is_current_stays() -> None:
    for name in (
        "apps/v1 Deployment",
        "v1 Pod",
        "autoscaling/v2 HorizontalPodAutoscaler",
        "batch/v1 CronJob",
    ):
        found = table().by_name(*name.split(" "))
        assert found is not None
        assert not found.goes


def test_every_replacement_is_itself_served_by_the_newest_kubernetes() -> None:
    known, newest = table(), Targets(table().newest)
    for api in known:
        if api.project == "kubernetes" and api.replacement is not None:
            new = known.by_name(api.replacement.api_version, api.replacement.kind)
            assert new is not None, api.name
            assert new.state(newest) is not State.REMOVED, api.name


def test_custom_resources_say_from_which_release_they_have_it() -> None:
    found = table().by_name("cert-manager.io/v1alpha2", "Certificate")
    assert found is not None
    assert found.project == "cert-manager"
    assert found.state(Targets((1, 38))) is State.REMOVED
    assert found.state(Targets((1, 38), {"cert-manager": (1, 5)})) is State.SERVED
    assert {"cert-manager", "cluster-api", "gatekeeper", "gateway-api"} <= table().projects


def test_the_policy_has_the_same_table() -> None:
    text = (POLICY / "template.yaml").read_text()
    told = dict(re.findall(r'"(\S+ \S+)":\s+"([^"]+)"', text))
    rows = {}
    for api in table():
        if api.project == "kubernetes" and api.removed is not None and api.removed >= (1, 16):
            deprecated = shown(api.deprecated) if api.deprecated else "-"
            rows[str(api.name)] = f"{deprecated} {shown(api.removed)} {api.replacement or '-'}"
    assert told.keys() == rows.keys()
    instead = {name for name in rows if rows[name].endswith(" -")}
    assert {name: told[name] for name in told if name not in instead} == {
        name: rows[name] for name in rows if name not in instead
    }
    for name in instead:  # in words, where Kubernetes names nothing
        assert told[name].split(" ")[:2] == rows[name].split(" ")[:2]


def test_the_policy_judges_every_kind_of_the_table() -> None:
    constraint = yaml.safe_load((POLICY / "constraint.yaml").read_text())
    judged = {
        (group, kind)
        for match in constraint["spec"]["match"]["kinds"]
        for group in match["apiGroups"]
        for kind in match["kinds"]
    }
    gone = {
        (api.name.group, api.name.kind)
        for api in table()
        if api.project == "kubernetes" and api.removed is not None and api.removed >= (1, 16)
    }
    assert judged == gone


def test_what_is_different_in_a_replacement_is_known() -> None:
    changes = read_changes()
    ingress = changes["extensions/v1beta1 Ingress", "networking.k8s.io/v1 Ingress"]
    assert "spec.rules[].http.paths[].backend.serviceName" in ingress["gone"]
    budget = changes["policy/v1beta1 PodDisruptionBudget", "policy/v1 PodDisruptionBudget"]
    assert [each["field"] for each in budget["meaning"]] == ["spec.selector"]
    assert not {"gone", "different", "required"} & budget.keys()


def test_a_name_knows_its_group() -> None:
    assert (Name("v1", "Pod").group, Name("v1", "Pod").version) == ("", "v1")
    assert (Name("apps/v1", "Deployment").group, Name("apps/v1", "Deployment").version) == ("apps", "v1")


@pytest.mark.parametrize(
    ("text", "version"), [("1.38", (1, 38)), ("v1.38.2", (1, 38, 2)), ("1.38.2-gke.1", (1, 38, 2))]
)
def test_versions_are_read_as_people_write_them(text: str, version: tuple[int, ...]) -> None:
    assert parse(text) == version


def test_targets() -> None:
    def read(*texts: str) -> Targets:
        return parse_targets(texts, known=PROJECTS, default=(1, 38))

    assert read() == Targets((1, 38))
    assert read("1.36.4", "cert-manager=1.5.0") == Targets((1, 36), {"cert-manager": (1, 5, 0)})
    for wrong in ("", "x", "1", "2.0", "nobody=1.0", "cert-manager=x", "1.x"):
        with pytest.raises(TargetError):
            read(wrong)
