"""Advice as SARIF 2.1.0, which code scanning of GitHub, GitLab and others reads."""

from __future__ import annotations

from typing import Any, Final

from moorage.advisors.advice import Advice, Finding
from moorage.reports.findings import Severity
from moorage.reports.sarif import SECURITY, artifact, document, text

_LEVELS: Final = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}


def render(advice: Advice) -> str:
    """Return advice as SARIF."""
    return text(as_sarif(advice))


def as_sarif(advice: Advice) -> dict[str, Any]:
    """Return advice as SARIF, in JSON's own types."""
    codes = sorted({finding.code for finding in advice.findings})
    notes = [{"level": "note", "message": {"text": note}} for note in advice.notes]
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if notes:
        invocation["toolExecutionNotifications"] = notes
    return document(
        f"moorage advise {advice.advisor}",
        rules=[_rule(advice, code) for code in codes],
        results=[_result(finding, codes.index(finding.code)) for finding in advice.findings],
        invocation=invocation,
    )


def _rule(advice: Advice, code: str) -> dict[str, Any]:
    worst = max(
        (finding.severity for finding in advice.findings if finding.code == code), key=lambda each: each.rank
    )
    return {
        "id": f"{advice.advisor}/{code}",
        "name": "".join(word.capitalize() for word in code.split("-")),
        "shortDescription": {"text": code.replace("-", " ")},
        "defaultConfiguration": {"level": _LEVELS.get(worst, "note")},
        "properties": {"tags": ["kubernetes", "security"], "security-severity": SECURITY[worst]},
    }


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    where: dict[str, Any] = {
        "logicalLocations": [
            {"fullyQualifiedName": finding.location.thing or finding.subject, "kind": "object"}
        ]
    }
    if finding.location.file:
        where["physicalLocation"] = {
            "artifactLocation": artifact(finding.location.file),
            "region": {"startLine": finding.location.line or 1},
        }
    return {
        "ruleId": f"{finding.advisor}/{finding.code}",
        "ruleIndex": rule,
        "level": _LEVELS.get(finding.severity, "note"),
        "message": {"text": f"{finding.subject}: {finding.summary} {finding.consequence}".strip()},
        "locations": [where],
        "partialFingerprints": {"moorageAdvice/v1": finding.identity()},
        "rank": round(finding.confidence * 100, 1),
    }
