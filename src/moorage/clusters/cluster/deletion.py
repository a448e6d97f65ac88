"""How far a cluster's deletion is, and what holds it up. Pure."""

from __future__ import annotations

from datetime import datetime

from moorage.clusters.cluster.finding import Finding
from moorage.clusters.cluster.leaving import held_up
from moorage.clusters.cluster.snapshot import Snapshot
from moorage.clusters.cluster.wording import count, plain, sentence

_BLOCKED = "Blocked"
_PAUSED = "Paused"
_STEPS = {
    "WaitingForWorkersDeletion": "the node pools are being removed",
    "WaitingForControlPlaneDeletion": "the control plane is being removed",
    "WaitingForInfrastructureDeletion": "the infrastructure is being removed",
    "DeletionCompleted": "everything that was made for it is gone",
}
"""Cluster API's steps, in the words of somebody who has not declared the objects that it names."""

STANDSTILL = frozenset({_BLOCKED, _PAUSED})
"""The reasons by which a deletion goes no further until somebody does something."""


def progress_of(snapshot: Snapshot, now: datetime) -> Finding:
    """Say what a deletion waits for."""
    made = snapshot.made
    if made is None:
        return Finding(ok=True, reason="Deleted", message="everything that was made for it is gone")
    if snapshot.declared.spec.paused:
        message = "the cluster is paused, and stays until spec.paused is false"
        return Finding(ok=True, reason=_PAUSED, message=message)
    if snapshot.machines:
        stuck = held_up(snapshot.machines, now)
        return Finding(
            ok=True,
            reason=_BLOCKED if stuck.long else "WaitingForNodes",
            message=sentence([f"{count(len(snapshot.machines), 'node')} to go", *stuck.said]),
            recheck_after=stuck.recheck_after,
        )
    seen = made.conditions.get("Deleting")
    if seen is None or not made.deleting or not seen.message:
        return Finding(ok=True, reason="Deleting", message="the cluster is being deleted")
    return Finding(ok=True, reason=seen.reason, message=_STEPS.get(seen.reason) or plain(seen.message))
