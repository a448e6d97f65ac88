"""When containers ended, and why: by the kubelet's metrics, and by what pods themselves tell."""

from __future__ import annotations

import math

import numpy as np

from moorage.advisors.resources.model import NO_SAMPLES, Running, Samples


def ends_of(state: Samples, started: Samples) -> Samples:
    """Return the starts of a container that followed an end of the kind that a state tells of."""
    times, counts = started.timed
    told, _ = state.timed
    # The restart and the state that says why are scraped at the same time, and may lie in two hours.
    after = np.array([bool(np.any((told >= time) & (told <= time + started.step))) for time in times], bool)
    values = np.full(len(started.values), np.nan, np.float32)
    places = np.rint((times - started.begin) / started.step).astype(np.int64)
    values[places[after]] = np.maximum(np.rint(counts[after]), 1)
    return Samples(started.begin, started.step, values)


def larger(one: Samples, other: Samples) -> Samples:
    """Return the larger of two numbers at each time; the grids are the same."""
    if not len(one.values) or not len(other.values):
        return other if len(other.values) else one
    begin = min(one.begin, other.begin)
    end = max(each.begin + each.step * len(each.values) for each in (one, other))
    values = np.full(round((end - begin) / one.step), np.nan, np.float32)
    for each in (one, other):
        first = round((each.begin - begin) / one.step)
        place = values[first : first + len(each.values)]
        np.fmax(place, each.values, out=place)
    return Samples(begin, one.step, values)


def restarts_of(running: Running, *, begin: float, step: float) -> Samples:
    """Return how often a container was started again, as its pod tells it.

    A pod tells how often that was, and when it was last. What was before the time that is read does not
    count: of a pod that is older than that, only the last time is known.
    """
    if not running.restarts or running.ended is None or running.ended < begin:
        return NO_SAMPLES
    return _at(running.ended, running.restarts if running.made >= begin else 1, step)


def with_kill(known: Samples, running: Running, *, begin: float, step: float) -> Samples:
    """Add the last time that a container was killed for want of memory, unless it is known already."""
    if not running.killed or running.ended is None or running.ended < begin:
        return known
    told = _at(running.ended, 1, step)
    times, _ = known.timed
    # The same kill may be seen in metrics one step earlier or later.
    return known if bool(np.any(np.abs(times - told.begin) <= step)) else larger(known, told)


def _at(time: float, number: float, step: float) -> Samples:
    # As in metrics: what was at a time is seen at the next time of the grid.
    return Samples(math.ceil(time / step) * step, step, np.array([number], np.float32))
