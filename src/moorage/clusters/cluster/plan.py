"""Deciding what one cluster needs next. Pure: a snapshot and the time in, actions out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from moorage.api.kubernetescluster import KubernetesClusterStatus
from moorage.api.meta import CLUSTER_FINALIZER
from moorage.api.versions import KubernetesVersion, parse_version, resolve
from moorage.clusters.checks import (
    Problem,
    Running,
    check_machine_types,
    check_offered,
    check_provider,
    check_step,
    check_zones,
)
from moorage.clusters.cluster.abandoned import abandoned
from moorage.clusters.cluster.happenings import happenings
from moorage.clusters.cluster.snapshot import Made, Snapshot
from moorage.clusters.cluster.status import Outlook, differs, roll_up
from moorage.clusters.cluster.topology import cluster_of, follows, machine_deployments, strangers
from moorage.kube.events import Occurrence
from moorage.kube.kinds import Object


@dataclass(frozen=True, slots=True)
class HoldObject:
    """Keep the KubernetesCluster from vanishing before what was made for it."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Nothing is left: let the KubernetesCluster vanish."""


@dataclass(frozen=True, slots=True)
class ApplyCluster:
    """Declare the Cluster to Cluster API."""

    cluster: Object = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemoveStrangers:
    """Take machine deployments out of the topology that nobody has declared."""

    names: tuple[str, ...]
    kept: tuple[Object, ...] = field(repr=False)
    resource_version: str


@dataclass(frozen=True, slots=True)
class ReplaceMachine:
    """Delete a machine that can never become a node: Cluster API makes another one."""

    name: str


@dataclass(frozen=True, slots=True)
class SetPaused:
    """Have Cluster API leave the cluster as it is, or go on; nothing else of the Cluster is changed."""

    paused: bool


@dataclass(frozen=True, slots=True)
class DeleteCluster:
    """Have Cluster API take the cluster down: the nodes first, then the control plane."""


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Say how the cluster is, and what has happened since that was said last."""

    status: KubernetesClusterStatus
    happened: tuple[Occurrence, ...] = ()


# What brings an event of its own when it is done, or changes nothing that is looked at here.
QUIET = (LetGo, DeleteCluster, ReplaceMachine, WriteStatus)

Action = (
    HoldObject
    | LetGo
    | ApplyCluster
    | RemoveStrangers
    | ReplaceMachine
    | SetPaused
    | DeleteCluster
    | WriteStatus
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, and when to look again if nothing happens before."""

    actions: tuple[Action, ...]
    recheck_after: timedelta | None = None


def plan_cluster(snapshot: Snapshot, now: datetime) -> Plan:
    """Decide what a cluster needs next.

    What cannot be followed is not followed in part: the cluster stays as it is, and its status says why.
    """
    finalizers = snapshot.declared.metadata.finalizers
    if snapshot.deleting:
        return _deletion(snapshot, now)
    if CLUSTER_FINALIZER not in finalizers:
        # Its event brings the next turn; nothing is made that could be left behind.
        return Plan((HoldObject(),))
    verdict = decide(snapshot)
    paused, made = snapshot.declared.spec.paused, snapshot.made
    actions: list[Action] = []
    if isinstance(verdict, Problem):
        outlook = Outlook(problem=verdict)
    else:
        cluster = cluster_of(snapshot.declared, verdict.project, verdict.version, snapshot.machine_types)
        actions += [] if paused else _realise(cluster, made)
        handed_over = made is not None and not made.deleting and not actions
        outlook = Outlook(verdict.version, verdict.hindrance, handed_over=handed_over, followed=not paused)
    if made is not None and made.paused != paused and not actions:
        actions.append(SetPaused(paused))
    lonely, recheck = ([], None) if paused or made is None else abandoned(snapshot.machines, now)
    actions += [ReplaceMachine(machine.name) for machine in lonely]
    return _with_status(actions, snapshot, outlook, now, recheck)


