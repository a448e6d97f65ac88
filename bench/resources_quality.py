"""How well methods do: their answers after some days, held against the days that follow.

On series that are made, each of a shape; and on some that were recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from moorage.advisors.resources.model import (
    DAY,
    HOUR,
    MIB,
    Array,
    PodUse,
    Samples,
    Setting,
    Use,
    Workload,
    World,
)
from moorage.advisors.resources.recommenders import NotYet, Recommender

STEP: Final = 300.0
SEEN_DAYS, DAYS = 10, 14
BEGIN: Final = 1_790_035_200.0  # a Tuesday
_BURSTS: Final = 0.03
_POINTS: Final = int(DAYS * DAY / STEP)

Curve = Callable[[Array, np.random.Generator], Array]


@dataclass(frozen=True, slots=True)
class Quality:
    """How a method did on one shape.

    Args:
        killed: the share of days of pods on which memory went over what was proposed, in percent.
        short: the share of samples in which CPU went over what was proposed, in percent.
        memory: how many times the highest peak of the days that followed was asked for.
        cpu: how many times the 95th percentile of the days that followed was asked for.
        answered: how many containers it said anything of, in percent.
    """

    killed: float
    short: float
    memory: float
    cpu: float
    answered: float


def _noise(points: int, random: np.random.Generator, spread: float = 0.05) -> Array:
    return 1 + spread * random.standard_normal(points)


def _steady(times: Array, random: np.random.Generator) -> Array:
    return _noise(len(times), random)


def _diurnal(times: Array, random: np.random.Generator) -> Array:
    return (0.6 + 0.4 * np.sin(2 * np.pi * times / DAY)) * _noise(len(times), random)


def _weekly(times: Array, random: np.random.Generator) -> Array:
    """Four busy hours on Mondays."""
    monday = (times // DAY + 3) % 7 == 0
    busy = monday & (times % DAY >= 9 * HOUR) & (times % DAY < 13 * HOUR)
    return _either(busy, 3.0, 0.7) * _noise(len(times), random)


def _bursty(times: Array, random: np.random.Generator) -> Array:
    bursts = random.random(len(times)) < _BURSTS
    return _either(bursts, random.uniform(2, 5, len(times)), 0.5) * _noise(len(times), random)


def _leaking(times: Array, random: np.random.Generator) -> Array:
    grown: Array = 0.5 + (times - times[0]) / (10 * DAY)
    return grown * _noise(len(times), random, 0.01)


def _batch(times: Array, random: np.random.Generator) -> Array:
    """Half an hour a day; nothing at other times."""
    runs = (times % DAY >= 3 * HOUR) & (times % DAY < 3.5 * HOUR)
    return _either(runs, _noise(len(times), random, 0.15), np.nan)


def _either(which: Array, one: Array | float, other: Array | float) -> Array:
    found: Array = np.where(which, one, other)
    return found


SHAPES: Final[dict[str, tuple[Curve, Curve]]] = {
    "steady": (_steady, _steady),
    "diurnal": (_diurnal, _diurnal),
    "weekly": (_weekly, _weekly),
    "bursty": (_bursty, _bursty),
    "leaking": (_steady, _leaking),
    "batch": (_batch, _batch),
    "OOM-looping": (_steady, _steady),
}


def containers(shape: str, count: int, seed: int = 1) -> list[tuple[Use, float]]:
    """Return containers of a shape, each with what it would use at most if it were let, in bytes."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        cores, memory = 10 ** random.uniform(-1, 0.5), 10 ** random.uniform(8, 9.5)
        cpu_curve, memory_curve = SHAPES[shape]
        pods = []
        for pod in range(3):
            times = BEGIN + STEP * np.arange(_POINTS)
            cpu = np.maximum(cores * cpu_curve(times, random), 0)
            fine = (memory * memory_curve(times, random)).reshape(-1, int(HOUR / STEP))
            empty = np.isnan(fine).all(axis=1)
            peaks = np.where(empty, np.nan, np.nanmax(np.where(np.isnan(fine), 0, fine), axis=1))
            pods.append(
                PodUse(
                    f"p{pod}", Samples(BEGIN, STEP, cpu), Samples(BEGIN + HOUR, HOUR, np.maximum(peaks, 0))
                )
            )
        kind = "CronJob" if shape == "batch" else "Deployment"
        use = Use(Workload("bench", kind, f"{shape}-{number}"), "app", tuple(pods), running=3, replicas=3.0)
        needed = max(float(np.nanmax(pod.memory.values)) for pod in pods)
        if shape == "OOM-looping":
            use = _looping(use, needed * 0.9)
        made.append((use, needed))
    return made


def _looping(use: Use, limit: float) -> Use:
    """Let a container have less than it needs: it is killed when it wants more, and nobody sees how much."""
    pods = []
    for pod in use.pods:
        over = pod.memory.values > limit
        kills = np.where(over, 1.0, np.nan)
        memory = Samples(pod.memory.begin, HOUR, np.minimum(pod.memory.values, limit))
        pods.append(replace(pod, memory=memory, ooms=Samples(pod.memory.begin, HOUR, kills)))
    return replace(use, pods=tuple(pods), setting=Setting(memory_request=limit, memory_limit=limit))


@dataclass(frozen=True, slots=True)
class Case:
    """A container as it was seen, and as it would have been with all that it wants."""

    seen: Use
    whole: Use


def made(shape: str, count: int) -> list[Case]:
    """Return containers of a shape."""
    pairs = zip(containers(shape, count), containers(_freed(shape), count), strict=True)
    return [Case(seen, whole) for (seen, _), (whole, _) in pairs]


def quality(
    recommender: Recommender,
    cases: Sequence[Case],
    begin: float = BEGIN,
    seen_days: float = SEEN_DAYS,
    days: float = DAYS,
) -> Quality:
    """Have a method answer, and see what comes of it.

    Args:
        recommender: the method.
        cases: the containers.
        begin: when their series begin.
        seen_days: how much of them the method sees.
        days: how much there is.
    """
    cut, end = begin + seen_days * DAY, begin + days * DAY
    told = killed = samples = short = answered = 0
    memory_shares, cpu_shares = [], []
    for case in cases:
        proposal = recommender.recommend(case.seen.between(begin, cut), World(), cut)
        if isinstance(proposal, NotYet) or proposal.cpu is None or proposal.memory is None:
            continue
        answered += 1
        after = case.whole.between(cut, end)
        used = np.concatenate([pod.cpu.present for pod in after.pods])
        samples += len(used)
        short += int(np.count_nonzero(used > proposal.cpu))
        cpu_shares.append(proposal.cpu / max(float(np.percentile(used, 95)), 1e-9))
        most = 0.0
        for pod in after.pods:
            for day in range(round(days - seen_days)):
                peaks = pod.memory.between(cut + day * DAY + 1, cut + (day + 1) * DAY + 1).present
                if len(peaks):
                    told += 1
                    killed += bool(peaks.max() > proposal.memory)
                    most = max(most, float(peaks.max()))
        memory_shares.append(proposal.memory / max(most, MIB))
    if not answered:
        return Quality(0, 0, 0, 0, 0)
    return Quality(
        100 * killed / told,
        100 * short / samples,
        float(np.mean(memory_shares)),
        float(np.mean(cpu_shares)),
        100 * answered / len(cases),
    )


def _freed(shape: str) -> str:
    """Return the shape by which is judged: what a container uses that has all it wants."""
    return "steady" if shape == "OOM-looping" else shape
