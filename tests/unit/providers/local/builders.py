"""Short ways to say what there is, for tests that read as a specification."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moorage.kube.cache import Cache
from moorage.kube.kinds import (
    CAPI_CLUSTER,
    LOCAL_BOOTSTRAP_CONFIG,
    LOCAL_CLUSTER,
    LOCAL_CONTROL_PLANE,
    LOCAL_MACHINE,
    LOCAL_MACHINE_TEMPLATE,
    MACHINE,
    Kind,
    Object,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NAMESPACE = "project-shop"

_KINDS = (
    CAPI_CLUSTER,
    MACHINE,
    LOCAL_CLUSTER,
    LOCAL_CONTROL_PLANE,
    LOCAL_BOOTSTRAP_CONFIG,
    LOCAL_MACHINE,
    LOCAL_MACHINE_TEMPLATE,
)


def finalizer_of(kind: Kind) -> str:
    return f"local.moorage.dev/{kind.kind.lower()}"


def cache_of(*objects: Object) -> Cache:
    cache = Cache(_KINDS)
    by_kind = {(kind.api_version, kind.kind): kind for kind in _KINDS}
    for obj in objects:
        cache.put(by_kind[obj["apiVersion"], obj["kind"]], obj)
    return cache


def obj(kind: Kind, name: str, **more: Any) -> Object:
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-{name}",
        "resourceVersion": "7",
        "generation": 2,
        "labels": {"cluster.x-k8s.io/cluster-name": "web"},
    }
    metadata.update(more.pop("metadata", {}))
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **more}


def cluster(
    *,
    initialized: bool = True,
    provisioned: bool = True,
    endpoint: bool = True,
    paused: bool = False,
    deleting: bool = False,
    owner: str | None = "uid-product",
) -> Object:
    metadata: dict[str, Any] = {"uid": "12345678-9abc-def0", "labels": {}}
    if owner:
        metadata["ownerReferences"] = [
            {"apiVersion": "moorage.dev/v1alpha1", "kind": "KubernetesCluster", "name": "web", "uid": owner}
        ]
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-24T11:00:00Z"
    spec: Object = {
        "infrastructureRef": {"apiGroup": "local.moorage.dev", "kind": "LocalCluster", "name": "web-infra"},
        "controlPlaneRef": {
            "apiGroup": "local.moorage.dev",
            "kind": "LocalControlPlane",
            "name": "web-plane",
        },
    }
    if endpoint:
        spec["controlPlaneEndpoint"] = {"host": "127.0.0.1", "port": 20001}
    if paused:
        spec["paused"] = True
    status = {
        "initialization": {
            "infrastructureProvisioned": provisioned,
            "controlPlaneInitialized": initialized,
        },
        "failureDomains": [{"name": name} for name in ("a", "b", "c")],
    }
    return obj(CAPI_CLUSTER, "web", metadata=metadata, spec=spec, status=status)


def machine(
    name: str = "web-main-1",
    *,
    bootstrapped: bool = True,
    deleting: bool = False,
    node_ready: bool = False,
    failure_domain: str | None = None,
) -> Object:
    spec: Object = {
        "version": "v1.36.0",
        "bootstrap": {"configRef": {"kind": "LocalBootstrapConfig", "name": name}},
        "infrastructureRef": {"kind": "LocalMachine", "name": name},
    }
    if bootstrapped:
        spec["bootstrap"]["dataSecretName"] = name
    if failure_domain:
        spec["failureDomain"] = failure_domain
    metadata = {"deletionTimestamp": "2026-11-24T11:00:00Z"} if deleting else {}
    conditions = [{"type": "NodeReady", "status": "True" if node_ready else "Unknown"}]
    return obj(MACHINE, name, metadata=metadata, spec=spec, status={"conditions": conditions})


def owned_by_machine(name: str) -> dict[str, Any]:
    return {
        "ownerReferences": [
            {
                "apiVersion": "cluster.x-k8s.io/v1beta2",
                "kind": "Machine",
                "name": name,
                "uid": f"uid-{name}",
                "controller": True,
            }
        ]
    }


def local_machine(  # noqa: PLR0913 - one parameter a fact
    name: str = "web-main-1",
    *,
    provisioned: bool = False,
    held: bool = True,
    fault: str | None = None,
    deleting: bool = False,
    paused: bool = False,
    conditions: list[Object] | None = None,
    zone: str = "b",
    address: str = "10.64.1.1",
    **spec: Any,
) -> Object:
    annotations = {"cluster.x-k8s.io/cloned-from-name": "web-main-template"}
    if fault:
        annotations["local.moorage.dev/fault"] = fault
    if paused:
        annotations["cluster.x-k8s.io/paused"] = ""
    metadata = {**owned_by_machine(name), "annotations": annotations}
    if held:
        metadata["finalizers"] = [finalizer_of(LOCAL_MACHINE)]
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-24T11:00:00Z"
    status: Object = {"conditions": conditions or []}
    if provisioned:
        status |= {
            "initialization": {"provisioned": True},
            "failureDomain": zone,
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
        }
        spec.setdefault("providerID", f"local:///web-123456789a/{name}")
    return obj(
        LOCAL_MACHINE,
        name,
        metadata=metadata,
        spec={"machineType": "small", "cpu": "2", "memory": "4Gi", **spec},
        status=status,
    )


def machine_template(next_fault: str | None = None) -> Object:
    annotations = {"local.moorage.dev/fault-next-machine": next_fault} if next_fault else {}
    return obj(
        LOCAL_MACHINE_TEMPLATE,
        "web-main-template",
        metadata={"annotations": annotations},
        spec={"template": {"spec": {"cpu": "2", "memory": "4Gi"}}},
    )


def control_plane(
    name: str = "web-plane",
    *,
    version: str = "v1.36.0",
    served: str | None = None,
    replicas: int | None = None,
    held: bool = True,
    deleting: bool = False,
    conditions: list[Object] | None = None,
) -> Object:
    metadata: dict[str, Any] = {"finalizers": [finalizer_of(LOCAL_CONTROL_PLANE)] if held else []}
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-24T11:00:00Z"
    status: Object = {"conditions": conditions or []}
    if served:
        status |= {"version": served, "initialization": {"controlPlaneInitialized": True}}
    spec: Object = {"version": version}
    if replicas:
        spec["replicas"] = replicas
    return obj(LOCAL_CONTROL_PLANE, name, metadata=metadata, spec=spec, status=status)


def local_cluster(
    name: str = "web-infra",
    *,
    endpoint: bool = False,
    held: bool = False,
    provisioned: bool = False,
    deleting: bool = False,
    **metadata: Any,
) -> Object:
    metadata["finalizers"] = [finalizer_of(LOCAL_CLUSTER)] if held else []
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-24T11:00:00Z"
    metadata["labels"] = {"cluster.x-k8s.io/cluster-name": "web", **metadata.get("labels", {})}
    spec: Object = {"zones": ["a", "b", "c"]}
    if endpoint:
        spec["controlPlaneEndpoint"] = {"host": "127.0.0.1", "port": 20001}
    status = {"initialization": {"provisioned": True}} if provisioned else {}
    return obj(LOCAL_CLUSTER, name, metadata=metadata, spec=spec, status=status)


def bootstrap_config(*, secret: str | None = None, owned: bool = True, paused: bool = False) -> Object:
    metadata = owned_by_machine("web-main-1") if owned else {}
    if paused:
        metadata["annotations"] = {"cluster.x-k8s.io/paused": "true"}
    status = {"dataSecretName": secret} if secret else {}
    return obj(LOCAL_BOOTSTRAP_CONFIG, "web-main-1", metadata=metadata, spec={}, status=status)


def said(status: Any, type_: str) -> tuple[str, str] | None:
    """Return the status and the reason of a condition in a status model."""
    for item in status.conditions:
        if item.type == type_:
            return (item.status.value, item.reason)
    return None
