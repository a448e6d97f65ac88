"""How much history is read on the platform, how finely, and how much of it is enough. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from moorage.advisors.resources.model import DAY, HOUR
from moorage.advisors.resources.recommenders.own import OwnRecommender

LONGEST: Final = timedelta(days=14)
"""What is older says little of what is needed now."""
ENOUGH: Final = timedelta(days=3)
"""A shorter history counts only where the window itself is shorter."""

_STEPS: Final = ((3 * DAY, 300.0, HOUR), (6 * HOUR, 60.0, 600.0), (HOUR, 30.0, 300.0), (0.0, 30.0, 30.0))
"""From which window on: seconds between two samples of CPU, and of everything else.

Metrics are scraped every 15 s, and a rate needs two of them: no step is below 30 s.
"""
_PLENTY: Final = 100
_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Cadence:
    """How history is read.

    Args:
        window: how many seconds of it.
        step: seconds between two samples of CPU.
        coarse: seconds between two samples of everything else.
        recommender: the method, with what it takes for enough.
    """

    window: float
    step: float
    coarse: float
    recommender: OwnRecommender


def cadence(window: timedelta) -> Cadence:
    """Return how history is read where advice rests on a window of some length."""
    seconds = min(window, LONGEST).total_seconds()
    step, coarse = next((step, coarse) for least, step, coarse in _STEPS if seconds >= least)
    enough = min(seconds, ENOUGH.total_seconds())
    # The first sample tells of the step before it; where its grid begins is not for us to choose.
    least_days = max(step, enough - 2 * step)
    least_samples = round(max(2.0, min(_PLENTY, _SHARE * enough / step)))
    return Cadence(
        seconds, step, coarse, OwnRecommender(least_days=least_days / DAY, least_samples=least_samples)
    )
