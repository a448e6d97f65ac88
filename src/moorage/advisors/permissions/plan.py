"""What the permissions advisor says: a log and RBAC in, advice out. Pure; time is an argument."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from moorage.advisors.advice import Advice, Finding
from moorage.advisors.permissions.findings import Judged, findings_of, score
from moorage.advisors.permissions.left_alone import LeftAlone, is_gone, why_left_alone
from moorage.advisors.permissions.model import ACCOUNT, Grant, Rbac, Usage
from moorage.advisors.permissions.proposal import change_of, nothing_left, propose
from moorage.advisors.permissions.use import Match, Used, Window, grants_of, match, window_of

WINDOW: Final = timedelta(days=30)
_FORMAT: Final = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Args:
        subject: only this one: ``namespace/name``, a username, or a group; all without.
        window: how long something must not have been used.
    """

    subject: str = ""
    window: timedelta = WINDOW


def plan(usage: Usage, rbac: Rbac, wanted: Wanted, *, now: datetime) -> Advice:
    """Decide which grants are more than is used, and by what to replace each.

    The order of events, of objects and of files makes no difference.
    """
    window = window_of(usage, length=wanted.window, now=now)
    grants = grants_of(rbac)
    matched = match(usage, grants, window)
    left = LeftAlone()
    ranked: list[tuple[float, Finding]] = []
    for judged in _judged(grants, matched, rbac, window):
        if not is_wanted(judged.grant, wanted.subject):
            continue
        if judged.why is not None:
            left.add(judged.why, judged.grant)
        ranked += [(score(each), each) for each in findings_of(judged, window, seen=matched.seen)]
    ranked.sort(key=lambda each: (-each[0], each[1].subject, each[1].code, each[1].parts))
    return Advice(
        advisor="permissions",
        findings=tuple(finding for _, finding in ranked),
        notes=(*_notes(usage, matched, window), *left.notes()),
        facts=_facts(usage, rbac, window, len(grants)),
        time=window.end,
    )


def _judged(grants: list[Grant], matched: Match, rbac: Rbac, window: Window) -> Iterator[Judged]:
    """Yield what is decided about each grant; the grants of one binding are decided on together."""
    for _, group in groupby(grants, lambda grant: grant.binding):
        found = [_judge(grant, matched.used[grant], rbac, window) for grant in group]
        proposals = {each.grant: each.proposal for each in found if each.proposal is not None}
        change = change_of(found[0].grant.binding, proposals) if proposals else ()
        yield from (replace(each, change=change if each.proposal else ()) for each in found)


def _judge(grant: Grant, used: Used, rbac: Rbac, window: Window) -> Judged:
    why = why_left_alone(grant, used, rbac, window)
    if why is not None:
        return Judged(grant, used, why)
    if is_gone(grant, rbac) and not used.requests:
        return Judged(grant, used, gone=True, proposal=nothing_left(grant))
    return Judged(grant, used, proposal=propose(grant, used, rbac))


def is_wanted(grant: Grant, subject: str) -> bool:
    """Say whether a grant is about a subject that a person named."""
    if not subject:
        return True
    names = {grant.subject.name, grant.subject.username, str(grant.subject)}
    if grant.subject.kind == "ServiceAccount":
        names = {
            f"{grant.subject.namespace}/{grant.subject.name}",
            grant.subject.username,
            str(grant.subject),
        }
    return subject in names


def _facts(usage: Usage, rbac: Rbac, window: Window, grants: int) -> dict[str, Any]:
    tally = usage.tally
    return {
        "events": tally.events,
        "duplicates": tally.duplicates,
        "otherStages": tally.stages,
        "corruptLines": tally.corrupt,
        "foreignLines": tally.foreign,
        "bytes": tally.bytes,
        "users": len({who.name for who, _, _ in usage.seen}),
        "serviceAccounts": len({who.name for who, _, _ in usage.seen if who.name.startswith(ACCOUNT)}),
        "denied": sum(usage.denied.values()),
        "grants": grants,
        "window": {
            "days": window.days,
            "from": window.begin.isoformat(),
            "to": window.end.isoformat(),
            "covered": round(window.covered, 3),
        },
        "auditLogs": list(usage.sources),
        "rbac": rbac.origin,
    }


def _notes(usage: Usage, matched: Match, window: Window) -> Iterator[str]:
    tally = usage.tally
    yield (
        f"{tally.events:,} requests of {len(matched.seen):,} users, from {window.first:{_FORMAT}} to "
        f"{window.end:{_FORMAT}} UTC; the window is {window.days:g} days, and the log covers "
        f"{window.covered:.0%} of it."
    )
    if tally.corrupt:
        more = (
            ""
            if len(usage.problems) >= tally.corrupt
            else f" and {tally.corrupt - len(usage.problems):,} more"
        )
        yield f"{tally.corrupt:,} lines cannot be read and were skipped: {'; '.join(usage.problems)}{more}."
    if tally.foreign:
        yield f"{tally.foreign:,} lines are no audit events and were skipped."
    if tally.incomplete:
        yield f"{tally.incomplete:,} logs end within a line, which was skipped: they are being written."
    if tally.duplicates:
        yield f"{tally.duplicates:,} events were there twice and are counted once."
    if window.empty_days:
        yield f"On {window.empty_days:,} days in between the log has no event at all: a part is missing."
    if window.skewed:
        yield "There are events of the future: a clock is wrong. They count as of now."
    if matched.too_old:
        yield f"{matched.too_old:,} different requests were last seen before the window: not used."
    missing = sorted({"get", "list", "watch"} - _reading(usage))
    if missing:
        yield (
            f"Nobody's {', '.join(missing)} is in the log: the audit policy may leave it out, "
            "so it is not called unused."
        )
    if matched.unexplained:
        yield (
            f"{matched.unexplained:,} requests were allowed by none of these bindings: by another authorizer "
            "(nodes, system:masters, a webhook), or by a binding that is not here."
        )


def _reading(usage: Usage) -> set[str]:
    return {request.verb for _, request, _ in usage.seen if request.resource}
