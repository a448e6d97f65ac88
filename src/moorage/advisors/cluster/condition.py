"""What is said of a cluster's advice: its condition ``AdviceReady``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from moorage.advisors.advice import Advice
from moorage.advisors.cluster.timing import words
from moorage.advisors.cluster.topic import Found, Silent
from moorage.kube.clusters import Said
from moorage.reports.findings import Severity

ADVICE_READY: Final = "AdviceReady"
CURRENT: Final = "Current"
UNREACHABLE: Final = "ClusterUnreachable"
FAILED: Final = "Failed"


def said_of(outcomes: Mapping[str, Found | Silent], window: timedelta) -> Said:
    """Put together what each advisor has to say, in the order that they are in.

    The reason is that of the first one that has nothing to say.
    """
    silent = [each.reason for each in outcomes.values() if isinstance(each, Silent)]
    parts = [
        f"{advisor}: {each.message if isinstance(each, Silent) else _found(each)}"
        for advisor, each in outcomes.items()
    ]
    message = "; ".join(part.rstrip(".") for part in parts)
    if not silent:
        message = f"{message}; the window is {words(window)}"
    return Said(ok=not silent, reason=silent[0] if silent else CURRENT, message=message)


def _found(found: Found) -> str:
    counts = by_severity(found.advice)
    return f"{len(found.advice.findings)} to decide on ({counts})" if counts else found.clean


def by_severity(advice: Advice) -> str:
    """Return how many findings there are of each severity: ``1 high, 2 low``; empty when there is none."""
    counts = [
        (severity, sum(finding.severity is severity for finding in advice.findings)) for severity in Severity
    ]
    return ", ".join(f"{count} {severity.value}" for severity, count in counts if count)
