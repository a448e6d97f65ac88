"""What has happened to a cluster, between one status and the next. Pure.

What people ask about: that it was made, is ready, or is not any more and why; that an upgrade began and
ended; that pools changed their size; that something holds up its deletion. A status that only words anew what
it said before tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from moorage.api.conditions import Condition, ConditionStatus, get_condition, is_true
from moorage.api.kubernetescluster import KubernetesClusterStatus
from moorage.api.versions import KubernetesVersion, parse_version
from moorage.clusters.cluster import deletion
from moorage.clusters.cluster.status import CONTROL_PLANE_READY, DELETING, READY, UP_TO_DATE
from moorage.clusters.cluster.wording import count, sentence
from moorage.kube.events import Occurrence

_ON_THE_WAY = frozenset(
    {"Creating", "Starting", "WaitingForControlPlane", "NodesJoining", "Updating", "Upgrading", "Deleting"}
)
"""Why a condition does not hold while all goes as it should."""

_NOT_READY = "NodesNotReady"
_PAUSED = "Paused"


def happenings(old: KubernetesClusterStatus | None, new: KubernetesClusterStatus) -> tuple[Occurrence, ...]:
    """Return what has happened, in the order in which it is told."""
    before = old or KubernetesClusterStatus()
    return (
        *_created(old, new),
        *_upgrade(before, new),
        *_pools(old, new),
        *_came_true(before, new),
        *_turned_false(before, new),
        *_paused(before, new),
        *_deletion(before, new),
    )


def _created(old: KubernetesClusterStatus | None, new: KubernetesClusterStatus) -> Iterator[Occurrence]:
    if old is None and get_condition(new.conditions, DELETING) is None:
        desired = new.version.desired if new.version is not None else None
        yield Occurrence(
            "Created", f"the cluster is being made{f', with Kubernetes {desired}' if desired else ''}"
        )


def _upgrade(old: KubernetesClusterStatus, new: KubernetesClusterStatus) -> Iterator[Occurrence]:
    wanted_before, wanted = _desired(old), _desired(new)
    if wanted is None:
        return
    if wanted_before is not None and wanted > wanted_before:
        yield Occurrence("UpgradeStarted", f"from Kubernetes {wanted_before} to {wanted}")
    ran, runs = _oldest(old), _oldest(new)
    if ran is not None and runs is not None and ran < wanted <= runs:
        yield Occurrence("UpgradeFinished", f"the control plane and every node run Kubernetes {wanted}")


def _pools(old: KubernetesClusterStatus | None, new: KubernetesClusterStatus) -> Iterator[Occurrence]:
    if old is None:
        return
    before = {pool.name: pool.desired or 0 for pool in old.node_pools}
    now = {pool.name: pool.desired or 0 for pool in new.node_pools}
    if added := [f"pool {name}, of {count(now[name], 'node')}" for name in now if name not in before]:
        yield Occurrence("PoolAdded", sentence(added))
    if gone := [f"pool {name}" for name in before if name not in now]:
        yield Occurrence("PoolRemoved", sentence(gone))
    scaled = [
        f"pool {name} goes from {before[name]} to {count(size, 'node')}"
        for name, size in now.items()
        if before.get(name, size) != size
    ]
    if scaled:
        yield Occurrence("PoolScaled", sentence(scaled))


def _came_true(old: KubernetesClusterStatus, new: KubernetesClusterStatus) -> Iterator[Occurrence]:
    if is_true(new.conditions, CONTROL_PLANE_READY) and not is_true(old.conditions, CONTROL_PLANE_READY):
        yield Occurrence("ControlPlaneReady", "the API server serves")
    if is_true(new.conditions, READY) and not is_true(old.conditions, READY):
        nodes = new.nodes.summary if new.nodes is not None else None
        yield Occurrence("Ready", f"the cluster is ready{f': {nodes} nodes' if nodes else ''}")


def _turned_false(old: KubernetesClusterStatus, new: KubernetesClusterStatus) -> Iterator[Occurrence]:
    told: set[str] = set()
    for type_ in (READY, UP_TO_DATE):
        before, now = get_condition(old.conditions, type_), get_condition(new.conditions, type_)
        if now is None or now.is_true or now.reason in (*_ON_THE_WAY, _PAUSED, *told):
            continue
        if now.reason == _NOT_READY and not (before is not None and before.is_true):
            continue  # a node that has just joined needs a moment
        if before is None or before.is_true or before.reason != now.reason:
            told.add(now.reason)  # both conditions may say the same
            yield Occurrence(now.reason, now.message or f"{type_} is {now.status}", warning=True)


def _paused(old: KubernetesClusterStatus, new: KubernetesClusterStatus) -> Iterator[Occurrence]:
    before, now = (_is_paused(get_condition(status.conditions, UP_TO_DATE)) for status in (old, new))
    if now and not before:
        yield Occurrence("Paused", "nothing of the cluster is changed until it goes on")
    if before and not now:
        yield Occurrence("Resumed", "the cluster goes on")


def _is_paused(found: Condition | None) -> bool:
    return found is not None and found.status is ConditionStatus.UNKNOWN and found.reason == _PAUSED


def _deletion(old: KubernetesClusterStatus, new: KubernetesClusterStatus) -> Iterator[Occurrence]:
    before, now = get_condition(old.conditions, DELETING), get_condition(new.conditions, DELETING)
    if now is None:
        return
    if before is None:
        yield Occurrence("Deleting", "the cluster is being deleted: its nodes, then its control plane")
    if now.reason in deletion.STANDSTILL and (before is None or before.reason != now.reason):
        yield Occurrence("DeletionBlocked", now.message, warning=True)


def _desired(status: KubernetesClusterStatus) -> KubernetesVersion | None:
    return _parsed(status.version.desired) if status.version is not None else None


def _oldest(status: KubernetesClusterStatus) -> KubernetesVersion | None:
    """Return the oldest version that the control plane or a node runs."""
    version = status.version
    if version is None or version.control_plane is None:
        return None
    found = (version.control_plane, version.nodes.min if version.nodes is not None else None)
    return min((parsed for text in found if (parsed := _parsed(text)) is not None), default=None)


def _parsed(text: str | None) -> KubernetesVersion | None:
    return parse_version(text) if text else None
