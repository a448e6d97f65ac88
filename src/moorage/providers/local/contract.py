"""What the provider reads of Cluster API's own objects, as its contracts (v1beta2) define it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from moorage.api.local import FAULT_ANNOTATION
from moorage.kube.cache import Cache, Key
from moorage.kube.kinds import KUBERNETES_CLUSTER, LOCAL_CONTROL_PLANE, Kind, Object
from moorage.providers.local.names import NEXT_FAULT_ANNOTATION, cluster_id

CLUSTER_NAME_LABEL: Final = "cluster.x-k8s.io/cluster-name"
CLONED_FROM_ANNOTATION: Final = "cluster.x-k8s.io/cloned-from-name"
PAUSED_ANNOTATION: Final = "cluster.x-k8s.io/paused"
MANAGED_BY_LABEL: Final = "cluster.x-k8s.io/managed-by"
SECRET_TYPE: Final = "cluster.x-k8s.io/secret"  # noqa: S105 - the name of a type
UNINITIALIZED_TAINT: Final = "node.cluster.x-k8s.io/uninitialized"

READY: Final = "Ready"
AVAILABLE: Final = "Available"
PAUSED: Final = "Paused"


@dataclass(frozen=True, slots=True)
class Owner:
    """What an object of the provider's says about itself, whatever its kind."""

    key: Key
    uid: str
    generation: int
    deleting: bool
    paused: bool
    finalizers: tuple[str, ...]
    cluster_name: str | None
    externally_managed: bool


@dataclass(frozen=True, slots=True)
class OwnerCluster:
    """The Cluster that an object of the provider's belongs to.

    Args:
        key: its namespace and name.
        id: what it is called on this machine.
        product_uid: the KubernetesCluster that it was made for, or the Cluster itself.
        deleting: whether it is on its way out.
        paused: whether nothing of it may be touched.
        endpoint: where its API server listens or will, once that is decided.
        local_control_plane: whether its control plane is one of this provider's, or may still become one: a
            Cluster that is made from a class names its control plane a moment after its infrastructure.
        zones: its failure domains.
        infrastructure_provisioned: whether machines may be made.
        control_plane_initialized: whether its API server has served.
    """

    key: Key
    id: str
    product_uid: str
    deleting: bool
    paused: bool
    endpoint: tuple[str, int] | None
    local_control_plane: bool
    zones: tuple[str, ...]
    infrastructure_provisioned: bool
    control_plane_initialized: bool


@dataclass(frozen=True, slots=True)
class OwnerMachine:
    """The Machine that a LocalMachine or a LocalBootstrapConfig belongs to."""

    name: str
    uid: str
    version: str
    deleting: bool
    failure_domain: str | None
    bootstrap_secret: str | None
    node_ready: bool


def parse_owner(obj: Object) -> Owner:
    """Read what every object of the provider's has in common."""
    metadata = obj["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return Owner(
        key=Key.of(obj),
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        deleting="deletionTimestamp" in metadata,
        paused=PAUSED_ANNOTATION in annotations,
        finalizers=tuple(metadata.get("finalizers") or ()),
        cluster_name=labels.get(CLUSTER_NAME_LABEL) or owner_name(obj, "Cluster"),
        externally_managed=MANAGED_BY_LABEL in labels or MANAGED_BY_LABEL in annotations,
    )