@dataclass(frozen=True, slots=True)
class Go:
    """The declaration can be followed.

    Args:
        project: whose cluster it is.
        version: the version that the cluster is told to have.
        hindrance: why that is not the one that is declared.
    """

    project: str
    version: KubernetesVersion
    hindrance: Problem | None = None


def decide(snapshot: Snapshot) -> Go | Problem:
    """Decide whether a declaration can be followed, and with which version."""
    spec = snapshot.declared.spec
    if snapshot.project is None:
        return Problem(
            "NoProject",
            f"{snapshot.declared.metadata.namespace} is not the namespace of a project: "
            "declare clusters in the namespace of one",
        )
    problem = (
        check_provider(spec.provider, snapshot.offers)
        or check_machine_types(spec, snapshot.machine_types)
        or check_zones(spec, snapshot.offers[spec.provider])
    )
    if problem is not None:
        return problem
    if snapshot.shortages:
        return Problem(
            "QuotaExceeded",
            f"the quota of project {snapshot.project} is exceeded: "
            + "; ".join(str(short) for short in snapshot.shortages),
        )
    return _version(snapshot, snapshot.project)


def _version(snapshot: Snapshot, project: str) -> Go | Problem:
    """Choose the version. A cluster that there is keeps its own while it cannot have the one it asks for."""
    requested = snapshot.declared.spec.version
    offer = snapshot.offers[snapshot.declared.spec.provider]
    wanted = resolve(requested, offer.versions)
    problem = check_offered(requested, offer) if wanted is None else None
    current = snapshot.made.version if snapshot.made is not None else None
    if current is None or snapshot.made is None:
        return Go(project, wanted) if wanted is not None else problem or Problem("VersionUnknown", requested)
    if _already(requested, current) and (wanted is None or wanted <= current):
        # What it asks for is what it has: a release that was withdrawn since is no reason to move.
        return Go(project, current)
    if wanted is not None:
        problem = check_step(wanted, _running(snapshot, snapshot.made, current))
    return Go(project, current, problem) if problem is not None or wanted is None else Go(project, wanted)


def _already(requested: str, current: KubernetesVersion) -> bool:
    asked = parse_version(requested)
    return asked == current or requested == current.minor_version


def _running(snapshot: Snapshot, made: Made, current: KubernetesVersion) -> Running:
    control_plane = made.control_plane if made.control_plane is not None else current
    return Running(max(control_plane, current), snapshot.oldest_node)


def _realise(cluster: Object, made: Made | None) -> list[Action]:
    """Compare what is declared to Cluster API with what it has; drift is put back."""
    if made is None:
        return [ApplyCluster(cluster)]
    if made.deleting:
        # Somebody deleted the Cluster behind our back. It is made again when the old one is gone.
        return []
    if not follows(made.observed, cluster):
        return [ApplyCluster(cluster)]
    if unknown := strangers(made.observed, cluster):
        kept = tuple(item for item in machine_deployments(made.observed) if item["name"] not in unknown)
        version = str(made.observed["metadata"]["resourceVersion"])
        return [RemoveStrangers(tuple(unknown), kept, version)]
    return []


def _deletion(snapshot: Snapshot, now: datetime) -> Plan:
    if CLUSTER_FINALIZER not in snapshot.declared.metadata.finalizers:
        return Plan(())
    made, paused = snapshot.made, snapshot.declared.spec.paused
    if made is None:
        return Plan((LetGo(),))
    actions: list[Action] = []
    if made.paused != paused:
        # Cluster API does not touch what is paused, not even to delete it.
        actions.append(SetPaused(paused))
    if not made.deleting and not paused:
        actions.append(DeleteCluster())
    return _with_status(actions, snapshot, Outlook(), now)


def _with_status(
    actions: list[Action],
    snapshot: Snapshot,
    outlook: Outlook,
    now: datetime,
    recheck_after: timedelta | None = None,
) -> Plan:
    status, recheck = roll_up(snapshot, outlook, now)
    old = snapshot.declared.status
    if differs(status, old):
        actions.append(WriteStatus(status, happenings(old, status)))
    return Plan(tuple(actions), min(filter(None, (recheck, recheck_after)), default=None))
