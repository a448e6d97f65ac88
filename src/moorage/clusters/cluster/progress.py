"""How far a cluster is from what is declared. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from moorage.api.versions import KubernetesVersion
from moorage.clusters.cluster.finding import Finding
from moorage.clusters.cluster.leaving import held_up
from moorage.clusters.cluster.snapshot import Made, PoolView, Snapshot, State
from moorage.clusters.cluster.wording import count, plain, sentence

_WAITING = Finding(ok=False, reason="Updating", message="Cluster API is working out what to change")


def of(snapshot: Snapshot, made: Made, desired: KubernetesVersion | None, now: datetime) -> Finding:
    """Say whether everything is as declared, and else what is still to be done. All of it has been told."""
    topology = made.conditions.get("TopologyReconciled")
    if topology is None or topology.generation < made.generation:
        return _WAITING
    if topology.state is State.FALSE and topology.reason in ("ReconcileFailed", "ClusterClassNotReconciled"):
        return Finding(ok=False, reason="TopologyFailed", message=plain(topology.message))
    upgrade = _upgrade(snapshot, made, desired)
    if upgrade is not None:
        return _with_those_held_up(upgrade, snapshot, now)
    if topology.state is not State.TRUE:
        return Finding(ok=False, reason="Updating", message=plain(topology.message))
    return _with_those_held_up(_pools(snapshot), snapshot, now)


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
        return Finding(
            ok=False,
            reason="Upgrading",
            message=f"the control plane goes from {made.control_plane} to {desired}, then the nodes",
        )
    nodes = [m for m in snapshot.machines if m.kubelet is not None]
    behind = [m for m in nodes if m.kubelet is not None and m.kubelet < desired]
    if behind:
        done = len([m for m in nodes if m not in behind and not m.deleting])
        return Finding(
            ok=False,
            reason="Upgrading",
            message=f"{count(done, 'node')} {'runs' if done == 1 else 'run'} {desired}, "
            f"{len(behind)} {'is' if len(behind) == 1 else 'are'} still to be replaced",
        )
    return None


def _pools(snapshot: Snapshot) -> Finding:
    declared = {pool.name for pool in snapshot.declared.spec.node_pools}
    views = {view.name: view for view in snapshot.pools}
    said = [f"pool {name} is being made" for name in sorted(declared - views.keys())]
    said += [f"pool {name} is being removed" for name in sorted(views.keys() - declared)]
    said += [_rolling(view) for name, view in sorted(views.items()) if name in declared]
    if message := sentence(said):
        return Finding(ok=False, reason="Updating", message=message)
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
