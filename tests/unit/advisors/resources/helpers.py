"""Containers with a history, as short as it can be said."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from moorage.advisors.resources.model import DAY, HOUR, MIB, PodUse, Samples, Setting, Use, Workload

STEP = 300.0
NOW = 1_790_035_200.0  # 2026-09-22, a Tuesday, 00:00 UTC
DAYS = 14.0

Curve = Callable[[np.ndarray], np.ndarray]


def flat(value: float) -> Curve:
    return lambda times: np.full(len(times), value)


def noisy(value: float, share: float = 0.1, seed: int = 1) -> Curve:
    return lambda times: value * (1 + share * np.random.default_rng(seed).random(len(times)))


def pod(
    name: str = "p0",
    *,
    cpu: Curve | float = 0.1,
    memory: Curve | float = 100 * MIB,
    days: float = DAYS,
    ended: float = 0.0,
    throttled: float = 0.0,
    kills: Sequence[float] = (),
) -> PodUse:
    """A pod that ran for some days until ``ended`` days ago; kills are days ago, too."""
    end = NOW - ended * DAY
    begin = math.ceil((end - days * DAY) / STEP) * STEP
    times = begin + STEP * np.arange(int((end - begin) / STEP))
    hours = math.floor(begin / HOUR) * HOUR + HOUR * (1 + np.arange(math.ceil((end - begin) / HOUR)))
    values = (cpu if callable(cpu) else flat(cpu))(times)
    peaks = (memory if callable(memory) else flat(memory))(hours)
    killed = np.full(len(hours), np.nan)
    for ago in kills:
        killed[int((NOW - ago * DAY - hours[0]) // HOUR)] = 1
    return PodUse(
        name,
        Samples(begin, STEP, values),
        Samples(float(hours[0]), HOUR, peaks),
        Samples(float(hours[0]), HOUR, np.full(len(hours), throttled or np.nan)),
        Samples(float(hours[0]), HOUR, killed),
        Samples(float(hours[0]), HOUR, killed),
    )


def use(
    *pods: PodUse, kind: str = "Deployment", name: str = "web", container: str = "app", **setting: float
) -> Use:
    """A container in pods; what is not said is not set."""
    found = pods or (pod(),)
    return Use(
        Workload("shop", kind, name),
        container,
        tuple(found),
        Setting(**setting),
        replicas=float(len(found)),
        running=len(found),
    )
