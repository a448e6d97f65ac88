"""How a project is. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from moorage.api.conditions import Condition, ConditionStatus, condition, set_conditions
from moorage.api.project import ProjectStatus
from moorage.clusters.claims import reported
from moorage.clusters.cluster.finding import Finding
from moorage.clusters.cluster.wording import sentence, some
from moorage.clusters.project.snapshot import Snapshot
from moorage.clusters.quota import room_for

READY = "Ready"
WITHIN_QUOTA = "WithinQuota"
DELETING = "Deleting"


def roll_up(snapshot: Snapshot, *, settled: bool, now: datetime) -> ProjectStatus:
    """Return a project's status.

    Args:
        snapshot: the project.
        settled: whether nothing is left to do for it.
        now: the time.
    """
    found = {READY: _ready(snapshot, settled=settled), WITHIN_QUOTA: _within_quota(snapshot)}
    if snapshot.deleting:
        found[DELETING] = _deleting(snapshot)
    old = snapshot.declared.status
    before = [item for item in (old.conditions if old else ()) if item.type in found]
    generation = snapshot.declared.metadata.generation
    conditions = [_condition(name, finding, now, generation) for name, finding in found.items()]
    return ProjectStatus(
        observed_generation=generation,
        namespace=snapshot.declared.namespace,
        used=reported(snapshot.allotment.used),
        conditions=set_conditions(before, conditions, now),
    )


def differs(new: ProjectStatus, old: ProjectStatus | None) -> bool:
    """Say whether a status says something new."""
    return old is None or _comparable(new) != _comparable(old)


def _comparable(status: ProjectStatus) -> dict[str, Any]:
    wired = status.wire()
    return {**wired, "conditions": {item["type"]: item for item in wired.get("conditions", ())}}


def _ready(snapshot: Snapshot, *, settled: bool) -> Finding:
    if snapshot.deleting:
        return Finding(ok=False, reason="Deleting", message=_deleting(snapshot).message)
    if snapshot.namespace_deleting:
        message = f"namespace {snapshot.declared.namespace} is being deleted, and will be made again"
        return Finding(ok=False, reason="NamespaceDeleting", message=message)
    if snapshot.namespace is None or not settled:
        return Finding(
            ok=False, reason="Updating", message="the namespace and its members' roles are being made"
        )
    return Finding(ok=True, reason="Ready", message="")


def _within_quota(snapshot: Snapshot) -> Finding:
    allotment = snapshot.allotment
    said = [
        f"cluster {name} waits: {sentence(map(str, short))}"
        for name, short in sorted(allotment.refused.items())
    ]
    if not said and not room_for(allotment.used, allotment.limits):
        said = ["more is in use than the quota allows; nothing is taken away, but nothing can grow"]
    if said:
        return Finding(ok=False, reason="QuotaExceeded", message=sentence(said))
    return Finding(ok=True, reason="WithinQuota", message="")


def _deleting(snapshot: Snapshot) -> Finding:
    if snapshot.clusters:
        message = f"delete its clusters first: {some(snapshot.clusters)}"
        return Finding(ok=True, reason="WaitingForClusters", message=message)
    return Finding(ok=True, reason="WaitingForNamespace", message="its namespace is being deleted")


def _condition(name: str, finding: Finding, now: datetime, generation: int | None) -> Condition:
    state = ConditionStatus.TRUE if finding.ok else ConditionStatus.FALSE
    return condition(name, state, finding.reason, finding.message, now=now, observed_generation=generation)
