"""How a cluster's nodes are, pool by pool. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from moorage.api.kubernetescluster import NodePoolStatus
from moorage.api.versions import KubernetesVersion
from moorage.clusters.checks import Problem
from moorage.clusters.cluster.finding import Finding
from moorage.clusters.cluster.snapshot import MachineView, PoolView, Snapshot, oldest
from moorage.clusters.cluster.wording import age, count, next_step, plain, sentence

_SHOWN = 3


def counts(snapshot: Snapshot, *, followed: bool) -> list[NodePoolStatus]:
    """Return how many nodes each pool has; a pool that is going is listed while it has machines.

    Args:
        snapshot: the cluster.
        followed: whether what is declared is what is being worked to. If not, what was last worked to counts.
    """
    views = {view.name: view for view in snapshot.pools}
    declared = [pool.name for pool in snapshot.declared.spec.node_pools]
    going = [name for name in views if name not in declared]
    return [
        _counted(
            name,
            _wanted(snapshot, name, followed=followed),
            views.get(name),
            oldest(machine for machine in snapshot.machines if machine.pool == name),
        )
        for name in (*declared, *going)
    ]


def readiness(snapshot: Snapshot, problem: Problem | None, now: datetime, *, followed: bool) -> Finding:
    """Say whether every pool has the nodes it is to have, and what is wrong with those it has not."""
    made = snapshot.made
    if made is None:
        reason = problem.reason if problem is not None else "WaitingForControlPlane"
        message = problem.message if problem is not None else "nodes come after the control plane"
        return Finding(ok=False, reason=reason, message=message)
    pools = counts(snapshot, followed=followed)
    if not pools:
        return Finding(ok=True, reason="NoNodes", message="the cluster has no node pools")
    short = [pool for pool in pools if (pool.ready or 0) < (pool.desired or 0)]
    if not short:
        return Finding(ok=True, reason="AllReady", message="")
    if not made.initialized:
        return Finding(
            ok=False, reason="WaitingForControlPlane", message="nodes come after the control plane"
        )
    said = [
        f"{pool.ready} of {count(pool.desired or 0, 'node')} {'is' if pool.desired == 1 else 'are'} ready "
        f"in pool {pool.name}"
        for pool in short
    ]
    names = {pool.name for pool in short}
    troubled = sorted(
        (m for m in snapshot.machines if m.pool in names and not m.ready and not m.deleting),
        key=lambda m: (_since(m), m.name),
    )
    said += [trouble(machine, now) for machine in troubled[:_SHOWN]]
    if len(troubled) > _SHOWN:
        said.append(f"and {len(troubled) - _SHOWN} more")
    return Finding(
        ok=False,
        reason="NodesNotReady" if any(m.joined for m in troubled) else "NodesJoining",
        message=sentence(said),
        recheck_after=_soonest(troubled[:_SHOWN], now),
    )


def trouble(machine: MachineView, now: datetime) -> str:
    """Say what a machine waits for, or what is wrong with it."""
    long = age(_since(machine), now)
    what = ("is not ready" if machine.joined else "has not joined") + (f" for {long}" if long else "")
    why = _why(machine)
    return f"{machine.name} {what}: {why}" if why else f"{machine.name} {what}"


def _why(machine: MachineView) -> str:
    for name in ("BootstrapConfigReady", "InfrastructureReady", "NodeHealthy", "Ready"):
        seen = machine.conditions.get(name)
        if seen is not None and seen.state.value != "True" and seen.message:
            return plain(seen.message)
    return ""


def _since(machine: MachineView) -> datetime:
    ready = machine.conditions.get("Ready")
    return ready.since if machine.joined and ready is not None else machine.created


def _soonest(machines: list[MachineView], now: datetime) -> timedelta | None:
    steps = [step for m in machines if (step := next_step(_since(m), now)) is not None]
    return min(steps, default=None)


def _wanted(snapshot: Snapshot, name: str, *, followed: bool) -> int:
    if not followed and snapshot.made is not None:
        return next((view.wanted for view in snapshot.pools if view.name == name), 0)
    for pool in snapshot.declared.spec.node_pools:
        if pool.name == name:
            if pool.replicas is not None:
                return pool.replicas
            view = next((view for view in snapshot.pools if view.name == name), None)
            return max(view.wanted if view is not None else 0, pool.min or 0)
    return 0


def _counted(
    name: str, wanted: int, view: PoolView | None, version: KubernetesVersion | None
) -> NodePoolStatus:
    said = {"version": str(version)} if version is not None else {}
    if view is None:
        return NodePoolStatus(name=name, desired=wanted, total=0, ready=0, up_to_date=0, **said)
    return NodePoolStatus(
        name=name, desired=wanted, total=view.total, ready=view.ready, up_to_date=view.up_to_date, **said
    )
