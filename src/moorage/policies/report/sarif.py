"""A report as SARIF 2.1.0, which code scanning of GitHub, GitLab and others reads."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from moorage.manifests.model import Where
from moorage.policies.model import Action, Policy
from moorage.policies.report.model import Failure, Report, Result
from moorage.reports.findings import Severity
from moorage.reports.sarif import SECURITY, artifact, document, text

_LEVELS: Final = {Action.ENFORCE: "error", Action.WARN: "warning", Action.AUDIT: "note"}
_SECURITY_CATEGORIES: Final = frozenset({"pod-security", "images", "access", "network"})


def render(report: Report) -> str:
    """Return a report as SARIF."""
    return text(as_sarif(report))


def as_sarif(report: Report) -> dict[str, Any]:
    """Return a report as SARIF, in JSON's own types.

    Of a change, what is new and what was there before are told apart as SARIF has it: by a baseline state.
    """
    new = {id(result) for result in report.change.new} if report.change else set()
    policies = {result.policy.name: result.policy for result in report.results}
    places = {name: place for place, name in enumerate(sorted(policies))}
    invocation: dict[str, Any] = {"executionSuccessful": not report.failures}
    if report.failures:
        invocation["toolExecutionNotifications"] = [_notification(failure) for failure in report.failures]
    results = []
    for result in report.results:
        found = _result(result, places[result.policy.name])
        if report.change:
            found["baselineState"] = "new" if id(result) in new else "unchanged"
        results.append(found)
    rules = [_rule(policies[name]) for name in places]
    return document("moorage policy", rules=rules, results=results, invocation=invocation)


def _rule(policy: Policy) -> dict[str, Any]:
    tags = ["kubernetes", policy.category]
    properties: dict[str, Any] = {"precision": "very-high", "problem.severity": _problem(policy.severity)}
    if policy.category in _SECURITY_CATEGORIES:
        properties["security-severity"] = SECURITY[policy.severity]
        tags.append("security")
    examples = [
        f"{title}:\n\n```yaml\n{text.strip()}\n```"
        for title, text in (("Refused", policy.mend.before), ("Allowed", policy.mend.after))
        if text.strip()
    ]
    found: dict[str, Any] = {
        "id": policy.name,
        "name": policy.kind,
        "shortDescription": {"text": policy.title},
        "fullDescription": {"text": policy.what},
        "help": {
            "text": f"{policy.why}\n\n{policy.mend.text}",
            "markdown": "\n\n".join([policy.why, policy.mend.text, *examples]),
        },
        "defaultConfiguration": {"level": "error"},
        "properties": {**properties, "tags": tags},
    }
    if policy.references:
        found["helpUri"] = policy.references[0].url
    return found


def _problem(severity: Severity) -> str:
    return {Severity.LOW: "recommendation", Severity.MEDIUM: "warning"}.get(severity, "error")


def _result(result: Result, rule: int) -> dict[str, Any]:
    fingerprint = hashlib.sha256("\0".join(result.identity).encode()).hexdigest()
    location: dict[str, Any] = {
        "physicalLocation": _physical(result.where),
        "logicalLocations": [{"fullyQualifiedName": str(result.thing), "kind": "object"}],
    }
    return {
        "ruleId": result.policy.name,
        "ruleIndex": rule,
        "level": _LEVELS[result.action],
        "message": {"text": f"{result.title}: {result.message}"},
        "locations": [location],
        "partialFingerprints": {"moorageFinding/v1": fingerprint},
    }


def _physical(where: Where) -> dict[str, Any]:
    found: dict[str, Any] = {"artifactLocation": artifact(where.file)}
    region = {"startLine": where.line or 1}
    if where.column is not None:
        region["startColumn"] = where.column
    found["region"] = region
    return found


def _notification(failure: Failure) -> dict[str, Any]:
    hint = f" ({failure.hint})" if failure.hint else ""
    found: dict[str, Any] = {"level": "error", "message": {"text": f"{failure.message}{hint}"}}
    if failure.where:
        found["locations"] = [{"physicalLocation": _physical(failure.where)}]
    return found
