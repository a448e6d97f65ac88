"""The method of the Vertical Pod Autoscaler's recommender, with its defaults.

A port of ``pkg/recommender`` of k8s.io/autoscaler/vertical-pod-autoscaler v1.8.1, started from the history in
Prometheus: histograms whose buckets grow by 5 %, in which a sample loses half its weight a day; of CPU every
sample, of memory the peak of each day of a container. Amounts are whole millicores and bytes, as there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from moorage.advisors.resources.model import DAY, Array, PodUse, Resource, Use, World
from moorage.advisors.resources.recommenders import NotYet, Proposal

_MOST: Final = 10**14
"""No amount is larger."""
_LEAST_WEIGHT: Final = 0.1
_EPSILON: Final = 0.001 * _LEAST_WEIGHT
_HALF_LIFE: Final = DAY
_YEAR_ONE: Final = 62_135_596_800.0
"""Go's zero time, from which it rounds, before the epoch."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets that grow exponentially: each is wider than the one before by ``ratio``."""

    most: float
    first: float
    ratio: float = 1.05

    @property
    def count(self) -> int:
        """How many there are."""
        return math.ceil(self._log(self.most * (self.ratio - 1) / self.first + 1)) + 1

    def of(self, values: Array) -> Array:
        """Return into which bucket each value falls."""
        found = np.log(values * (self.ratio - 1) / self.first + 1) / math.log(self.ratio)
        found = np.minimum(found.astype(np.int64), self.count - 1)
        return np.where(values < self.first, 0, found)

    def start(self, bucket: int) -> float:
        """Return where a bucket begins."""
        return self.first * (_power(self.ratio, bucket) - 1) / (self.ratio - 1) if bucket else 0.0

    def _log(self, value: float) -> float:
        return math.log(value) / math.log(self.ratio)


CPU_BUCKETS: Final = Buckets(1000.0, 0.01)
MEMORY_BUCKETS: Final = Buckets(1e12, 1e7)


def _power(base: float, exponent: int) -> float:
    """Return a power as Go's ``math.Pow`` does, to the last bit: where a bucket ends, that decides a byte."""
    result, result_exponent = 1.0, 0
    factor, factor_exponent = math.frexp(base)
    while exponent:
        if exponent & 1:
            result *= factor
            result_exponent += factor_exponent
        factor *= factor
        factor_exponent <<= 1
        if factor < 0.5:  # noqa: PLR2004 - a mantissa lies between a half and one
            factor += factor
            factor_exponent -= 1
        exponent >>= 1
    return math.ldexp(result, result_exponent)


class Histogram:
    """A decaying histogram.

    Samples are weighed relative to a day near the first of them, which has no influence on percentiles but
    through what is too light to count.
    """

    def __init__(self, buckets: Buckets) -> None:
        self.buckets = buckets
        self.weights: Array = np.zeros(buckets.count)
        self.total = 0.0
        self._reference: float | None = None

    def add(self, values: Array, weight: float, times: Array) -> None:
        """Add samples, in their order."""
        if not len(values):
            return
        weights = weight * self._decay(times)
        np.add.at(self.weights, self.buckets.of(values), weights)
        # One after the other, as sums of floating-point numbers depend on the order.
        self.total = float(np.add.accumulate(np.concatenate(([self.total], weights)))[-1])

    def subtract(self, value: float, weight: float, time: float) -> None:
        """Take a sample back."""
        bucket = int(self.buckets.of(np.array([value]))[0])
        taken = weight * float(self._decay(np.array([time]))[0])
        self.total = _less(self.total, taken)
        self.weights[bucket] = _less(float(self.weights[bucket]), taken)

    def percentile(self, share: float) -> float:
        """Return the end of the bucket up to which lies this share of the weight."""
        heavy = np.flatnonzero(self.weights >= _EPSILON)
        if not len(heavy):
            return 0.0
        first, last = int(heavy[0]), int(heavy[-1])
        sums = np.add.accumulate(self.weights[first : last + 1])
        bucket = min(first + int(np.searchsorted(sums, share * self.total)), last)
        return self.buckets.start(min(bucket + 1, self.buckets.count - 1))

    def _decay(self, times: Array) -> Array:
        if self._reference is None:
            days = math.floor((float(times[0]) + _YEAR_ONE) / _HALF_LIFE + 0.5)
            self._reference = days * _HALF_LIFE - _YEAR_ONE
        decay: Array = np.exp2((times - self._reference) / _HALF_LIFE)
        return decay


def _less(value: float, taken: float) -> float:
    left = value - taken
    return 0.0 if left < _EPSILON else left


@dataclass(slots=True)
class _MemoryPeaks:
    """The day of one container, one sample after the other."""

    histogram: Histogram
    bump_ratio: float
    bump_bytes: float
    window_end: float | None = None
    peak: int = 0
    oom_peak: int = 0
    last: float | None = None

    def sample(self, time: float, amount: int, *, oom: bool = False) -> None:
        if not oom and self.last is not None and time < self.last:
            return
        self.last = time
        if self.window_end is None:
            self.window_end = time
        new = False
        if time < self.window_end:
            old = max(self.peak, self.oom_peak)
            if old and amount > old:
                self.histogram.subtract(float(old), 1.0, self.window_end)
                new = True
        else:
            self.window_end += (math.floor((time - self.window_end) / DAY) + 1) * DAY
            self.peak = self.oom_peak = 0
            new = True
        if new:
            self.histogram.add(np.array([float(amount)]), 1.0, np.array([self.window_end]))
            if oom:
                self.oom_peak = amount
            else:
                self.peak = amount

    def oom(self, time: float, requested: int) -> None:
        """Take a kill as a sample of what would have been needed."""
        if self.last is not None and time < self.last - DAY:
            return
        used = max(requested, self.peak)
        needed = max(used + int(self.bump_bytes), _amount(used * self.bump_ratio))
        self.sample(time, needed, oom=True)


