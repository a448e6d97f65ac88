"""Reading what containers used from a Prometheus API, some namespaces at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from moorage.advisors.resources.model import (
    DAY,
    HOUR,
    NO_SAMPLES,
    PodUse,
    Resource,
    Samples,
    Setting,
    Use,
    Workload,
    World,
)
from moorage.advisors.resources.prometheus import Labels, Prometheus, PrometheusError
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
    """

    begin: float
    end: float
    step: float = STEP


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
        PrometheusError: the server cannot be asked, or has no such metrics.
    """
    counts = _counts(prometheus, span, Queries(tuple(namespaces), selector))
    if not counts:
        where = f" of {', '.join(namespaces)}" if namespaces else ""
        raise PrometheusError(
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
        cpu = self._range(self.queries.cpu(int(step)), step)
        memory = self._hourly(self.queries.memory(int(HOUR)))
        throttled = self._hourly(self.queries.throttled(int(HOUR)))
        restarts = self._hourly(self.queries.restarts(int(HOUR)))
        ooms = self._ooms(restarts)
        settings = self._settings()
        owners = self._owners()
        if memory and not cpu and "container_cpu_usage_seconds_total" not in tally.silent:
            tally.silent.append("container_cpu_usage_seconds_total")
        if not owners and "kube_pod_owner" not in tally.silent:
            tally.silent.append("kube_pod_owner")
        found: dict[tuple[Workload, str], list[tuple[PodUse, Setting, bool]]] = {}
        pods: dict[tuple[str, str], set[str]] = {}
        settings |= self._settings_of_batch(settings, owners)
        for key in self._every(self.queries.init_containers(int(_OWNERS)), CONTAINER):
            cpu.pop(key, None)
            memory.pop(key, None)
        for namespace, pod, container in cpu:
            pods.setdefault((namespace, pod), set()).add(container)
        for key in sorted(cpu.keys() | memory.keys()):
            namespace, pod, container = key
            tally.containers += 1
            owner = owners.get((namespace, pod))
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
            found.setdefault((owner, container), []).append(
                (use, settings.get(key, Setting()), self._alive(use))
            )
        return [
            self._use(workload, container, each, world, pods) for (workload, container), each in found.items()
        ]

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
            self._replicas(uses),
            max(containers, 1),
            running,
        )

    def _replicas(self, uses: Sequence[PodUse]) -> float:
        """Return how many ran at a time in the last week: what a request of theirs costs is paid for that."""
        begin = max(self.span.begin, self.span.end - 7 * DAY)
        ran = sum(len(use.cpu.between(begin, self.span.end + 1).present) for use in uses)
        return float(ran * self.span.step / (self.span.end - begin))

    def _alive(self, use: PodUse) -> bool:
        times, _ = use.cpu.timed
        return bool(len(times)) and float(times[-1]) >= self.span.end - _ALIVE * self.span.step

    def _ooms(self, restarts: Mapping[Labels, Samples]) -> dict[Labels, Samples]:
        """Return when containers were killed for want of memory.

        The kubelet says how a container ended last, for as long as it runs since; how often that was is how
        often it was started in that time. Where cAdvisor counts kills, the larger number counts.
        """
        found = self._hourly(self.queries.ooms(int(HOUR)))
        for key, state in self._hourly(self.queries.killed()).items():
            started = restarts.get(key)
            killed = _ends(state, started) if started is not None else NO_SAMPLES
            found[key] = _larger(found[key], killed) if key in found else killed
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

    def _hourly(self, query: str) -> dict[Labels, Samples]:
        end = math.ceil(self.span.end / HOUR) * HOUR
        return self.prometheus.range(query, self.span.begin, end, HOUR, CONTAINER, series=self.series)

    def _range(self, query: str, step: float) -> dict[Labels, Samples]:
        return self.prometheus.range(
            query, self.span.begin, self.span.end, step, CONTAINER, series=self.series
        )


def _ends(state: Samples, started: Samples) -> Samples:
    """Return the starts of a container that followed an end of the kind that a state tells of."""
    times, counts = started.timed
    told, _ = state.timed
    # The restart and the state that says why are scraped at the same time, and may lie in two hours.
    after = np.array([bool(np.any((told >= time) & (told <= time + started.step))) for time in times], bool)
    values = np.full(len(started.values), np.nan, np.float32)
    places = np.rint((times - started.begin) / started.step).astype(np.int64)
    values[places[after]] = np.maximum(np.rint(counts[after]), 1)
    return Samples(started.begin, started.step, values)


def _larger(one: Samples, other: Samples) -> Samples:
    if not len(other.values):
        return one
    begin = min(one.begin, other.begin)
    end = max(each.begin + each.step * len(each.values) for each in (one, other))
    values = np.full(round((end - begin) / one.step), np.nan, np.float32)
    for each in (one, other):
        first = round((each.begin - begin) / one.step)
        place = values[first : first + len(each.values)]
        np.fmax(place, each.values, out=place)
    return Samples(begin, one.step, values)


def read_world(prometheus: Prometheus, when: float, queries: Queries) -> World:
    """Read what surrounds workloads from the metrics of kube-state-metrics."""
    from moorage.advisors.resources.model import Bounds, HpaTarget, Quota

    names: dict[tuple[str, str], Workload] = {}
    by = ("namespace", "horizontalpodautoscaler", "scaletargetref_kind", "scaletargetref_name")
    for namespace, name, kind, target in prometheus.instant(queries.hpas(), when, by):
        names[namespace, name] = Workload(namespace, kind, target)
    hpas: dict[Workload, tuple[HpaTarget, ...]] = {}
    by = ("namespace", "horizontalpodautoscaler", "metric_name", "metric_target_type")
    for (namespace, name, metric, kind), value in sorted(
        prometheus.instant(queries.hpa_targets(), when, by).items()
    ):
        workload = names.get((namespace, name))
        if workload is not None and metric in set(Resource):
            target_of = HpaTarget(name, Resource(metric), value if kind == "utilization" else None)
            hpas[workload] = (*hpas.get(workload, ()), target_of)
    ranges: dict[tuple[str, str], dict[str, dict[Resource, float]]] = {}
    by = ("namespace", "limitrange", "resource", "constraint")
    for (namespace, name, resource, kind), value in prometheus.instant(
        queries.limit_ranges(), when, by
    ).items():
        if resource in set(Resource):
            ranges.setdefault((namespace, name), {}).setdefault(kind, {})[Resource(resource)] = value
    bounds: dict[str, tuple[Bounds, ...]] = {}
    for (namespace, name), told in sorted(ranges.items()):
        found = Bounds(name, told.get("min", {}), told.get("max", {}))
        bounds[namespace] = (*bounds.get(namespace, ()), found)
    free: dict[tuple[str, str], dict[str, float]] = {}
    by = ("namespace", "resourcequota", "resource", "type")
    for (namespace, name, resource, kind), value in prometheus.instant(queries.quotas(), when, by).items():
        counted = resource if "." in resource else f"requests.{resource}"
        left = free.setdefault((namespace, name), {})
        left[counted] = left.get(counted, 0.0) + (value if kind == "hard" else -value)
    quotas: dict[str, tuple[Quota, ...]] = {}
    for (namespace, name), numbers in sorted(free.items()):
        quotas[namespace] = (*quotas.get(namespace, ()), Quota(name, numbers))
    return World(f"metrics of {prometheus.url}", hpas=hpas, bounds=bounds, quotas=quotas)
