"""Moorage's own method: the busiest weekday, the hottest pods, what ended badly, how much days differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from moorage.advisors.resources.model import DAY, MIB, Setting, Use, World
from moorage.advisors.resources.recommenders import NotYet, Proposal
from moorage.advisors.resources.signals import BATCH, WAITS, Signals, lasting, signals
from moorage.reports.words import counted

_NOTABLE: Final = 1.2
_AT_LIMIT: Final = 0.9
_SAME: Final = 1e-6


@dataclass(frozen=True, slots=True)
class OwnRecommender:
    """Moorage's method.

    Args:
        cpu_margin: what is added to the busiest weekday's 95th percentile, as a share.
        memory_margin: what is added to the highest peak, as a share; twice that while there is no full week.
        deviations: memory is also as many standard deviations of the days' peaks above their mean.
        least_days: how long the history must be.
        least_samples: how many samples of CPU it must have.
        least_runs: of a Job or CronJob: how many pods instead.
        bump_ratio: by how much memory grows when a container was killed for want of it, ...
        bump_bytes: ... but at least by so much, ...
        often_ratio: ... and by how much when that goes on.
        often: from how many days with kills on it goes on.
        throttled_ratio: by how much the limit of CPU grows where it makes the container wait.
        least_cpu: cores; no proposal is below.
        least_memory: bytes; no proposal is below.
    """

    cpu_margin: float = 0.10
    memory_margin: float = 0.10
    deviations: float = 3.0
    least_days: float = 3.0
    least_samples: int = 100
    least_runs: int = 3
    bump_ratio: float = 1.2
    bump_bytes: float = 100.0 * MIB
    often_ratio: float = 1.5
    often: int = 3
    throttled_ratio: float = 1.5
    least_cpu: float = 0.010
    least_memory: float = 32.0 * MIB

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return "moorage"

    def recommend(self, use: Use, world: World, now: float) -> Proposal | NotYet:  # noqa: ARG002 - as all
        """Say what a container should ask for, and which limits it needs."""
        seen = signals(use)
        early = self._too_early(use, seen)
        if early is not None:
            return early
        why: list[str] = []
        cpu, cpu_limit = self._cpu(use.setting, seen, why)
        memory, memory_limit = self._memory(use.setting, seen, now, why)
        return Proposal(cpu, memory, cpu_limit, memory_limit, tuple(why))

    def _too_early(self, use: Use, seen: Signals) -> NotYet | None:
        if use.workload.kind in BATCH:
            if seen.pods < self.least_runs:
                return NotYet(f"{seen.pods} of {self.least_runs} runs")
            return None
        if not seen.samples:
            return NotYet("nothing was used")
        if seen.days < self.least_days:
            return NotYet(
                f"{lasting(seen.days)} of history, {lasting(self.least_days)} are needed",
                seen.first + self.least_days * DAY,
            )
        if seen.samples < self.least_samples:
            return NotYet(f"{seen.samples} of {self.least_samples} samples")
        return None

    def _cpu(self, setting: Setting, seen: Signals, why: list[str]) -> tuple[float, float | None]:
        base = max(seen.busy, seen.hot)
        said = "CPU: percentile 95"
        if seen.lift >= _NOTABLE and seen.busy >= seen.hot:
            said += f" of {seen.busiest}s, {seen.lift:.1f} times that of all days"
        elif seen.skew >= _NOTABLE:
            said += f" of the busiest pods, {seen.skew:.1f} times that of all"
        why.append(f"{said}, and {self.cpu_margin:.0%}")
        limit = None
        if setting.cpu_limit and seen.throttled >= WAITS:
            if base >= _AT_LIMIT * setting.cpu_limit:
                # How much more it would have used is not known: it was not allowed to.
                base = max(base, setting.cpu_limit)
            limit = max(setting.cpu_limit * self.throttled_ratio, 2 * base)
            why.append(f"CPU limit: it had to wait in {seen.throttled:.0%} of the hours")
        cpu = max(base * (1 + self.cpu_margin), self.least_cpu)
        return cpu, _limit(cpu, setting.cpu_request, setting.cpu_limit, limit)

    def _memory(
        self, setting: Setting, seen: Signals, now: float, why: list[str]
    ) -> tuple[float | None, float | None]:
        if not len(seen.daily):
            return None, None
        if seen.growth:
            why.append("memory: left alone, it grows without an end")
            return None, None
        margin = self.memory_margin * (1 if seen.days >= 7 else 2)  # noqa: PLR2004 - a week
        spread = float(seen.daily.mean() + self.deviations * np.std(seen.daily))
        base = max(seen.peak * (1 + margin), spread)
        why.append(
            f"memory: the highest peak and {margin:.0%}"
            if base > spread
            else f"memory: the mean of the days' peaks and {self.deviations:g} standard deviations"
        )
        limit = None
        if seen.last_oom is not None and seen.last_oom > now - 7 * DAY:
            # What it would have used is not known: it was killed when it asked for it.
            had = max(seen.peak, setting.memory_limit or 0.0)
            ratio = self.often_ratio if seen.oom_days >= self.often else self.bump_ratio
            needed = max(had * ratio, had + self.bump_bytes)
            if needed > base:
                base = needed
                why.append(f"memory: killed on {counted(seen.oom_days, 'day')}, so more than it had")
            limit = base
        memory = max(base, self.least_memory)
        return memory, _limit(memory, setting.memory_request, setting.memory_limit, limit)


def _limit(request: float, before: float | None, limit: float | None, wanted: float | None) -> float | None:
    """Return the limit that goes with a request; ``None`` where it stays as it is.

    One that was the same as the request stays so: on that rests the class of service that pods have. None is
    added where there was none.
    """
    if limit is None:
        return None
    if before is not None and abs(limit - before) <= _SAME * limit:
        return max(request, wanted or 0.0)
    if wanted is not None:
        return max(request, wanted)
    return request if request > limit else None
