"""Reading everything that is known about one cluster from the cache."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moorage.api.kubernetescluster import Endpoint, KubernetesCluster
from moorage.api.machinetype import MachineType
from moorage.api.meta import POOL_LABEL, PROVIDER_LABEL, SYSTEM_NAMESPACE, ZONES_ANNOTATION, project_of
from moorage.api.project import Project
from moorage.api.versions import InvalidVersionError, KubernetesVersion, parse_version
from moorage.clusters.checks import Offer
from moorage.clusters.claims import Ledger, machine_types_of
from moorage.clusters.cluster.snapshot import (
    MachineView,
    Made,
    Observation,
    Observations,
    PoolView,
    Snapshot,
    State,
)
from moorage.kube.controller import Cache, Key
from moorage.kube.kinds import (
    CAPI_CLUSTER,
    CLUSTER_CLASS,
    KUBERNETES_CLUSTER,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_TYPE,
    PROJECT,
    Object,
)

CLUSTER_NAME_LABEL = "cluster.x-k8s.io/cluster-name"
POOL_TOPOLOGY_LABEL = "topology.cluster.x-k8s.io/deployment-name"


def observe(cache: Cache, ledger: Ledger, key: Key) -> Snapshot | None:
    """Return what is known about a cluster; ``None`` when none of this name is declared.

    Raises:
        InvalidObjectError: what is declared does not follow its schema.
    """
    obj = cache.get(KUBERNETES_CLUSTER, key.name, key.namespace)
    if obj is None or key.namespace is None:
        return None
    declared = KubernetesCluster.parse(obj)
    project = _project(cache, key.namespace)
    made = cache.get(CAPI_CLUSTER, key.name, key.namespace)
    labels = {CLUSTER_NAME_LABEL: key.name}
    deployments = cache.list(MACHINE_DEPLOYMENT, key.namespace, labels)
    machines = cache.list(MACHINE, key.namespace, labels)
    quota = project.spec.quota if project is not None else None
    return Snapshot(
        declared=declared,
        project=project.metadata.name if project is not None else None,
        offers={
            offer.provider: offer
            for obj in cache.list(CLUSTER_CLASS, SYSTEM_NAMESPACE)
            if (offer := offer_of(obj)) is not None
        },
        machine_types={
            name: MachineType.parse(found)
            for name in machine_types_of(declared)
            if (found := cache.get(MACHINE_TYPE, name)) is not None
        },
        shortages=ledger.allotment(key.namespace, quota).refused.get(key.name, ()),
        made=_made(made) if made is not None else None,
        pools=tuple(_pool(item) for item in deployments),
        machines=tuple(_machine(item) for item in machines),
    )


def offer_of(cluster_class: Object) -> Offer | None:
    """Return what a ClusterClass offers; ``None`` when it is no provider's."""
    labels = cluster_class["metadata"].get("labels") or {}
    if PROVIDER_LABEL not in labels:
        return None
    versions = cluster_class.get("spec", {}).get("kubernetesVersions") or ()
    zones = (cluster_class["metadata"].get("annotations") or {}).get(ZONES_ANNOTATION)
    return Offer(
        labels[PROVIDER_LABEL],
        tuple(sorted(parse_version(text) for text in versions)),
        tuple(zones.split(",")) if zones is not None else None,
    )


def _project(cache: Cache, namespace: str) -> Project | None:
    name = project_of(namespace)
    found = cache.get(PROJECT, name) if name is not None else None
    return Project.parse(found) if found is not None else None


def _made(obj: Object) -> Made:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    endpoint = spec.get("controlPlaneEndpoint") or {}
    versions = [
        version
        for item in (status.get("controlPlane") or {}).get("versions") or ()
        if (version := _version(item.get("version"))) is not None
    ]
    return Made(
        observed=obj,
        generation=metadata.get("generation", 0),
        deleting="deletionTimestamp" in metadata,
        paused=bool(spec.get("paused")),
        version=_version((spec.get("topology") or {}).get("version")),
        control_plane=min(versions, default=None),
        endpoint=Endpoint(host=endpoint["host"], port=endpoint["port"]) if endpoint.get("host") else None,
        initialized=bool((status.get("initialization") or {}).get("controlPlaneInitialized")),
        conditions=_conditions(status),
    )


def _pool(obj: Object) -> PoolView:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    return PoolView(
        name=_pool_name(metadata),
        wanted=spec.get("replicas", 0),
        total=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        up_to_date=status.get("upToDateReplicas", 0),
        settled=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        deleting="deletionTimestamp" in metadata,
        version=_version(((spec.get("template") or {}).get("spec") or {}).get("version")),
    )


def _machine(obj: Object) -> MachineView:
    metadata, status = obj["metadata"], obj.get("status") or {}
    return MachineView(
        name=metadata["name"],
        pool=_pool_name(metadata),
        created=_time(metadata["creationTimestamp"]),
        joined=bool((status.get("nodeRef") or {}).get("name")),
        deleting="deletionTimestamp" in metadata,
        kubelet=_version((status.get("nodeInfo") or {}).get("kubeletVersion")),
        conditions=_conditions(status),
    )


def _pool_name(metadata: Mapping[str, Any]) -> str:
    labels = metadata.get("labels") or {}
    name: str = labels.get(POOL_LABEL) or labels.get(POOL_TOPOLOGY_LABEL) or metadata["name"]
    return name


def _conditions(status: Mapping[str, Any]) -> Observations:
    return {
        item["type"]: Observation(
            state=State(item["status"]),
            reason=item.get("reason", ""),
            message=item.get("message", ""),
            since=_time(item["lastTransitionTime"]),
            generation=item.get("observedGeneration", 0),
        )
        for item in status.get("conditions") or ()
    }


def _version(text: str | None) -> KubernetesVersion | None:
    if not text:
        return None
    try:
        return parse_version(text)
    except InvalidVersionError:
        # A node says what it likes; what is no version counts as not known.
        return None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
