"""What a container's history tells beside how much it used: kills, waits, growth, busy days."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from moorage.advisors.resources.model import DAY, HOUR, Array, Samples, Use

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
STARTING: Final = 600.0
"""Seconds that a pod counts as starting."""
WAITS: Final = 0.10
"""Of an hour's CFS periods: from here on a container waits so often that people notice."""

_EPOCH_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday
_LEAST_OF_DAY: Final = 12
_LEAST_OF_POD: Final = 48
_BUSY: Final = 95.0
_GROWING_DAYS: Final = 3 * DAY
_GROWS: Final = 0.25
_STRAIGHT: Final = 0.7
_SKEWED: Final = 90.0
_DAYS: Final = 3.5
_HOURS: Final = 2
_MINUTES: Final = 2
BATCH: Final = frozenset({"Job", "CronJob"})


@dataclass(frozen=True, slots=True)
class Signals:
    """What was seen.

    Args:
        first: when the first sample was taken, in seconds of the epoch.
        last: when the last one was.
        samples: how many of CPU there are.
        pods: of how many pods.
        ooms: how often it was killed for want of memory.
        oom_days: on how many days.
        last_oom: when last.
        restarts: how often it was started again.
        throttled: the share of the pods' hours in which it had to wait for CPU too often.
        busy: what the busiest weekday's 95th percentile of CPU is, without starts.
        usual: what that of all days is.
        busiest: which weekday that is.
        hot: what that of the busiest pods is.
        starting: the most CPU while pods started.
        peak: the most memory.
        daily: the peaks of memory by day, of all pods together.
        growth: by how many bytes a day pods grow that do not stop; 0 where they do not.
    """

    first: float
    last: float
    samples: int
    pods: int
    ooms: int
    oom_days: int
    last_oom: float | None
    restarts: int
    throttled: float
    busy: float
    usual: float
    busiest: str
    hot: float
    starting: float
    peak: float
    daily: Array
    growth: float

    @property
    def days(self) -> float:
        """How long the history is."""
        return max(0.0, (self.last - self.first) / DAY)

    @property
    def skew(self) -> float:
        """How many times the usual the busiest pods use."""
        return self.hot / self.usual if self.usual else 1.0

    @property
    def lift(self) -> float:
        """How many times the usual the busiest weekday is."""
        return self.busy / self.usual if self.usual else 1.0


def lasting(days: float) -> str:
    """Return a length of time in words, as exactly as it means something."""
    if days >= _DAYS:
        return f"{days:.1f}".removesuffix(".0") + " days"
    if days * DAY >= _HOURS * HOUR:
        return f"{days * DAY / HOUR:.0f} h"
    return f"{days * DAY / 60:.0f} min" if days * DAY >= _MINUTES * 60 else f"{days * DAY:.0f} s"


