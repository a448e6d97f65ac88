"""What runs on this machine, and how well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from moorage import __version__
from moorage.local.auditing import AUDIT
from moorage.local.controlplane import API_SERVER
from moorage.local.errors import NotRunningError
from moorage.local.gatekeeper import GATE, GATEKEEPER, ready_probe
from moorage.local.home import Home
from moorage.local.management import (
    CLUSTER_API,
    CLUSTER_API_BINARY,
    MANAGEMENT_PROGRAMS,
    OPERATOR,
    management_probes,
)
from moorage.local.metrics import METRICS, METRICS_BINARY
from moorage.local.pki import PkiFolder
from moorage.local.ports import LOOPBACK, Ports
from moorage.local.probe import Probe, ask
from moorage.local.supervisor import ProcessStatus, Supervisor, in_thread
from moorage.local.usercluster import known_cluster
from moorage.toolchain.catalog import load_catalog

PLATFORM = "platform"
SUPERVISOR = "supervisor"

_TOOLS = {CLUSTER_API: CLUSTER_API_BINARY, METRICS: METRICS_BINARY}
"""Components that are not called as their binaries."""


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One process of the platform.

    Args:
        component: its name; what `moorage logs` takes.
        part: ``platform``, or the ``namespace/cluster`` that it belongs to.
        healthy: whether it runs and says that it is well.
        health: ``ready``, or in a few words what is wrong.
        uptime_seconds: since its process was started; ``None`` without a process.
        memory_bytes: its proportional share (Linux), or its resident memory.
        version: of its binary; for a user cluster's API server, of what it serves.
        address: where it listens.
    """

    component: str
    part: str
    healthy: bool
    health: str
    uptime_seconds: float | None = None
    memory_bytes: int | None = None
    version: str = ""
    address: str = ""


async def platform_status(home: Home) -> list[ComponentStatus]:
    """Return the state of every process that there should be: the platform's own first, then by cluster.

    Raises:
        NotRunningError: the platform was never started, or was deleted.
    """
    supervisor = Supervisor(home)
    declared = supervisor.declared()
    pid = supervisor.pid
    if pid is None and not declared:
        raise NotRunningError(home.root)
    try:
        statuses = await in_thread(supervisor.statuses)
    except NotRunningError:
        statuses = {}
    ports = Ports(home).known()
    # What an `up` that was interrupted has not come to is missing, too.
    declared = sorted({*declared, *(MANAGEMENT_PROGRAMS if ports else ())})
    probes = _probes(home, ports, declared)
    said = dict(zip(probes, await asyncio.gather(*map(ask, probes.values())), strict=True))
    uptime, memory = _usage(pid)
    first = ComponentStatus(
        component=SUPERVISOR,
        part=PLATFORM,
        healthy=pid is not None,
        health="ready" if pid is not None else "is not running",
        uptime_seconds=uptime,
        memory_bytes=memory,
        address=str(home.socket.relative_to(home.root)),
    )
    rest = [_status(home, name, statuses.get(name), said, ports) for name in declared]
    return [first, *sorted(rest, key=lambda status: (status.part != PLATFORM, status.part, status.component))]


def _status(
    home: Home,
    name: str,
    process: ProcessStatus | None,
    said: Mapping[str, str | None],
    ports: Mapping[str, int],
) -> ComponentStatus:
    cluster_id, _, component = name.rpartition(".")
    is_user = bool(cluster_id) and f"clusters/{cluster_id}/{API_SERVER}" in ports
    about = known_cluster(home, cluster_id) if is_user else None
    if process is None or not process.running:
        health = process.detail if process is not None and process.detail else "is not running"
    else:
        health = said.get(name) or "ready"
    port = ports.get(f"clusters/{name.replace('.', '/')}", ports.get(name.replace(".", "/")))
    uptime, memory = _usage(process.pid if process is not None else None)
    return ComponentStatus(
        component=name,
        part=about.name.removeprefix("project-") if about else PLATFORM,
        healthy=health == "ready",
        health=health,
        version=about.version if about and component == API_SERVER else _version(component),
        uptime_seconds=uptime,
        memory_bytes=memory,
        address=f"{LOOPBACK}:{port}" if port else "",
    )


def _probes(home: Home, ports: Mapping[str, int], declared: list[str]) -> dict[str, Probe]:
    probes: dict[str, Probe] = {}
    try:
        probes |= management_probes(home, ports)
    except KeyError:
        return {}
    for name in declared:
        cluster_id, _, component = name.rpartition(".")
        port = ports.get(f"clusters/{cluster_id}/{component}")
        if component == API_SERVER and port:
            authority = PkiFolder(home.clusters / cluster_id / "pki").certificate("ca")
            probes[name] = Probe(f"https://{LOOPBACK}:{port}/readyz?verbose", authority)
        elif component == GATEKEEPER and port:
            probes[name] = ready_probe(home, cluster_id)
    return {name: probe for name, probe in probes.items() if name in declared}


def _version(component: str) -> str:
    if component in (AUDIT, OPERATOR, GATE):
        return __version__
    tool = _TOOLS.get(component, component)
    return load_catalog().tool(tool).version


def _usage(pid: int | None) -> tuple[float | None, int | None]:
    """Return for how long a process has been there, and its memory."""
    if pid is None:
        return None, None
    try:
        process = psutil.Process(pid)
        memory = process.memory_full_info()
        uptime = max(0.0, time.time() - process.create_time())
    except psutil.Error:
        return None, None
    return uptime, getattr(memory, "pss", 0) or memory.rss
