"""Sentences that several formats share."""

from __future__ import annotations

from collections import Counter

from moorage.policies.model import Action
from moorage.policies.report.model import SEVERITIES, Report
from moorage.reports.words import counted

VERBS = {Action.ENFORCE: "refused", Action.WARN: "warned of", Action.AUDIT: "noted"}


def summary(report: Report) -> str:
    """Say in a sentence or two what a report says."""
    things = {id(result.thing) for result in report.shown if result.action is Action.ENFORCE}
    severities = Counter(result.policy.severity for result in report.shown if result.action is Action.ENFORCE)
    parts = []
    refused = report.counts[Action.ENFORCE]
    if refused:
        by = ", ".join(f"{severities[each]} {each}" for each in SEVERITIES if severities[each])
        parts.append(f"{counted(refused, 'finding')} in {counted(len(things), 'object')} refused ({by})")
    others = (Action.WARN, Action.AUDIT)
    parts += [f"{report.counts[each]} {VERBS[each]}" for each in others if report.counts[each]]
    if report.change:
        parts.append(f"{len(report.change.mended)} mended")
        parts.append(f"{report.change.same} as in {report.change.base}")
    if report.failures:
        parts.append(f"{counted(len(report.failures), 'thing')} could not be judged")
    said = ", ".join(parts) if parts else "nothing is refused"
    if report.failures and not report.things:
        return f"{said[:1].upper()}{said[1:]}."
    judged = f"{counted(len(report.things), 'object')}, {_policies(len(report.policies), report.loaded)}"
    excepted = f", {counted(report.exceptions, 'exception')}" if report.exceptions else ""
    return f"{said[:1].upper()}{said[1:]}. {judged}{excepted}."


def _policies(judged: int, loaded: int) -> str:
    """Say how many policies judged, of how many: most are about kinds that are not there."""
    of = f"{judged:,} of " if judged < loaded else ""
    return f"{of}{counted(max(judged, loaded), 'policy', 'policies')}"
