"""Advise on requests and limits: time and memory for thousands of containers, and how well each method does.

Two weeks of samples are asked of a VictoriaMetrics on this machine. Beside it are the queries that KRR sends
for the same containers (as it publishes them, with as many workers), without what it does with the answers.
Quality is measured on series that are made, and on recorded ones: what is said after some days, held against
the days that follow.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import psutil

from harness import BenchError, Benchmark, Figure, Stopwatch, await_so, main, say, undisturbed
from moorage.advisors.resources.recommenders import Strategy, recommender
from moorage.toolchain import ensure
from resources_quality import SHAPES, Quality, made, quality
from resources_recorded import DAYS as RECORDED_DAYS
from resources_recorded import SEEN_DAYS, recorded

PEER = "KRR's queries"
DAYS, STEP, REPLICAS, NAMESPACES = 14, 300, 5, 20
WORKERS = 6
_FINDINGS = 1
_PATTERNS = 40
_LOOK = 0.1


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what else the command line knows."""
    parser.add_argument("--containers", type=int, default=10_000, metavar="N", help="of pods (%(default)s)")
    parser.add_argument(
        "--each", type=int, default=50, metavar="N", help="containers of a shape (%(default)s)"
    )
    parser.add_argument(
        "--share", type=float, default=0.1, metavar="X", help="of KRR's queries are sent (%(default)s)"
    )


def measure(options: argparse.Namespace) -> list[Figure]:
    """Measure both."""
    return [*_speed(options), *_quality(options)]


def _speed(options: argparse.Namespace) -> list[Figure]:
    binary = asyncio.run(ensure(["victoria-metrics"]))["victoria-metrics"]
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as folder, _server(binary, Path(folder)) as url:
        say(f"writing {options.containers:,} containers of {DAYS} days")
        now = int(time.time()) // STEP * STEP
        _write(url, options.containers, now)
        runs = [_run(url) for _ in range(options.runs)]
        peer = () if options.no_peer else (_peer(url, options.containers, options.share),)
    what = f"{options.containers:,} containers, {DAYS} days"
    return [
        Figure(what, "s", tuple(seconds for seconds, _ in runs), peer, aim="at most 60"),
        Figure(f"{what}: most memory", "MiB", tuple(memory for _, memory in runs), aim="at most 1024"),
    ]


def _quality(options: argparse.Namespace) -> list[Figure]:
    figures = []
    for shape in SHAPES:
        cases = made(shape, options.each)
        for strategy in Strategy:
            figures += _figures(f"{shape}, {strategy}", quality(recommender(strategy), cases))
    cases = recorded()
    for strategy in Strategy:
        found = quality(recommender(strategy), cases, seen_days=SEEN_DAYS, days=RECORDED_DAYS)
        figures += _figures(f"recorded, {strategy}", found)
    return figures


def _figures(name: str, found: Quality) -> list[Figure]:
    if not found.answered:
        return [Figure(f"{name}: containers it answers for", "%", (0.0,))]
    return [
        Figure(f"{name}: days of pods with more memory than proposed", "%", (found.killed,)),
        Figure(f"{name}: memory proposed, of the highest peak", "x", (found.memory,)),
        Figure(f"{name}: samples with more CPU than proposed", "%", (found.short,)),
        Figure(f"{name}: CPU proposed, of percentile 95", "x", (found.cpu,)),
    ]


