"""Advise on the permissions of everybody in an audit log: time, memory, and how both grow.

audit2rbac reads the same log for one ServiceAccount, and makes a role of what it did; it knows nothing of
what is granted. Moorage reads it for all of them, holds it against RBAC, and proves each proposal. Both are
measured as a person runs them, from the start of the command to its end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from audit_logs import account, grow, write_log, write_rbac
from harness import BenchError, Benchmark, Figure, Stopwatch, main, say

PEER = "audit2rbac"
_LOOK = 0.1
_FINDINGS = 1


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what else the command line knows."""
    parser.add_argument("--events", type=int, default=300_000, metavar="N", help="in the log (%(default)s)")
    parser.add_argument(
        "--large",
        type=float,
        default=5.0,
        metavar="GB",
        help="size of the log for memory; 0: none (%(default)s)",
    )
    parser.add_argument(
        "--audit2rbac",
        metavar="FILE",
        default=shutil.which(PEER),
        help="the peer's program; else that of the PATH",
    )


def measure(options: argparse.Namespace) -> list[Figure]:
    """Measure both sides on the same log."""
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as folder:
        log, rbac = Path(folder, "audit.log"), Path(folder, "rbac.json")
        say(f"writing {options.events:,} events")
        write_log(log, options.events)
        write_rbac(rbac)
        kilobytes = log.stat().st_size / options.events / 1000
        peer = _peer(log, options)
        what = f"{options.events:,} events of {kilobytes:.2f} kB"
        rates = {
            workers: [options.events / _run(log, rbac, workers)[0] for _ in range(options.runs)]
            for workers in _steps(os.cpu_count() or 1)
        }
        figures = [
            Figure(
                f"{what}, all subjects, {workers} process{'es' * (workers > 1)}",
                "events/s",
                tuple(rate),
                tuple(options.events / seconds for seconds in peer) if workers == max(rates) else (),
                aim="at least 20x" if workers == max(rates) else "",
            )
            for workers, rate in rates.items()
        ]
        memory = [_run(log, rbac, max(rates))[1]]
        figures.append(Figure(f"{what}: most memory of all processes", "MiB", tuple(memory)))
        if options.large:
            figures += _large(log, rbac, Path(folder), options.large, max(rates))
        return figures


def _large(block: Path, rbac: Path, folder: Path, gigabytes: float, workers: int) -> list[Figure]:
    log = folder / "large.log"
    say(f"writing a log of {gigabytes:g} GB")
    events = grow(log, block, int(gigabytes * 1e9))
    seconds, memory = _run(log, rbac, workers)
    what = f"{gigabytes:g} GB, {events:,} events"
    return [
        Figure(f"{what}: most memory of all processes", "MiB", (memory,), aim="at most 500"),
        Figure(f"{what}, all subjects, {workers} processes", "events/s", (events / seconds,)),
    ]


def _steps(cores: int) -> list[int]:
    """Return numbers of processes: 1, 2, 4, ... and as many as there are cores."""
    return sorted({*(2**power for power in range(cores.bit_length()) if 2**power <= cores), cores})


def _run(log: Path, rbac: Path, workers: int) -> tuple[float, float]:
    """Run the command; return its seconds, and the most memory that it had, in MiB."""
    watch = Stopwatch()
    with Path(rbac.parent, "advice.json").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "moorage", "advise", "permissions", f"--audit-log={log}", f"--rbac={rbac}",
             f"--workers={workers}", "-o", "json"],
            stdout=output,
        )  # fmt: skip
        most = 0.0
        while process.poll() is None:
            most = max(most, _memory(process.pid))
            time.sleep(_LOOK)
    seconds = watch.seconds
    if process.returncode != _FINDINGS:
        raise BenchError(f"moorage advise permissions ended with {process.returncode}, not with findings")
    say(f"moorage, {workers} processes: {seconds:.2f} s, {most:.0f} MiB")
    return seconds, most


def _memory(pid: int) -> float:
    """Return the memory of a process and those it started, in MiB; what they share counts once."""
    total = 0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            full = process.memory_full_info()
            total += getattr(full, "pss", full.rss)
    except psutil.Error:
        return 0.0
    return total / 2**20


def _peer(log: Path, options: argparse.Namespace) -> list[float]:
    if options.no_peer:
        return []
    if not options.audit2rbac:
        say(f"{PEER} is not here: name it with --audit2rbac")
        return []
    namespace, name = account()
    found = []
    for _ in range(options.runs):
        watch = Stopwatch()
        done = subprocess.run(
            [options.audit2rbac, f"--filename={log}", f"--serviceaccount={namespace}:{name}"],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"{PEER}: {done.stderr.decode(errors='replace').strip()[-300:]}")
        found.append(watch.seconds)
        say(f"{PEER}: {watch.seconds:.2f} s")
    return found


BENCHMARK = Benchmark("permissions", __doc__ or "", measure, runs=3, peer=PEER, options=options)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
