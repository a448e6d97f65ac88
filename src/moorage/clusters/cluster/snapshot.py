"""Everything that is known about one cluster, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from moorage.api.kubernetescluster import Endpoint, KubernetesCluster
from moorage.api.machinetype import MachineType
from moorage.api.versions import KubernetesVersion
from moorage.clusters.checks import Offer
from moorage.clusters.quota import Shortage
from moorage.kube.kinds import Object


class State(StrEnum):
    """The status of a condition of Cluster API's."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Observation:
    """One condition of an object of Cluster API's."""

    state: State
    reason: str
    message: str
    since: datetime
    generation: int = 0


Observations = Mapping[str, Observation]


@dataclass(frozen=True, slots=True)
class MachineView:
    """One machine: a node, or what is to become one.

    Args:
        name: its name, and its node's.
        pool: the pool that it belongs to.
        created: since when there is such a machine.
        joined: whether its node has been seen in the cluster.
        deleting: whether it is on its way out.
        kubelet: the version that its node runs.
        conditions: what Cluster API says about it.
    """

    name: str
    pool: str
    created: datetime
    joined: bool
    deleting: bool
    kubelet: KubernetesVersion | None
    conditions: Observations

    @property
    def ready(self) -> bool:
        """Whether its node is there and well, and stays."""
        seen = self.conditions.get("Ready")
        return not self.deleting and seen is not None and seen.state is State.TRUE


@dataclass(frozen=True, slots=True)
class PoolView:
    """The machine deployment of a pool.

    Args:
        name: the pool.
        wanted: how many machines it is to have.
        total: how many there are, with those being replaced.
        ready: how many of them are ready.
        up_to_date: how many of them are as declared.
        settled: whether its controller has seen the newest declaration.
        deleting: whether it is on its way out.
        version: the version that its new machines get.
    """

    name: str
    wanted: int
    total: int
    ready: int
    up_to_date: int
    settled: bool
    deleting: bool
    version: KubernetesVersion | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """The Cluster of Cluster API.

    Args:
        observed: as it is, to compare with what is declared.
        generation: of its declaration.
        deleting: whether it is on its way out.
        paused: whether Cluster API leaves it as it is.
        version: the version that it was told to have.
        control_plane: the oldest version that its control plane runs.
        endpoint: where its API server listens.
        initialized: whether its API server has once accepted requests.
        conditions: what Cluster API says about it.
    """

    observed: Object = field(repr=False)
    generation: int
    deleting: bool
    paused: bool
    version: KubernetesVersion | None
    control_plane: KubernetesVersion | None
    endpoint: Endpoint | None
    initialized: bool
    conditions: Observations


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One cluster: what is declared, what there is, and what is on offer.

    Args:
        declared: the KubernetesCluster.
        project: the project whose namespace it is in; ``None`` when there is no such project.
        offers: what each provider offers.
        machine_types: all machine types.
        shortages: the limits of the project's quota that keep it from getting what it asks for.
        made: the Cluster, when there is one.
        pools: its machine deployments.
        machines: its machines.
    """

    declared: KubernetesCluster
    project: str | None
    offers: Mapping[str, Offer]
    machine_types: Mapping[str, MachineType]
    shortages: tuple[Shortage, ...] = ()
    made: Made | None = None
    pools: tuple[PoolView, ...] = ()
    machines: tuple[MachineView, ...] = ()

    @property
    def deleting(self) -> bool:
        """Whether the cluster is to go."""
        return self.declared.metadata.deletion_timestamp is not None

    @property
    def oldest_node(self) -> KubernetesVersion | None:
        """The oldest version among its nodes."""
        return oldest(self.machines)


def oldest(machines: Iterable[MachineView]) -> KubernetesVersion | None:
    """Return the oldest version that nodes run."""
    return min((m.kubelet for m in machines if m.kubelet is not None), default=None)