@contextmanager
def _server(binary: Path, folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [binary, f"-storageDataPath={folder}", f"-httpListenAddr={host}", "-retentionPeriod=10y",
         "-search.latencyOffset=0s", "-memory.allowedBytes=1GB", "-search.disableCache"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await_so(lambda: _answers(f"http://{host}/health"), what="VictoriaMetrics", timeout_seconds=30)
        yield f"http://{host}"
    finally:
        with undisturbed():
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, trust_env=False).is_success
    except httpx2.TransportError:
        return False


def _write(url: str, count: int, now: int) -> None:
    """Write what cAdvisor and kube-state-metrics would have said; series differ in one of some patterns."""
    begin = now - DAYS * 24 * 3600
    fine, rough = np.arange(begin, now + 1, STEP), np.arange(begin, now + 1, 3 * 3600)
    times = {len(each): b",".join(b"%d" % (t * 1000) for t in each.tolist()) for each in (fine, rough)}
    random = np.random.default_rng(1)
    day = np.sin(2 * np.pi * fine / 86_400)
    cpu, memory = [], []
    for _ in range(_PATTERNS):
        rate = random.uniform(0.05, 0.5) * (1 + 0.5 * day) * random.uniform(0.8, 1.2, len(fine))
        cpu.append(b",".join(b"%.3f" % value for value in np.cumsum(rate * STEP).tolist()))
        level = random.uniform(1e8, 1e9) * (1 + 0.1 * random.random(len(fine)))
        memory.append(b",".join(b"%d" % value for value in level.tolist()))
    ones = b",".join([b"1"] * len(rough))

    def line(metric: str, labels: dict[str, str], values: bytes, when: bytes) -> bytes:
        told = ",".join(f'"{name}":"{value}"' for name, value in {"__name__": metric, **labels}.items())
        return b'{"metric":{%b},"values":[%b],"timestamps":[%b]}\n' % (told.encode(), values, when)

    last = b"%d" % (now * 1000)
    with httpx2.Client(timeout=120, trust_env=False) as client:
        lines: list[bytes] = []
        for number in range(count):
            pod = _pod(number)
            labels = {**pod, "container": "app"}
            lines += [
                line("container_cpu_usage_seconds_total", labels, cpu[number % _PATTERNS], times[len(fine)]),
                line("container_memory_working_set_bytes", labels, memory[number * 7 % _PATTERNS],
                     times[len(fine)]),
                line("kube_pod_owner", {**pod, "owner_kind": "StatefulSet", "owner_name": _owner(number),
                                        "owner_is_controller": "true"}, ones, times[len(rough)]),
                line("kube_pod_container_resource_requests", {**labels, "resource": "cpu"}, b"1", last),
                line("kube_pod_container_resource_requests", {**labels, "resource": "memory"}, b"2e9", last),
            ]  # fmt: skip
            if len(lines) >= 500 or number == count - 1:  # noqa: PLR2004 - 20 MB a request
                client.post(f"{url}/api/v1/import", content=b"".join(lines)).raise_for_status()
                lines = []
        client.get(f"{url}/internal/force_flush").raise_for_status()


def _owner(number: int) -> str:
    return f"app-{number // REPLICAS}"


def _pod(number: int) -> dict[str, str]:
    return {
        "namespace": f"team-{number // REPLICAS % NAMESPACES}",
        "pod": f"{_owner(number)}-{number % REPLICAS}",
    }


def _run(url: str) -> tuple[float, float]:
    """Run the command; return its seconds, and the most memory that it had, in MiB."""
    watch = Stopwatch()
    process = subprocess.Popen(
        [sys.executable, "-m", "moorage", "advise", "resources", f"--prometheus={url}", "-o", "json"],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    most = 0.0
    while process.poll() is None:
        try:
            most = max(most, psutil.Process(process.pid).memory_info().rss / 2**20)
        except psutil.Error:
            break
        time.sleep(_LOOK)
    process.wait()
    seconds = watch.seconds
    if process.returncode != _FINDINGS:
        raise BenchError(f"moorage advise resources ended with {process.returncode}, not with findings")
    say(f"moorage: {seconds:.1f} s, {most:.0f} MiB")
    return seconds, most


def _peer(url: str, count: int, share: float) -> float:
    """Send KRR's queries for a share of the workloads; return the seconds that all would take."""
    workloads = max(1, count // REPLICAS)
    sent = max(1, round(workloads * share))
    queries = [query for number in range(sent) for query in _krr(number * REPLICAS)]

    def send(query: str) -> None:
        client.post(f"{url}/api/v1/query", data={"query": query}).raise_for_status()

    with httpx2.Client(timeout=600, trust_env=False) as client, ThreadPoolExecutor(WORKERS) as pool:
        watch = Stopwatch()
        list(pool.map(send, queries))
        seconds = watch.seconds * workloads / sent
    say(f"{PEER}: {watch.seconds:.1f} s for {sent:,} of {workloads:,} workloads, so {seconds:.1f} s for all")
    return seconds


def _krr(number: int) -> Iterator[str]:
    """Yield what KRR asks for a workload: the percentile, the maximum, and how many samples there are."""
    pod = _pod(number)
    pods = "|".join(f"{_owner(number)}-{replica}" for replica in range(REPLICAS))
    where = f'{{namespace="{pod["namespace"]}", pod=~"{pods}", container="app"}}'
    by, window = "by (container, pod, job)", f"[{DAYS * 24}h:75s]"
    cpu = f"max(rate(container_cpu_usage_seconds_total{where}[75s])) {by}"
    memory = f"max(container_memory_working_set_bytes{where}) {by}"
    yield f"quantile_over_time(0.95, {cpu} {window})"
    yield f"max_over_time({memory} {window})"
    yield f"count_over_time(max(container_cpu_usage_seconds_total{where}) {by} {window})"
    yield f"count_over_time({memory} {window})"


BENCHMARK = Benchmark("resources", __doc__ or "", measure, runs=3, peer=PEER, options=options)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
