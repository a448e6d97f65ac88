"""What judges: which constraints a library, a floor and exceptions come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from moorage.policies.compiled import Compiled
from moorage.policies.compiling import NAME_MAX, compile_policies
from moorage.policies.engine.matching import Candidate, Match
from moorage.policies.levels import EXEMPT_NAMESPACES
from moorage.policies.model import (
    Action,
    GroupVersionKind,
    Library,
    LibraryError,
    PolicyError,
    PolicyException,
    Target,
)

from .builders import EXPANSIONS, PODS, REGO, library, policy_files, set_files

NOW = datetime(2027, 1, 1, tzinfo=UTC)
POD = GroupVersionKind("", "v1", "Pod")
NAMESPACE = GroupVersionKind("", "v1", "Namespace")
ROLE = GroupVersionKind("rbac.authorization.k8s.io", "v1", "ClusterRole")
TWO = library(
    policy_files("bad-names"), set_files("baseline", ["bad-names"]), set_files("strict", ["bad-names"])
)


def compiled(found: Library, **options: Any) -> Compiled:
    return compile_policies([found], now=NOW, **options)


def names(result: Compiled) -> list[str]:
    return [constraint.name for constraint in result.constraints]


def judging(result: Compiled, candidate: Candidate) -> list[tuple[str, Action]]:
    """The constraints that are for an object, as Gatekeeper decides it."""
    return [
        (constraint.name, constraint.action)
        for constraint in result.constraints
        if Match.of(constraint.object["spec"]["match"], where="test").is_for(candidate)
    ]


def pod(namespace: str = "shop", **labels: str) -> Candidate:
    chosen = {f"policy.moorage.dev/{name}": value for name, value in labels.items()}
    return Candidate(POD, namespace, "web", namespace_labels=chosen)


def excepting(policy: str = "bad-names", days: int = 1) -> PolicyException:
    return PolicyException(
        "shop", "old", policy, Target("Pod", "web"), "It has to be.", "ann", NOW + timedelta(days=days)
    )


def test_a_policy_in_no_set_judges_nothing():
    assert compiled(library(policy_files("bad-names"))).constraints == ()


def test_nothing_judges_a_namespace_that_did_not_opt_in():
    assert judging(compiled(TWO), pod()) == []


@pytest.mark.parametrize("action", [*Action])
def test_a_label_chooses_the_action(action: Action):
    assert judging(compiled(TWO), pod(strict=action)) == [(f"bad-names.strict.{action}", action)]


def test_a_policy_in_two_sets_judges_once_with_the_stronger_action():
    found = judging(compiled(TWO), pod(baseline="audit", strict="warn"))
    assert found == [("bad-names.strict.warn", Action.WARN)]


def test_a_floor_judges_whoever_chose_less():
    result = compiled(TWO, floor={"baseline": Action.WARN})
    assert judging(result, pod(baseline="audit")) == [("bad-names.baseline.floor", Action.WARN)]
    assert judging(result, pod(strict="enforce")) == [("bad-names.strict.enforce", Action.ENFORCE)]


@pytest.mark.parametrize("namespace", EXEMPT_NAMESPACES)
def test_system_namespaces_are_exempt_from_labels_and_floors(namespace: str):
    result = compiled(TWO, floor={"strict": Action.ENFORCE})
    assert judging(result, pod(namespace, baseline="enforce")) == []


def test_sets_with_other_parameters_have_constraints_of_their_own():
    schema = {"most": {"type": "integer", "description": "How many."}}
    result = compiled(
        library(
            policy_files("bad-names", parameters={"most": 1, "x": 0}, schema=schema),
            set_files("loose", [{"name": "bad-names", "parameters": {"most": 9}}]),
            set_files("strict", ["bad-names"]),
        )
    )
    found = judging(result, pod(loose="warn", strict="warn"))
    assert [name for name, _ in found] == ["bad-names.loose.warn", "bad-names.strict.warn"]
    by_name = {constraint.name: constraint for constraint in result.constraints}
    assert by_name["bad-names.loose.warn"].object["spec"]["parameters"] == {"most": 9, "x": 0}
    assert by_name["bad-names.strict.warn"].object["spec"]["parameters"] == {"most": 1, "x": 0}


def test_what_is_in_no_namespace_is_judged_by_the_floor_only():
    roles = [{"apiGroups": ["rbac.authorization.k8s.io"], "kinds": ["ClusterRole"]}]
    found = library(policy_files("roles", match={"kinds": roles}), set_files("access", ["roles"]))
    role = Candidate(ROLE, "", "admin")
    assert judging(compiled(found), role) == []
    assert judging(compiled(found, floor={"access": Action.AUDIT}), role) == [
        ("roles.access.floor", Action.AUDIT)
    ]


def test_a_namespace_is_judged_by_its_own_labels():
    kinds = [{"apiGroups": [""], "kinds": ["Namespace", "Pod"]}]
    result = compiled(library(policy_files("both", match={"kinds": kinds}), set_files("net", ["both"])))
    asked = {"policy.moorage.dev/net": "enforce"}
    assert judging(result, Candidate(NAMESPACE, "", "shop", labels=asked)) == [
        ("both.net.enforce.namespaces", Action.ENFORCE)
    ]
    assert judging(result, Candidate(NAMESPACE, "", "shop")) == []
    assert judging(result, Candidate(NAMESPACE, "", "kube-system", labels=asked)) == []
    assert judging(result, pod(net="warn")) == [("both.net.warn", Action.WARN)]


def test_a_policy_for_any_kind_judges_namespaces_too():
    result = compiled(library(policy_files("any", match={}), set_files("all", ["any"])))
    asked = {"policy.moorage.dev/all": "warn"}
    assert judging(result, Candidate(NAMESPACE, "", "shop", labels=asked)) == [
        ("any.all.warn.namespaces", Action.WARN)
    ]
    assert judging(result, Candidate(ROLE, "", "admin", labels=asked)) == []


def test_a_policys_own_namespace_selector_still_counts():
    own = {"matchLabels": {"team": "shop"}, "matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}
    result = compiled(
        library(
            policy_files("bad-names", match={"kinds": PODS, "namespaceSelector": own}),
            set_files("baseline", ["bad-names"]),
        )
    )
    asked = {"policy.moorage.dev/baseline": "warn"}
    with_team = Candidate(POD, "shop", "web", namespace_labels={**asked, "team": "shop"})
    assert [name for name, _ in judging(result, with_team)] == ["bad-names.baseline.warn"]
    assert judging(result, Candidate(POD, "shop", "web", namespace_labels=asked)) == []


def test_names_are_stable_when_a_set_is_added():
    one = compiled(library(policy_files("bad-names"), set_files("strict", ["bad-names"])))
    assert set(names(one)) < set(names(compiled(TWO)))


def test_names_are_no_longer_than_gatekeeper_takes_and_stay_apart():
    long = "a" * 60
    sets = [set_files(f"{letter * 50}", [long]) for letter in "bcd"]
    found = names(compiled(library(policy_files(long), *sets)))
    assert len(found) == len(set(found)) == 9
    assert all(len(name) <= NAME_MAX for name in found)


def test_everything_judges_with_every_policy_everywhere():
    result = compiled(library(policy_files("a"), policy_files("b", rego=REGO)), everything=True)
    assert judging(result, pod()) == [("a", Action.ENFORCE), ("b", Action.ENFORCE)]


def test_a_constraint_says_what_it_is_of():
    [constraint] = compiled(TWO, floor={"strict": Action.ENFORCE}).constraints
    assert constraint.object["metadata"] == {
        "name": "bad-names.strict.floor",
        "labels": {
            "policy.moorage.dev/policy": "bad-names",
            "policy.moorage.dev/set": "strict",
            "policy.moorage.dev/managed-by": "moorage",
        },
        "annotations": {"policy.moorage.dev/severity": "high"},
    }
    assert constraint.object["spec"]["enforcementAction"] == "deny"


def test_an_exception_that_counts_is_in_every_constraint_of_its_policy():
    result = compiled(TWO, exceptions=[excepting(), excepting("other"), excepting(days=-1)])
    carried = [constraint.object["spec"]["parameters"]["exceptions"] for constraint in result.constraints]
    assert carried == [[{"namespace": "shop", "kind": "Pod", "name": "web"}]] * 6


def test_what_expired_is_in_none():
    result = compiled(TWO, exceptions=[excepting(days=-1)])
    assert all("parameters" not in constraint.object["spec"] for constraint in result.constraints)


def test_templates_do_not_change_with_exceptions():
    assert compiled(TWO).templates == compiled(TWO, exceptions=[excepting()]).templates
    assert compiled(TWO).digest != compiled(TWO, exceptions=[excepting()]).digest


def test_what_was_read_is_not_changed():
    found = TWO.policies["bad-names"]
    before = repr((found.template, found.constraint))
    compiled(TWO, exceptions=[excepting()])
    assert repr((found.template, found.constraint)) == before


def test_a_floor_for_no_set_is_an_error_that_names_those_there_are():
    with pytest.raises(PolicyError, match="there is no set 'basline'") as caught:
        compiled(TWO, floor={"basline": Action.WARN})
    assert caught.value.hint == "there are: baseline, strict"


def test_the_parameter_that_carries_exceptions_is_taken():
    schema = {"exceptions": {"type": "array", "description": "x"}}
    with pytest.raises(LibraryError, match="it has a parameter called exceptions"):
        compiled(library(policy_files("p", schema=schema)), everything=True)
    with pytest.raises(LibraryError, match="the parameter exceptions is Moorage's own"):
        compiled(library(policy_files("p", parameters={"exceptions": []})), everything=True)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (policy_files("p", code={"validations": []}), "it has no validations"),
        (policy_files("p", rego="violation contains 1"), "its Rego has no package"),
    ],
)
def test_a_template_that_cannot_be_guarded_is_an_error_with_its_place(files: dict, says: str):
    with pytest.raises(LibraryError, match=rf"^test/policies/p/template\.yaml:1: policy p: {says}"):
        compiled(library(files), everything=True)


def test_of_two_expansions_of_one_name_the_first_librarys_counts():
    other = {
        path: text.replace(b"[Deployment, ReplicaSet]", b"[Deployment]") for path, text in EXPANSIONS.items()
    }
    ours, theirs = library(policy_files("a"), EXPANSIONS), library(policy_files("b"), other, name="other")
    found = compile_policies([ours, theirs], now=NOW, everything=True).expansions
    assert sorted(map(repr, found)) == sorted(map(repr, ours.expansions))


def test_the_same_is_compiled_to_the_same_whatever_the_order():
    a, b = library(policy_files("a"), name="a"), library(policy_files("b"), set_files("s", ["a"]), name="b")
    one = compile_policies([a, b], now=NOW)
    assert one.digest == compile_policies([b, a], now=NOW).digest
