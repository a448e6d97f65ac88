"""Whom a constraint is for: Gatekeeper's match, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.policies.engine.matching import Candidate, Match, MatchError, candidate_of, selects, wildcard
from moorage.policies.model import GroupVersionKind

POD = Candidate(GroupVersionKind("", "v1", "Pod"), "shop", "web", labels={"app": "web"})
ROLE = Candidate(GroupVersionKind("rbac.authorization.k8s.io", "v1", "ClusterRole"), "", "admin")
SPACE = Candidate(GroupVersionKind("", "v1", "Namespace"), "", "shop", labels={"team": "a"})


def is_for(candidate: Candidate, **match: Any) -> bool:
    return Match.of(match, where="test").is_for(candidate)


def kinds(*groups: str, kinds: tuple[str, ...] = ("Pod",)) -> dict[str, Any]:
    return {"kinds": [{"apiGroups": list(groups), "kinds": list(kinds)}]}


@pytest.mark.parametrize(
    ("match", "pod", "role", "space"),
    [
        ({}, True, True, True),
        (kinds(""), True, False, False),
        (kinds("*"), True, False, False),
        (kinds("apps"), False, False, False),
        (kinds("", kinds=("*",)), True, False, True),
        (kinds(kinds=("Pod",)), True, False, False),  # no groups: any
        ({"kinds": [{"apiGroups": [""], "kinds": []}]}, True, False, True),
        ({"kinds": []}, True, True, True),
        ({"scope": "Namespaced"}, True, False, False),
        ({"scope": "Cluster"}, False, True, True),
        ({"scope": "*"}, True, True, True),
        ({"namespaces": ["shop"]}, True, True, True),  # what is in no namespace is in any
        ({"namespaces": ["sh*", "x"]}, True, True, True),
        ({"namespaces": ["other"]}, False, True, False),
        ({"excludedNamespaces": ["shop"]}, False, True, False),
        ({"excludedNamespaces": ["*op"]}, False, True, False),
        ({"excludedNamespaces": ["kube-*"]}, True, True, True),
        ({"labelSelector": {"matchLabels": {"app": "web"}}}, True, False, False),
        ({"labelSelector": {}}, True, True, True),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, False, True, True),
        (
            {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}},
            True,
            True,
            False,
        ),
        ({"name": "web"}, True, False, False),
        ({"name": "*e*"}, True, False, False),
        ({"source": "Original"}, True, True, True),
        ({"source": "Generated"}, False, False, False),
    ],
)
def test_a_constraint_is_for_what_it_matches(match: dict, pod: bool, role: bool, space: bool):
    assert [is_for(candidate, **match) for candidate in (POD, ROLE, SPACE)] == [pod, role, space]


def test_the_namespace_is_that_of_the_object():
    asked = Candidate(POD.kind, "shop", "web", namespace_labels={"team": "a"})
    assert is_for(asked, namespaceSelector={"matchLabels": {"team": "a"}})


def test_a_name_that_is_still_to_be_made_matches_by_its_beginning():
    made = Candidate(POD.kind, "shop", "", generate_name="web-")
    assert is_for(made, name="web-*")
    assert is_for(made, name="*eb*")
    assert not is_for(made, name="*-")
    assert not is_for(made, name="web-")


def test_what_an_expansion_makes_is_generated():
    made = Candidate(POD.kind, "shop", "web-pod", generated=True)
    assert is_for(made, source="Generated")
    assert not is_for(made, source="Original")


@pytest.mark.parametrize(
    ("expression", "labels", "selected"),
    [
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, {"a": "2"}, True),
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, {}, False),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, {"a": "1"}, False),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, {}, True),
        ({"key": "a", "operator": "Exists"}, {"a": ""}, True),
        ({"key": "a", "operator": "DoesNotExist"}, {"a": ""}, False),
    ],
)
def test_expressions_select_as_in_kubernetes(expression: dict, labels: dict, selected: bool):
    assert selects({"matchExpressions": [expression]}, labels) is selected


def test_all_parts_of_a_selector_count():
    both = {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}
    assert selects(both, {"a": "1", "b": "2"})
    assert not selects(both, {"a": "1"})
    assert not selects(both, {"b": "2"})


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("web", "web", True),
        ("web", "web2", False),
        ("web*", "web2", True),
        ("*web", "a-web", True),
        ("*web*", "a-web-b", True),
        ("*", "anything", True),
        ("*", "", True),
        ("w*b", "web", False),
    ],
)
def test_stars_stand_at_the_ends(pattern: str, text: str, matches: bool):
    assert wildcard(pattern, text) is matches


@pytest.mark.parametrize(
    ("match", "says"),
    [
        ({"kind": []}, "spec.match.kind is not a field"),
        ({"source": "Somewhere"}, "spec.match.source is 'Somewhere'"),
    ],
)
def test_a_match_that_gatekeeper_would_refuse_is_refused(match: dict, says: str):
    with pytest.raises(MatchError, match=says):
        Match.of(match, where="constraint x")


def test_an_operator_that_there_is_not_is_an_error():
    with pytest.raises(MatchError, match="Near"):
        selects({"matchExpressions": [{"key": "a", "operator": "Near"}]}, {})


@pytest.mark.parametrize("labels", [None, {"a": 1}, ["a"], "a"])
def test_labels_that_are_no_labels_are_none(labels: object):
    content = {"metadata": {"name": "x", "labels": labels}}
    assert candidate_of(content, POD.kind).labels == {}
