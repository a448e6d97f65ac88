"""Reading what containers used from a Prometheus API, some namespaces at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from moorage.advisors.resources.ends import ends_of, larger, restarts_of, with_kill
from moorage.advisors.resources.model import (
    DAY,
    HOUR,
    NO_SAMPLES,
    PodUse,
    Samples,
    Setting,
    Use,
    Workload,
    World,
)
from moorage.advisors.resources.prometheus import Labels, NoMetricsError, Prometheus
from moorage.advisors.resources.queries import CONTAINER, Queries
from moorage.advisors.resources.signals import BATCH

STEP: Final = 300.0
"""Seconds between two samples of CPU: what shorter bursts need is evened out by the kernel within them."""
MOST_SERIES: Final = 2_000
"""How many containers are read at once; a namespace is never cut."""

_OWNERS: Final = 6 * HOUR
_ALIVE: Final = 3
_PODS_A_QUERY: Final = 50


@dataclass(frozen=True, slots=True)
class Span:
    """Which time is read.

    Args:
        begin: its begin, in seconds of the epoch.
        end: its end.
        step: seconds between two samples of CPU.
        coarse: seconds between two samples of everything else.
    """

    begin: float
    end: float
    step: float = STEP
    coarse: float = HOUR


@dataclass(slots=True)
class Tally:
    """What was read and what was not, for the notes."""

    namespaces: int = 0
    containers: int = 0
    samples: int = 0
    orphans: int = 0
    """Containers of pods that nothing owns, as far as the metrics say."""
    silent: list[str] = field(default_factory=list)
    """Which metrics there are not."""


def read_use(
    prometheus: Prometheus,
    span: Span,
    world: World,
    *,
    namespaces: Sequence[str],
    selector: str,
    tally: Tally,
) -> Iterator[list[Use]]:
    """Yield the containers of some namespaces at a time, in the order of their names.

    Raises:
        NoMetricsError: the server has no such metrics.
        PrometheusError: the server cannot be asked.
    """
    counts = _counts(prometheus, span, Queries(tuple(namespaces), selector))
    if not counts:
        where = f" of {', '.join(namespaces)}" if namespaces else ""
        raise NoMetricsError(
            f"{prometheus.url} has no container_memory_working_set_bytes{where}",
            hint="it is a metric of cAdvisor: is the kubelet's /metrics/cadvisor scraped?",
        )
    tally.namespaces = len(counts)
    readers = (
        _Reader(prometheus, Queries(tuple(batch), selector), span, sum(counts[name] for name in batch))
        for batch in _batches(counts)
    )
    # The next are asked for while those that came are thought about: the server need not wait for us.
    with ThreadPoolExecutor(1, "reader") as ahead:
        coming = None
        for reader in readers:
            following = ahead.submit(reader.uses, world, tally)
            if coming is not None:
                yield coming.result()
            coming = following
        if coming is not None:
            yield coming.result()


def _counts(prometheus: Prometheus, span: Span, queries: Queries) -> dict[str, int]:
    found = prometheus.range(queries.containers_of(), span.begin, span.end + DAY - 1, DAY, ("namespace",))
    return {
        name: int(np.max(samples.present))
        for (name,), samples in sorted(found.items())
        if name and len(samples.present)
    }


def _batches(counts: Mapping[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    series = 0
    for name, count in counts.items():
        if batch and series + count > MOST_SERIES:
            yield batch
            batch, series = [], 0
        batch.append(name)
        series += count
    if batch:
        yield batch


@dataclass(slots=True)
class _Reader:
    """Reads some namespaces."""

    prometheus: Prometheus
    queries: Queries
    span: Span
    series: int

    def uses(self, world: World, tally: Tally) -> list[Use]:
        step = self.span.step
        coarse = int(self.span.coarse)
        cpu = self._range(self.queries.cpu(int(step)), step)
        memory = self._coarse(self.queries.memory(coarse))
        throttled = self._coarse(self.queries.throttled(coarse))
        restarts = self._coarse(self.queries.restarts(coarse))
        ooms = self._ooms(restarts)
        settings = self._settings()
        owners = self._owners()
        if memory and not cpu and "container_cpu_usage_seconds_total" not in tally.silent:
            tally.silent.append("container_cpu_usage_seconds_total")
        if not owners and not world.running and "kube_pod_owner" not in tally.silent:
            tally.silent.append("kube_pod_owner")
        found: dict[tuple[Workload, str], list[tuple[PodUse, Setting, bool]]] = {}
        pods: dict[tuple[str, str], set[str]] = {}
        settings |= self._settings_of_batch(settings, owners)
        for key in self._every(self.queries.init_containers(int(_OWNERS)), CONTAINER):
            cpu.pop(key, None)
            memory.pop(key, None)
        self._add_told(world, cpu, memory, restarts, ooms)
        for namespace, pod, container in cpu:
            pods.setdefault((namespace, pod), set()).add(container)
        for key in sorted(cpu.keys() | memory.keys()):
            namespace, pod, container = key
            tally.containers += 1
            owner = owners.get((namespace, pod)) or world.owner_of(namespace, pod)
            if owner is None:
                tally.orphans += 1
                continue
            use = PodUse(
                pod,
                cpu.pop(key, NO_SAMPLES),
                memory.pop(key, NO_SAMPLES),
                throttled.get(key, NO_SAMPLES),
                restarts.get(key, NO_SAMPLES),
                ooms.get(key, NO_SAMPLES),
            )
            tally.samples += len(use.cpu.values) + len(use.memory.values)
            told = world.running.get((namespace, pod, container))
            setting = settings.get(key) or (told.setting if told else Setting())
            found.setdefault((owner, container), []).append((use, setting, self._alive(use)))
        return [
            self._use(workload, container, each, world, pods) for (workload, container), each in found.items()
        ]

    def _add_told(
        self,
        world: World,
        cpu: dict[Labels, Samples],
        memory: dict[Labels, Samples],
        restarts: dict[Labels, Samples],
        ooms: dict[Labels, Samples],
    ) -> None:
        """Add what pods tell of themselves, where metrics do not."""
        begin, step = self.span.begin, self.span.coarse
        for key, told in world.running.items():
            if told.before:
                cpu.pop(key, None)
                memory.pop(key, None)
                continue
            if key not in memory and key not in cpu:  # of another namespace, or not seen
                continue
            if key not in restarts:
                restarts[key] = restarts_of(told, begin=begin, step=step)
            ooms[key] = with_kill(ooms.get(key, NO_SAMPLES), told, begin=begin, step=step)

    def _use(
        self,
        workload: Workload,
        container: str,
        found: list[tuple[PodUse, Setting, bool]],
        world: World,
        pods: Mapping[tuple[str, str], set[str]],
    ) -> Use:
        uses = tuple(use for use, _, _ in found)
        running = sum(alive for _, _, alive in found)
        told = [setting for _, setting, alive in found if alive] or [setting for _, setting, _ in found]
        containers = max(len(pods.get((workload.namespace, use.pod), ())) for use in uses)
        return Use(
            workload,
            container,
            uses,
            world.settings.get((workload, container)) or next((s for s in told if s != Setting()), Setting()),
            self._replicas(workload, uses),
            max(containers, 1),
            running,
        )

    def _replicas(self, workload: Workload, uses: Sequence[PodUse]) -> float:
        """Return how many ran at a time in the last week: what a request of theirs costs is paid for that.

        What runs all the time counts from when it was first seen, what runs now and then over all of it.
        """
        begin = max(self.span.begin, self.span.end - 7 * DAY)
        if workload.kind not in BATCH:
            firsts = [float(times[0]) for use in uses if len(times := use.cpu.timed[0])]
            begin = max(begin, min(firsts, default=begin) - self.span.step)
        ran = sum(len(use.cpu.between(begin, self.span.end + 1).present) for use in uses)
        return float(ran * self.span.step / (self.span.end - begin))

    def _alive(self, use: PodUse) -> bool:
        # Of one that has just begun there is memory before there is a rate of CPU.
        samples = use.cpu if len(use.cpu.values) else use.memory
        times, _ = samples.timed
        return bool(len(times)) and float(times[-1]) >= self.span.end - _ALIVE * samples.step

    def _ooms(self, restarts: Mapping[Labels, Samples]) -> dict[Labels, Samples]:
        """Return when containers were killed for want of memory.

        The kubelet says how a container ended last, for as long as it runs since; how often that was is how
        often it was started in that time. Where cAdvisor counts kills, the larger number counts.
        """
        found = self._coarse(self.queries.ooms(int(self.span.coarse)))
        for key, state in self._coarse(self.queries.killed()).items():
            started = restarts.get(key)
            killed = ends_of(state, started) if started is not None else NO_SAMPLES
            found[key] = larger(found[key], killed) if key in found else killed
        return found

    def _settings(self, pods: Sequence[str] = (), seconds: float = HOUR) -> dict[Labels, Setting]:
        told: dict[Labels, dict[str, float]] = {}
        for what, field_ in (("requests", "request"), ("limits", "limit")):
            query = self.queries.setting(what, pods=pods, seconds=int(seconds))
            found = self.prometheus.instant(query, self.span.end, (*CONTAINER, "resource"))
            for labels, value in found.items():
                told.setdefault(labels[:3], {})[f"{labels[3]}_{field_}"] = value
        return {key: Setting(**values) for key, values in told.items()}

    def _settings_of_batch(
        self, known: Mapping[Labels, Setting], owners: Mapping[tuple[str, str], Workload]
    ) -> dict[Labels, Setting]:
        """Return what the last pods of Jobs asked for that do not run now."""
        running = {owners[key[0], key[1]] for key in known if (key[0], key[1]) in owners}
        last: dict[Workload, str] = {}
        for (_, pod), workload in sorted(owners.items()):
            if workload.kind in BATCH and workload not in running:
                last[workload] = pod
        names = sorted(last.values())
        found: dict[Labels, Setting] = {}
        for first in range(0, len(names), _PODS_A_QUERY):
            some = names[first : first + _PODS_A_QUERY]
            found |= self._settings(some, self.span.end - self.span.begin)
        return found

    def _owners(self) -> dict[tuple[str, str], Workload]:
        """Return what a person would edit, for each pod."""
        seconds = int(_OWNERS)
        above = {
            ("ReplicaSet", namespace, name): Workload(namespace, kind, owner)
            for namespace, name, kind, owner in self._labels(
                self.queries.replicaset_owners(seconds), "replicaset"
            )
        }
        above |= {
            ("Job", namespace, name): Workload(namespace, kind, owner)
            for namespace, name, kind, owner in self._labels(self.queries.job_owners(seconds), "job_name")
        }
        found = {}
        for namespace, pod, kind, owner in self._labels(self.queries.pod_owners(seconds), "pod"):
            if kind in {"", "<none>"} or not owner:
                continue
            workload = above.get((kind, namespace, owner))
            if workload is None or workload.kind in {"", "<none>"}:
                workload = Workload(namespace, kind, owner)
            if workload.kind != "Node":  # a static pod: what runs it is a file on that node
                found[namespace, pod] = workload
        return found

    def _labels(self, query: str, name: str) -> Iterator[Labels]:
        yield from sorted(self._every(query, ("namespace", name, "owner_kind", "owner_name")))

    def _every(self, query: str, by: Sequence[str]) -> dict[Labels, Samples]:
        """Return what there was at any time."""
        # The grid goes on beyond the end, so that what was last seen since its last point is seen, too.
        end = math.ceil(self.span.end / _OWNERS) * _OWNERS
        return self.prometheus.range(query, self.span.begin, end, _OWNERS, by, series=self.series)

    def _coarse(self, query: str) -> dict[Labels, Samples]:
        step = self.span.coarse
        end = math.ceil(self.span.end / step) * step
        return self.prometheus.range(query, self.span.begin, end, step, CONTAINER, series=self.series)

    def _range(self, query: str, step: float) -> dict[Labels, Samples]:
        return self.prometheus.range(
            query, self.span.begin, self.span.end, step, CONTAINER, series=self.series
        )
