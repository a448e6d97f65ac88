"""On what a benchmark was run."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

from moorage import __version__
from moorage.toolchain.catalog import load_catalog

TOOLS = ("kube-apiserver", "etcd", "cluster-api-core", "kwok")
BUSY = 0.1
"""Which share of its cores a machine uses before it counts as busy."""
_LOOK_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, what runs on it, and how busy it was before anything was measured."""

    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    moorage: str
    tools: dict[str, str]
    load: float

    @classmethod
    def this(cls) -> Machine:
        """Describe this machine, now."""
        catalog = load_catalog()
        return cls(
            cpu=_cpu(),
            cores=_cores(),
            memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
            kernel=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            moorage=__version__,
            tools={name: catalog.tool(name).version for name in TOOLS},
            # Not the load average: it remembers for minutes the benchmark that ran before this one.
            load=round(psutil.cpu_percent(_LOOK_SECONDS) / 100 * _cores(), 2),
        )

    @property
    def busy(self) -> bool:
        """Whether others used the machine, so that what was measured is noise."""
        return self.load > BUSY * self.cores

    def __str__(self) -> str:
        tools = ", ".join(f"{name} {version}" for name, version in self.tools.items())
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:g} GiB, {self.kernel}; "
            f"Python {self.python}, moorage {self.moorage}, {tools}; cores in use before: {self.load:g}"
        )


def _cores() -> int:
    # What this process may use, which in a container or under taskset is not what the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
