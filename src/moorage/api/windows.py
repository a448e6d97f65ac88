"""When a maintenance window is open. Pure; time is an argument."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from moorage.api.settings import MaintenanceWindow, Weekday

_WEEK = 7
_WEEKDAYS = tuple(Weekday)


class UnknownTimeZoneError(ValueError):
    """A time zone that this machine does not know: nobody can say when a window of it is open."""


def open_until(window: MaintenanceWindow, now: datetime) -> datetime | None:
    """Return until when a window is open; ``None`` while it is closed.

    It opens by the clocks of its time zone. A start that these clocks skip, when they are put forward, is as
    much later; of one that they show twice, the first counts. From then on hours are hours, whatever the
    clocks do. Openings that touch each other are one.

    Args:
        window: which.
        now: the time, with its time zone.

    Raises:
        UnknownTimeZoneError: nobody knows when it is open.
    """
    until: datetime | None = None
    for begin, end in _openings(window, now):
        if until is None:
            until = end if begin <= now < end else None
        elif begin <= until:
            until = max(until, end)
    return until


def next_opening(window: MaintenanceWindow, now: datetime) -> datetime:
    """Return when a window opens next; that it is open already does not count.

    Raises:
        UnknownTimeZoneError: nobody knows.
    """
    return next(begin for begin, _ in _openings(window, now) if begin > now)


def _openings(window: MaintenanceWindow, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the openings around a time, the earliest first: any that may be open, and a week of others."""
    try:
        zone = ZoneInfo(window.time_zone)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise UnknownTimeZoneError(f"the time zone {window.time_zone} is not known here") from error
    start, today = time.fromisoformat(window.start), now.astimezone(zone).date()
    for offset in range(-2, _WEEK + 2):
        day = today + timedelta(days=offset)
        if _weekday(day) in window.days:
            begin = datetime.combine(day, start, zone).astimezone(UTC)
            yield begin, begin + timedelta(hours=window.duration_hours)


def _weekday(day: date) -> Weekday:
    return _WEEKDAYS[day.weekday()]
