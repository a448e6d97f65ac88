"""Reading the claims of a project's clusters on its quota: what each holds, and what it wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moorage.api.kubernetescluster import KubernetesCluster, KubernetesClusterSpec
from moorage.api.machinetype import MachineType
from moorage.api.project import Quota, Usage
from moorage.api.quantities import format_cpu, format_memory, parse_cpu, parse_memory
from moorage.clusters.cluster.topology import MACHINE_TYPE_VARIABLE, MAX_SIZE_ANNOTATION
from moorage.clusters.quota import (
    NOTHING,
    Amounts,
    Claim,
    Limits,
    Shortage,
    allot,
    larger,
    room_for,
    usage,
)
from moorage.kube.controller import Cache
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, MACHINE_TYPE, Object

UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class MachineSize:
    """How large one machine of a type is."""

    cpu_millicores: int
    memory_bytes: int


Sizes = Mapping[str, MachineSize]


def limits(quota: Quota | None) -> Limits:
    """Read a project's quota."""
    if quota is None:
        return UNLIMITED
    return Limits(
        clusters=quota.clusters,
        nodes=quota.nodes,
        cpu_millicores=None if quota.cpu is None else parse_cpu(quota.cpu),
        memory_bytes=None if quota.memory is None else parse_memory(quota.memory),
    )


def reported(used: Amounts) -> Usage:
    """Write what a project uses as its status has it."""
    return Usage(
        clusters=used.clusters,
        nodes=used.nodes,
        cpu=format_cpu(used.cpu_millicores),
        memory=format_memory(used.memory_bytes),
    )


def amounts(used: Usage) -> Amounts:
    """Read what a project's status says it uses."""
    return Amounts(
        clusters=used.clusters or 0,
        nodes=used.nodes or 0,
        cpu_millicores=parse_cpu(used.cpu or 0),
        memory_bytes=parse_memory(used.memory or 0),
    )


def size_of(machine_type: MachineType) -> MachineSize:
    """Read a machine type's size."""
    return MachineSize(parse_cpu(machine_type.spec.cpu), parse_memory(machine_type.spec.memory))


def wanted(spec: KubernetesClusterSpec, sizes: Sizes) -> Amounts:
    """Return what a declaration asks for. A machine type that there is not counts by its nodes alone."""
    total = Amounts(clusters=1)
    for pool in spec.node_pools:
        total += _nodes(pool.most_nodes, sizes.get(pool.machine_type))
    return total


def held(cluster: Object | None) -> Amounts:
    """Return what a Cluster API Cluster of ours was made with; it says so itself."""
    if cluster is None:
        return NOTHING
    total = Amounts(clusters=1)
    workers = cluster.get("spec", {}).get("topology", {}).get("workers") or {}
    for deployment in workers.get("machineDeployments") or ():
        total += _nodes(_most_nodes(deployment), _size_in(deployment))
    return total


@dataclass(frozen=True, slots=True)
class Allotment:
    """How a project's quota is shared out.

    Args:
        limits: the quota.
        used: what is used of it.
        refused: the clusters that do not get what they want, and why.
    """

    limits: Limits
    used: Amounts
    refused: Mapping[str, tuple[Shortage, ...]]


