"""Lengths of time are written in one way, wherever they are written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moorage.durations import DurationError, duration, short


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0s", timedelta()),
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("0.5m", timedelta(seconds=30)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(days=14)),
    ],
)
def test_a_length_of_time_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "5", "m", "-5s", "10 m", " 1d", "1d ", "1y", "1h30m", "1.h", "٣d", "soon"]
)
def test_everything_else_is_none_and_the_error_says_of_what(text: str) -> None:
    with pytest.raises(DurationError) as refused:
        duration(text, name="--window")
    assert refused.value.message == f"--window {text or repr(text)} is no length of time"
    assert "30d" in (refused.value.hint or "")


def test_what_is_longer_than_any_clock_counts_is_refused() -> None:
    with pytest.raises(DurationError, match="longer than time goes"):
        duration("99999999999w")


@pytest.mark.parametrize("text", ["0s", "90s", "90m", "36h", "14d", "30d"])
def test_what_is_written_is_read_again(text: str) -> None:
    assert short(duration(text)) == text


@pytest.mark.parametrize(("length", "text"), [("120s", "2m"), ("2w", "14d"), ("1.5s", "2s")])
def test_a_length_of_time_is_written_in_the_largest_unit_that_says_it(length: str, text: str) -> None:
    assert short(duration(length)) == text
