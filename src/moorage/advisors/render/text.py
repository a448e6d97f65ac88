"""Advice for a person: by subject, with the change at the end; 80 columns are enough."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, Final

from moorage.advisors.advice import Advice, Change, Finding
from moorage.advisors.render.as_yaml import to_yaml
from moorage.advisors.render.words import changes, percent, summary
from moorage.reports.findings import Action, Severity
from moorage.reports.words import printable

WIDTH: Final = 80
Painter = Callable[[str, str | None], str]
"""Gives a text a style, where there are colours."""

_STYLES: Final = {
    Severity.CRITICAL: "red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "dim",
}


def plain(text: str, style: str | None) -> str:  # noqa: ARG001 - a painter takes a style
    """Paint nothing."""
    return text


def render(advice: Advice, *, width: int = WIDTH, paint: Painter = plain) -> str:
    """Return advice as text.

    Args:
        advice: what to say.
        width: how long lines may be; names and manifests are never cut.
        paint: gives texts a style.
    """
    return "".join(f"{line}\n" for line in _lines(advice, width, paint))


def _lines(advice: Advice, width: int, paint: Painter) -> Iterator[str]:
    places = {
        subject: place for place, subject in reversed(list(enumerate(f.subject for f in advice.findings)))
    }
    ordered = sorted(advice.findings, key=lambda finding: places[finding.subject])
    shown: list[tuple[Change, ...]] = []
    for subject, group in groupby(ordered, lambda finding: finding.subject):
        findings = list(group)
        yield paint(printable(subject), "bold")
        told: set[str] = set()
        for finding in findings:
            yield from _finding(finding, width, paint, told)
        for change in changes(findings):
            if change in shown:
                yield "  to resolve it: the change above"
                continue
            shown.append(change)
            yield "  to resolve it:"
            for each in change:
                yield f"  {paint(each.action.value, 'bold')} {printable(each.name)}"
                if each.action is Action.APPLY:
                    yield from (f"    {printable(line)}" for line in to_yaml(dict(each.content)).splitlines())
        yield ""
    for note in advice.notes:
        yield from _wrapped(note, width, "", "  ")
    if advice.notes:
        yield ""
    yield from _wrapped(summary(advice), width, "", "")


def _finding(finding: Finding, width: int, paint: Painter, told: set[str]) -> Iterator[str]:
    """Yield the lines of a finding; evidence that was told of the same subject is not told again."""
    severity = paint(finding.severity.value, _STYLES[finding.severity])
    where = printable(str(finding.location))
    yield f"  {severity} {finding.code}, {percent(finding.confidence)} sure ({where})"
    yield from _wrapped(finding.summary, width, "    ", "    ")
    for name, value in finding.evidence.items():
        said = f"{name}: {_told(value)}"
        if _told(value) and said not in told:
            told.add(said)
            yield from _wrapped(said, width, "      ", "        ")
    if finding.consequence:
        yield from _wrapped(finding.consequence, width, "    ", "    ")


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(item)}" for key, item in value.items() if _told(item))
    if isinstance(value, list | tuple):
        return "; ".join(_told(item) for item in value)
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _wrapped(text: str, width: int, first: str, rest: str) -> list[str]:
    """Wrap at words; what is longer than a line stays whole, to be copied."""
    return textwrap.wrap(
        printable(" ".join(text.split())),
        max(width, 20),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]
