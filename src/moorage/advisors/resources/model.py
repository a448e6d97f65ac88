"""What the resources advisor knows of containers: their use, their settings, their surroundings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
MIB: Final = 2**20
GIB: Final = 2**30

Array = NDArray[Any]
"""Numbers; those that are missing are NaN."""


class Resource(StrEnum):
    """What is asked for. Of CPU the unit is the core, of memory the byte."""

    CPU = "cpu"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Numbers on a grid of time.

    Args:
        begin: the time of the first, in seconds of the epoch.
        step: how many seconds lie between two.
        values: the numbers; NaN where there is none.
    """

    begin: float
    step: float
    values: Array

    @property
    def times(self) -> Array:
        """When each was taken."""
        return self.begin + self.step * np.arange(len(self.values))

    @property
    def present(self) -> Array:
        """The numbers that there are."""
        found: Array = self.values[~np.isnan(self.values)]
        return found

    @property
    def timed(self) -> tuple[Array, Array]:
        """The times and the numbers of those that there are."""
        there = ~np.isnan(self.values)
        return self.times[there], self.values[there]

    def between(self, begin: float, end: float) -> Samples:
        """Return those from a time on and before another."""
        first = max(0, int(np.ceil((begin - self.begin) / self.step)))
        last = max(first, min(len(self.values), int(np.ceil((end - self.begin) / self.step))))
        return Samples(self.begin + first * self.step, self.step, self.values[first:last])


NO_SAMPLES: Final = Samples(0.0, HOUR, np.empty(0, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class PodUse:
    """What a container of one pod used.

    Args:
        pod: its name.
        cpu: cores, each the mean since the sample before.
        memory: bytes of the working set, each the most since the sample before.
        throttled: the share of CFS periods in which it had to wait.
        restarts: how often it was started again.
        ooms: how often it was killed for want of memory.
    """

    pod: str
    cpu: Samples = NO_SAMPLES
    memory: Samples = NO_SAMPLES
    throttled: Samples = NO_SAMPLES
    restarts: Samples = NO_SAMPLES
    ooms: Samples = NO_SAMPLES

    def between(self, begin: float, end: float) -> PodUse:
        """Return what is from a time on and before another."""
        return PodUse(
            self.pod,
            self.cpu.between(begin, end),
            self.memory.between(begin, end),
            self.throttled.between(begin, end),
            self.restarts.between(begin, end),
            self.ooms.between(begin, end),
        )


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """What makes pods: a Deployment, a CronJob, an object of somebody's own controller."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def subject_of(workload: Workload, container: str) -> str:
    """Return what findings call a container: the same in every run."""
    return f"{workload}, container {container}"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a container asks for, and what it may use at most; ``None`` where nothing is said."""

    cpu_request: float | None = None
    cpu_limit: float | None = None
    memory_request: float | None = None
    memory_limit: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """What a container of a workload used, in all its pods.

    Args:
        workload: whose.
        container: its name.
        pods: those that there were.
        setting: what it asks for now.
        replicas: how many ran at a time, on average over the last week.
        containers: how many containers a pod has.
        running: how many pods run now.
    """

    workload: Workload
    container: str
    pods: tuple[PodUse, ...]
    setting: Setting = Setting()
    replicas: float = 1.0
    containers: int = 1
    running: int = 1

    @property
    def subject(self) -> str:
        """What findings call it: the same in every run."""
        return subject_of(self.workload, self.container)

    def between(self, begin: float, end: float) -> Use:
        """Return what was used from a time on and before another."""
        pods = tuple(found for pod in self.pods if len((found := pod.between(begin, end)).cpu.present))
        return Use(
            self.workload, self.container, pods, self.setting, self.replicas, self.containers, self.running
        )


@dataclass(frozen=True, slots=True)
class HpaTarget:
    """By what a HorizontalPodAutoscaler scales a workload.

    Args:
        name: of the autoscaler.
        resource: what it watches.
        utilization: at what share of the request, in percent; ``None`` for an amount.
    """

    name: str
    resource: Resource
    utilization: float | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a LimitRange lets containers of a namespace ask for."""

    name: str
    least: Mapping[Resource, float] = field(default_factory=dict)
    most: Mapping[Resource, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quota:
    """What a ResourceQuota leaves of what a namespace may ask for."""

    name: str
    free: Mapping[str, float]
    """By what it counts: ``requests.cpu``, ``limits.memory``."""


@dataclass(frozen=True, slots=True)
class Vpa:
    """A VerticalPodAutoscaler of a workload.

    Args:
        name: its name.
        acts: whether it changes pods by itself.
        recommended: what it says by itself that containers should ask for, as it says it.
    """

    name: str
    acts: bool
    recommended: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A container of a pod that there is, as an API server tells of it.

    Args:
        setting: what it asks for.
        image: what it runs.
        before: whether it runs before the others, or beside them as a sidecar.
        restarts: how often it was started again since its pod was made.
        made: when its pod was made, in seconds of the epoch.
        ended: when it ended last.
        killed: whether that was for want of memory.
    """

    setting: Setting = Setting()
    image: str = ""
    before: bool = False
    restarts: int = 0
    made: float = 0.0
    ended: float | None = None
    killed: bool = False


OwnerOf = Callable[[str, str], Workload | None]
"""What made a pod, by its namespace and name; ``None`` where that is not known for sure."""


def nobody(namespace: str, pod: str) -> Workload | None:  # noqa: ARG001 - as all
    """Know no owner of any pod."""
    return None


@dataclass(frozen=True, slots=True)
class World:
    """What surrounds the workloads.

    Args:
        origin: where it was read.
        settings: what containers ask for, by workload and container, where the objects were read.
        api_versions: of the workloads, where the objects were read.
        hpas: by workload.
        vpas: by workload.
        bounds: by namespace.
        quotas: by namespace.
        managed_by: what keeps workloads as they are, that are not their own masters.
        images: what containers run, by workload and container, where the objects were read.
        running: the containers of the pods that there are, by namespace, pod and container, where they were
            read.
        owner_of: who made a pod, beside what metrics say.
    """

    origin: str = "metrics"
    settings: Mapping[tuple[Workload, str], Setting] = field(default_factory=dict)
    api_versions: Mapping[Workload, str] = field(default_factory=dict)
    hpas: Mapping[Workload, tuple[HpaTarget, ...]] = field(default_factory=dict)
    vpas: Mapping[Workload, Vpa] = field(default_factory=dict)
    bounds: Mapping[str, tuple[Bounds, ...]] = field(default_factory=dict)
    quotas: Mapping[str, tuple[Quota, ...]] = field(default_factory=dict)
    managed_by: Mapping[Workload, Workload] = field(default_factory=dict)
    images: Mapping[tuple[Workload, str], str] = field(default_factory=dict)
    running: Mapping[tuple[str, str, str], Running] = field(default_factory=dict)
    owner_of: OwnerOf = nobody

    @property
    def subjects(self) -> frozenset[str]:
        """The containers of all workloads that there are, as findings call them."""
        return frozenset(subject_of(workload, container) for workload, container in self.settings)
