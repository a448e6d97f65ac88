"""What audit logs do not show, though it is used: such a permission is never called unused.

The API server asks for some permissions inside of another request, and other servers ask it about requests
that never reach it. Where the request that goes with it is in the log, that one stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from moorage.advisors.permissions.model import ALL, RBAC, VERBS, Outcome, Request, Rule

_READS: Final = frozenset({"get", "list", "watch"})
_WRITES: Final = frozenset({"create", "update", "patch"})
_GRANTING: Final = frozenset({"roles", "clusterroles", "rolebindings", "clusterrolebindings"})
_KUBELET: Final = frozenset(
    {"metrics", "stats", "log", "spec", "configz", "checkpoint", "healthz", "pods", "proxy"}
)
_CONNECTS: Final = frozenset({"exec", "attach", "portforward"})
_SERVED: Final = (
    "/api",
    "/apis",
    "/openapi",
    "/version",
    "/healthz",
    "/livez",
    "/readyz",
    "/.well-known",
    "/openid",
)
_IMPERSONATE: Final = "impersonate"
_INTERNAL: Final = frozenset({"finalizers", "custom-host", "restricted"})
"""Subresources that exist for admission to ask about."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a log and a subject's requests tell of what cannot be seen.

    Args:
        verbs: the reading verbs that the log has from anybody; of the others its policy may keep nothing.
        impersonates: whether the subject acted as somebody else.
        grants: whether the subject wrote roles or bindings, for which it must hold what it gives.
        writes: the API groups in which the subject wrote objects.
    """

    verbs: frozenset[str]
    impersonates: bool = False
    grants: bool = False
    writes: frozenset[str] = frozenset()


def implied(request: Request, outcome: Outcome) -> Iterator[Request]:
    """Yield what else the API server asks for when it carries out a request."""
    if outcome is Outcome.CREATED:
        yield request._replace(verb="create")
    if request.resource == "pods" and request.subresource in _CONNECTS and request.verb == "get":
        # Over WebSockets; since Kubernetes 1.35 `create` is asked for, too.
        yield request._replace(verb="create")


def recorded(requests: Iterable[Request], verbs: frozenset[str]) -> Recorded:
    """Return what a subject's requests tell."""
    impersonates, grants, writes = False, False, set()
    for request in requests:
        impersonates = impersonates or request.verb.startswith(_IMPERSONATE)
        if request.verb in _WRITES and request.resource:
            writes.add(request.group)
            grants = grants or (request.group == RBAC and request.resource in _GRANTING)
    return Recorded(verbs, impersonates, grants, frozenset(writes))


def verbs_of(requests: Iterable[Request]) -> frozenset[str]:
    """Return which of the reading verbs a log has at all."""
    return frozenset(request.verb for request in requests if request.resource and request.verb in _READS)


def not_seen(rule: Rule, about: Recorded) -> Iterator[Rule]:
    """Yield the smallest parts of a rule of which a log cannot say that they are not used."""
    for verb in rule.verbs:
        for group in rule.groups:
            for resource in rule.resources:
                if _is_hidden(verb, resource, about):
                    yield Rule((verb,), (group,), (resource,), rule.names)
        for path in rule.paths:
            if path != ALL and not path.startswith(_SERVED):
                yield Rule((verb,), paths=(path,))
    yield from _of_wildcards(rule, about)


def _is_hidden(verb: str, resource: str, about: Recorded) -> bool:
    if ALL in (verb, resource):
        return False  # see _of_wildcards
    if verb.startswith(_IMPERSONATE):
        return about.impersonates
    if verb in ("escalate", "bind"):
        return about.grants
    return verb not in VERBS or _is_for_others(resource) or (verb in _READS and verb not in about.verbs)


def _is_for_others(resource: str) -> bool:
    """Say whether it is admission or a kubelet that asks about a resource."""
    base, _, subresource = resource.partition("/")
    return subresource in _INTERNAL or (base == "nodes" and subresource in _KUBELET)


def _of_wildcards(rule: Rule, about: Recorded) -> Iterator[Rule]:
    """Yield what of a wildcard stays: what goes unseen with what the subject is seen to do."""
    if rule.paths or (ALL not in rule.verbs and ALL not in rule.resources):
        return
    if ALL in rule.resources and (ALL in rule.verbs or "update" in rule.verbs):
        # Owners of objects may be asked for it by admission (OwnerReferencesPermissionEnforcement).
        for group in sorted(about.writes if ALL in rule.groups else about.writes & set(rule.groups)):
            yield Rule(("update",), (group,), ("*/finalizers",), rule.names)
    if ALL in rule.verbs:
        for resource in filter(_is_for_others, rule.resources):
            yield Rule((ALL,), rule.groups, (resource,), rule.names)
    if ALL in rule.verbs and about.impersonates and "authentication.k8s.io" in (*rule.groups, _if_all(rule)):
        yield Rule((_IMPERSONATE,), ("authentication.k8s.io",), _within(rule, (ALL,)), rule.names)
    for verb in sorted(_READS - about.verbs):
        if verb in rule.verbs or ALL in rule.verbs:
            yield Rule((verb,), rule.groups, rule.resources, rule.names)


def _if_all(rule: Rule) -> str:
    return "authentication.k8s.io" if ALL in rule.groups else ""


def _within(rule: Rule, wanted: tuple[str, ...]) -> tuple[str, ...]:
    return wanted if ALL in rule.resources else rule.resources
