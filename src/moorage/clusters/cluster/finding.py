"""What one look at a part of a cluster comes to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Finding:
    """The content of a condition.

    Args:
        ok: whether it holds; ``None`` when that cannot be said.
        reason: one word for programs.
        message: for people; empty when there is nothing to say.
        recheck_after: when the message will read differently although nothing happens.
    """

    ok: bool | None
    reason: str
    message: str
    recheck_after: timedelta | None = None
