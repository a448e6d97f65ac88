"""Advice as SARIF 2.1.0, which code scanning of GitHub, GitLab and others reads."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from moorage import __version__
from moorage.advisors.advice import Advice, Finding, Severity

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}
_SECURITY: Final = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
}
"""GitHub sorts by this number, and calls from 9.0 on critical, from 7.0 high, from 4.0 medium."""


def render(advice: Advice) -> str:
    """Return advice as SARIF."""
    return json.dumps(as_sarif(advice), indent=2, ensure_ascii=False) + "\n"


def as_sarif(advice: Advice) -> dict[str, Any]:
    """Return advice as SARIF, in JSON's own types."""
    codes = sorted({finding.code for finding in advice.findings})
    notes = [{"level": "note", "message": {"text": note}} for note in advice.notes]
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if notes:
        invocation["toolExecutionNotifications"] = notes
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": f"moorage advise {advice.advisor}",
                        "version": __version__,
                        "semanticVersion": __version__,
                        "rules": [_rule(advice, code) for code in codes],
                    }
                },
                "automationDetails": {"id": f"moorage-advise-{advice.advisor}/"},
                "columnKind": "unicodeCodePoints",
                "invocations": [invocation],
                "results": [_result(finding, codes.index(finding.code)) for finding in advice.findings],
            }
        ],
    }


def _rule(advice: Advice, code: str) -> dict[str, Any]:
    worst = max(
        (finding.severity for finding in advice.findings if finding.code == code), key=lambda each: each.rank
    )
    return {
        "id": f"{advice.advisor}/{code}",
        "name": "".join(word.capitalize() for word in code.split("-")),
        "shortDescription": {"text": code.replace("-", " ")},
        "defaultConfiguration": {"level": _LEVELS.get(worst, "note")},
        "properties": {"tags": ["kubernetes", "security"], "security-severity": _SECURITY[worst]},
    }


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    where: dict[str, Any] = {
        "logicalLocations": [
            {"fullyQualifiedName": finding.location.thing or finding.subject, "kind": "object"}
        ]
    }
    if finding.location.file:
        where["physicalLocation"] = {
            "artifactLocation": _artifact(finding.location.file),
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


def _artifact(file: str) -> dict[str, Any]:
    path = PurePath(file)
    if path.is_absolute():
        return {"uri": f"file://{quote(path.as_posix())}"}
    return {"uri": quote(path.as_posix()), "uriBaseId": "%SRCROOT%"}
