"""Deciding what the platform does about advice by itself. Pure: a snapshot in, one action out.

One thing at a time in a cluster: what was begun is finished, watched and, where a workload is worse off,
taken back, before anything else is begun. To begin takes the owner's will, and a maintenance window that
stays open for as long as the workload is watched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from moorage.advisors.applying.images import Position
from moorage.advisors.automatic.choosing import shortlist, unfit
from moorage.advisors.automatic.health import Condition, Verdict, judge
from moorage.advisors.automatic.model import Done, Item, Live, Policy, Snapshot, Thing
from moorage.api.advice import ApplicationPhase, Watch

SHORTLIST: Final = 8
"""How many workloads are looked at for one that can be touched; the others have their turn later."""

_PATIENCE: Final = 3
"""A rollout that is on its way is watched for so many times as long."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Follow an advice."""

    name: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Finish what was interrupted: it is done already, or the window is still open."""

    name: str


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Bring all back to how it was before.

    Args:
        name: the advice.
        harm: what went wrong; empty where it is only not to be finished, or where that is written already.
    """

    name: str
    harm: str = ""


@dataclass(frozen=True, slots=True)
class Settle:
    """Say that a change has been watched to its end."""

    name: str
    what: str


@dataclass(frozen=True, slots=True)
class LetGo:
    """Say that a change can neither be finished nor undone: somebody else took over."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Look:
    """Look again: a workload is watched."""

    name: str
    thing: Thing
    until: datetime


@dataclass(frozen=True, slots=True)
class Idle:
    """Do nothing.

    Args:
        waiting: whether there is something to do when the window opens.
        unfit: workloads that were looked at and cannot be touched as they are, and why.
    """

    waiting: bool = False
    unfit: tuple[tuple[Thing, str], ...] = ()


Step = Apply | Finish | TakeBack | Settle | LetGo | Look | Idle


def plan(snapshot: Snapshot, policy: Policy) -> Step:
    """Decide the one thing to do now. The order of the advice makes no difference."""
    begun = [
        step
        for item in sorted(snapshot.items, key=lambda item: item.name)
        if (step := _begun(item, snapshot, policy)) is not None
    ]
    if begun:
        return min(begun, key=lambda step: isinstance(step, Look))
    return _next(snapshot, policy)


def in_hand(items: Iterable[Item]) -> list[Item]:
    """Return the advice that the platform has begun to follow, and is not done with."""
    return [item for item in items if item.done is not None and _is_in_hand(item.done)]


def thing_of(item: Item) -> Thing | None:
    """Return the workload that an advice changes, or where it was followed has changed."""
    done = item.done
    return next((place[0] for place in done.amounts), item.thing) if done is not None else item.thing


def condition_before(watch: Watch, thing: Thing) -> Condition | None:
    """Return how a workload was, as it is written down."""
    for each in watch.before:
        if (each.namespace, each.kind, each.name) == (thing.namespace, thing.kind, thing.name):
            return Condition(each.wanted, each.ready, each.settled, each.failing, each.oom_killed)
    return None


def _is_in_hand(done: Done) -> bool:
    if not done.is_ours:
        return False
    if done.phase is ApplicationPhase.APPLIED:
        return bool(done.harm) or (done.watch is not None and not done.watch.over)
    return done.phase is not ApplicationPhase.REVERTED


def _begun(item: Item, snapshot: Snapshot, policy: Policy) -> Step | None:
    """Decide what to do about an advice that the platform has begun to follow; nothing where it has not."""
    done = item.done
    if done is None or not _is_in_hand(done):
        return None
    thing = thing_of(item)
    live = snapshot.lives.get(thing) if thing is not None else None
    if thing is None or live is None:
        return _gone(item, done)
    position = live.positions.get(item.name, Position.ELSEWHERE)
    if done.phase is ApplicationPhase.APPLYING:
        may_go_on = live.opted_in and _has_time(snapshot, policy)
        return _interrupted(item, thing, position, may_go_on=may_go_on)
    if not live.opted_in:
        return _hands_off(item, done, position)
    if done.phase is ApplicationPhase.REVERTING or done.harm:
        return _to_be_taken_back(item, thing, position)
    return _watched(item, done, live, position, snapshot, policy)


_MEANWHILE: Final = "somebody else has changed {} meanwhile"


def _interrupted(item: Item, thing: Thing, position: Position, *, may_go_on: bool) -> Step:
    if position is Position.ELSEWHERE:
        return LetGo(item.name, _MEANWHILE.format(thing))
    return Finish(item.name) if may_go_on or position is Position.AFTER else TakeBack(item.name)


def _to_be_taken_back(item: Item, thing: Thing, position: Position) -> Step:
    if position is Position.ELSEWHERE:
        return LetGo(item.name, _MEANWHILE.format(thing))
    return TakeBack(item.name)


def _gone(item: Item, done: Done) -> Step:
    why = "the workload is not there any more"
    if done.phase is ApplicationPhase.APPLIED and not done.harm:
        return Settle(item.name, f"watched no longer: {why}")
    return LetGo(item.name, why)


def _hands_off(item: Item, done: Done, position: Position) -> Step | None:
    """Decide about what was begun where the owner does not want it any more: it is theirs, as it stands.

    What did harm stays open, for a person to take back.
    """
    if done.phase is ApplicationPhase.APPLIED and not done.harm:
        return Settle(item.name, "watched no longer: it is not opted in any more")
    if position is Position.BEFORE:
        return TakeBack(item.name)  # there is nothing left to change, only to be said
    return None


def _watched(
    item: Item, done: Done, live: Live, position: Position, snapshot: Snapshot, policy: Policy
) -> Step | None:
    watch, thing = done.watch, thing_of(item)
    before = condition_before(watch, thing) if watch is not None and thing is not None else None
    if watch is None or thing is None or before is None:
        return None
    if position is not Position.AFTER:
        return Settle(item.name, f"watched no longer: {_MEANWHILE.format(thing)}")
    overdue = snapshot.now >= watch.until + (_PATIENCE - 1) * policy.watch
    verdict, why = judge(before, live.condition, over=snapshot.now >= watch.until, overdue=overdue)
    match verdict:
        case Verdict.WORSE:
            return TakeBack(item.name, f"{thing}: {why}")
        case Verdict.WELL:
            return Settle(item.name, f"watched: {thing} is not worse off")
        case Verdict.OPEN:
            return Look(item.name, thing, watch.until)


def _next(snapshot: Snapshot, policy: Policy) -> Step:
    unfits: list[tuple[Thing, str]] = []
    waiting = False
    for item in shortlist(snapshot.items, policy, snapshot.refused):
        live = snapshot.lives.get(item.thing) if item.thing is not None else None
        if item.thing is None or live is None or not live.opted_in:
            continue
        if why := unfit(item, live, snapshot.items):
            unfits.append((item.thing, why))
        elif _has_time(snapshot, policy):
            return Apply(item.name)
        else:
            waiting = True
    return Idle(waiting, tuple(unfits))


def _has_time(snapshot: Snapshot, policy: Policy) -> bool:
    """Say whether the window is open for as long as a change is watched."""
    until = snapshot.opening.until
    return until is not None and snapshot.now + policy.watch <= until
