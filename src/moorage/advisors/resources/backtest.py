"""How a method would have done: its answers of days ago, held against the days since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from moorage.advisors.resources.model import DAY, Use, World
from moorage.advisors.resources.recommenders import NotYet, Recommender

FOLD_DAYS: Final = 3
FOLDS: Final = 2
_CERTAIN: Final = 0.05
_DEVIATES: Final = 1.645
_LEAST: Final = 3


@dataclass(frozen=True, slots=True)
class Odds:
    """What happened on the days that a method had not seen.

    Args:
        pod_days: how many days of pods that are.
        over_memory: on how many of them memory would have gone over the limit, or over the request where
            there is no limit.
        highest: the highest peak of memory, as a share of that.
        samples: how many samples of CPU.
        over_cpu: how many of them were over the limit, or over the request where there is no limit.
        memory_by: ``limit`` or ``request``.
        cpu_by: ``limit`` or ``request``.
    """

    pod_days: int
    over_memory: int
    highest: float
    samples: int
    over_cpu: int
    memory_by: str
    cpu_by: str

    @property
    def memory_at_most(self) -> float:
        """The odds of a day of a pod that these numbers rule out, 95 % sure, to be exceeded."""
        return upper(self.over_memory, self.pod_days)

    @property
    def cpu(self) -> float:
        """The share of the samples."""
        return self.over_cpu / self.samples if self.samples else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as evidence."""
        return {
            "podDays": self.pod_days,
            f"podDaysOverMemory{self.memory_by.capitalize()}": self.over_memory,
            "highestMemoryShare": round(self.highest, 3),
            "oomOddsAtMost": round(self.memory_at_most, 4),
            f"shareOverCpu{self.cpu_by.capitalize()}": round(self.cpu, 4),
        }

    def told(self) -> str:
        """Return it in words."""
        verb = "been killed for memory" if self.memory_by == "limit" else "had more memory than it asks for"
        waits = "waited for CPU" if self.cpu_by == "limit" else "used more CPU than it asks for"
        return (
            f"back-test: {self.over_memory} of {self.pod_days} held-out pod-days would have {verb} "
            f"(95 % sure: fewer than {self.memory_at_most:.0%}; the highest was at {self.highest:.0%}), "
            f"and {self.cpu:.1%} of the samples {waits}"
        )


def back_test(recommender: Recommender, use: Use, world: World, *, begin: float, now: float) -> Odds | None:
    """Have a method answer as of some days ago, and see what would have become of its answers.

    ``None`` where there is too little to do so.
    """
    pod_days = over_memory = samples = over_cpu = 0
    highest = 0.0
    memory_by = cpu_by = "request"
    for fold in range(FOLDS, 0, -1):
        cut = now - fold * FOLD_DAYS * DAY
        proposal = recommender.recommend(use.between(begin, cut), world, cut)
        if isinstance(proposal, NotYet):
            continue
        memory, memory_by = in_force(proposal.memory, proposal.memory_limit, use.setting.memory_request,
                                     use.setting.memory_limit)  # fmt: skip
        cpu, cpu_by = in_force(
            proposal.cpu, proposal.cpu_limit, use.setting.cpu_request, use.setting.cpu_limit
        )
        for day in range(FOLD_DAYS):
            since = cut + day * DAY
            for pod in use.pods:
                peaks = pod.memory.between(since + 1, since + DAY + 1).present
                if len(peaks):
                    pod_days += 1
                    share = float(peaks.max()) / memory if memory else 0.0
                    over_memory += share > 1
                    highest = max(highest, share)
                used = pod.cpu.between(since, since + DAY).present
                samples += len(used)
                if cpu is not None:
                    over_cpu += int(np.count_nonzero(used > cpu))
    if pod_days < _LEAST:
        return None
    return Odds(pod_days, over_memory, highest, samples, over_cpu, memory_by, cpu_by)


def in_force(
    request: float | None, limit: float | None, request_now: float | None, limit_now: float | None
) -> tuple[float | None, str]:
    """Return the value at which something happens once a proposal is applied, and what that is."""
    most = limit if limit is not None else limit_now
    if most is not None:
        return most, "limit"
    return (request if request is not None else request_now), "request"


def upper(seen: int, of: int) -> float:
    """Return the rate that is not exceeded, 95 % sure, when something was seen so often.

    For what was never seen that is exact; else it is Wilson's bound.
    """
    if not of:
        return 1.0
    if not seen:
        return float(1 - _CERTAIN ** (1 / of))
    share, square = seen / of, _DEVIATES**2
    middle = share + square / (2 * of)
    spread = _DEVIATES * float(np.sqrt(share * (1 - share) / of + square / (4 * of**2)))
    return max(share, min(1.0, (middle + spread) / (1 + square / of)))
