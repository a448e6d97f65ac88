"""Lengths of time, as people write them everywhere: a number and a unit."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from moorage.errors import MoorageError

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(rf"([0-9]+(?:\.[0-9]+)?)([{''.join(_UNITS)}])")


class DurationError(MoorageError, ValueError):
    """What is written is no length of time; ``argparse`` takes it for the error of a value."""


def duration(text: str, *, name: str = "") -> timedelta:
    """Return the length of time that a text says: ``90s``, ``10m``, ``12h``, ``30d``, ``2w``, ``1.5h``.

    How long is too short or too long is for whoever asks to say.

    Args:
        text: what is written.
        name: of what it is the value, for the error: ``--window``.

    Raises:
        DurationError: it says none.
    """
    told = f"{name} {text}".lstrip() if text else f"{name} ''".lstrip()
    match = _DURATION.fullmatch(text)
    if match is None:
        raise DurationError(
            f"{told} is no length of time", hint="a number and s, m, h, d or w: 90s, 10m, 12h, 30d, 2w"
        )
    try:
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError:
        raise DurationError(f"{told} is longer than time goes") from None


def short(length: timedelta) -> str:
    """Return a length of time as `duration` reads it, in whole seconds: ``30d``, ``90m``."""
    seconds = round(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
