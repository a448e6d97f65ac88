"""When advice about a cluster is made: decided from what is known of it. Pure; time is an argument."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from moorage.advisors.audit.counts import Signal
from moorage.api.meta import GROUP
from moorage.kube.kinds import Object

WINDOW: Final = timedelta(days=30)
INTERVAL: Final = timedelta(minutes=10)

ADVISE_ANNOTATION: Final = f"{GROUP}/advise"
"""On a KubernetesCluster: whoever gives it another value wants advice now."""

LONGEST: Final = timedelta(days=90)
"""No window is longer: counts are not kept longer."""

CALM: Final = timedelta(seconds=5)
"""Advice is not made more often than this, whatever changes; a change is rarely alone."""

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_WINDOW: Final = re.compile(r"([1-9]\d{0,4})([mhd])")


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
    """What the last advice of this process about a cluster was made from.

    Args:
        at: when.
        signal: how far its events were then.
        request: the annotation by which somebody asked for it.
        window: its length.
    """

    at: datetime
    signal: Signal
    request: str
    window: timedelta


@dataclass(frozen=True, slots=True)
class NotYet:
    """No advice can be given before a time: the events do not reach back far enough."""

    since: datetime
    until: datetime


def duration(text: str) -> timedelta:
    """Return what ``90m``, ``12h`` or ``30d`` says.

    Raises:
        ValueError: it says something else, or too much.
    """
    match = _WINDOW.fullmatch(text)
    if match is None:
        msg = f"{text!r} is no time such as 90m, 12h or 30d"
        raise ValueError(msg)
    found = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if found > LONGEST:
        msg = f"{text} is more than {LONGEST.days} days"
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


def not_yet(signal: Signal, created: datetime, window: timedelta, now: datetime) -> NotYet | None:
    """Return from when on a cluster's events fill its window; nothing when they do.

    Events are missing from before the cluster was there, and from before it was listened to.
    """
    since = max(signal.since, created)
    until = since + window
    return NotYet(since, until) if until > now else None


def is_due(
    made: Made | None, signal: Signal, request: str, window: timedelta, *, tempo: Tempo, now: datetime
) -> bool:
    """Say whether advice is to be made now."""
    if made is None:
        return True
    if now - made.at < CALM:
        return False
    if (request, window) != (made.request, made.window) or signal.changes != made.signal.changes:
        return True
    return now - made.at >= min(tempo.interval, window)
