"""How far a cluster is from what is declared. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from moorage.api.versions import KubernetesVersion
from moorage.clusters.cluster.finding import Finding
from moorage.clusters.cluster.leaving import held_up
from moorage.clusters.cluster.snapshot import Made, PoolView, Snapshot, State
from moorage.clusters.cluster.wording import count, plain, sentence, some

_CONFLICT = "the object has been modified"
_FAILED = frozenset({"ReconcileFailed", "ClusterClassNotReconciled"})
_UPGRADING = "ClusterUpgrading"
_WAITING = Finding(ok=False, reason="Updating", message="Cluster API is working out what to change")


def of(snapshot: Snapshot, made: Made, desired: KubernetesVersion | None, now: datetime) -> Finding:
    """Say whether everything is as declared, and else what is still to be done. All of it has been told."""
    topology = made.conditions.get("TopologyReconciled")
    if topology is None or topology.generation < made.generation:
        return _WAITING
    if topology.state is State.FALSE and topology.reason in _FAILED:
        # That somebody else wrote at the same time is no failure: it is tried again at once.
        conflict = _CONFLICT in topology.message
        return _WAITING if conflict else _unfinished("TopologyFailed", plain(topology.message))
    finding = _upgrade(snapshot, made, desired)
    if finding is None and topology.state is State.FALSE and topology.reason == _UPGRADING:
        # Its message names objects of Cluster API's, which nobody here has declared.
        finding = _unfinished("Upgrading", f"every node runs {desired}; the upgrade is being finished")
    if finding is None and topology.state is not State.TRUE:
        return _unfinished("Updating", plain(topology.message))
    return _with_those_held_up(finding or _pools(snapshot), snapshot, now)


def _unfinished(reason: str, message: str) -> Finding:
    return Finding(ok=False, reason=reason, message=message)


def _with_those_held_up(finding: Finding, snapshot: Snapshot, now: datetime) -> Finding:
    """Name the nodes that do not get away, where something waits for them to go."""
    stuck = held_up(snapshot.machines, now)
    if finding.ok or not stuck.said:
        return finding
    message = sentence([finding.message, *stuck.said])
    return replace(finding, message=message, recheck_after=stuck.recheck_after)


def _upgrade(snapshot: Snapshot, made: Made, desired: KubernetesVersion | None) -> Finding | None:
    if desired is None or not made.initialized:
        return None
    if made.control_plane is not None and made.control_plane < desired:
        return _unfinished(
            "Upgrading", f"the control plane goes from {made.control_plane} to {desired}, then the nodes"
        )
    pools = [_Pool.of(view, snapshot, desired) for view in snapshot.pools if not view.deleting]
    unfinished = [pool for pool in pools if pool.waits or pool.behind]
    if not unfinished:
        return None
    if len(pools) == 1 and pools[0].behind:
        done, behind = pools[0].done, pools[0].behind
        return _unfinished(
            "Upgrading",
            f"{count(done, 'node')} {'runs' if done == 1 else 'run'} {desired}, "
            f"{behind} {'is' if behind == 1 else 'are'} still to be replaced",
        )
    # Cluster API takes one pool after the other.
    said = [
        f"pool {pool.name} goes to {desired}: {count(pool.behind, 'node')} still to be replaced"
        for pool in unfinished
        if not pool.waits
    ]
    waiting = [pool.name for pool in unfinished if pool.waits]
    if waiting:
        said.append(
            f"pool {waiting[0]} waits for its turn"
            if len(waiting) == 1
            else f"pools {some(waiting)} wait for their turn"
        )
    return _unfinished("Upgrading", sentence(said))


@dataclass(frozen=True, slots=True)
class _Pool:
    """How far a pool's upgrade is.

    Args:
        name: the pool.
        waits: whether Cluster API has not begun with it.
        done: how many nodes run the version.
        behind: how many do not yet.
    """

    name: str
    waits: bool
    done: int
    behind: int

    @classmethod
    def of(cls, view: PoolView, snapshot: Snapshot, desired: KubernetesVersion) -> _Pool:
        nodes = [m for m in snapshot.machines if m.pool == view.name and m.kubelet is not None]
        behind = [m for m in nodes if m.kubelet is not None and m.kubelet < desired]
        done = [m for m in nodes if m not in behind and not m.deleting]
        waits = view.version is not None and view.version < desired
        return cls(view.name, waits, len(done), len(behind))


def _pools(snapshot: Snapshot) -> Finding:
    declared = {pool.name for pool in snapshot.declared.spec.node_pools}
    views = {view.name: view for view in snapshot.pools}
    said = [f"pool {name} is being made" for name in sorted(declared - views.keys())]
    said += [f"pool {name} is being removed" for name in sorted(views.keys() - declared)]
    said += [_rolling(view) for name, view in sorted(views.items()) if name in declared]
    if message := sentence(said):
        return _unfinished("Updating", message)
    return Finding(ok=True, reason="UpToDate", message="")


def _rolling(view: PoolView) -> str:
    if view.deleting:
        return f"pool {view.name} is being removed, and will be made again"
    if not view.settled:
        return f"pool {view.name} is being changed"
    if view.up_to_date < view.total:
        return f"{view.up_to_date} of {count(view.total, 'node')} in pool {view.name} up to date"
    if view.total > view.wanted:
        return f"pool {view.name} shrinks from {view.total} to {count(view.wanted, 'node')}"
    if view.total < view.wanted:
        return f"pool {view.name} grows from {view.total} to {count(view.wanted, 'node')}"
    return ""
