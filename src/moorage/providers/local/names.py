"""Names that the local provider writes, and that follow from what it is given."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from moorage.api.local import FAULT_ANNOTATION
from moorage.api.meta import LOCAL_GROUP

PROVIDER: Final = "local"
"""The provider's name, which is its ClusterClass's too."""

REGION: Final = "local"

NEXT_FAULT_ANNOTATION: Final = f"{FAULT_ANNOTATION}-next-machine"
"""On a LocalMachineTemplate: the fault of the next machine that is made from it."""

KUBELET_LABEL: Final = f"{LOCAL_GROUP}/kubelet"
KUBELET_RUNNING: Final = "running"
"""kwok plays the kubelet of the Nodes that carry this label, and of no other."""

KWOK_ANNOTATION: Final = "kwok.x-k8s.io/node"
KWOK_FAKE: Final = "fake"

NODE_NETWORK: Final = IPv4Network("10.64.0.0/11")
"""Where machines have their addresses: apart from those of Services (10.96.0.0/16) and of Pods."""

_ID_DIGITS: Final = 10


def cluster_id(name: str, uid: str) -> str:
    """Return what a cluster is called on this machine: unique for all time, and readable."""
    return f"{name}-{uid.replace('-', '')[:_ID_DIGITS]}"


def token_audience(uid: str) -> str:
    """Return what a member's token is meant for: the KubernetesCluster of a uid, and no other."""
    return f"https://moorage.dev/clusters/{uid}"


def provider_id(cluster: str, machine: str) -> str:
    """Return how Cluster API finds a machine's Node."""
    return f"local:///{cluster}/{machine}"


def machine_address(uid: str, taken: frozenset[str]) -> str:
    """Return a machine's address: the same each time, unless another machine of the cluster has it."""
    size = NODE_NETWORK.num_addresses
    offset = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8]) % size
    for step in range(len(taken) + 3):
        address = NODE_NETWORK[(offset + step) % size]
        if _usable(address) and str(address) not in taken:
            return str(address)
    return str(NODE_NETWORK[offset])  # not reached: of n + 3 addresses in a row, n are taken and two unusable


def _usable(address: IPv4Address) -> bool:
    return address.packed[-1] not in (0, 255)
