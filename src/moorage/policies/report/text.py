"""A report for a person: grouped by object, with what to do at the end; 80 columns are enough."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from moorage.policies.model import Action, Policy
from moorage.policies.report.model import Report, Result, refused_first
from moorage.policies.report.words import summary
from moorage.reports.findings import Severity
from moorage.reports.words import printable

WIDTH: Final = 80
Painter = Callable[[str, str | None], str]
"""Gives a text a style, where there are colours."""

_VERBS: Final = {Action.ENFORCE: "refused", Action.WARN: "warned", Action.AUDIT: "noted"}
_STYLES: Final = {Action.ENFORCE: "red", Action.WARN: "yellow", Action.AUDIT: "dim"}
_SEVERE: Final = frozenset({Severity.CRITICAL, Severity.HIGH})


def plain(text: str, style: str | None) -> str:  # noqa: ARG001 - a painter takes a style
    """Paint nothing."""
    return text


def render(report: Report, *, width: int = WIDTH, paint: Painter = plain) -> str:
    """Return a report as text.

    Args:
        report: what to say.
        width: how long lines may be; paths and links are never cut.
        paint: gives texts a style.
    """
    return "".join(f"{line}\n" for line in _Lines(width, paint).of(report))


class _Lines:
    def __init__(self, width: int, paint: Painter) -> None:
        self._width = width
        self._paint = paint

    def of(self, report: Report) -> Iterator[str]:
        """Yield the lines of a report."""
        if report.change and report.change.new:
            yield self._heading("What this change brings")
            yield ""
        yield from self._results(report.shown)
        if report.broken:
            yield self._heading("What to do")
            yield ""
            for policy in report.broken:
                yield from self._mend(policy)
        if report.change and report.change.mended:
            yield self._heading("What this change mends")
            yield ""
            for result in report.change.mended:
                yield from self._wrapped(f"{result.title}: {result.policy.name}", "  ", "    ")
            yield ""
        for remark in report.remarks:
            place = f"{remark.where}: " if remark.where else ""
            yield from self._wrapped(f"{place}exception {remark.name}: {remark.text}", "", "  ")
        for note in report.notes:
            yield from self._wrapped(note, "", "  ")
        if report.remarks or report.notes:
            yield ""
        yield from self._wrapped(summary(report), "", "")

    def _results(self, results: Sequence[Result]) -> Iterator[str]:
        for group in refused_first(results):
            where, title = str(group[0].thing.where), group[0].title
            yield f"{self._paint(printable(where), 'dim')}  {self._paint(printable(title), 'bold')}"
            for result in group:
                yield from self._result(result)
            yield ""

    def _result(self, result: Result) -> Iterator[str]:
        verb = self._paint(_VERBS[result.action], _STYLES[result.action])
        line = f", line {result.spot.line}" if result.spot and result.spot.line else ""
        yield f"  {verb} by {result.policy.name} ({self._severity(result.policy.severity)}){line}"
        yield from self._wrapped(result.message, "    ", "    ")

    def _mend(self, policy: Policy) -> Iterator[str]:
        first, *rest = self._wrapped(f"{policy.name}: {policy.title}", "  ", "    ")
        yield first.replace(policy.name, self._paint(policy.name, "bold"), 1)
        yield from rest
        yield from self._wrapped(policy.mend.text, "    ", "    ")
        if policy.references:
            yield f"    {policy.references[0].url}"
        yield ""

    def _severity(self, severity: Severity) -> str:
        return self._paint(severity.value, "red" if severity in _SEVERE else None)

    def _heading(self, text: str) -> str:
        return self._paint(text, "bold")

    def _wrapped(self, text: str, first: str, rest: str) -> list[str]:
        """Wrap at words; what is longer than a line stays whole, to be copied."""
        return textwrap.wrap(
            printable(" ".join(text.split())),
            max(self._width, 20),
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