@dataclass(frozen=True, slots=True)
class Bounded:
    """An answer of the recommender: whole millicores, or bytes."""

    target: int
    lower: int
    upper: int


@dataclass(frozen=True, slots=True)
class VpaRecommender:
    """The VPA's recommender.

    Args:
        margin: what is added, as a share.
        window: how many days of history count.
        least_millicores: of a pod; its containers share that.
        least_bytes: of a pod; its containers share that.
        bump_ratio: by how much memory grows after a kill, ...
        bump_bytes: ... but at least by so much.
        percentiles: of the target, the lower and the upper bound.
    """

    margin: float = 0.15
    window: float = 8.0
    least_millicores: float = 25.0
    least_bytes: float = 250.0 * 2**20
    bump_ratio: float = 1.2
    bump_bytes: float = 100.0 * 2**20
    percentiles: tuple[float, float, float] = field(default=(0.9, 0.5, 0.95))

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return "vpa"

    def recommend(self, use: Use, world: World, now: float) -> Proposal | NotYet:  # noqa: ARG002 - as all
        """Say what a container should ask for; limits grow and shrink with requests."""
        use = use.between(now - self.window * DAY, now + DAY)  # an hour of memory ends after now
        if not any(len(pod.cpu.present) for pod in use.pods):
            return NotYet(f"nothing was used in {self.window:g} days")
        found = self.bounds(use)
        cpu, memory = found[Resource.CPU].target / 1000, float(found[Resource.MEMORY].target)
        setting = use.setting
        return Proposal(
            cpu,
            memory,
            _in_proportion(cpu, setting.cpu_request, setting.cpu_limit),
            _in_proportion(memory, setting.memory_request, setting.memory_limit),
            (f"CPU: percentile {100 * self.percentiles[0]:g} and {self.margin:.0%}",
             f"memory: percentile {100 * self.percentiles[0]:g} of the peaks of days and {self.margin:.0%}"),
        )  # fmt: skip

    def bounds(self, use: Use) -> dict[Resource, Bounded]:
        """Return the target and both bounds, for CPU and memory."""
        cpu, memory = Histogram(CPU_BUCKETS), Histogram(MEMORY_BUCKETS)
        count, first, last = 0, math.inf, -math.inf
        for pod in sorted(use.pods, key=lambda pod: pod.pod):
            times, values = pod.cpu.timed
            amounts = np.trunc(np.maximum(values.astype(np.float64), 0) * 1000)
            cpu.add(amounts / 1000.0, _LEAST_WEIGHT, times)
            if len(times):
                count, first, last = count + len(times), min(first, times[0]), max(last, times[-1])
            self._add_memory(memory, pod, use.setting.memory_request or 0.0)
        confidence = min((last - first) / DAY, count / (24 * 60)) if count else 0.0
        share = 1.0 / use.containers
        return {
            Resource.CPU: self._bounded(
                cpu, 1000.0, confidence, _amount(_amount(self.least_millicores) * share)
            ),
            Resource.MEMORY: self._bounded(
                memory, 1.0, confidence, _amount(_amount(self.least_bytes) * share)
            ),
        }

    def _add_memory(self, histogram: Histogram, pod: PodUse, requested: float) -> None:
        times, values = pod.memory.timed
        amounts = np.trunc(np.maximum(values.astype(np.float64), 0)).astype(np.int64)
        kills, counts = pod.ooms.timed
        if not len(kills):
            self._add_peaks(histogram, times, amounts)
            return
        peaks = _MemoryPeaks(histogram, self.bump_ratio, self.bump_bytes)
        # Of what happens at one time, the sample comes first: the kill is seen with the start that follows.
        happened = [(float(time), 0, int(amount)) for time, amount in zip(times, amounts, strict=True)]
        for time, number in zip(kills, counts, strict=True):
            happened += [(float(time), 1, int(requested))] * round(float(number))
        for time, kill, amount in sorted(happened):
            if kill:
                peaks.oom(time, amount)
            else:
                peaks.sample(time, amount)

    @staticmethod
    def _add_peaks(histogram: Histogram, times: Array, amounts: Array) -> None:
        """Add the peak of each day since the first sample: what the samples one by one come to."""
        if not len(times):
            return
        days = np.floor((times - times[0]) / DAY).astype(np.int64)
        starts = np.flatnonzero(np.concatenate(([True], days[1:] != days[:-1])))
        peaks = np.maximum.reduceat(amounts, starts)
        # A day that begins with nothing keeps nothing: a larger peak takes the place of one above 0 only.
        peaks = np.where(amounts[starts] == 0, 0, peaks)
        ends = times[0] + (days[starts] + 1) * DAY
        histogram.add(peaks.astype(np.float64), 1.0, ends)

    def _bounded(self, histogram: Histogram, unit: float, confidence: float, least: int) -> Bounded:
        target, lower, upper = (
            base + _amount(base * self.margin)
            for base in (_amount(histogram.percentile(share) * unit) for share in self.percentiles)
        )
        with np.errstate(divide="ignore"):
            less = float(np.power(1 + np.divide(0.001, confidence), -2.0))
            more = float(1 + np.divide(1.0, confidence))
        return Bounded(
            max(target, least), max(_amount(lower * less), least), max(_amount(upper * more), least)
        )


def _amount(value: float) -> int:
    return 0 if math.isnan(value) or value < 0 else int(min(value, _MOST))


def _in_proportion(request: float, before: float | None, limit: float | None) -> float | None:
    return request * limit / before if limit and before else None
