"""What a container should ask for, by several methods behind one interface."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the command line reads the names of methods here, and must not wait for numpy
    from moorage.advisors.resources.model import Use, World


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a container should ask for.

    Args:
        cpu: cores to ask for; ``None`` to leave them as they are.
        memory: bytes to ask for; ``None`` to leave them as they are.
        cpu_limit: the most cores; ``None`` to leave the limit as it is.
        memory_limit: the most bytes; ``None`` to leave the limit as it is.
        why: what went into it, in words.
    """

    cpu: float | None
    memory: float | None
    cpu_limit: float | None = None
    memory_limit: float | None = None
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotYet:
    """There is too little to say anything.

    Args:
        why: what is missing.
        when: from when on there may be enough, in seconds of the epoch; ``None`` where nobody knows.
    """

    why: str
    when: float | None = None


class Recommender(Protocol):
    """A method. It is pure: the same use gives the same answer, in whatever order pods and samples come."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""

    def recommend(self, use: Use, world: World, now: float) -> Proposal | NotYet:
        """Say what a container should ask for, by what was used before ``now``."""


class Strategy(StrEnum):
    """The methods that there are."""

    MOORAGE = "moorage"
    VPA = "vpa"
    SIMPLE = "simple"


def recommender(strategy: Strategy) -> Recommender:
    """Return a method with its published defaults."""
    if strategy is Strategy.VPA:
        from moorage.advisors.resources.recommenders.vpa import VpaRecommender

        return VpaRecommender()
    if strategy is Strategy.SIMPLE:
        from moorage.advisors.resources.recommenders.simple import SimpleRecommender

        return SimpleRecommender()
    from moorage.advisors.resources.recommenders.own import OwnRecommender

    return OwnRecommender()
