"""Advice as JSON, for programs; its shape changes only with its version."""

from __future__ import annotations

from typing import Any

import msgspec

from moorage.advisors.advice import Advice, Change, Finding

VERSION = "advice.moorage.dev/v1alpha1"


def render(advice: Advice) -> str:
    """Return advice as JSON."""
    return msgspec.json.format(msgspec.json.encode(as_json(advice)), indent=2).decode() + "\n"


def as_json(advice: Advice) -> dict[str, Any]:
    """Return advice in JSON's own types."""
    return {
        "apiVersion": VERSION,
        "kind": "AdviceReport",
        "advisor": advice.advisor,
        "time": advice.time.isoformat() if advice.time else None,
        "facts": dict(advice.facts),
        "findings": [finding_as_json(finding) for finding in advice.findings],
        "notes": list(advice.notes),
    }


def finding_as_json(finding: Finding) -> dict[str, Any]:
    """Return a finding in JSON's own types."""
    return {
        "id": finding.identity(),
        "advisor": finding.advisor,
        "code": finding.code,
        "subject": finding.subject,
        "severity": finding.severity.value,
        "confidence": round(finding.confidence, 2),
        "summary": finding.summary,
        "consequence": finding.consequence or None,
        "location": {
            "object": finding.location.thing or None,
            "file": finding.location.file or None,
            "line": finding.location.line,
        },
        "evidence": dict(finding.evidence),
        "change": [_change(each) for each in finding.change],
    }


def _change(change: Change) -> dict[str, Any]:
    was = {} if change.was is None else {"was": dict(change.was)}
    return {"action": change.action.value, "object": dict(change.content), **was}
