"""Series that were recorded: what the processes of a platform used while its own tests ran.

Each line of `resources_recorded.jsonl` is a process, looked at once a second. A second of theirs is taken for
five minutes, so that half an hour makes five days: real bursts, starts and garbage collections, in an order
that nobody made up. That is all it is; no process of ours has days and weeks.

Another recording: ``python bench/resources_recorded.py SECONDS > bench/resources_recorded.jsonl``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from moorage.advisors.resources.model import HOUR, MIB, PodUse, Samples, Use, Workload
from resources_quality import BEGIN, STEP, Case

FILE: Final = Path(__file__).with_suffix(".jsonl")
SEEN_DAYS, DAYS = 3.1, 4.1
_POINTS: Final = int(DAYS * 24 * HOUR / STEP)
_AN_HOUR: Final = int(HOUR / STEP)
_PROGRAMS: Final = frozenset(
    {"etcd", "kube-apiserver", "kube-controller-manager", "cluster-api-core", "victoria-metrics", "kwok"}
)
_OURS: Final = {"moorage.operator": "operator", "moorage.advisors.audit": "audit"}


def recorded(path: Path = FILE) -> list[Case]:
    """Return the containers that the processes would be."""
    uses = [_use(number, line) for number, line in enumerate(path.read_text().splitlines())]
    return [Case(use, use) for use in uses]


def _use(number: int, line: str) -> Use:
    told = json.loads(line)
    cores = np.array(told["millicores"][:_POINTS], float) / 1000
    memory = np.array(told["mib"][:_POINTS], float) * MIB
    peaks = memory[: len(memory) // _AN_HOUR * _AN_HOUR].reshape(-1, _AN_HOUR).max(axis=1)
    pod = PodUse("p0", Samples(BEGIN, STEP, cores), Samples(BEGIN + HOUR, HOUR, peaks))
    name = f"{told['process']}-{number}"
    return Use(Workload("bench", "Deployment", name), "app", (pod,), running=1, replicas=1.0)


def record(seconds: float) -> Iterator[str]:
    """Look at the platform's processes on this machine once a second; yield a line for each that stayed."""
    found: dict[psutil.Process, tuple[str, list[tuple[float, float, int]]]] = {}
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        for process in psutil.process_iter():
            if process not in found and (name := _name(process)):
                found[process] = (name, [])
        for process, (_, samples) in found.items():
            try:
                times = process.cpu_times()
                samples.append((now, times.user + times.system, process.memory_info().rss))
            except psutil.Error:
                continue
        time.sleep(max(0.0, now + 1 - time.monotonic()))
    for name, samples in found.values():
        if len(samples) > _POINTS:
            yield line_of(name, samples)


def line_of(name: str, samples: list[tuple[float, float, int]]) -> str:
    """Return the line of a process: when it was looked at, its seconds of CPU until then, its bytes."""
    times, used, memory = (np.array(column, float) for column in zip(*samples, strict=True))
    cores = np.diff(used) / np.maximum(np.diff(times), 0.1)
    millicores = np.round(1000 * cores).astype(int).tolist()
    mib = np.round(memory[1:] / MIB, 1).tolist()
    return json.dumps({"process": name, "millicores": millicores, "mib": mib}, separators=(",", ":"))


def _name(process: psutil.Process) -> str:
    try:
        command = process.cmdline()
    except psutil.Error:
        return ""
    program = Path(command[0]).name if command else ""
    if program in _PROGRAMS:
        return program
    return next((name for module, name in _OURS.items() if module in command[:4]), "")


if __name__ == "__main__":
    for line in record(float(sys.argv[1])):
        print(line)
