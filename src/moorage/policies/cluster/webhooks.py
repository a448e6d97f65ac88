"""Where the API server of a cluster asks whether a policy forbids something. Pure.

A namespace that did not opt in is not touched, not even by an engine that does not answer: the webhooks
select namespaces by their labels. Selectors know "and" but not "or", so there is one webhook for each set and
action, and no two of them select the same namespace: a request is judged by one call, whatever it is judged
by.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moorage.kube.kinds import Object
from moorage.policies.cluster.resources import EVERY, Resources
from moorage.policies.levels import EXEMPT_NAMESPACES
from moorage.policies.model import POLICY_GROUP, SET_LABEL_PREFIX, Action

NAME: Final = "moorage-policies"
PATH: Final = "/v1/admit"
TIMEOUT_SECONDS: Final = 5
NAMESPACE_NAME_LABEL: Final = "kubernetes.io/metadata.name"

_SUBRESOURCES: Final = {"pods": ("pods/ephemeralcontainers", "pods/resize")}
"""What changes the spec of an object by another door."""

_NEVER_JUDGED: Final = (
    "authentication.k8s.io",
    "authorization.k8s.io",
    "coordination.k8s.io",
    "events.k8s.io",
)
_UNCHANGED: Final = (
    "has(object.spec) && object.?spec == oldObject.?spec"
    " && object.metadata.?labels == oldObject.metadata.?labels"
    " && object.metadata.?annotations == oldObject.metadata.?annotations"
)
CONDITIONS: Final[Sequence[Mapping[str, str]]] = (
    # Whoever repairs a cluster: the platform, its operator, and `kubectl` with the cluster's own certificate.
    {"name": "not-the-platform", "expression": "!('system:masters' in request.userInfo.groups)"},
    {"name": "not-a-node", "expression": "!('system:nodes' in request.userInfo.groups)"},
    # Kubernetes' own controllers keep cluster-wide objects; what they make in a namespace is a workload's.
    {
        "name": "not-a-system-controller",
        "expression": "request.?namespace.orValue('') != '' || "
        "!request.userInfo.username.startsWith('system:serviceaccount:kube-system:')",
    },
    {
        "name": "something-that-lasts",
        "expression": f"!(request.resource.group in {list(_NEVER_JUDGED)})"
        " && !(request.resource.group == '' && request.resource.resource in ['bindings', 'events'])",
    },
    # An object that was there before its namespace opted in can still lose its finalizers.
    {
        "name": "something-changes",
        "expression": f"request.operation != 'UPDATE' || !({_UNCHANGED})",
    },
)


@dataclass(frozen=True, slots=True)
class Engine:
    """Where an engine answers: ``https://host:port``, and who vouches for it (PEM)."""

    server: str
    authority: bytes


def configuration(
    engine: Engine, sets: Iterable[str], floor: Mapping[str, Action], judged: Sequence[Resources]
) -> Object:
    """Return the ValidatingWebhookConfiguration.

    An engine that does not answer holds up what it could have refused, and nothing else: a namespace that is
    only warned or audited is not in its way.

    Args:
        engine: where it answers.
        sets: the sets that a namespace can opt in to.
        floor: the action below which no namespace can go, by set.
        judged: the resources that policies judge, and those that make what they judge.
    """
    names = sorted(sets)
    lowest = max(floor.values(), key=lambda action: action.strength, default=None)
    hooks: list[Object] = []
    if lowest is Action.ENFORCE:
        hooks.append(_hook("floor", engine, [], _rules(judged, EVERY), "Fail"))
    else:
        hooks += _by_label(engine, names, Action.ENFORCE, (), judged)
        others = tuple(_not_in(name, Action.ENFORCE) for name in names)
        if lowest is Action.WARN:
            hooks.append(_hook("floor", engine, others, _rules(judged, EVERY), "Ignore"))
        else:
            hooks += _by_label(engine, names, Action.WARN, others, judged)
    return {"metadata": {"name": NAME}, "webhooks": hooks if judged else []}


def _by_label(
    engine: Engine,
    names: Sequence[str],
    action: Action,
    others: Sequence[Object],
    judged: Sequence[Resources],
) -> list[Object]:
    """Return a webhook for each set, for the namespaces that opted in to no set before it."""
    rules = [*_rules(judged, "Namespaced"), *_namespaces(judged)]
    policy = "Fail" if action is Action.ENFORCE else "Ignore"
    hooks = []
    for place, name in enumerate(names):
        before = [_not_in(other, action) for other in names[:place]]
        asks = {"key": f"{SET_LABEL_PREFIX}{name}", "operator": "In", "values": [action.value]}
        hooks.append(_hook(f"{name}.{action}", engine, [*others, *before, asks], rules, policy))
    return [hook for hook in hooks if hook["rules"]]


def _hook(
    name: str, engine: Engine, selecting: Sequence[Object], rules: list[Object], failure_policy: str
) -> Object:
    exempt = {"key": NAMESPACE_NAME_LABEL, "operator": "NotIn", "values": list(EXEMPT_NAMESPACES)}
    return {
        "name": f"{name}.{POLICY_GROUP}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "url": f"{engine.server}{PATH}",
            "caBundle": b64encode(engine.authority).decode(),
        },
        "failurePolicy": failure_policy,
        "matchConditions": [dict(item) for item in CONDITIONS],
        "matchPolicy": "Exact",
        "namespaceSelector": {"matchExpressions": [exempt, *selecting]},
        "objectSelector": {},
        "rules": rules,
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
    }


def _rules(judged: Sequence[Resources], scope: str) -> list[Object]:
    return [
        _rule(item.group, [*item.names, *_subresources(item.names)], scope)
        for item in judged
        if not (scope == "Namespaced" and item == Resources("", ("namespaces",)))
    ]


def _subresources(names: Sequence[str]) -> list[str]:
    return [
        sub
        for parent, found in _SUBRESOURCES.items()
        if not {parent, EVERY}.isdisjoint(names)
        for sub in found
    ]


def _namespaces(judged: Sequence[Resources]) -> list[Object]:
    """Return the rule for Namespaces, which are in no namespace, but have the labels that they opt in by."""
    asked = any(
        item.group in {"", EVERY} and not {"namespaces", EVERY}.isdisjoint(item.names) for item in judged
    )
    return [_rule("", ["namespaces"], "Cluster")] if asked else []


def _rule(group: str, resources: list[str], scope: str) -> Object:
    return {
        "apiGroups": [group],
        "apiVersions": [EVERY],
        "operations": ["CREATE", "UPDATE"],
        "resources": resources,
        "scope": scope,
    }


def _not_in(name: str, action: Action) -> dict[str, Any]:
    return {"key": f"{SET_LABEL_PREFIX}{name}", "operator": "NotIn", "values": [action.value]}
