"""What is said of a cluster's advice: its condition ``AdviceReady``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from moorage.advisors.advice import Advice
from moorage.advisors.cluster.timing import NotYet
from moorage.reports.findings import Severity

ADVICE_READY: Final = "AdviceReady"

CURRENT: Final = "Current"
COLLECTING: Final = "Collecting"
NO_EVENTS: Final = "NoEvents"
TOO_MUCH: Final = "TooMuch"
CLUSTER_UNREACHABLE: Final = "ClusterUnreachable"


@dataclass(frozen=True, slots=True)
class Said:
    """What a condition says. It must not change while nothing does: counts of events are not for it."""

    ok: bool
    reason: str
    message: str = ""


def collecting(why: NotYet, window: timedelta) -> Said:
    """Say from when on there is advice."""
    message = (
        f"permissions: not yet. Audit events come in since {_time(why.since)}; there is advice when they "
        f"fill the window of {words(window)}: from {_time(why.until)} on"
    )
    return Said(ok=False, reason=COLLECTING, message=message)


def silent() -> Said:
    """Say that nothing comes in."""
    message = "permissions: no audit event of the cluster has come in; `moorage logs audit` may say why"
    return Said(ok=False, reason=NO_EVENTS, message=message)


def too_much() -> Said:
    """Say that not all of what was done is known."""
    message = (
        "permissions: so many different things were done in the window that not all are kept, and so none "
        "can be called unused: is somebody impersonating users that there are not?"
    )
    return Said(ok=False, reason=TOO_MUCH, message=message)


def current(advice: Advice, window: timedelta) -> Said:
    """Say what was found."""
    counts = [
        (severity, sum(finding.severity is severity for finding in advice.findings)) for severity in Severity
    ]
    found = ", ".join(f"{count} {severity.value}" for severity, count in counts if count)
    what = (
        f"{len(advice.findings)} to decide on ({found})" if found else "nothing is granted that is not used"
    )
    return Said(ok=True, reason=CURRENT, message=f"permissions: {what}; the window is {words(window)}")


def words(length: timedelta) -> str:
    """Return a length of time in words: ``30 days``."""
    minutes = int(length.total_seconds()) // 60
    for name, size in (("day", 1440), ("hour", 60)):
        if minutes >= size and minutes % size == 0:
            return _number(minutes // size, name)
    return _number(minutes, "minute")


def _number(count: int, name: str) -> str:
    return f"1 {name}" if count == 1 else f"{count} {name}s"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
