"""A machine's Node as a kubelet registers it, and how far a Node is from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from moorage.api.local import FAULT_ANNOTATION
from moorage.api.quantities import format_memory, parse_memory
from moorage.kube.kinds import Object
from moorage.providers.local.contract import UNINITIALIZED_TAINT
from moorage.providers.local.faults import Fault
from moorage.providers.local.names import KUBELET_LABEL, KUBELET_RUNNING, KWOK_ANNOTATION, KWOK_FAKE, REGION

PODS: Final = "110"
EPHEMERAL_STORAGE: Final = "100Gi"
# What a kubelet keeps back by default: it evicts Pods when less memory than this is left.
_EVICTION_BYTES: Final = 100 * 1024**2
OPERATING_SYSTEM: Final = "linux"


@dataclass(frozen=True, slots=True)
class NodeShape:
    """What a machine's Node is to be.

    Args:
        name: the Node's name, which is the machine's.
        machine_uid: the machine's; what identifies the hardware follows from it.
        provider_id: how Cluster API knows that the Node is the machine's.
        machine_type: the name of the machine type, when the machine has one.
        cpu: a quantity.
        memory: a quantity.
        zone: the failure domain that it is in.
        address: its address inside the cluster.
        kubelet_version: as ``v1.36.0``.
        architecture: as Go names it: ``amd64``.
    """

    name: str
    machine_uid: str
    provider_id: str
    machine_type: str | None
    cpu: str
    memory: str
    zone: str
    address: str
    kubelet_version: str
    architecture: str


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What there is of a machine's Node."""

    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def parse_node(obj: Object) -> NodeFacts:
    """Read a Node."""
    metadata = obj["metadata"]
    return NodeFacts(
        uid=metadata["uid"],
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
    )


def registration(shape: NodeShape, fault: Fault | None) -> Object:
    """Return the Node that the machine's kubelet registers when it starts.

    It carries the taint that Cluster API takes away once it has put the Machine's labels and taints on it: no
    Pod comes before.
    """
    return {
        "metadata": {
            "name": shape.name,
            "labels": {**_labels(shape), **_kubelet(fault)},
            "annotations": {KWOK_ANNOTATION: KWOK_FAKE, **_node_fault(fault)},
        },
        "spec": {
            "providerID": shape.provider_id,
            "taints": [{"key": UNINITIALIZED_TAINT, "effect": "NoSchedule"}],
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": shape.address},
                {"type": "Hostname", "address": shape.name},
            ],
            "capacity": capacity(shape.cpu, shape.memory),
            "allocatable": allocatable(shape.cpu, shape.memory),
            "nodeInfo": _node_info(shape),
        },
    }


def correction(shape: NodeShape, fault: Fault | None, found: NodeFacts) -> Object | None:
    """Return the merge patch that puts a Node's metadata right; ``None`` when it is.

    Only what the kubelet owns is touched. What Cluster API or a user has added stays.
    """
    labels = _differing({KUBELET_LABEL: None, **_labels(shape), **_kubelet(fault)}, found.labels)
    annotations = _differing(
        {FAULT_ANNOTATION: None, KWOK_ANNOTATION: KWOK_FAKE, **_node_fault(fault)}, found.annotations
    )
    metadata = {key: value for key, value in (("labels", labels), ("annotations", annotations)) if value}
    return {"metadata": metadata} if metadata else None


def capacity(cpu: str, memory: str) -> dict[str, str]:
    """Return what a machine has."""
    return {"cpu": cpu, "memory": memory, "pods": PODS, "ephemeral-storage": EPHEMERAL_STORAGE}


def allocatable(cpu: str, memory: str) -> dict[str, str]:
    """Return what Pods may have of it."""
    left = max(parse_memory(memory) - _EVICTION_BYTES, 0)
    return {**capacity(cpu, memory), "memory": format_memory(left)}


def _labels(shape: NodeShape) -> dict[str, str]:
    labels = {
        "kubernetes.io/arch": shape.architecture,
        "kubernetes.io/hostname": shape.name,
        "kubernetes.io/os": OPERATING_SYSTEM,
        "topology.kubernetes.io/region": REGION,
        "topology.kubernetes.io/zone": shape.zone,
    }
    if shape.machine_type:
        labels["node.kubernetes.io/instance-type"] = shape.machine_type
    return labels


def _kubelet(fault: Fault | None) -> dict[str, str]:
    return {} if fault is Fault.KUBELET_STOPPED else {KUBELET_LABEL: KUBELET_RUNNING}


def _node_fault(fault: Fault | None) -> dict[str, str]:
    return {FAULT_ANNOTATION: fault.value} if fault is Fault.DISK_PRESSURE else {}


def _node_info(shape: NodeShape) -> dict[str, Any]:
    hardware = uuid5(NAMESPACE_OID, shape.machine_uid)
    return {
        "architecture": shape.architecture,
        "bootID": str(uuid5(hardware, "boot")),
        "containerRuntimeVersion": "kwok://simulated",
        "kernelVersion": "simulated",
        "kubeProxyVersion": shape.kubelet_version,
        "kubeletVersion": shape.kubelet_version,
        "machineID": hardware.hex,
        "operatingSystem": OPERATING_SYSTEM,
        "osImage": "Moorage simulated machine",
        "systemUUID": str(hardware),
    }


def _differing(wanted: Mapping[str, str | None], found: Mapping[str, str]) -> dict[str, str | None]:
    return {key: value for key, value in wanted.items() if found.get(key) != value}
