"""Who this operator is in the election, and whether the one that leads is still alive.

A leader that is killed keeps its lease for some seconds, in which nothing moves. On one machine that wait can
be spared: whoever stands for election can see that the leader's process is gone.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil
from lightkube import AsyncClient

from moorage.kube.kinds import LEASE, Object
from moorage.kube.objects import get, merge_patch

FIELD_MANAGER = "moorage-lease"

_NO_PLATFORM = "-"
_DIGITS = 12
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STAT_AFTER_NAME = 2
_STAT_START_TIME = 21


@dataclass(frozen=True, slots=True)
class Identity:
    """One process.

    Args:
        host: the machine.
        platform: the embedded platform that it belongs to; ``-`` for none.
        boot: since which start of the machine.
        pid: the process id.
        started: when it was started, counted from the boot: a process id comes again, this does not.
        nonce: tells apart what runs twice in one process.
    """

    host: str
    platform: str
    boot: str
    pid: int
    started: int
    nonce: str

    def __str__(self) -> str:
        return f"{self.host}/{self.platform}/{self.boot}/{self.pid}/{self.started}/{self.nonce}"

    @classmethod
    def of_this_process(cls, home: Path | None) -> Identity:
        """Return the identity of the running process."""
        platform = _short(os.fsencode(home.resolve())) if home is not None else _NO_PLATFORM
        pid = os.getpid()
        return cls(socket.gethostname(), platform, _boot(), pid, _started(pid), secrets.token_hex(4))

    @classmethod
    def read(cls, text: str) -> Identity | None:
        """Read an identity from a lease; ``None`` when somebody else wrote it."""
        try:
            host, platform, boot, pid, started, nonce = text.split("/")
            return cls(host, platform, boot, int(pid), int(started), nonce)
        except ValueError:
            return None

    def knows_dead(self, other: Identity) -> bool:
        """Say whether another process is of the same platform and certainly gone.

        Only an embedded platform's processes are judged: containers share names and not processes.
        """
        if self.platform == _NO_PLATFORM or (self.host, self.platform) != (other.host, other.platform):
            return False
        if self.boot != other.boot or not psutil.pid_exists(other.pid):
            return True
        return _started(other.pid) != other.started


async def release_for_the_dead(client: AsyncClient, name: str, namespace: str, identity: Identity) -> bool:
    """Give a lease back for a process that was killed; say whether that was so."""
    lease = await get(client, LEASE, name, namespace)
    if lease is None:
        return False
    holder = Identity.read(str(lease["spec"].get("holderIdentity") or ""))
    if holder is None or not identity.knows_dead(holder):
        return False
    patch: Object = {
        # Whoever was faster has changed it, and then it is not ours to give.
        "metadata": {"resourceVersion": lease["metadata"]["resourceVersion"]},
        "spec": {"holderIdentity": "", "leaseDurationSeconds": 1},
    }
    await merge_patch(client, LEASE, name, namespace, patch, field_manager=FIELD_MANAGER)
    return True


def _boot() -> str:
    try:
        return _short(_BOOT_ID.read_bytes())
    except OSError:
        return "-"  # not Linux: a process is then known by its id alone


def _started(pid: int) -> int:
    """Return when a process was started, in ticks since the boot; 0 where that cannot be said.

    Not by the clock on the wall, which may be set while the process runs.
    """
    try:
        # The name is in parentheses and may hold anything, also spaces and parentheses.
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
        return int(after_name.split()[_STAT_START_TIME - _STAT_AFTER_NAME])
    except (OSError, ValueError, IndexError):
        return 0


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
