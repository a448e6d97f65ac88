"""What a log has, by number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """What a log has, by number.

    Args:
        events: requests that were counted.
        duplicates: events that were there already.
        stages: events of a stage that says nothing yet.
        corrupt: lines that cannot be read.
        foreign: lines that are no audit events.
        incomplete: last lines that were still being written.
        bytes: how much was read.
    """

    events: int = 0
    duplicates: int = 0
    stages: int = 0
    corrupt: int = 0
    foreign: int = 0
    incomplete: int = 0
    bytes: int = 0

    def add(self, other: Tally) -> None:
        """Take in another part's numbers."""
        for name in Tally.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