def parse_cluster(obj: Object) -> OwnerCluster:
    """Read a Cluster."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    initialization = status.get("initialization") or {}
    product = next(
        (
            ref["uid"]
            for ref in metadata.get("ownerReferences") or ()
            if ref["kind"] == KUBERNETES_CLUSTER.kind and ref["apiVersion"] == KUBERNETES_CLUSTER.api_version
        ),
        metadata["uid"],
    )
    return OwnerCluster(
        key=Key.of(obj),
        id=cluster_id(metadata["name"], metadata["uid"]),
        product_uid=product,
        deleting="deletionTimestamp" in metadata,
        paused=bool(spec.get("paused")),
        endpoint=endpoint_of(obj),
        local_control_plane=bool(referred(obj, "controlPlaneRef", kind=LOCAL_CONTROL_PLANE.kind))
        or ("topology" in spec and not spec.get("controlPlaneRef")),
        zones=tuple(item["name"] for item in status.get("failureDomains") or ()),
        infrastructure_provisioned=bool(initialization.get("infrastructureProvisioned")),
        control_plane_initialized=bool(initialization.get("controlPlaneInitialized")),
    )


def parse_machine(obj: Object) -> OwnerMachine:
    """Read a Machine."""
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    return OwnerMachine(
        name=metadata["name"],
        uid=metadata["uid"],
        version=spec.get("version") or "",
        deleting="deletionTimestamp" in metadata,
        failure_domain=spec.get("failureDomain"),
        bootstrap_secret=(spec.get("bootstrap") or {}).get("dataSecretName"),
        node_ready=condition_status(obj, "NodeReady") == "True",
    )


def endpoint_of(obj: Object) -> tuple[str, int] | None:
    """Return where the API server of a Cluster or a LocalCluster listens or will, once that is decided."""
    endpoint = (obj.get("spec") or {}).get("controlPlaneEndpoint") or {}
    host, port = endpoint.get("host"), endpoint.get("port")
    return (host, port) if host and port else None


def siblings(cache: Cache, kind: Kind, obj: Object) -> list[Object]:
    """Return the objects of a kind that belong to the same Cluster."""
    metadata = obj["metadata"]
    name = (metadata.get("labels") or {}).get(CLUSTER_NAME_LABEL)
    return cache.list(kind, metadata["namespace"], {CLUSTER_NAME_LABEL: name}) if name else []


def owner_name(obj: Object, kind: str) -> str | None:
    """Return the name of the owner of a kind of Cluster API's, or ``None``."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        group = reference["apiVersion"].partition("/")[0]
        if reference["kind"] == kind and group == "cluster.x-k8s.io":
            return str(reference["name"])
    return None


def referred(obj: Object, *path: str, kind: str) -> tuple[Key, ...]:
    """Return the object of a kind that one of Cluster API's refers to, as a mapping of a watch does."""
    found: object = obj.get("spec")
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    if isinstance(found, Mapping) and found.get("kind") == kind and found.get("name"):
        return (Key(obj["metadata"].get("namespace"), str(found["name"])),)
    return ()


def is_named(cluster: Object | None, ref: str, obj: Object) -> bool | None:
    """Say whether a Cluster refers to an object as its own; ``None`` when it refers to none, or is not there.

    Cluster API's topology controller may make a second one while its cache is behind: the Cluster that it has
    read does not say yet that there is a first. Such an object is nobody's, and goes by itself.

    Args:
        cluster: the Cluster that the object says it belongs to.
        ref: the field of the Cluster: ``infrastructureRef``, ``controlPlaneRef``.
        obj: the object.
    """
    named = ((cluster.get("spec") or {}).get(ref) or {}).get("name") if cluster is not None else None
    return bool(named == obj["metadata"]["name"]) if named else None


def fault_of(obj: Object) -> str | None:
    """Return the fault that is asked for on a LocalMachine."""
    return _annotation(obj, FAULT_ANNOTATION)


def next_fault_of(obj: Object) -> str | None:
    """Return the fault that is asked for, on a LocalMachineTemplate, for the next machine from it."""
    return _annotation(obj, NEXT_FAULT_ANNOTATION)


def _annotation(obj: Object, name: str) -> str | None:
    value: str | None = (obj["metadata"].get("annotations") or {}).get(name)
    return value or None


def waiting(cache: Cache, kind: Kind, cluster: Object, settled: Callable[[Object], bool]) -> list[Key]:
    """Return the objects of a kind that a change of their Cluster may concern.

    A Cluster changes whenever one of its machines does, and may have hundreds: only those are told that are
    not settled yet, and all of them when the Cluster has been paused or goes on.
    """
    metadata = cluster["metadata"]
    paused = "True" if (cluster.get("spec") or {}).get("paused") else "False"
    objects = cache.list(kind, metadata.get("namespace"), {CLUSTER_NAME_LABEL: metadata["name"]})
    return [
        Key.of(obj)
        for obj in objects
        if not settled(obj) or condition_status(obj, PAUSED) not in (None, paused)
    ]


def condition_status(obj: Object, type_: str) -> str | None:
    """Return a condition's status (``True``, ``False``, ``Unknown``), or ``None`` where there is none."""
    for item in (obj.get("status") or {}).get("conditions") or ():
        if item["type"] == type_:
            return str(item["status"])
    return None
