"""Our evaluator beside the words of Kubernetes' own tests of RBAC."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.advisors.permissions.evaluate import allows, rule_allows, uncovered
from moorage.advisors.permissions.model import MANY, Request, Rule, Who

from .helpers import account, binding, rbac, role, rule

READ_PODS = Request("get", "", "pods", namespace="shop", name="web-0")


@pytest.mark.parametrize(
    ("granted", "request_", "allowed"),
    [
        (Rule(("get",), ("",), ("pods",)), READ_PODS, True),
        (Rule(("*",), ("*",), ("*",)), READ_PODS, True),
        (Rule(("get",), ("apps",), ("pods",)), READ_PODS, False),
        (Rule(("list",), ("",), ("pods",)), READ_PODS, False),
        (Rule(("get",), ("",), ("pods",)), READ_PODS._replace(subresource="log"), False),
        (Rule(("get",), ("",), ("pods/log",)), READ_PODS._replace(subresource="log"), True),
        (Rule(("get",), ("",), ("*/log",)), READ_PODS._replace(subresource="log"), True),
        (Rule(("get",), ("",), ("*/log",)), READ_PODS, False),
        (Rule(("get",), ("",), ("pods/*",)), READ_PODS._replace(subresource="log"), False),
        (Rule(("get",), ("",), ("*",)), READ_PODS._replace(subresource="log"), True),
        (Rule(("get",), ("",), ("pods",), ("web-0",)), READ_PODS, True),
        (Rule(("get",), ("",), ("pods",), ("web-1",)), READ_PODS, False),
        (Rule(("list",), ("",), ("pods",), ("web-0",)), READ_PODS._replace(verb="list"), True),
        (Rule(("list",), ("",), ("pods",), ("web-0",)), READ_PODS._replace(verb="list", name=""), False),
        (Rule(("create",), ("",), ("pods",), ("web-0",)), READ_PODS._replace(verb="create", name=""), False),
        (
            Rule(("deletecollection",), ("",), ("pods",), ("x",)),
            Request("deletecollection", "", "pods"),
            False,
        ),
        (Rule(("get",), ("",), ("pods",), ("web-1",)), READ_PODS._replace(name=MANY), True),
        (Rule(("get",), paths=("/healthz",)), Request("get", path="/healthz"), True),
        (Rule(("get",), paths=("/healthz/*",)), Request("get", path="/healthz/etcd"), True),
        (Rule(("get",), paths=("/healthz*",)), Request("get", path="/healthz"), True),
        (Rule(("get",), paths=("/apis/*",)), Request("get", path="/apis"), False),
        (Rule(("get",), paths=("/*/x",)), Request("get", path="/a/x"), False),
        (Rule(("get",), paths=("*",)), Request("get", path="/any"), True),
        (Rule(("*",), ("*",), ("*",)), Request("get", path="/any"), False),
        (Rule(("get",), paths=("*",)), READ_PODS, False),
    ],
)
def test_a_rule_allows_what_kubernetes_says(granted: Rule, request_: Request, *, allowed: bool) -> None:
    assert rule_allows(granted, request_) is allowed


@pytest.mark.parametrize(
    ("bound", "who", "allowed"),
    [
        (binding("sa:shop/web"), account(), True),
        (binding("sa:blog/web"), account(), False),
        (binding("group:system:serviceaccounts:shop"), account(), True),
        (binding("group:system:authenticated"), account(), True),
        (binding("user:system:serviceaccount:shop:web"), account(), True),
        (binding("user:ann"), Who("ann"), True),
        (binding("group:ann"), Who("ann"), False),
        (binding("sa:shop/web", namespace="blog"), account(), False),
        (binding("user:ann", to="missing"), Who("ann"), False),
    ],
)
def test_a_binding_is_for_whom_kubernetes_says(bound: dict[str, Any], who: Who, *, allowed: bool) -> None:
    assert allows(rbac(role(rule("get", "pods")), bound), who, READ_PODS) is allowed


def test_a_role_binding_gives_nothing_beyond_its_namespace_and_no_paths() -> None:
    everything = role(rule("*", "*", "*"), rule("*", paths="*"), name="all", namespace="")
    granted = rbac(everything, binding("user:ann", to="all", kind="ClusterRole"))
    assert allows(granted, Who("ann"), READ_PODS)
    assert not allows(granted, Who("ann"), READ_PODS._replace(namespace="blog"))
    assert not allows(granted, Who("ann"), Request("list", "", "pods"))
    assert not allows(granted, Who("ann"), Request("get", path="/version"))


def test_an_aggregated_role_has_the_rules_of_those_it_selects() -> None:
    whole = role(name="whole", namespace="")
    whole["aggregationRule"] = {
        "clusterRoleSelectors": [
            {"matchLabels": {"to": "whole"}},
            {"matchExpressions": [{"key": "also", "operator": "In", "values": ["yes"]}]},
        ]
    }
    parts = [
        role(rule("get", "pods"), name="one", namespace="", labels={"to": "whole"}),
        role(rule("list", "pods"), name="two", namespace="", labels={"also": "yes"}),
        role(rule("watch", "pods"), name="other", namespace="", labels={"also": "no"}),
    ]
    granted = rbac(whole, *parts, binding("user:ann", to="whole", kind="ClusterRole"))
    verbs = [v for v in ("get", "list", "watch") if allows(granted, Who("ann"), READ_PODS._replace(verb=v))]
    assert verbs == ["get", "list"]


def test_covering_is_kubernetes_own() -> None:
    owner = Rule(("get", "list"), ("",), ("pods", "*/status"), ("a",))
    assert uncovered([owner], [Rule(("get",), ("",), ("deployments/status",), ("a",))]) == []
    assert uncovered([owner], [Rule(("get",), ("",), ("pods",))]) == [Rule(("get",), ("",), ("pods",))]
    assert uncovered([Rule(("get",), paths=("/a*",))], [Rule(("get",), paths=("/ab",))]) == []
