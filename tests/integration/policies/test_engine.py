"""The engine's verdict is Gatekeeper's, however it was come by: cached, in parallel, in part, or plainly."""

from __future__ import annotations

import copy
import json
import stat
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.policies.builders import library, policy_files

from moorage.cache import FILE, Cache
from moorage.policies.compiling import compile_policies
from moorage.policies.engine import judge
from moorage.policies.engine.expanding import Expander
from moorage.policies.levels import effective
from moorage.policies.load import builtin_library_path, load_library
from moorage.policies.model import Action, GroupVersionKind

from .engine import (
    ALL,
    COLOR_SCHEMA,
    COLORS,
    LARGE,
    MIXED,
    NAMESPACES,
    NOW,
    Object,
    Verdict,
    few,
    many,
    metadata,
    namespaces,
    plainly,
    pod,
    service,
    subjects,
    verdict,
    who,
    workloads,
)


@given(objects=many, floor=st.dictionaries(st.sampled_from(["low", "high"]), st.sampled_from([*Action])))
@few
def test_cached_and_parallel_and_plain_runs_agree(
    gator: Path, tmp_path_factory: pytest.TempPathFactory, objects: list[Object], floor: dict[str, Action]
):
    compiled = compile_policies([MIXED], floor=floor, now=NOW)
    objects = [*objects, *namespaces()]
    wanted = plainly(gator, compiled, objects)
    asked = subjects(objects)
    with Cache(tmp_path_factory.mktemp("cache")) as cache:
        options: dict[str, Any] = {"namespaces": NAMESPACES, "gator": gator}
        one = judge(compiled, asked, **options, workers=1)
        two = judge(compiled, asked, **options, workers=2, cache=cache)
        # In part: some are known, the others are not.
        half = judge(compiled, asked[::2], **options, workers=3, cache=cache)
        again = judge(compiled, asked, **options, cache=cache)
    assert verdict(one, objects) == wanted
    assert one == two == again
    assert again.effort.runs == 0
    referential = {finding for finding in half.findings if finding.policy == "twins"}
    assert [f for f in half.findings if f not in referential] == [
        finding._replace(subject=finding.subject // 2)
        for finding in two.findings
        if finding.subject % 2 == 0 and finding.policy != "twins"
    ]
    # Nothing judges what did not opt in, and nothing escapes that did.
    for finding in one.findings:
        namespace = objects[finding.subject]["metadata"].get("namespace")
        if namespace:
            assert finding.action in effective(namespace, NAMESPACES[namespace], floor).values()


def test_the_whole_library_judges_its_samples_as_gator_does(gator: Path):
    found = load_library(builtin_library_path())
    compiled = compile_policies([found], now=NOW, everything=True)
    objects = samples(found.policies)
    assert len(objects) > 300
    judgement = judge(compiled, subjects(objects), namespaces={}, gator=gator, keep_going=True)
    unjudged = {place for failure in judgement.failures for place in failure.subjects}
    judged = [obj for place, obj in enumerate(objects) if place not in unjudged]
    mine: Verdict = Counter(
        {
            key: count
            for key, count in verdict(judgement, objects).items()
            if key[:3] not in {who(objects[u]) for u in unjudged}
        }
    )
    wanted = plainly(gator, compiled, judged)
    # What the rules look for beside the object is what was given: its neighbours.
    assert mine == wanted
    assert {key[3] for key in wanted} >= {
        name for name, policy in found.policies.items() if not policy.inventory
    }


def samples(policies: Iterable[str]) -> list[Object]:
    """Every object among the library's samples, each in a namespace of its own so that none hides another."""
    objects: list[Object] = []
    for policy in policies:
        for file in sorted((builtin_library_path() / "policies" / policy / "samples").glob("*.yaml")):
            for content in yaml.safe_load_all(file.read_text("utf-8")):
                obj = (
                    content.get("request", {}).get("object")
                    if content.get("kind") == "AdmissionReview"
                    else content
                )
                if not obj or "moorage.dev" in obj["apiVersion"] or "gatekeeper.sh" in obj["apiVersion"]:
                    continue
                obj = json.loads(json.dumps(obj, default=str))
                own = obj.setdefault("metadata", {})
                if "namespace" in own:
                    own["namespace"] = f"{own['namespace']}-{len(objects)}"
                elif isinstance(own.get("name"), str):
                    own["name"] = f"{own['name']}-{len(objects)}"
                objects.append(obj)
    return [obj for obj in objects if "namespace" in obj["metadata"]]


# --- Only what changed -------------------------------------------------------------------------------------


def test_only_what_changed_is_judged_again(gator: Path, tmp_path: Path):
    objects = [pod(f"pod-{number}") for number in range(20)]
    with Cache(tmp_path) as cache:
        first = judge(ALL, subjects(objects), namespaces={}, gator=gator, cache=cache)
        objects[7]["spec"]["containers"][0]["image"] = "app:2"
        second = judge(ALL, subjects(objects), namespaces={}, gator=gator, cache=cache)
    assert (first.effort.judged, second.effort.judged, second.effort.remembered) == (20, 1, 19)


def test_only_the_policy_that_changed_judges_again(gator: Path, tmp_path: Path):
    loose = library(
        policy_files("pod-names"),
        policy_files("colors", code=COLORS, parameters={"colors": []}, schema=COLOR_SCHEMA),
    )
    tight = library(
        policy_files("pod-names"),
        policy_files("colors", code=COLORS, parameters={"colors": ["none"]}, schema=COLOR_SCHEMA),
    )
    objects = [pod("bad")]
    with Cache(tmp_path) as cache:
        before, after = (
            judge(
                compile_policies([found], now=NOW, everything=True),
                subjects(objects),
                namespaces={},
                gator=gator,
                cache=cache,
            )
            for found in (loose, tight)
        )
    assert [finding.policy for finding in before.findings] == ["colors", "pod-names"]  # it has no size
    assert len(after.findings) == 3


def test_what_an_object_is_compared_with_is_part_of_its_verdict(gator: Path, tmp_path: Path):
    with Cache(tmp_path) as cache:

        def found(*objects: Object, beside: Sequence[Object] = ()) -> list[str]:
            judgement = judge(
                ALL, subjects(objects), namespaces={}, gator=gator, inventory=subjects(beside), cache=cache
            )
            return [finding.message for finding in judgement.findings if finding.policy == "twins"]

        assert found(service("one")) == []
        assert found(service("one"), service("two")) == [
            'selects what "two" selects',
            'selects what "one" selects',
        ]
        assert found(service("one"), beside=[service("two")]) == ['selects what "two" selects']
        assert found(service("one"), beside=[service("two", app="b")]) == []
        # What is about to be applied takes the place of what is there.
        assert found(service("one"), service("two", app="b"), beside=[service("two")]) == []


NEIGHBOURS = """package neighbours

namespace := object.get(input.review.object, ["metadata", "namespace"], "")

violation contains {"msg": sprintf("there is %q, too", [name])} if {
	some name
	data.inventory.namespace[namespace]["v1"].Service[name]
	name != input.review.object.metadata.name
}
"""


def test_a_change_in_one_namespace_is_judged_there_alone(gator: Path, tmp_path: Path):
    found = library(
        policy_files(
            "neighbours",
            rego=NEIGHBOURS,
            match={"kinds": [{"apiGroups": [""], "kinds": ["Service"]}]},
            inventory=[{"version": "v1", "kind": "Service"}],
        )
    )
    compiled = compile_policies([found], now=NOW, everything=True)
    objects = [
        {**service(f"s{number}"), "metadata": metadata(f"s{number}", f"n{number % 3}", {})}
        for number in range(9)
    ]
    with Cache(tmp_path) as cache:
        judge(compiled, subjects(objects), namespaces={}, gator=gator, cache=cache)
        objects.append({**service("new"), "metadata": metadata("new", "n1", {})})
        again = judge(compiled, subjects(objects), namespaces={}, gator=gator, cache=cache)
    assert again.effort.judged == 4
    assert verdict(again, objects) == plainly(gator, compiled, objects)


def test_a_namespaces_label_changes_the_action_without_judging_again(gator: Path, tmp_path: Path):
    compiled = compile_policies([MIXED], now=NOW)
    with Cache(tmp_path) as cache:
        actions = []
        for action in Action:
            shop = {"shop": {"policy.moorage.dev/high": str(action)}}
            judgement = judge(compiled, subjects([pod()]), namespaces=shop, gator=gator, cache=cache)
            actions.append(({finding.action for finding in judgement.findings}, judgement.effort.judged))
    assert actions == [({Action.ENFORCE}, 1), ({Action.WARN}, 0), ({Action.AUDIT}, 0)]


def test_another_engine_judges_anew(gator: Path, tmp_path: Path):
    other = tmp_path / "gator"
    other.write_text(f'#!/bin/sh\nexec {gator} "$@"\n')
    other.chmod(other.stat().st_mode | stat.S_IXUSR)
    with Cache(tmp_path) as cache:
        first = judge(ALL, subjects([pod()]), namespaces={}, gator=gator, cache=cache)
        second = judge(ALL, subjects([pod()]), namespaces={}, gator=other, cache=cache)
    assert first == second
    assert second.effort.judged == 1


def test_an_altered_cache_changes_no_verdict(gator: Path, tmp_path: Path):
    objects = [pod("bad"), pod("good"), service("one"), service("two")]
    plain = judge(ALL, subjects(objects), namespaces={}, gator=gator)
    for step in range(7):
        with Cache(tmp_path) as cache:
            judge(ALL, subjects(objects), namespaces={}, gator=gator, cache=cache)
        text = bytearray((tmp_path / FILE).read_bytes())
        for position in range(step * 97, len(text), 1009):
            text[position] ^= 0xFF
        (tmp_path / FILE).write_bytes(text)
        with Cache(tmp_path) as cache:
            assert judge(ALL, subjects(objects), namespaces={}, gator=gator, cache=cache) == plain


# --- What objects make -------------------------------------------------------------------------------------


def test_a_pod_that_a_workload_makes_is_told_from_the_workload(gator: Path):
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata("web", "shop", {}),
        "spec": {
            "template": {"metadata": {"labels": {"color": "red", "size": "xl"}}, "spec": {"containers": []}}
        },
    }
    judgement = judge(ALL, subjects([deployment]), namespaces={}, gator=gator)
    assert [(finding.policy, finding.made, finding.message) for finding in judgement.findings] == [
        (
            "colors",
            "",
            f"expression '{LARGE}' resulted in error: no such key: labels",
        ),
        ("colors", "Pod", 'the color\tis "red" ☂'),
        ("colors", "Pod", "too large"),
    ]


@given(objects=st.lists(workloads(), min_size=1, max_size=20, unique_by=who))
@few
def test_objects_make_what_gator_expands_them_to(gator: Path, objects: list[Object]):
    expander = Expander(MIXED.expansions)
    spaces = namespaces()
    done = subprocess.run(
        [gator, "expand", "--format", "yaml"],
        input="\n".join(json.dumps(document) for document in (*MIXED.expansions, *spaces, *objects)),
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = [json.dumps(obj, sort_keys=True) for obj in documents(done.stdout)]
    found = [
        json.dumps(made.content, sort_keys=True)
        for obj in objects
        for made in expander.expand(copy.deepcopy(obj), GroupVersionKind.of(obj["apiVersion"], obj["kind"]))
    ]
    assert sorted(found) == sorted(wanted)


def documents(text: str) -> list[Object]:
    return [
        obj
        for each in yaml.safe_load_all(text)
        for obj in (each if isinstance(each, list) else [each])
        if obj
    ]
