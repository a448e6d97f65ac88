"""Words for people: how many, since when, and what Cluster API's messages come to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

_SHOWN = 3
_LONGEST = 1000
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_STEPS = (
    *(n * _MINUTE for n in (1, 2, 3, 5, 10, 15, 20, 30, 45)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 3, 7, 14, 30)),
)
"""A message that says how long something takes changes at these ages only: a status is not a clock."""


def age(since: datetime, now: datetime) -> str:
    """Say how long something takes (``4m``), in steps; nothing in the first minute."""
    reached = _reached(now - since)
    if reached is None:
        return ""
    if reached >= _DAY:
        return f"{reached // _DAY}d"
    return f"{reached // _HOUR}h" if reached >= _HOUR else f"{reached // _MINUTE}m"


def next_step(since: datetime, now: datetime) -> timedelta | None:
    """Return when `age` will say something else."""
    passed = now - since
    return next((step - passed for step in _STEPS if step > passed), None)


def count(number: int, noun: str) -> str:
    """Say a number of things: ``1 node``, ``3 nodes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def some(names: Sequence[str]) -> str:
    """Name some of many: ``a, b, c and 4 more``."""
    shown = ", ".join(names[:_SHOWN])
    rest = len(names) - _SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


def plain(message: str) -> str:
    """Put one of Cluster API's nested lists of problems into one line."""
    lines = (line.strip().lstrip("*").strip() for line in message.splitlines())
    text = ""
    for line in filter(None, lines):
        joint = " " if not text or text.endswith(":") else "; "
        text = f"{text}{joint}{line}" if text else line
    return shortened(text)


def shortened(text: str) -> str:
    """Keep a message to a length that a person reads."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def sentence(parts: Iterable[str]) -> str:
    """Join what there is to say."""
    return shortened("; ".join(part for part in parts if part))


def _reached(passed: timedelta) -> timedelta | None:
    return next((step for step in reversed(_STEPS) if step <= passed), None)
