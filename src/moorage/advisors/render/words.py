"""What several formats say in the same way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from moorage.advisors.advice import Advice, Change, Finding
from moorage.reports.findings import Action, Severity
from moorage.reports.words import counted

VERBS = {Action.APPLY: "apply", Action.DELETE: "delete"}


def summary(advice: Advice) -> str:
    """Say in a sentence what an advice comes to."""
    if not advice.findings:
        return "Nothing found."
    severities = Counter(finding.severity for finding in advice.findings)
    by = ", ".join(f"{severities[each]} {each}" for each in Severity if severities[each])
    subjects = len({finding.subject for finding in advice.findings})
    return f"{counted(len(advice.findings), 'finding')} about {counted(subjects, 'subject')}: {by}."


def changes(findings: Sequence[Finding]) -> Iterator[tuple[Change, ...]]:
    """Yield the changes of findings, each once: several findings may be resolved by the same."""
    seen: list[tuple[Change, ...]] = []
    for finding in findings:
        if finding.change and finding.change not in seen:
            seen.append(finding.change)
            yield finding.change


def percent(confidence: float) -> str:
    """Return a confidence as a person reads it."""
    return f"{confidence:.0%}"
