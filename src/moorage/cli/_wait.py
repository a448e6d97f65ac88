"""Waiting until what was declared is so, with a view of what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli._live import Board, Row, State
from moorage.cli._output import say
from moorage.durations import duration
from moorage.errors import MoorageError

if TYPE_CHECKING:
    from lightkube import AsyncClient

    from moorage.api.conditions import Condition
    from moorage.api.kubernetescluster import KubernetesCluster
    from moorage.cli._names import ClusterRef

WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait until it is so, and show what is waited for.")
]
TimeoutOption = Annotated[
    str, typer.Option("--timeout", metavar="DURATION", help="How long to wait: 90s, 10m, 1h.")
]
DEFAULT_TIMEOUT = "10m"

_SECONDS_BETWEEN_LOOKS = 0.2

_CONDITIONS = (
    ("ControlPlaneReady", "control plane"),
    ("AccessReady", "access for members"),
    ("NodesReady", "nodes"),
    ("UpToDate", "up to date"),
)
_SETTLED = ("Ready", "UpToDate", "AccessReady")


class TimeIsOverError(MoorageError):
    """What was waited for has not come; it may yet."""


def parse_duration(text: str, name: str = "--timeout") -> float:
    """Return the length of time that an option says (``90s``, ``10m``, ``1h``), in seconds.

    Raises:
        DurationError: it says none.
    """
    return duration(text, name=name).total_seconds()


def cluster_rows(cluster: KubernetesCluster) -> list[Row]:
    """Return what a person watches while a cluster comes to be what is declared.

    Nothing is done before the operator has seen the declaration, nor while it runs another version than it
    is to run, however well it is.
    """
    from moorage.api.conditions import get_condition

    status = cluster.status if is_observed(cluster) else None
    version = status.version if status else None
    runs = {}
    if version is not None:
        runs["ControlPlaneReady"] = version.control_plane
        runs["NodesReady"] = version.nodes.min if version.nodes else None
    rows: list[Row] = []
    for type_, name in _CONDITIONS:
        found = get_condition(status.conditions, type_) if status else None
        rows.append(_condition_row(name, found, _way_to_go(cluster, runs.get(type_))))
        if type_ == "NodesReady":
            rows += _pool_rows(cluster)
    return rows


def is_observed(cluster: KubernetesCluster) -> bool:
    """Say whether the status is about the cluster as it is declared now."""
    observed = cluster.status.observed_generation if cluster.status else None
    return (observed or 0) >= (cluster.metadata.generation or 0)


def is_settled(cluster: KubernetesCluster) -> bool:
    """Say whether a cluster is what is declared: ready, up to date, every pool at its size."""
    from moorage.api.conditions import is_true

    status = cluster.status
    if status is None or not is_observed(cluster):
        return False
    reached = {pool.name: pool for pool in status.node_pools}
    return (
        all(is_true(status.conditions, type_) for type_ in _SETTLED)
        and set(reached) == {pool.name for pool in cluster.spec.node_pools}
        and all(
            pool.replicas is None or reached[pool.name].ready == pool.replicas
            for pool in cluster.spec.node_pools
        )
    )


async def wait_for_cluster(
    client: AsyncClient, ref: ClusterRef, *, title: str, timeout_seconds: float
) -> None:
    """Wait until a cluster is what is declared.

    Raises:
        TimeIsOverError: it is not, in time; the message says what is missing.
    """
    from moorage.api.conditions import get_condition
    from moorage.api.kubernetescluster import KubernetesCluster
    from moorage.cli._edit import get_cluster

    latest: KubernetesCluster | None = None

    async def look() -> bool:
        nonlocal latest
        latest = KubernetesCluster.parse(await get_cluster(client, ref))
        board.show_all(cluster_rows(latest))
        return is_settled(latest)

    try:
        with Board(title) as board:
            if await _poll(look, timeout_seconds):
                return
            ready = get_condition(latest.status.conditions, "Ready") if latest and latest.status else None
            missing = f": {ready.message}" if ready and not ready.is_true and ready.message else ""
            raise TimeIsOverError(
                f"cluster {ref} is not there yet after {timeout_seconds:g} s{missing}",
                hint=f"it goes on; `moorage cluster events {ref}` shows what happens",
            )
    except asyncio.CancelledError:  # Ctrl-C ends the waiting, not the work
        say(f"it goes on unwatched; `moorage cluster get {ref}` shows how far it is")
        raise


async def wait_for_deletion(client: AsyncClient, ref: ClusterRef, *, timeout_seconds: float) -> None:
    """Wait until a cluster is gone.

    Raises:
        TimeIsOverError: it is not, in time; the message says what is left.
    """
    from moorage.api.conditions import get_condition
    from moorage.api.kubernetescluster import KubernetesCluster
    from moorage.kube.kinds import KUBERNETES_CLUSTER
    from moorage.kube.objects import get

    left = ""

    async def look() -> bool:
        nonlocal left
        found = await get(client, KUBERNETES_CLUSTER, ref.name, ref.namespace)
        if found is None:
            board.show(Row("deleted", state=State.DONE))
            return True
        cluster = KubernetesCluster.parse(found)
        ready = get_condition(cluster.status.conditions, "Ready") if cluster.status else None
        left = ready.message if ready else ""
        board.show(Row("deleted", left))
        return False

    with Board(f"Deleting cluster {ref}") as board:
        if not await _poll(look, timeout_seconds):
            raise TimeIsOverError(
                f"cluster {ref} is not gone yet after {timeout_seconds:g} s{f': {left}' if left else ''}",
                hint=f"it goes on; `moorage cluster events {ref}` shows what happens",
            )


async def wait_for_project(client: AsyncClient, name: str, *, timeout_seconds: float) -> None:
    """Wait until a project can be used: its namespace and its members' access are there.

    Raises:
        TimeIsOverError: it is not, in time.
    """
    from moorage.api.conditions import get_condition
    from moorage.api.project import Project
    from moorage.cli._edit import get_project

    message = "the operator has not seen it"

    async def look() -> bool:
        nonlocal message
        project = Project.parse(await get_project(client, name))
        if project.status is None:
            return False
        ready = get_condition(project.status.conditions, "Ready")
        message = ready.message if ready else message
        observed = (project.status.observed_generation or 0) >= (project.metadata.generation or 0)
        return observed and ready is not None and ready.is_true

    if not await _poll(look, timeout_seconds):
        raise TimeIsOverError(
            f"project {name} is not ready after {timeout_seconds:g} s: {message}",
            hint="`moorage status` shows whether the operator runs",
        )


async def wait_until_project_is_gone(client: AsyncClient, name: str, *, timeout_seconds: float) -> None:
    """Wait until a project, with its namespace, is gone.

    Raises:
        TimeIsOverError: it is not, in time.
    """
    from moorage.kube.kinds import PROJECT
    from moorage.kube.objects import get

    async def look() -> bool:
        return await get(client, PROJECT, name) is None

    if not await _poll(look, timeout_seconds):
        raise TimeIsOverError(
            f"project {name} is not gone yet after {timeout_seconds:g} s",
            hint=f"it goes on; `moorage project get {name}` shows what is left",
        )


async def _poll(look: Callable[[], Awaitable[bool]], timeout_seconds: float) -> bool:
    from moorage.kube.objects import poll

    async def found() -> bool | None:
        return await look() or None

    return bool(await poll(found, timeout_seconds=timeout_seconds, interval_seconds=_SECONDS_BETWEEN_LOOKS))


def _condition_row(name: str, found: Condition | None, way_to_go: str) -> Row:
    if found is None:
        return Row(name)
    done = found.is_true and not way_to_go
    return Row(name, found.message or way_to_go, State.DONE if done else State.WAITING)


def _way_to_go(cluster: KubernetesCluster, version: str | None) -> str:
    """Say from which version to which something has to go; nothing where it is there."""
    from moorage.api.versions import parse_version

    versions = cluster.status.version if cluster.status else None
    desired = versions.desired if versions else None
    if version is None or desired is None or parse_version(version) == parse_version(desired):
        return ""
    return f"{version}, on the way to {desired}"


def _pool_rows(cluster: KubernetesCluster) -> list[Row]:
    current = is_observed(cluster)
    status = {pool.name: pool for pool in cluster.status.node_pools} if cluster.status else {}
    rows = []
    for pool in cluster.spec.node_pools:
        now = status.get(pool.name)
        ready, up_to_date = (now.ready or 0, now.up_to_date or 0) if now else (0, 0)
        desired = pool.replicas if pool.replicas is not None else (now.desired if now else None)
        wanted = desired if desired is not None else pool.min or 0
        old = (now.total or 0) - up_to_date if now else 0
        way_to_go = _way_to_go(cluster, now.version) if now else ""
        done = current and now is not None and ready == wanted and up_to_date >= wanted and old <= 0
        done = done and not way_to_go
        text = f"{ready} of {wanted} ready"
        if old > 0:
            text += f", {old} to be replaced"
        elif way_to_go:
            text += f", still at {now.version if now else ''}"
        rows.append(Row(f"pool {pool.name}", text, State.DONE if done else State.WAITING, indent=1))
    declared = {pool.name for pool in cluster.spec.node_pools}
    rows += [
        Row(f"pool {name}", f"{pool.total or 0} nodes left", indent=1)
        for name, pool in status.items()
        if name not in declared
    ]
    return rows
