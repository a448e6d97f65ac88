"""What is missing or wrong on this machine, and the mend."""

from __future__ import annotations

import os
import resource
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from cryptography import x509

from moorage.errors import MoorageError
from moorage.local.errors import NO_SPACE_HINT, NotRunningError
from moorage.local.home import Home
from moorage.local.management import BINARIES, etcd_pki, management_pki
from moorage.local.metrics import metrics_pki
from moorage.local.pki import RENEW_BEFORE
from moorage.local.ports import Ports, port_is_free
from moorage.local.status import platform_status
from moorage.local.supervisor import Supervisor, in_thread, platform_processes
from moorage.toolchain import locate
from moorage.toolchain.platforms import Platform

_GIB = 1024**3
_DISK_BYTES = 2 * _GIB
_MEMORY_BYTES = 2 * _GIB
_OPEN_FILES = 4096
_INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
# Seen: seven in an API server, two in a controller manager, one in a scheduler.
_INOTIFY_PER_CLUSTER = 10


Check = Callable[[Home], "Iterator[Diagnosis]"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at.

    Args:
        check: what was looked at.
        ok: whether it is as it should be.
        finding: what was found.
        mend: what to do about it, when it is not.
    """

    check: str
    ok: bool
    finding: str
    mend: str = ""


async def diagnose(home: Home) -> list[Diagnosis]:
    """Look at everything that the platform depends on; nothing is changed."""
    found = await in_thread(lambda: [item for check in _CHECKS for item in _carry_out(check, home)])
    return [*found, *await _components(home)]


def _carry_out(check: Check, home: Home) -> Iterator[Diagnosis]:
    """Carry out one check; that it cannot be carried out is a finding, too."""
    name = check.__name__.strip("_")
    try:
        yield from check(home)
    except MoorageError as error:
        yield Diagnosis(name, ok=False, finding=error.message, mend=error.hint or "")
    except OSError as error:
        yield Diagnosis(name, ok=False, finding=str(error), mend="`moorage down --delete` and start afresh")


def _machine(_: Home) -> Iterator[Diagnosis]:
    try:
        yield Diagnosis("machine", ok=True, finding=f"{Platform.current()}, {os.cpu_count()} cores")
    except MoorageError as error:
        yield Diagnosis("machine", ok=False, finding=error.message, mend=error.hint or "")
    free = psutil.virtual_memory().available
    yield Diagnosis(
        "memory",
        ok=free >= _MEMORY_BYTES,
        finding=f"{free / _GIB:.1f} GiB available",
        mend="end something: the platform needs about 0.8 GiB, and each user cluster 0.5 GiB",
    )
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    enough = limit == resource.RLIM_INFINITY or limit >= _OPEN_FILES
    yield Diagnosis(
        "open files",
        ok=enough,
        finding="no limit" if limit == resource.RLIM_INFINITY else f"at most {limit}",
        mend=f"raise the hard limit to {_OPEN_FILES} (`ulimit -Hn`, or limits.conf)",
    )


def _watches(home: Home) -> Iterator[Diagnosis]:
    """Count inotify instances, of which a user has few on Linux, and each control plane takes some."""
    try:
        limit = int(_INOTIFY_LIMIT.read_text())
    except (OSError, ValueError):
        return  # not Linux
    used = sum(_inotify_instances(process) for process in psutil.process_iter())
    clusters = len(list(home.clusters.iterdir())) if home.clusters.exists() else 0
    room = max(0, limit - used) // _INOTIFY_PER_CLUSTER
    yield Diagnosis(
        "inotify",
        ok=room > 0 or not clusters,
        finding=f"{used} of {limit} instances are used: room for {_more_clusters(room)}",
        mend="`sudo sysctl fs.inotify.max_user_instances=1024`, or delete a cluster",
    )


def _more_clusters(room: int) -> str:
    return f"{room or 'no'} more user cluster{'' if room == 1 else 's'}"


def _inotify_instances(process: psutil.Process) -> int:
    try:
        if process.uids().real != os.getuid():
            return 0
        links = [str(path.readlink()) for path in Path(f"/proc/{process.pid}/fd").iterdir()]
    except (OSError, psutil.Error):
        return 0
    return links.count("anon_inode:inotify")


def _tools(_: Home) -> Iterator[Diagnosis]:
    missing = []
    for name in BINARIES:
        try:
            locate(name)
        except MoorageError as error:
            missing.append((name, error.message))
    if not missing:
        yield Diagnosis("tools", ok=True, finding=f"all {len(BINARIES)} are there")
    for name, said in missing:
        yield Diagnosis("tools", ok=False, finding=f"{name}: {said}", mend="`moorage tools install`")


def _state(home: Home) -> Iterator[Diagnosis]:
    if not home.root.exists():
        yield Diagnosis("state", ok=True, finding=f"{home.root} is not there yet")
        return
    about = home.root.stat()
    if about.st_uid != os.getuid():
        yield Diagnosis(
            "state",
            ok=False,
            finding=f"{home.root} is another user's",
            mend="set MOORAGE_HOME to one of yours",
        )
        return
    mode = stat.S_IMODE(about.st_mode)
    yield Diagnosis(
        "state",
        ok=not mode & 0o077,
        finding=f"{home.root}, mode {mode:04o}",
        mend=f"`chmod 0700 {home.root}`: it holds private keys",
    )
    free = shutil.disk_usage(home.root).free
    yield Diagnosis("disk", ok=free >= _DISK_BYTES, finding=f"{free / _GIB:.1f} GiB free", mend=NO_SPACE_HINT)


def _processes(home: Home) -> Iterator[Diagnosis]:
    supervisor = Supervisor(home)
    declared = supervisor.declared()
    if not declared:
        yield Diagnosis("supervisor", ok=True, finding="nothing was started yet")
        return
    pid = supervisor.pid
    running = pid is not None and supervisor.is_running()
    yield Diagnosis(
        "supervisor",
        ok=running,
        finding=f"process {pid}" if running else "is not running",
        mend="`moorage up` brings everything back",
    )
    if running:
        return
    left = platform_processes(home)
    if left:
        yield Diagnosis(
            "processes",
            ok=False,
            finding=f"{len(left)} run without a supervisor",
            mend="`moorage up` takes over, `moorage down` ends them",
        )
        return
    taken = {name: port for name, port in Ports(home).known().items() if not port_is_free(port)}
    for name, port in sorted(taken.items()):
        yield Diagnosis(
            "ports", ok=False, finding=f"{port} of {name} is taken", mend="end what listens there"
        )


def _certificates(home: Home) -> Iterator[Diagnosis]:
    now = datetime.now(UTC)
    soonest: tuple[datetime, str] | None = None
    for folder in (etcd_pki(home).path, management_pki(home).path, metrics_pki(home).path):
        for path in sorted(folder.glob("*.crt")) if folder.exists() else ():
            try:
                end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
            except ValueError:
                yield Diagnosis(
                    "certificates", ok=False, finding=f"{path} is damaged", mend=f"`rm {path}`, `moorage up`"
                )
                continue
            soonest = min(soonest or (end, path.name), (end, path.name))
    if soonest is None:
        return
    left = soonest[0] - now
    yield Diagnosis(
        "certificates",
        ok=left > RENEW_BEFORE / 2,
        finding=f"{soonest[1]} is the first to expire, in {left.days} days",
        mend="`moorage up` renews it",
    )


async def _components(home: Home) -> list[Diagnosis]:
    try:
        statuses = await platform_status(home)
    except NotRunningError:
        return []
    except MoorageError as error:
        return [Diagnosis("components", ok=False, finding=error.message, mend=error.hint or "")]
    bad = [status for status in statuses if not status.healthy]
    if not bad:
        return [Diagnosis("components", ok=True, finding=f"all {len(statuses)} are ready")]
    return [
        Diagnosis(
            "components",
            ok=False,
            finding=f"{status.component} {status.health}",
            mend=f"`moorage logs {status.component}` shows why; `moorage up` starts what is missing",
        )
        for status in bad
    ]


_CHECKS: tuple[Check, ...] = (
    _machine,
    _watches,
    _tools,
    _state,
    _processes,
    _certificates,
)
