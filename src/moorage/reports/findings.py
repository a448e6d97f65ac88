"""What findings have in common, whoever makes them: how bad one is, and what is done about it."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """How bad it is when nothing is done; the worst comes first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """4 for critical, down to 1."""
        return len(Severity) - list(Severity).index(self)


class Action(StrEnum):
    """What is done with an object of a change."""

    APPLY = "apply"
    DELETE = "delete"
