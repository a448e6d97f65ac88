"""What a permission is worth to somebody who takes over its holder.

After Kubernetes' own list of ways to escalate ("Role Based Access Control Good Practices"), and the objects
of admission and storage through which other people's workloads can be changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from moorage.advisors.permissions.evaluate import resource_matches
from moorage.advisors.permissions.model import ALL, RBAC, Request, Rule
from moorage.reports.findings import Severity

_READ: Final = frozenset({"get", "list", "watch"})
_WRITE: Final = frozenset({"create", "update", "patch"})
_ADMISSION: Final = "admissionregistration.k8s.io"


@dataclass(frozen=True, slots=True)
class Danger:
    """One way to more power.

    Args:
        name: in a word.
        why: what one can do with it.
        severity: when it is granted in the whole cluster; in one namespace it is one step less.
        group: of the resources.
        resources: which.
        verbs: any of them is enough.
    """

    name: str
    why: str
    severity: Severity
    group: str
    resources: tuple[str, ...]
    verbs: frozenset[str]


def _danger(name: str, why: str, severity: Severity, where: str, verbs: Iterable[str]) -> Danger:
    group, _, resources = where.partition(":")
    return Danger(name, why, severity, group, tuple(resources.split(",")), frozenset(verbs))


DANGERS: Final = (
    _danger("everything", "do everything there is", Severity.CRITICAL, "*:*", {"*"}),
    _danger("escalate", "give itself any permission", Severity.CRITICAL,
            f"{RBAC}:roles,clusterroles", {"escalate"}),
    _danger("bind", "bind itself to any role", Severity.CRITICAL, f"{RBAC}:roles,clusterroles", {"bind"}),
    _danger("impersonate", "act as anybody else", Severity.CRITICAL,
            ":users,groups,serviceaccounts", {"impersonate"}),
    _danger("node-proxy", "run commands in every pod, past the API server's audit and admission",
            Severity.CRITICAL, ":nodes/proxy", {"get", "create"}),
    _danger("secrets", "read credentials of others", Severity.HIGH, ":secrets", _READ),
    _danger("token", "make tokens of other ServiceAccounts", Severity.HIGH,
            ":serviceaccounts/token", {"create"}),
    _danger("exec", "run commands in pods, with the rights of their ServiceAccounts",
            Severity.HIGH, ":pods/exec,pods/attach,pods/ephemeralcontainers", {"get", *_WRITE}),
    _danger("workloads", "run a pod as any ServiceAccount of the namespace", Severity.HIGH, ":pods", _WRITE),
    _danger("workloads", "run a pod as any ServiceAccount of the namespace",
            Severity.HIGH, "apps:deployments,daemonsets,statefulsets,replicasets", _WRITE),
    _danger("workloads", "run a pod as any ServiceAccount of the namespace",
            Severity.HIGH, "batch:jobs,cronjobs", _WRITE),
    _danger("webhooks", "read and change whatever anybody writes to the API", Severity.CRITICAL,
            f"{_ADMISSION}:mutatingwebhookconfigurations,validatingwebhookconfigurations,"
            "mutatingadmissionpolicies,mutatingadmissionpolicybindings", _WRITE),
    _danger("api-services", "answer in the API server's place", Severity.CRITICAL,
            "apiregistration.k8s.io:apiservices", _WRITE),
    _danger("certificates", "sign itself a client certificate", Severity.HIGH,
            "certificates.k8s.io:certificatesigningrequests/approval", {"update", "patch"}),
    _danger("nodes", "draw pods and their Secrets to a node of its choice", Severity.HIGH,
            ":nodes,nodes/status", {"update", "patch", "create"}),
    _danger("volumes", "read and write files of nodes", Severity.HIGH, ":persistentvolumes", {"create"}),
    _danger("bindings", "give others what it holds", Severity.MEDIUM,
            f"{RBAC}:roles,rolebindings,clusterroles,clusterrolebindings", _WRITE),
)  # fmt: skip


def dangers(rules: Iterable[Rule]) -> list[Danger]:
    """Return the dangers in some rules; what is confined to names is none."""
    found = {(danger.name, danger.why): danger for rule in rules for danger in _of(rule)}
    return sorted(found.values(), key=lambda danger: (-danger.severity.rank, danger.name))


def _of(rule: Rule) -> Iterator[Danger]:
    if rule.names or rule.paths:
        return
    for danger in DANGERS:
        if danger.name == "everything":
            if ALL in rule.verbs and ALL in rule.groups and ALL in rule.resources:
                yield danger
            continue
        if ALL not in rule.groups and danger.group not in rule.groups:
            continue
        if ALL not in rule.verbs and danger.verbs.isdisjoint(rule.verbs):
            continue
        if any(resource_matches(rule, _request(danger.group, resource)) for resource in danger.resources):
            yield danger


def _request(group: str, resource: str) -> Request:
    base, _, subresource = resource.partition("/")
    return Request("", group, base, subresource)


def severity_of(removed: Iterable[Rule], *, everywhere: bool) -> Severity:
    """Return how bad it is that something is granted for nothing."""
    rules = list(removed)
    worst = next((danger.severity.rank for danger in dangers(rules)), 0)
    if not worst:
        reads = all(set(rule.verbs) <= _READ for rule in rules)
        worst = Severity.LOW.rank if reads else Severity.MEDIUM.rank
        return by_rank(worst)
    return by_rank(worst if everywhere else max(worst - 1, 1))


def by_rank(rank: int) -> Severity:
    """Return the severity of a rank."""
    return next(severity for severity in Severity if severity.rank == rank)
