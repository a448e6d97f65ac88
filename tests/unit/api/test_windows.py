"""When a maintenance window is open: by the clocks of its zone, whatever these do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.api.settings import MaintenanceWindow, Weekday
from moorage.api.windows import UnknownTimeZoneError, next_opening, open_until


def window(days: str, start: str, hours: int = 4, zone: str = "UTC") -> MaintenanceWindow:
    named = [day for day in Weekday if day.value[:3] in days.split()]
    return MaintenanceWindow(days=named, start=start, duration_hours=hours, time_zone=zone)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


SUNDAY = window("Sun", "02:00")
LATE = window("Sat", "22:00", 6)
PARIS = window("Sun", "02:30", 2, "Europe/Paris")
ALWAYS = window("Mon Tue Wed Thu Fri Sat Sun", "00:00", 24)


@pytest.mark.parametrize(
    ("declared", "now", "until"),
    [
        (SUNDAY, "2026-11-22 01:59:59", None),
        (SUNDAY, "2026-11-22 02:00", "2026-11-22 06:00"),
        (SUNDAY, "2026-11-22 05:59:59", "2026-11-22 06:00"),
        (SUNDAY, "2026-11-22 06:00", None),
        (SUNDAY, "2026-11-23 03:00", None),
        # Past midnight it is still that of the day before.
        (LATE, "2026-11-22 03:00", "2026-11-22 04:00"),
        (LATE, "2026-11-21 03:00", None),
        # The day is the zone's: it is Sunday in Auckland while it is Saturday in UTC.
        (window("Sun", "01:00", 2, "Pacific/Auckland"), "2026-11-21 12:30", "2026-11-21 14:00"),
        # In winter Paris is an hour ahead, in summer two.
        (PARIS, "2026-11-22 01:45", "2026-11-22 03:30"),
        (PARIS, "2026-07-19 01:45", "2026-07-19 02:30"),
        # 2026-03-29: there is no 02:30 in Paris; the clocks go from 02:00 to 03:00, which is 01:00 UTC.
        (PARIS, "2026-03-29 01:15", None),
        (PARIS, "2026-03-29 01:30", "2026-03-29 03:30"),
        # 2026-10-25: there are two; the first is 00:30 UTC, and two hours are two hours.
        (PARIS, "2026-10-25 00:30", "2026-10-25 02:30"),
        (PARIS, "2026-10-25 02:29", "2026-10-25 02:30"),
        (PARIS, "2026-10-25 02:30", None),
        # Openings that touch are one.
        (window("Mon Tue", "12:00", 24), "2026-11-23 13:00", "2026-11-25 12:00"),
    ],
)
def test_a_window_is_open_for_its_hours(declared: MaintenanceWindow, now: str, until: str | None) -> None:
    assert open_until(declared, at(now)) == (at(until) if until else None)


def test_a_window_of_every_day_and_hour_is_always_open() -> None:
    until = open_until(ALWAYS, at("2026-11-24 23:59:59"))
    assert until is not None
    assert until >= at("2026-12-01 00:00")


def test_the_next_opening_is_not_the_one_that_is_on() -> None:
    assert next_opening(SUNDAY, at("2026-11-22 03:00")) == at("2026-11-29 02:00")
    assert next_opening(SUNDAY, at("2026-11-22 01:00")) == at("2026-11-22 02:00")


def test_of_a_zone_that_is_not_known_nothing_is_guessed() -> None:
    unknown = window("Sun", "02:00", 4, "Europe/Atlantis")
    with pytest.raises(UnknownTimeZoneError, match="Europe/Atlantis"):
        open_until(unknown, at("2026-11-22 03:00"))


@given(
    days=st.sets(st.sampled_from(sorted(Weekday)), min_size=1),
    minutes=st.integers(0, 24 * 60 - 1),
    hours=st.integers(1, 24),
    zone=st.sampled_from(
        ["UTC", "Europe/Paris", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe"]
    ),
    now=st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 - made aware below
)
def test_a_window_opens_when_it_says_and_is_open_no_shorter_than_its_hours(
    days: set[Weekday], minutes: int, hours: int, zone: str, now: datetime
) -> None:
    declared = MaintenanceWindow(
        days=sorted(days),
        start=f"{minutes // 60:02}:{minutes % 60:02}",
        duration_hours=hours,
        time_zone=zone,
    )
    opens = next_opening(declared, now.replace(tzinfo=UTC))
    assert now.replace(tzinfo=UTC) < opens <= now.replace(tzinfo=UTC) + timedelta(days=7, hours=1)
    until = open_until(declared, opens)
    assert until is not None
    assert until >= opens + timedelta(hours=hours)
    if len(days) == 1 and hours < 24:
        assert open_until(declared, opens - timedelta(seconds=1)) is None
        assert open_until(declared, until) is None