class Ledger:
    """The claims of all projects, read from the cache: what has not changed is not read again.

    Whoever hears of a change says so (`touch`). The answer for a project costs what has changed in it since,
    not what there is, as long as there is room for all that its clusters want.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._books: dict[str, _Book] = {}
        self._sizes: Sizes = {}
        self._types: tuple[str, ...] | None = None

    def touch(self, namespace: str, name: str) -> None:
        """Take note that something about a cluster has changed."""
        if book := self._books.get(namespace):
            book.stale.add(name)

    def claims(self, namespace: str) -> list[Claim]:
        """Return the claims of a project's clusters."""
        return list(self._book(namespace).claims.values())

    def allotment(self, namespace: str, quota: Quota | None) -> Allotment:
        """Share out a project's quota among its clusters."""
        book, limit = self._book(namespace), limits(quota)
        if room_for(book.most, limit):
            return Allotment(limit, book.wanted, {})
        refused = allot(book.claims.values(), limit)
        return Allotment(limit, usage(book.claims.values(), refused), refused)

    def _book(self, namespace: str) -> _Book:
        self._read_sizes()
        book = self._books.get(namespace)
        if book is None:
            book = self._books[namespace] = _Book()
            book.stale |= {
                item["metadata"]["name"] for item in self._cache.list(KUBERNETES_CLUSTER, namespace)
            }
        while book.stale:
            name = book.stale.pop()
            book.enter(name, self._read(namespace, name))
        return book

    def _read(self, namespace: str, name: str) -> Claim | None:
        obj = self._cache.get(KUBERNETES_CLUSTER, name, namespace)
        if obj is None:
            return None
        made = self._cache.get(CAPI_CLUSTER, name, namespace)
        return claim_of(KubernetesCluster.parse(obj), made, self._sizes)

    def _read_sizes(self) -> None:
        objects = self._cache.list(MACHINE_TYPE)
        versions = tuple(obj["metadata"]["resourceVersion"] for obj in objects)
        if versions != self._types:
            self._types = versions
            self._sizes = {obj["metadata"]["name"]: size_of(MachineType.parse(obj)) for obj in objects}
            self._books.clear()


@dataclass(slots=True)
class _Book:
    """One project's claims, and their sums.

    Attributes:
        claims: by the cluster's name.
        stale: the clusters that have to be read again.
        wanted: what all of them want together.
        most: what they would use at most, if everything were granted before anything is given back.
    """

    claims: dict[str, Claim] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    wanted: Amounts = NOTHING
    most: Amounts = NOTHING

    def enter(self, name: str, claim: Claim | None) -> None:
        before = self.claims.pop(name, None)
        if before is not None:
            self.wanted -= before.wanted
            self.most -= larger(before.held, before.wanted)
        if claim is not None:
            self.claims[name] = claim
            self.wanted += claim.wanted
            self.most += larger(claim.held, claim.wanted)


def claim_of(cluster: KubernetesCluster, made: Object | None, sizes: Sizes) -> Claim:
    """Return one cluster's claim. One that is being deleted wants no more than it still has."""
    holds = held(made)
    deleting = cluster.metadata.deletion_timestamp is not None
    return Claim(
        name=cluster.metadata.name,
        created=cluster.metadata.creation_timestamp or datetime.max.replace(tzinfo=UTC),
        held=holds,
        wanted=holds if deleting else wanted(cluster.spec, sizes),
    )


def machine_types_of(cluster: KubernetesCluster) -> set[str]:
    """Return the machine types that a cluster names."""
    names = {pool.machine_type for pool in cluster.spec.node_pools}
    control_plane = cluster.spec.control_plane.machine_type
    return names if control_plane is None else {*names, control_plane}


def _nodes(count: int, size: MachineSize | None) -> Amounts:
    if size is None:
        return Amounts(nodes=count)
    return Amounts(0, count, count * size.cpu_millicores, count * size.memory_bytes)


def _most_nodes(deployment: Mapping[str, Any]) -> int:
    replicas = deployment.get("replicas")
    if replicas is None:
        annotations = (deployment.get("metadata") or {}).get("annotations") or {}
        replicas = annotations.get(MAX_SIZE_ANNOTATION, 0)
    return int(replicas)


def _size_in(deployment: Mapping[str, Any]) -> MachineSize | None:
    for override in (deployment.get("variables") or {}).get("overrides") or ():
        if override.get("name") == MACHINE_TYPE_VARIABLE:
            value = override["value"]
            return MachineSize(parse_cpu(value["cpu"]), parse_memory(value["memory"]))
    return None
