"""What the controller asks of each advisor, and what it is told. Advisors know nothing of each other."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from moorage.advisors.advice import Advice
from moorage.advisors.audit.counts import Counts, Signal
from moorage.kube.controller import Key
from moorage.kube.kinds import Object


@dataclass(frozen=True, slots=True)
class Situation:
    """A cluster that can be advised on, as it is now.

    Args:
        key: of its KubernetesCluster.
        id: what its provider calls it.
        obj: the KubernetesCluster.
        access: the advisors' own kubeconfig of it.
        counts: where its audit events are counted.
        signal: how far these are; ``None`` when none has come in.
        window: how long something must not have been used to be called unused.
        now: the time.
    """

    key: Key
    id: str
    obj: Object
    access: Path | dict[str, Any] = field(repr=False)
    counts: Counts = field(repr=False)
    signal: Signal | None
    window: timedelta
    now: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What an advisor has to say.

    Args:
        advice: what it found.
        clean: what is said of the cluster when it found nothing.
        unjudged: subjects about which it could say nothing this time: their advice stays as it is.
        until: when it may be otherwise, if that is known.
    """

    advice: Advice
    clean: str
    unjudged: frozenset[str] = frozenset()
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Silent:
    """That an advisor has nothing to say yet, or cannot say anything; nothing is kept, nothing resolved.

    What it says must not change while nothing does: counts are not for it.

    Args:
        reason: in one word, for the condition.
        message: why, for a person.
        until: when it may be otherwise, if that is known.
    """

    reason: str
    message: str
    until: datetime | None = None


class Topic(Protocol):
    """One advisor, as the platform runs it for each cluster."""

    @property
    def advisor(self) -> str:
        """Whose advice this is: ``permissions``."""

    @property
    def interval(self) -> timedelta:
        """How often it looks when nothing happens."""

    def stirred(self, situation: Situation) -> Hashable:
        """Return what makes it look at once when it changes. It must be cheap, and ask nobody."""

    async def look(self, situation: Situation) -> Found | Silent:
        """Read the cluster, and say what there is to say.

        Raises:
            MoorageError: it cannot, and why.
            ApiError: the cluster's API server refuses, or does not answer.
        """
