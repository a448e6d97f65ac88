"""The states of an advice, and how it gets from one to another. Pure.

Open ──▶ Applied ──▶ Resolved        the change was made, and the advisor sees it
 │  ◀───────┘           │            it does not: after a while the advice is open again
 ├──▶ Dismissed ──▶ Open             until its date
 └──────────────▶ Resolved ──▶ Open  found no more; found again
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from moorage.api.advice import (
    HISTORY_MAX,
    AdviceState,
    AdviceStatus,
    Application,
    ApplicationPhase,
    Dismissal,
    Happening,
    SeverityChange,
)
from moorage.api.conditions import ConditionStatus, condition, set_condition
from moorage.reports.findings import Severity

RESOLVED: Final = "Resolved"
PLATFORM: Final = "moorage:operator"
"""Who does what no person does."""

AUTO: Final = "moorage:auto"
"""Who follows advice where an owner wants the platform to: in the user cluster it is another user."""

SETTLING: Final = timedelta(minutes=10)
"""How long an advisor may need to see a change: it may be looking at what was read before."""

_UNDER_WAY: Final = frozenset({ApplicationPhase.APPLYING, ApplicationPhase.REVERTING})
_MESSAGES: Final[Mapping[AdviceState, str]] = {
    AdviceState.OPEN: "somebody should decide",
    AdviceState.APPLIED: "the change was made; the advisor has yet to see it",
    AdviceState.DISMISSED: "somebody decided against it",
    AdviceState.RESOLVED: "the advisor finds it no more",
}


def new(severity: Severity, now: datetime) -> AdviceStatus:
    """Return the status of an advice that is found for the first time."""
    return _moved(AdviceStatus(), AdviceState.OPEN, by=PLATFORM, what=f"found, {severity.value}", now=now)


def dismissed(
    status: AdviceStatus, *, by: str, reason: str, until: datetime | None, now: datetime
) -> AdviceStatus:
    """Return the status of an advice that somebody does not want to follow."""
    end = f" until {told(until)}" if until else ""
    dismissal = Dismissal(by=by, at=now, reason=reason, until=until)
    return _moved(
        status,
        AdviceState.DISMISSED,
        by=by,
        what=f"dismissed{end}: {reason}"[:1024],
        now=now,
        dismissal=dismissal,
    )


def reopened(status: AdviceStatus, *, by: str, why: str, now: datetime) -> AdviceStatus:
    """Return the status of an advice that is open again; a dismissal counts no more."""
    return _moved(status, AdviceState.OPEN, by=by, what=f"opened again: {why}", now=now, dismissal=None)


def harmed(status: AdviceStatus, *, why: str, now: datetime) -> AdviceStatus:
    """Return the status of an advice whose change did harm: open, to be reverted."""
    application = status.application
    update = application.model_copy(update={"harm": why[:1024]}) if application is not None else None
    return _moved(
        status,
        AdviceState.OPEN,
        by=PLATFORM,
        what=f"opened again: {why}"[:1024],
        now=now,
        application=update,
        dismissal=None,
    )


def applied(status: AdviceStatus, application: Application, *, now: datetime) -> AdviceStatus:
    """Return the status of an advice with its application, as far as that is.

    While objects are written the state does not change: what is interrupted is neither done nor undone.
    Once it is either, an earlier dismissal counts no more: somebody has decided anew.
    """
    phase = application.phase
    state = status.state or AdviceState.OPEN
    dismissal = status.dismissal if phase in _UNDER_WAY else None
    if phase is ApplicationPhase.APPLIED:
        state = AdviceState.APPLIED
    elif phase is ApplicationPhase.REVERTED:
        state = AdviceState.OPEN
    said = f": {application.message}" if application.message else ""
    return _moved(
        status,
        state,
        by=application.by,
        what=f"{phase.value.lower()}{said}",
        now=now,
        application=application,
        dismissal=dismissal,
    )


def watched(status: AdviceStatus, *, by: str, what: str, now: datetime) -> AdviceStatus:
    """Return the status of an advice whose change has been watched to the end, and did no harm."""
    application = status.application
    if application is None or application.watch is None:
        return status
    watch = application.watch.model_copy(update={"over": True})
    update = {"application": application.model_copy(update={"watch": watch})}
    return _told(status.model_copy(update=update), by=by, what=what, now=now)


def let_go(status: AdviceStatus, *, by: str, why: str, now: datetime) -> AdviceStatus:
    """Return the status of an advice that can neither be finished nor undone: somebody else took over."""
    application = status.application
    if application is None:
        return status
    update = {"phase": ApplicationPhase.REVERTED, "by": by, "at": now, "message": why[:1024], "watch": None}
    done = application.model_copy(update=update)
    return _moved(
        status,
        AdviceState.OPEN,
        by=by,
        what=f"let go: {why}"[:1024],
        now=now,
        application=done,
        dismissal=None,
    )


def told(until: datetime) -> str:
    """Return a time until which something holds, as a person says it: midnight is the end of a day."""
    at = until.astimezone(UTC)
    if at.time() == time():
        return f"the end of {at - timedelta(days=1):%Y-%m-%d} (UTC)"
    return f"{at:%Y-%m-%d %H:%M} UTC"


def is_under_way(status: AdviceStatus) -> bool:
    """Say whether somebody is writing the objects of the change, or was interrupted at it."""
    return status.application is not None and status.application.phase in _UNDER_WAY


def stands(status: AdviceStatus) -> bool:
    """Say whether the change was made and is not taken back, whatever the advisor finds since."""
    application = status.application
    return application is not None and application.phase in {
        ApplicationPhase.APPLIED,
        ApplicationPhase.REVERTING,
    }


def is_harmful(status: AdviceStatus) -> bool:
    """Say whether the change was made, stands, and did harm."""
    application = status.application
    return (
        application is not None
        and bool(application.harm)
        and application.phase in {ApplicationPhase.APPLIED, *_UNDER_WAY}
    )


def when_found(status: AdviceStatus, *, severity: Severity, before: Severity, now: datetime) -> AdviceStatus:
    """Return the status of an advice that the advisor finds (still, or again)."""
    status = _severity(status, severity, before, now)
    if is_under_way(status):
        return status
    match status.state or AdviceState.OPEN:
        case AdviceState.DISMISSED if _is_over(status, now):
            return reopened(status, by=PLATFORM, why="the dismissal has ended", now=now)
        case AdviceState.RESOLVED if status.dismissal is not None and not _is_over(status, now):
            what = "found again, and still dismissed"
            return _moved(status, AdviceState.DISMISSED, by=PLATFORM, what=what, now=now)
        case AdviceState.RESOLVED:
            return reopened(status, by=PLATFORM, why="it is found again", now=now)
        case AdviceState.APPLIED if _is_settled(status, now):
            why = "the change was made, and the advisor still finds it: somebody may have put it back"
            return reopened(status, by=PLATFORM, why=why, now=now)
    return status


def when_gone(status: AdviceStatus, now: datetime) -> AdviceStatus:
    """Return the status of an advice that the advisor does not find any more."""
    if is_under_way(status) or is_harmful(status) or status.state is AdviceState.RESOLVED:
        return status
    return _moved(status, AdviceState.RESOLVED, by=PLATFORM, what="resolved: found no more", now=now)


def when_outgrown(status: AdviceStatus, *, why: str, now: datetime) -> AdviceStatus:
    """Return the status of an advice whose evidence is not what is asked for any more.

    Only what waits for a decision is resolved: what somebody has decided stays as it is.
    """
    if status.state not in {None, AdviceState.OPEN} or is_under_way(status) or is_harmful(status):
        return status
    return _moved(status, AdviceState.RESOLVED, by=PLATFORM, what=f"resolved: {why}", now=now)


def last_moved(status: AdviceStatus) -> datetime | None:
    """Return when anything last became of an advice."""
    return max((happening.at for happening in status.history), default=None)


def _is_over(status: AdviceStatus, now: datetime) -> bool:
    until = status.dismissal.until if status.dismissal is not None else None
    return status.dismissal is None or (until is not None and until <= now)


def _is_settled(status: AdviceStatus, now: datetime) -> bool:
    application = status.application
    return application is None or now - application.at >= SETTLING


def _severity(status: AdviceStatus, severity: Severity, before: Severity, now: datetime) -> AdviceStatus:
    if severity is before:
        return status
    changed = status.model_copy(update={"severity_change": SeverityChange(was=before, at=_second(now))})
    what = f"now {severity.value}, was {before.value}"
    return _told(changed, by=PLATFORM, what=what, now=now)


def _moved(
    status: AdviceStatus, state: AdviceState, *, by: str, what: str, now: datetime, **fields: Any
) -> AdviceStatus:
    is_resolved = ConditionStatus.TRUE if state is AdviceState.RESOLVED else ConditionStatus.FALSE
    conditions = set_condition(
        status.conditions,
        condition(RESOLVED, is_resolved, state.value, _MESSAGES[state], now=_second(now)),
        _second(now),
    )
    update = {"state": state, "conditions": conditions, **fields}
    return _told(status.model_copy(update=update), by=by, what=what, now=now)


def _told(status: AdviceStatus, *, by: str, what: str, now: datetime) -> AdviceStatus:
    happening = Happening(at=_second(now), by=by, what=what[:1024])
    history = [*status.history, happening][-HISTORY_MAX:]
    return status.model_copy(update={"history": history})


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
