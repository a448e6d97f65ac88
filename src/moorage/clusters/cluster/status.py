"""How a cluster is: what Cluster API says of its many objects, rolled up for a person. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moorage.api.conditions import Condition, ConditionStatus, condition, set_conditions
from moorage.api.kubernetescluster import (
    KubernetesClusterStatus,
    NodePoolStatus,
    NodesStatus,
    NodeVersions,
    VersionStatus,
)
from moorage.api.versions import KubernetesVersion
from moorage.clusters.checks import Problem
from moorage.clusters.cluster import deletion, nodes, progress
from moorage.clusters.cluster.finding import Finding
from moorage.clusters.cluster.snapshot import Made, Snapshot, State
from moorage.clusters.cluster.wording import plain

READY = "Ready"
CONTROL_PLANE_READY = "ControlPlaneReady"
NODES_READY = "NodesReady"
UP_TO_DATE = "UpToDate"
DELETING = "Deleting"
OURS = frozenset({READY, CONTROL_PLANE_READY, NODES_READY, UP_TO_DATE, DELETING})


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was decided about a declaration.

    Args:
        desired: the version that the cluster is told to have.
        problem: why the declaration is not followed, or not in its version.
        handed_over: whether Cluster API has been told all of it.
        followed: whether the declaration is what is being worked to, but for its version.
    """

    desired: KubernetesVersion | None = None
    problem: Problem | None = None
    handed_over: bool = False
    followed: bool = False


def roll_up(
    snapshot: Snapshot, outlook: Outlook, now: datetime
) -> tuple[KubernetesClusterStatus, timedelta | None]:
    """Return a cluster's status, and when it will read differently although nothing happens."""
    found: dict[str, Finding] = {}
    if snapshot.deleting:
        found[DELETING] = deletion.progress_of(snapshot, now)
    found[CONTROL_PLANE_READY] = _control_plane(snapshot.made, outlook)
    found[NODES_READY] = nodes.readiness(snapshot, outlook.problem, now, followed=outlook.followed)
    found[UP_TO_DATE] = _up_to_date(snapshot, outlook, now)
    found = {READY: _summary(snapshot, found, outlook), **found}
    old = snapshot.declared.status
    before = [item for item in (old.conditions if old else ()) if item.type in found]
    generation = snapshot.declared.metadata.generation
    conditions = [_condition(name, finding, now, generation) for name, finding in found.items()]
    made, pools = snapshot.made, nodes.counts(snapshot, followed=outlook.followed)
    status = KubernetesClusterStatus(
        observed_generation=generation,
        endpoint=made.endpoint if made is not None else None,
        version=_version(snapshot, outlook),
        nodes=_totals(pools),
        node_pools=pools,
        conditions=_ordered(set_conditions(before, conditions, now), list(found)),
    )
    rechecks = [finding.recheck_after for finding in found.values() if finding.recheck_after is not None]
    return status, min(rechecks, default=None)


def differs(new: KubernetesClusterStatus, old: KubernetesClusterStatus | None) -> bool:
    """Say whether a status says something new. What others write into it is not looked at."""
    return old is None or _comparable(new) != _comparable(old)


def _comparable(status: KubernetesClusterStatus) -> dict[str, Any]:
    wired = status.wire()
    conditions = {item["type"]: item for item in wired.pop("conditions", ()) if item["type"] in OURS}
    pools = {item["name"]: item for item in wired.pop("nodePools", ())}
    wired.pop("caBundle", None)
    return {**wired, "conditions": conditions, "nodePools": pools}


def _summary(snapshot: Snapshot, found: dict[str, Finding], outlook: Outlook) -> Finding:
    if snapshot.deleting:
        return Finding(ok=False, reason="Deleting", message=found[DELETING].message)
    if snapshot.made is None and outlook.problem is not None:
        return Finding(ok=False, reason=outlook.problem.reason, message=outlook.problem.message)
    for name in (CONTROL_PLANE_READY, NODES_READY):
        if not found[name].ok:
            return found[name]
    return Finding(ok=True, reason="Ready", message="")


def _control_plane(made: Made | None, outlook: Outlook) -> Finding:
    if made is None:
        if outlook.problem is not None:
            return Finding(ok=False, reason=outlook.problem.reason, message=outlook.problem.message)
        return Finding(ok=False, reason="Creating", message="the cluster is being made")
    seen = made.conditions.get("ControlPlaneAvailable")
    if seen is not None and seen.state is State.TRUE:
        return Finding(ok=True, reason="Available", message="")
    said = plain(seen.message) if seen is not None else ""
    if not made.initialized:
        infrastructure = made.conditions.get("InfrastructureReady")
        if infrastructure is not None and infrastructure.state is State.FALSE and infrastructure.message:
            said = plain(infrastructure.message)
        message = f"the control plane is starting: {said}" if said else "the control plane is starting"
        return Finding(ok=False, reason="Starting", message=message)
    message = f"the control plane is not available: {said}" if said else "the control plane is not available"
    unknown = seen is not None and seen.state is State.UNKNOWN
    return Finding(ok=None if unknown else False, reason="Unavailable", message=message)


def _up_to_date(snapshot: Snapshot, outlook: Outlook, now: datetime) -> Finding:
    made = snapshot.made
    if snapshot.deleting:
        return Finding(ok=False, reason="Deleting", message="the cluster is being deleted")
    if outlook.problem is not None:
        return Finding(ok=False, reason=outlook.problem.reason, message=outlook.problem.message)
    if snapshot.declared.spec.paused:
        message = "the cluster is paused: changes wait until spec.paused is false"
        return Finding(ok=None, reason="Paused", message=message)
    if made is None or not outlook.handed_over:
        return Finding(ok=False, reason="Updating", message="the declaration is being handed to Cluster API")
    return progress.of(snapshot, made, outlook.desired, now)


def _version(snapshot: Snapshot, outlook: Outlook) -> VersionStatus | None:
    made = snapshot.made
    kubelets = [m.kubelet for m in snapshot.machines if m.kubelet is not None]
    desired = outlook.desired or (made.version if made is not None else None)
    control_plane = made.control_plane if made is not None else None
    said: dict[str, Any] = {}
    if desired is not None:
        said["desired"] = str(desired)
    if control_plane is not None:
        said["control_plane"] = str(control_plane)
    if kubelets:
        said["nodes"] = NodeVersions(min=str(min(kubelets)), max=str(max(kubelets)))
    return VersionStatus(**said) if said else None


def _totals(pools: list[NodePoolStatus]) -> NodesStatus:
    desired = sum(pool.desired or 0 for pool in pools)
    ready = sum(pool.ready or 0 for pool in pools)
    return NodesStatus(desired=desired, ready=ready, summary=f"{ready}/{desired}")


def _condition(name: str, finding: Finding, now: datetime, generation: int | None) -> Condition:
    state = {True: ConditionStatus.TRUE, False: ConditionStatus.FALSE, None: ConditionStatus.UNKNOWN}
    return condition(
        name,
        state[finding.ok],
        finding.reason,
        finding.message,
        now=now,
        observed_generation=generation,
    )


def _ordered(conditions: list[Condition], order: list[str]) -> list[Condition]:
    return sorted(conditions, key=lambda item: order.index(item.type))
