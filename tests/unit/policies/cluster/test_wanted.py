"""What follows for a cluster from what judges: names that tell contents, and no more rights than needed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from moorage.policies.cluster import approval
from moorage.policies.cluster.resources import Resources, known_kind
from moorage.policies.cluster.wanted import NAME_ANNOTATION, reading_rules, sync_set, wanted
from moorage.policies.compiled import Compiled
from moorage.policies.compiling import compile_policies
from moorage.policies.load import builtin_library_path, load_library
from moorage.policies.model import Action, Library, PolicyException, Target

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(builtin_library_path())


@pytest.fixture(scope="module")
def compiled(library: Library) -> Compiled:
    return compile_policies([library], now=NOW)


def test_names_are_what_gatekeeper_and_kubernetes_take(compiled: Compiled) -> None:
    found = wanted(compiled)
    assert len(found.constraints) == len(compiled.constraints)
    for name, template in found.templates.items():
        kind = template["spec"]["crd"]["spec"]["names"]["kind"]
        assert name == template["metadata"]["name"] == kind.lower()
        assert len(name) <= 63
    for key, constraint in found.constraints.items():
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", key.name)
        assert len(key.name) <= 63
        assert key.kind.lower() in found.templates
        shown = constraint["metadata"]["annotations"][NAME_ANNOTATION]
        assert found.meanings[key].constraint == shown


def test_the_same_policies_have_the_same_names_and_others_have_others(
    library: Library, compiled: Compiled
) -> None:
    assert wanted(compiled) == wanted(compile_policies([library], now=NOW + timedelta(days=1)))
    floored = wanted(compile_policies([library], floor={"baseline": Action.ENFORCE}, now=NOW))
    before, after = wanted(compiled), floored
    assert set(before.templates) == set(after.templates)
    common = set(before.constraints) & set(after.constraints)
    assert common
    assert all(before.constraints[key] == after.constraints[key] for key in common)
    policies = {found.meanings[key].policy for found in (before, after) for key in found.constraints}
    assert "privileged-containers" in policies
    moved = {before.meanings[key].policy for key in set(before.constraints) - common}
    assert "privileged-containers" in moved


def test_an_exception_changes_no_name(library: Library, compiled: Compiled) -> None:
    exception = PolicyException(
        "shop",
        "one",
        "privileged-containers",
        Target("Deployment", "web"),
        "it is needed",
        "alice",
        NOW + timedelta(days=1),
    )
    excepted = wanted(compile_policies([library], exceptions=[exception], now=NOW))
    plain = wanted(compiled)
    assert set(excepted.constraints) == set(plain.constraints)
    assert set(excepted.templates) == set(plain.templates)
    changed = {key for key in plain.constraints if plain.constraints[key] != excepted.constraints[key]}
    assert {plain.meanings[key].policy for key in changed} == {"privileged-containers"}


def test_what_cannot_judge_is_left_out_and_still_asked_about(compiled: Compiled) -> None:
    everything = wanted(compiled)
    without = wanted(compiled, {"privileged-containers"})
    assert "privileged-containers" not in without.policies.values()
    assert len(without.templates) == len(everything.templates) - 1
    assert not any(item.policy == "privileged-containers" for item in without.meanings.values())
    assert (without.judged, without.read, without.sets) == (
        everything.judged,
        everything.read,
        everything.sets,
    )


def test_whoever_makes_what_is_judged_is_asked_about(compiled: Compiled) -> None:
    judged = {(item.group, name) for item in wanted(compiled).judged for name in item.names}
    pods_and_makers = {
        ("", "pods"),
        ("apps", "deployments"),
        ("apps", "replicasets"),
        ("batch", "jobs"),
        ("batch", "cronjobs"),
    }
    assert judged >= pods_and_makers or ("*", "*") in judged


def test_the_engine_may_read_what_policies_are_about_and_change_nothing() -> None:
    rules = reading_rules([Resources("", ("pods",)), Resources("apps", ("deployments",))])
    assert [rule["verbs"] for rule in rules] == [["get", "list", "watch"]] * 2
    assert [rule["resources"] for rule in rules] == [["pods"], ["deployments"]]


def test_what_is_kept_at_hand_is_named_once() -> None:
    from moorage.policies.model import GroupVersionKind

    pod = GroupVersionKind("", "v1", "Pod")
    assert sync_set([pod, pod])["spec"] == {"gvks": [{"group": "", "version": "v1", "kind": "Pod"}]}


@pytest.mark.parametrize(
    ("group", "kind", "resource", "namespaced"),
    [
        ("", "Pod", "pods", True),
        ("networking.k8s.io", "Ingress", "ingresses", True),
        ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", False),
        (None, "CronJob", "cronjobs", True),
    ],
)
def test_kinds_of_kubernetes_are_known(group: str | None, kind: str, resource: str, namespaced: bool) -> None:
    found = known_kind(group, kind)
    assert found is not None
    assert (found.plural, found.namespaced) == (resource, namespaced)


def test_members_may_write_exceptions_and_none_of_them_may_approve() -> None:
    edit, view = approval.roles()
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    resources = {
        resource for role in (edit, view) for rule in role["rules"] for resource in rule["resources"]
    }
    assert resources == {"policyexceptions"}  # and not its approval, nor its status
    policy, binding = approval.admission()
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert binding["spec"]["validationActions"] == ["Deny"]
    assert approval.custom_resource_definition()["spec"]["names"]["kind"] == "PolicyException"
