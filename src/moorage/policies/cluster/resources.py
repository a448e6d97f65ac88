"""Which resource a kind is served as: webhooks and roles name resources, policies name kinds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moorage.kube.kinds import Kind

EVERY: Final = "*"

_RESOURCES: Final[Mapping[str, Mapping[str, str]]] = {
    "": {
        "ConfigMap": "configmaps",
        "Endpoints": "endpoints",
        "LimitRange": "limitranges",
        "Namespace": "namespaces",
        "Node": "nodes",
        "PersistentVolume": "persistentvolumes",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "Pod": "pods",
        "PodTemplate": "podtemplates",
        "ReplicationController": "replicationcontrollers",
        "ResourceQuota": "resourcequotas",
        "Secret": "secrets",
        "Service": "services",
        "ServiceAccount": "serviceaccounts",
    },
    "apps": {
        "ControllerRevision": "controllerrevisions",
        "DaemonSet": "daemonsets",
        "Deployment": "deployments",
        "ReplicaSet": "replicasets",
        "StatefulSet": "statefulsets",
    },
    "autoscaling": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "batch": {"CronJob": "cronjobs", "Job": "jobs"},
    "networking.k8s.io": {
        "Ingress": "ingresses",
        "IngressClass": "ingressclasses",
        "NetworkPolicy": "networkpolicies",
    },
    "policy": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "rbac.authorization.k8s.io": {
        "ClusterRole": "clusterroles",
        "ClusterRoleBinding": "clusterrolebindings",
        "Role": "roles",
        "RoleBinding": "rolebindings",
    },
    "storage.k8s.io": {"StorageClass": "storageclasses"},
}


_CLUSTER_SCOPED: Final = frozenset(
    {
        "ClusterRole",
        "ClusterRoleBinding",
        "IngressClass",
        "Namespace",
        "Node",
        "PersistentVolume",
        "StorageClass",
    }
)
_VERSIONS: Final[Mapping[str, str]] = {"autoscaling": "v2"}


@dataclass(frozen=True, slots=True, order=True)
class Resources:
    """Some resources of one API group; either may be every one (``*``)."""

    group: str
    names: tuple[str, ...]


def resources(matches: Iterable[Mapping[str, Any]]) -> tuple[Resources, ...]:
    """Return the resources of kinds as a constraint's match lists them: ``{apiGroups, kinds}``.

    Of a kind that is not known here, every resource of its group is taken: too many, never too few. An empty
    list of groups or kinds means all, as it does to Gatekeeper.
    """
    found: dict[str, set[str]] = {}
    for match in matches:
        for group in match.get("apiGroups") or [EVERY]:
            for kind in match.get("kinds") or [EVERY]:
                for of, name in _resources(group, kind):
                    found.setdefault(of, set()).add(name)
    if EVERY in found:
        # A kind of whatever group, or a group as a whole: narrower entries beside it would say nothing.
        found = {EVERY: {EVERY}}
    return tuple(
        Resources(group, (EVERY,) if EVERY in names else tuple(sorted(names)))
        for group, names in sorted(found.items())
    )


def known_kind(group: str | None, kind: str) -> Kind | None:
    """Return a kind of Kubernetes' own by its name, and its group where that is known."""
    groups = _RESOURCES if group is None else [group]
    for name in groups:
        if resource := _RESOURCES.get(name, {}).get(kind):
            version = _VERSIONS.get(name, "v1")
            return Kind(name, version, kind, resource, namespaced=kind not in _CLUSTER_SCOPED)
    return None


def known_kinds(items: Iterable[Resources]) -> list[Kind]:
    """Return the kinds of some resources; where every one is meant, all that are known here."""
    return [
        found
        for group, kinds in _RESOURCES.items()
        for kind, resource in kinds.items()
        if any(
            item.group in {group, EVERY} and not {resource, EVERY}.isdisjoint(item.names) for item in items
        )
        and (found := known_kind(group, kind)) is not None
    ]


def _resources(group: str, kind: str) -> list[tuple[str, str]]:
    if group != EVERY:
        return [(group, _RESOURCES.get(group, {}).get(kind, EVERY))]
    return [(EVERY, EVERY)]
