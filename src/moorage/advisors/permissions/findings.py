"""The findings about one grant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from moorage.advisors.advice import Change, Finding, Location
from moorage.advisors.permissions.evaluate import rule_allows, uncovered
from moorage.advisors.permissions.least import as_object, joined, ordered, told
from moorage.advisors.permissions.left_alone import Why
from moorage.advisors.permissions.model import ALL, Binding, Grant, Request, Role, Rule
from moorage.advisors.permissions.proposal import Proposal
from moorage.advisors.permissions.risk import by_rank, dangers, severity_of
from moorage.advisors.permissions.use import Used, Window
from moorage.durations import short
from moorage.reports.findings import Severity

ADVISOR: Final = "permissions"
_SOME: Final = 8
_UNSEEN_SUBJECT: Final = 0.8
_WILDCARD: Final = 0.9
_SEEN_SUBJECT: Final = 0.95
_FULL_USE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Judged:
    """What was decided about a grant.

    Args:
        grant: which one.
        used: what it was used for.
        why: why it is left alone, if so.
        gone: whether its subject is not there.
        proposal: what to put in its place, if anything.
        change: the objects of that.
    """

    grant: Grant
    used: Used
    why: Why | None = None
    gone: bool = False
    proposal: Proposal | None = None
    change: tuple[Change, ...] = ()


def findings_of(judged: Judged, window: Window, *, seen: frozenset[str]) -> Iterator[Finding]:
    """Yield what is to say about a grant.

    Args:
        judged: what was decided about it.
        window: the time that counts.
        seen: the users in the log.
    """
    if judged.why is Why.SYSTEM:
        return
    about = _About(judged, window, seen)
    proposal = judged.proposal
    if judged.gone and proposal is not None:
        yield about.gone(proposal)
        return
    yield from about.escalation()
    if proposal is None:
        return
    if not proposal.rules:
        yield about.unused_binding(proposal)
        return
    for rule in judged.grant.role.rules:
        finding = about.rule(rule, proposal)
        if finding is not None:
            yield finding
    if proposal.namespace is not None:
        yield about.cluster_wide(proposal)


def score(finding: Finding) -> float:
    """Return by what findings are ranked: risk times disuse, as far as it is sure."""
    disuse = float(finding.evidence.get("disuse", 1.0))
    return 4.0**finding.severity.rank * disuse * (0.5 + finding.confidence / 2)


class _About:
    """Words the findings about one grant."""

    def __init__(self, judged: Judged, window: Window, seen: frozenset[str]) -> None:
        self._judged = judged
        self._grant = grant = judged.grant
        self._used = judged.used
        self._everywhere = not grant.binding.namespace
        self._window = short(timedelta(days=window.days))
        known = grant.subject.kind == "Group" or grant.subject.username in seen
        self._sure = window.covered * (_SEEN_SUBJECT if known else _UNSEEN_SUBJECT)

    def gone(self, proposal: Proposal) -> Finding:
        subject = self._grant.subject
        return self._finding(
            "subject-gone",
            severity_of(self._grant.role.rules, everywhere=self._everywhere),
            f"{self._grant.binding} gives {self._grant.role} to {subject}, which does not exist.",
            confidence=1.0,
            proposal=proposal,
            consequence=f"Whoever may create ServiceAccounts in {subject.namespace} gets this by making it.",
        )

    def unused_binding(self, proposal: Proposal) -> Finding:
        rules = joined(proposal.proof.removed)
        return self._finding(
            "unused-binding",
            severity_of(rules, everywhere=self._everywhere),
            f"{self._grant.binding} gives {self._grant.role}, and nothing of it was used.",
            proposal=proposal,
            consequence=self._takeover(rules),
        )

    def cluster_wide(self, proposal: Proposal) -> Finding:
        return self._finding(
            "cluster-wide-in-one-namespace",
            severity_of(self._grant.role.rules, everywhere=True),
            f"{self._grant.binding} grants {self._grant.role} in every namespace; "
            f"it is used in {proposal.namespace} only.",
            proposal=proposal,
            consequence=self._takeover(self._grant.role.rules),
        )

    def rule(self, rule: Rule, proposal: Proposal) -> Finding | None:
        """Return what is to say about a rule; nothing where all of it stays."""
        removed = uncovered(proposal.rules, [rule])
        if not removed:
            return None
        requests = [request for request in self._used.requests if rule_allows(rule, request)]
        code, said = _words(rule, requests, proposal)
        wildcard = ALL in (*rule.verbs, *rule.groups, *rule.resources, *rule.paths)
        count = sum(self._used.requests[request].count for request in requests)
        return self._finding(
            code,
            severity_of(removed, everywhere=self._everywhere),
            said,
            confidence=self._sure * (_WILDCARD if wildcard else 1.0),
            proposal=proposal,
            consequence=self._takeover(removed),
            location=_place(self._grant.role),
            parts=(repr(as_object(rule)),),
            more={"rule": told(rule), "ruleRequests": count, "disuse": _disuse(rule, removed)},
        )

    def escalation(self) -> Iterator[Finding]:
        """Yield what the grant can be turned into; what of it is needed is said, too, but later."""
        role, proposal, why = self._grant.role, self._judged.proposal, self._judged.why
        every = dangers(role.rules)
        if not every:
            return
        needed = every if proposal is None else dangers(proposal.rules)
        needless = [danger for danger in every if danger not in needed]
        worst = (needless or every)[0]
        rank = worst.severity.rank - (0 if self._everywhere else 1) - (0 if needless else 1)
        note = f" It is left alone: {why}." if why else "" if needless else " It was used."
        yield self._finding(
            "escalation",
            by_rank(max(rank, 1)),
            f"{role} lets {self._grant.subject} {'; '.join(each.why for each in needless or every)}.{note}",
            proposal=proposal if needless else None,
            consequence=f"Whoever takes over {self._grant.subject} can {worst.why}.",
            location=_place(role),
            more={
                "needless": [danger.name for danger in needless],
                "needed": [danger.name for danger in every if danger in needed],
                "disuse": 1.0 if needless else _FULL_USE,
            },
        )

    def _takeover(self, rules: Any) -> str:
        found = dangers(rules)
        what = found[0].why if found else "do this, too"
        return f"Whoever takes over {self._grant.subject} can {what}."

    def _finding(  # noqa: PLR0913 - all of them by name
        self,
        code: str,
        severity: Severity,
        summary: str,
        *,
        consequence: str,
        confidence: float | None = None,
        proposal: Proposal | None = None,
        location: Location | None = None,
        parts: tuple[str, ...] = (),
        more: dict[str, Any] | None = None,
    ) -> Finding:
        grant = self._grant
        return Finding(
            advisor=ADVISOR,
            subject=str(grant.subject),
            code=code,
            severity=severity,
            confidence=round(self._sure if confidence is None else confidence, 3),
            summary=summary,
            evidence={**self._evidence(), **(more or {}), **(_proof(proposal) if proposal else {})},
            change=self._judged.change if proposal else (),
            consequence=consequence,
            location=location or _place(grant.binding),
            parts=(str(grant.binding), str(grant.role), *parts),
        )

    def _evidence(self) -> dict[str, Any]:
        used = self._used
        found: dict[str, Any] = {
            "binding": str(self._grant.binding),
            "role": str(self._grant.role),
            "window": self._window,
            "requests": used.count,
            "last": max((seen.last for seen in used.requests.values()), default="") or None,
        }
        if used.failed:
            found["allowedButFailed"] = used.failed
        if self._grant.subject.kind == "Group":
            found["members"] = {"seen": len(used.members), "some": sorted(used.members)[:_SOME]}
        return found


def _proof(proposal: Proposal) -> dict[str, Any]:
    proof = proposal.proof
    found: dict[str, Any] = {
        "proof": {
            "requestsStillAllowed": proof.requests - len(proof.lost),
            "requestsLost": len(proof.lost),
            "newlyAllowed": len(proof.gained),
        },
        "removed": [told(rule) for rule in proposal.removed],
    }
    if proposal.namespace is not None:
        found["removedOutside"] = proposal.namespace
    if proposal.kept:
        found["keptThoughUnseen"] = [told(rule) for rule in joined_rules(proposal.kept)]
    return found


def joined_rules(rules: tuple[Rule, ...]) -> list[Rule]:
    """Return rules without those that are there twice, in a stable order."""
    return sorted(set(rules), key=repr)


def _words(rule: Rule, requests: list[Request], proposal: Proposal) -> tuple[str, str]:
    """Return the code and the sentence for a rule that is more than is used."""
    stays = [part for part in proposal.rules if not uncovered([rule], [part])]
    if not requests and not stays:
        return "unused-rule", f"The rule “{told(rule)}” was not used."
    if ALL in (*rule.verbs, *rule.groups, *rule.resources, *rule.paths):
        left = "; ".join(told(part) for part in stays) or "nothing"
        return "wildcard-used-in-part", f"Of the rule “{told(rule)}” only this is needed: {left}."
    needed = {verb for part in stays for verb in part.verbs}
    if unused := [verb for verb in ordered(rule.verbs) if verb not in needed]:
        return "unused-verb", f"Of the rule “{told(rule)}” nobody used {', '.join(unused)}."
    resources = {resource for part in stays for resource in (*part.resources, *part.paths)}
    if others := [each for each in (*rule.resources, *rule.paths) if each not in resources]:
        return "unused-resource", f"Of the rule “{told(rule)}” nobody used {', '.join(others)}."
    left = "; ".join(told(part) for part in stays)
    return "loose-rule", f"Of the rule “{told(rule)}” only this is needed: {left}."


def _disuse(rule: Rule, removed: list[Rule]) -> float:
    """Return how much of a rule is not used; a wildcard is never used whole."""
    parts = max(len(rule.verbs) * max(len(rule.groups), 1) * max(len(rule.resources) + len(rule.paths), 1), 1)
    parts *= max(len(rule.names), 1)
    return round(min(len(removed) / parts, 1.0), 2)


def _place(thing: Role | Binding) -> Location:
    return Location(str(thing), thing.place.file, thing.place.line)
