"""What processes cost, as Linux accounts for it in /proc."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness import BenchError
from moorage.local.home import Home
from moorage.local.supervisor import Supervisor

SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory in MiB, from ``/proc/PID/smaps_rollup``.

    Args:
        pss: the proportional share: a page that n processes map counts as 1/n to each. The sum over all
            processes is what they really take.
        rss: all pages that are mapped and present; what is shared counts in full, to each.
        unique: pages that no other process maps: what would be free if the process ended.
    """

    pss: float
    rss: float
    unique: float

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.pss + other.pss, self.rss + other.rss, self.unique + other.unique)


def memory_of(pids: Iterable[int]) -> Memory:
    """Return the memory of some processes together."""
    return sum((_memory(pid) for pid in pids), Memory(0, 0, 0))


def programs(home: Home) -> dict[str, int]:
    """Return the processes of a platform, by their programs' names."""
    supervisor = Supervisor(home)
    found = {name: status.pid for name, status in supervisor.statuses().items() if status.pid is not None}
    if supervisor.pid is not None:
        found[SUPERVISOR] = supervisor.pid
    return found


def of_user_clusters(names: Iterable[str]) -> set[str]:
    """Return which programs belong to user clusters."""
    return {name for name in names if "." in name and not name.startswith("management.")}


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """How much CPU time processes have taken since they were started."""

    at: float
    pids: Mapping[str, int]
    seconds: Mapping[str, float]

    @classmethod
    def of(cls, home: Home) -> CpuTimes:
        """Read the times of all of a platform's processes."""
        pids = programs(home)
        return cls(time.monotonic(), pids, {name: _cpu_seconds(pid) for name, pid in pids.items()})

    def since(self, before: CpuTimes) -> dict[str, float]:
        """Return the CPU seconds that each process of both has taken in between.

        Raises:
            BenchError: one was started anew in between: its times would say nothing.
        """
        restarted = [name for name, pid in before.pids.items() if self.pids.get(name, pid) != pid]
        if restarted:
            raise BenchError(f"restarted while it was measured: {', '.join(sorted(restarted))}")
        return {
            name: seconds - before.seconds[name]
            for name, seconds in self.seconds.items()
            if name in before.seconds
        }

    def percent_since(self, before: CpuTimes) -> dict[str, float]:
        """Return how many per cent of a core each process has taken in between."""
        elapsed = self.at - before.at
        return {name: 100 * seconds / elapsed for name, seconds in self.since(before).items()}


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _memory(pid: int) -> Memory:
    kib: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, value = line.partition(":")
        kib[name] = int(value.split()[0])
    unique = kib["Private_Clean"] + kib["Private_Dirty"]
    return Memory(kib["Pss"] / 1024, kib["Rss"] / 1024, unique / 1024)
