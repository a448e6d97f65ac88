"""A real VictoriaMetrics on loopback, and the metrics of a cluster that is not there."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

START_SECONDS = 30
HOUR = 3600
DAY = 24 * HOUR
SCRAPE = 300


@dataclass(frozen=True)
class Server:
    """One that runs."""

    url: str
    process: subprocess.Popen[bytes] = field(repr=False)

    def write(self, lines: Iterable[str]) -> None:
        """Have it keep samples, and wait until they can be asked for."""
        content = "\n".join(lines) + "\n"
        httpx2.post(
            f"{self.url}/api/v1/import/prometheus", content=content.encode(), timeout=60, trust_env=False
        ).raise_for_status()
        for path in ("/internal/force_flush", "/internal/resetRollupResultCache"):
            httpx2.get(f"{self.url}{path}", timeout=60, trust_env=False).raise_for_status()


@contextmanager
def victoria_metrics(binary: Path, folder: Path, *flags: str) -> Iterator[Server]:
    """Start one; it does not survive."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [binary, f"-storageDataPath={folder}", f"-httpListenAddr={host}", "-retentionPeriod=10y",
         "-search.latencyOffset=0s", "-memory.allowedBytes=256MB", *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                httpx2.get(f"http://{host}/health", trust_env=False)
                break
            except httpx2.TransportError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise AssertionError("VictoriaMetrics does not start") from None
                time.sleep(0.05)
        yield Server(f"http://{host}", process)
    finally:
        process.kill()
        process.wait()


Curve = Callable[[float], float]
"""A number for a time."""


@dataclass
class Metrics:
    """Writes what cAdvisor and kube-state-metrics would have said."""

    begin: float
    end: float
    lines: list[str] = field(default_factory=list)

    def sample(self, metric: str, labels: Mapping[str, Any], value: float, when: float) -> None:
        told = ",".join(f'{name}="{each}"' for name, each in labels.items())
        self.lines.append(f"{metric}{{{told}}} {value:.6f} {int(when * 1000)}")

    def steady(self, metric: str, labels: Mapping[str, Any], value: float, every: float = HOUR / 2) -> None:
        """A number that stays as it is, all the time."""
        when = self.begin
        while when <= self.end:
            self.sample(metric, labels, value, when)
            when += every
        self.sample(metric, labels, value, self.end)

    def pod(  # noqa: PLR0913 - all of them by name
        self,
        namespace: str,
        pod: str,
        *,
        cpu: Curve,
        memory: Curve,
        owner: tuple[str, str],
        container: str = "app",
        requests: Mapping[str, float] | None = None,
        limits: Mapping[str, float] | None = None,
        throttled: float = 0.0,
        kills: Iterable[float] = (),
        begin: float | None = None,
        end: float | None = None,
        node: str = "one",
    ) -> None:
        """A pod with one container."""
        begin, end = self.begin if begin is None else begin, self.end if end is None else end
        where = {"namespace": namespace, "pod": pod}
        labels = {**where, "container": container}
        used, waited, periods, restarts = 0.0, 0.0, 0.0, 0
        kills = sorted(kills)
        when = begin
        while when <= end:
            used += cpu(when) * SCRAPE
            periods += 10 * SCRAPE
            waited += throttled * 10 * SCRAPE
            self.sample("container_cpu_usage_seconds_total", {**labels, "id": f"/{pod}"}, used, when)
            self.sample("container_memory_working_set_bytes", {**labels, "id": f"/{pod}"}, memory(when), when)
            if throttled:
                self.sample("container_cpu_cfs_throttled_periods_total", labels, waited, when)
                self.sample("container_cpu_cfs_periods_total", labels, periods, when)
            restarts = sum(kill <= when for kill in kills)
            self.sample("kube_pod_container_status_restarts_total", labels, restarts, when)
            if restarts:
                self.sample(
                    "kube_pod_container_status_last_terminated_reason",
                    {**labels, "reason": "OOMKilled"},
                    1,
                    when,
                )
            when += SCRAPE
        span = Metrics(begin, end, self.lines)
        kind, name = owner
        span.steady("kube_pod_owner", {**where, "owner_kind": kind, "owner_name": name,
                                       "owner_is_controller": "true"}, 1)  # fmt: skip
        for what, amounts in (("requests", requests), ("limits", limits)):
            for resource, value in (amounts or {}).items():
                span.steady(f"kube_pod_container_resource_{what}",
                            {**labels, "node": node, "resource": resource}, value, SCRAPE)  # fmt: skip

    def replicaset(self, namespace: str, name: str, kind: str, owner: str) -> None:
        """What owns a ReplicaSet."""
        self.steady(
            "kube_replicaset_owner",
            {"namespace": namespace, "replicaset": name, "owner_kind": kind, "owner_name": owner},
            1,
        )

    def job(self, namespace: str, name: str, cronjob: str, begin: float) -> None:
        """What owns a Job."""
        labels = {"namespace": namespace, "job_name": name, "owner_kind": "CronJob", "owner_name": cronjob}
        Metrics(begin, begin + HOUR, self.lines).steady("kube_job_owner", labels, 1)

    def node(self, name: str, cpu: float, memory: float) -> None:
        for resource, value in (("cpu", cpu), ("memory", memory), ("pods", 110)):
            self.steady("kube_node_status_allocatable", {"node": name, "resource": resource}, value)
