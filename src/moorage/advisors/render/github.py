"""Advice as GitHub's workflow commands: annotations beside the lines of a pull request."""

from __future__ import annotations

from typing import Final

from moorage.advisors.advice import Advice, Finding
from moorage.advisors.render.words import summary
from moorage.reports.findings import Severity
from moorage.reports.words import printable

_COMMANDS: Final = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}


def render(advice: Advice) -> str:
    """Return advice as workflow commands, the worst first: GitHub shows ten of each kind."""
    ordered = sorted(advice.findings, key=lambda finding: -finding.severity.rank)
    notes = [f"::notice title=moorage advise::{_data(note)}" for note in advice.notes]
    lines = [*(_finding(finding) for finding in ordered), *notes, printable(summary(advice))]
    return "".join(f"{line}\n" for line in lines)


def _finding(finding: Finding) -> str:
    properties = {"title": f"{finding.code} ({finding.severity})"}
    if finding.location.file:
        properties |= {"file": finding.location.file, "line": str(finding.location.line or 1)}
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    said = f"{finding.subject}: {finding.summary}\n{finding.consequence}".strip()
    return f"::{_COMMANDS.get(finding.severity, 'notice')} {written}::{_data(said)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