@lru_cache(maxsize=1)  # a method and whoever words its answer look at the same use, one after the other
def signals(use: Use) -> Signals:
    """Read the signs of a container's history."""
    batch = use.workload.kind in BATCH
    steady: list[Array] = []
    weekdays: list[Array] = []
    percentiles: list[float] = []
    first, last, starting, count = math.inf, -math.inf, 0.0, 0
    begin = min((pod.cpu.begin for pod in use.pods if len(pod.cpu.values)), default=0.0)
    for pod in use.pods:
        times, values = pod.cpu.timed
        if not len(times):
            continue
        count += len(times)
        first, last = min(first, float(times[0])), max(last, float(times[-1]))
        if not batch and times[0] > begin + pod.cpu.step:  # it began within what was read
            cut = int(np.searchsorted(times, times[0] + STARTING))
            if cut < len(times):
                starting = max(starting, float(values[:cut].max()))
                times, values = times[cut:], values[cut:]
        steady.append(values)
        weekdays.append((times // DAY + _EPOCH_WEEKDAY).astype(np.int64) % len(WEEKDAYS))
        if len(values) >= _LEAST_OF_POD:
            percentiles.append(quantile(values, _BUSY))
    pooled = np.concatenate(steady) if steady else np.empty(0)
    busy, busiest = _busiest(pooled, np.concatenate(weekdays) if weekdays else np.empty(0))
    usual = quantile(pooled, _BUSY)
    kills = list(_events(use, "ooms"))
    daily = _daily(use)
    return Signals(
        first=0.0 if math.isinf(first) else first,
        last=0.0 if math.isinf(last) else last,
        samples=count,
        pods=len(steady),
        ooms=sum(number for _, number in kills),
        oom_days=len({time // DAY for time, _ in kills}),
        last_oom=max((time for time, _ in kills), default=None),
        restarts=sum(number for _, number in _events(use, "restarts")),
        throttled=_throttled(use),
        busy=max(busy, usual),
        usual=usual,
        busiest=busiest,
        hot=quantile(np.array(percentiles), _SKEWED) if len(percentiles) > 1 else usual,
        starting=starting,
        peak=float(daily.max()) if len(daily) else 0.0,
        daily=daily,
        growth=_growth(use),
    )


def quantile(values: Array, percent: float) -> float:
    """Return a percentile that is one of the values: no proposal is below what it says that it is."""
    if not len(values):
        return 0.0
    place = math.ceil((len(values) - 1) * percent / 100)
    return float(np.partition(values, place)[place])


def _busiest(values: Array, weekdays: Array) -> tuple[float, str]:
    best, name = 0.0, ""
    if not len(values):
        return best, name
    for day, weekday in enumerate(WEEKDAYS):
        found = values[weekdays == day]
        if len(found) >= _LEAST_OF_DAY and (most := quantile(found, _BUSY)) > best:
            best, name = most, weekday
    return best, name


def _events(use: Use, which: str) -> Iterator[tuple[float, int]]:
    for pod in use.pods:
        samples: Samples = getattr(pod, which)
        if len(samples.values):
            times, values = samples.timed
            yield from (
                (float(time), round(float(number))) for time, number in zip(times, values, strict=True)
            )


def _throttled(use: Use) -> float:
    """Return the share of the hours; hours without any wait are not among the samples."""
    if use.setting.cpu_limit is None:
        return 0.0
    waited = sum(int(np.count_nonzero(pod.throttled.present >= WAITS)) for pod in use.pods)
    hours = sum(len(pod.memory.present) for pod in use.pods)
    return min(1.0, waited / hours) if hours else 0.0


def _daily(use: Use) -> Array:
    days: dict[int, float] = {}
    for pod in use.pods:
        times, values = pod.memory.timed
        if not len(times):
            continue
        # A peak is that of the hour before its time.
        numbers = ((times - HOUR) // DAY).astype(np.int64)
        starts = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1])))
        for day, peak in zip(numbers[starts], np.maximum.reduceat(values, starts), strict=True):
            days[int(day)] = max(days.get(int(day), 0.0), float(peak))
    return np.array([days[day] for day in sorted(days)])


def _growth(use: Use) -> float:
    """Return by how much pods grow a day, if most of those that live long grow all their life."""
    if use.workload.kind in BATCH:
        return 0.0
    slopes, looked = [], 0
    for pod in use.pods:
        times, values = pod.memory.timed
        if len(times) < _LEAST_OF_POD or times[-1] - times[0] < _GROWING_DAYS:
            continue
        looked += 1
        days = (times - times.mean()) / DAY
        level = values - values.mean()
        spread = float((level**2).sum())
        slope = float((days * level).sum() / (days**2).sum())
        fits = slope**2 * float((days**2).sum()) / spread if spread else 0.0
        if slope * (times[-1] - times[0]) / DAY > _GROWS * float(values.mean()) and fits > _STRAIGHT:
            slopes.append(slope)
    return max(slopes) if slopes and 2 * len(slopes) > looked else 0.0
