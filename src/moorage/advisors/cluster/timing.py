"""When advice about a cluster is made: decided from what is known of it. Pure; time is an argument."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from moorage import durations
from moorage.api.meta import GROUP
from moorage.kube.kinds import Object
from moorage.reports.words import counted

WINDOW: Final = timedelta(days=30)
INTERVAL: Final = timedelta(minutes=10)

ADVISE_ANNOTATION: Final = f"{GROUP}/advise"
"""On a KubernetesCluster: whoever gives it another value wants advice now."""

LONGEST: Final = timedelta(days=90)
"""No window is longer: counts are not kept longer."""

LOOK_SECONDS: Final = 6.0
"""How often it is looked whether anything is due."""

CALM: Final = timedelta(seconds=5)
"""Advice is not made more often than this, whatever changes; a change is rarely alone."""

_SHORTEST: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Tempo:
    """How advice is made where nobody says otherwise.

    Args:
        window: how long something must not have been used.
        interval: how often advice is made, when nothing happens.
    """

    window: timedelta = WINDOW
    interval: timedelta = INTERVAL


@dataclass(frozen=True, slots=True)
class Made:
    """How an advisor looked at a cluster for the last time in this process.

    Args:
        at: when.
        stirred: what would make it look at once, as it was.
        request: the annotation by which somebody asked for it.
        window: its length.
        again: when it is to look again at the latest: it could not say anything, and may be able to then.
    """

    at: datetime
    stirred: Hashable
    request: str
    window: timedelta
    again: datetime | None = None


def duration(text: str) -> timedelta:
    """Return what ``90m``, ``12h``, ``30d`` or ``2w`` says.

    Raises:
        ValueError: it says something else, too little or too much.
    """
    found = durations.duration(text)
    if not _SHORTEST <= found <= LONGEST:
        msg = f"{text} is not from {durations.short(_SHORTEST)} to {durations.short(LONGEST)}"
        raise ValueError(msg)
    return found


def window_of(project: Object | None, cluster: Object, tempo: Tempo) -> timedelta:
    """Return the window of a cluster: what it says itself, or its project, or the platform."""
    for obj in (cluster, project):
        settings: Mapping[str, Any] = ((obj or {}).get("spec") or {}).get("advice") or {}
        if window := settings.get("window"):
            return duration(str(window))
    return tempo.window


def request_of(cluster: Object) -> str:
    """Return the annotation by which somebody asks for advice."""
    return str((cluster["metadata"].get("annotations") or {}).get(ADVISE_ANNOTATION, ""))


def is_due(
    made: Made | None,
    stirred: Hashable,
    request: str,
    window: timedelta,
    *,
    interval: timedelta,
    now: datetime,
) -> bool:
    """Say whether an advisor is to look at a cluster now."""
    if made is None:
        return True
    if now - made.at < CALM:
        return False
    if (request, window, stirred) != (made.request, made.window, made.stirred):
        return True
    return now - made.at >= min(interval, window) or (made.again is not None and now >= made.again)


def rest(made: Iterable[Made], *, now: datetime) -> float:
    """Return in how many seconds it is to be looked whether anything is due."""
    soon = [(each.again - now).total_seconds() for each in made if each.again is not None]
    return min(LOOK_SECONDS, max(min(soon, default=LOOK_SECONDS), 1.0))


def words(length: timedelta) -> str:
    """Return a length of time in words: ``30 days``."""
    minutes = int(length.total_seconds()) // 60
    for name, size in (("day", 1440), ("hour", 60)):
        if minutes >= size and minutes % size == 0:
            return counted(minutes // size, name)
    return counted(minutes, "minute")


def moment(at: datetime) -> str:
    """Return a time as people are told it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
