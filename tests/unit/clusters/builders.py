"""Short ways to say what there is, for tests that read as a specification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from moorage.api.kubernetescluster import Endpoint, KubernetesCluster
from moorage.api.machinetype import MachineType
from moorage.api.meta import CLUSTER_FINALIZER, PROJECT_FINALIZER
from moorage.api.project import Project
from moorage.api.versions import parse_version
from moorage.clusters.checks import Offer
from moorage.clusters.cluster.plan import ApplyCluster, Go, decide
from moorage.clusters.cluster.snapshot import (
    MachineView,
    Made,
    Observation,
    PoolView,
    Snapshot,
    State,
)
from moorage.clusters.cluster.topology import cluster_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(days=1)

OFFER = Offer(
    "local", tuple(parse_version(text) for text in ("1.34.0", "1.35.0", "1.36.0", "1.36.1", "1.37.2"))
)


def machine_type(
    name: str = "small", *, cpu: str = "2", memory: str = "4Gi", **providers: Any
) -> MachineType:
    return MachineType.parse(
        {
            "metadata": {"name": name, "resourceVersion": "1", "uid": f"uid-{name}"},
            "spec": {"cpu": cpu, "memory": memory, "providers": providers or {"local": {}}},
        }
    )


def project(name: str = "shop", **spec: Any) -> Project:
    return Project.parse(
        {
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                "resourceVersion": "1",
                "generation": 1,
                "finalizers": [PROJECT_FINALIZER],
            },
            "spec": spec,
        }
    )


def pool(name: str = "main", replicas: int | None = 3, **more: Any) -> dict[str, Any]:
    declared = {"name": name, "machineType": "small", **more}
    return declared if replicas is None else {**declared, "replicas": replicas}


def cluster_object(
    name: str = "web",
    *pools: dict[str, Any],
    namespace: str = "project-shop",
    status: dict[str, Any] | None = None,
    deleting: bool = False,
    created: datetime = EARLIER,
    **spec: Any,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": created.isoformat(),
        "finalizers": [CLUSTER_FINALIZER],
    }
    if deleting:
        metadata["deletionTimestamp"] = NOW.isoformat()
    declared = {"version": "1.36", "provider": "local", "nodePools": list(pools), **spec}
    whole = {"metadata": metadata, "spec": declared}
    return {**whole, "status": status} if status is not None else whole


def cluster(name: str = "web", *pools: dict[str, Any], **more: Any) -> KubernetesCluster:
    return KubernetesCluster.parse(cluster_object(name, *pools, **more))


def snapshot(declared: KubernetesCluster | None = None, **more: Any) -> Snapshot:
    found = {
        "declared": declared or cluster("web", pool()),
        "project": "shop",
        "offers": {"local": OFFER},
        "machine_types": {"small": machine_type(), "large": machine_type("large", cpu="8", memory="32Gi")},
    }
    return Snapshot(**{**found, **more})


def seen(state: str = "True", reason: str = "Fine", message: str = "", **more: Any) -> Observation:
    return Observation(State(state), reason, message, **{"since": EARLIER, "generation": 1, **more})


WELL = {
    "ControlPlaneAvailable": seen(),
    "InfrastructureReady": seen(),
    "TopologyReconciled": seen(),
}


def made_as(declared: Snapshot, **more: Any) -> Made:
    """The Cluster of Cluster API, as it is after everything that is declared has been applied."""
    verdict = decide(declared)
    assert isinstance(verdict, Go), verdict
    applied = cluster_of(declared.declared, verdict.project, verdict.version, declared.machine_types)
    return made(applied, **{"version": verdict.version, "control_plane": verdict.version, **more})


def made(observed: dict[str, Any] | None = None, **more: Any) -> Made:
    observed = observed or {"metadata": {"name": "web"}, "spec": {}}
    observed = {**observed, "metadata": {**observed["metadata"], "resourceVersion": "7"}}
    version = parse_version("1.36.1")
    values: dict[str, Any] = {
        "observed": observed,
        "generation": 1,
        "deleting": False,
        "paused": False,
        "version": version,
        "control_plane": version,
        "endpoint": Endpoint(host="127.0.0.1", port=6443),
        "initialized": True,
        "conditions": WELL,
    }
    return Made(**{**values, **more})


def pool_view(name: str = "main", wanted: int = 3, **more: Any) -> PoolView:
    counts = {"total": wanted, "ready": wanted, "up_to_date": wanted, "settled": True, "deleting": False}
    return PoolView(name=name, wanted=wanted, **{**counts, **more})


def machine(name: str = "web-main-1", pool: str = "main", **more: Any) -> MachineView:
    values = {
        "created": EARLIER,
        "joined": True,
        "deleting": False,
        "kubelet": parse_version("1.36.1"),
        "conditions": {"Ready": seen()},
    }
    return MachineView(name=name, pool=pool, **{**values, **more})


def settled(declared: KubernetesCluster | None = None, **more: Any) -> Snapshot:
    """A cluster that is just as it is declared to be."""
    before = snapshot(declared)
    pools = before.declared.spec.node_pools
    found = {
        "made": made_as(before),
        "pools": tuple(pool_view(item.name, item.replicas or 0) for item in pools),
        "machines": tuple(
            machine(f"web-{item.name}-{number}", item.name)
            for item in pools
            for number in range(item.replicas or 0)
        ),
    }
    return snapshot(before.declared, **{**found, **more})


def applied(actions: tuple[Any, ...]) -> dict[str, Any]:
    """The Cluster that is applied, among the actions of a plan."""
    [cluster] = [action.cluster for action in actions if isinstance(action, ApplyCluster)]
    return cluster
