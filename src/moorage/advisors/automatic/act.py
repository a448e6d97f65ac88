"""Carrying out what was decided: by the same steps as a person's, under the platform's own name."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from lightkube import AsyncClient

from moorage.advisors.applying.act import Person, Progress, follow, prepare, undo
from moorage.advisors.applying.record import record
from moorage.advisors.automatic.model import Live, Policy, Thing
from moorage.advisors.automatic.observe import Told
from moorage.advisors.automatic.plan import Apply, Finish, LetGo, Settle, Step, TakeBack
from moorage.advisors.keeping import life
from moorage.advisors.keeping.life import AUTO
from moorage.advisors.keeping.written import change_of
from moorage.api.advice import Advice, AdviceStatus, Watch, WatchedWorkload
from moorage.kube.events import Occurrence
from moorage.kube.kinds import ADVICE
from moorage.kube.objects import get

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reach:
    """What the platform acts with, in one cluster.

    Args:
        management: its client of the management cluster.
        inside: its client of the user cluster, as a user with no more rights than this takes.
        policy: how advice is followed.
        now: the time.
    """

    management: AsyncClient = field(repr=False)
    inside: AsyncClient = field(repr=False)
    policy: Policy
    now: datetime

    @property
    def person(self) -> Person:
        """The platform, as one who follows advice."""
        return Person(AUTO, self.management, self.inside)


async def act(reach: Reach, told: Told, step: Step, lives: dict[Thing, Live]) -> Occurrence | None:
    """Carry out a step; return what is to be told about it.

    Raises:
        ApplyError: it cannot be done as things are.
        ApiError: an API server refuses, or does not answer; it can be tried again.
    """
    match step:
        case Apply(name):
            return await _apply(reach, told, name, lives)
        case Finish(name):
            return await _finish(reach, told.advice(name))
        case TakeBack(name, harm):
            return await _take_back(reach, told.advice(name), harm)
        case Settle(name, what):
            advice = told.advice(name)
            status = life.watched(_status(advice), by=AUTO, what=what, now=reach.now)
            await record(reach.management, advice, status)
        case LetGo(name, why):
            advice = told.advice(name)
            await record(
                reach.management, advice, life.let_go(_status(advice), by=AUTO, why=why, now=reach.now)
            )
            return Occurrence("AdviceLetGo", f"{name} is neither applied nor reverted: {why}", warning=True)
    return None


async def _apply(reach: Reach, told: Told, name: str, lives: dict[Thing, Live]) -> Occurrence:
    advice = told.advice(name)
    change = [change_of(each) for each in advice.spec.change]
    prepared = await prepare(reach.person, advice, change)
    things = {item.thing for item in told.items if item.name == name}
    before = [_written(thing, lives[thing]) for thing in sorted(thing for thing in things if thing)]
    watch = Watch(until=_until(reach), before=before)
    await follow(reach.person, advice, prepared, now=reach.now, progress=_progress(name), watch=watch)
    return _applied(advice, reach.policy)


async def _finish(reach: Reach, advice: Advice) -> Occurrence:
    application = _status(advice).application
    before = application.watch.before if application is not None and application.watch is not None else []
    prepared = await prepare(reach.person, advice, ())
    watch = Watch(until=_until(reach), before=before)
    progress = _progress(advice.metadata.name)
    await follow(reach.person, advice, prepared, now=reach.now, progress=progress, watch=watch)
    return _applied(advice, reach.policy)


async def _take_back(reach: Reach, advice: Advice, harm: str) -> Occurrence:
    """Undo an advice; what harm it did is written down first, so that it is known whatever happens then."""
    name, namespace = advice.metadata.name, advice.metadata.namespace
    if harm:
        await record(reach.management, advice, life.harmed(_status(advice), why=harm, now=reach.now))
        found = await get(reach.management, ADVICE, name, namespace)
        if found is None:
            return Occurrence("AdviceLetGo", f"{name} is gone", warning=True)
        advice = Advice.parse(found)
    application = _status(advice).application
    why = application.harm if application is not None else ""
    await undo(reach.person, advice, now=reach.now, progress=_progress(name))
    said = f": {why}" if why else ", as it was interrupted and the maintenance window is over"
    return Occurrence("AdviceReverted", f"{name} is reverted by the platform{said}", warning=bool(why))


def _applied(advice: Advice, policy: Policy) -> Occurrence:
    what = ", ".join(change_of(each).name for each in advice.spec.change)
    minutes = int(policy.watch.total_seconds() / 60)
    watched = f"{minutes} minutes" if minutes > 1 else f"{int(policy.watch.total_seconds())} seconds"
    note = f"{advice.metadata.name} is applied to {what} by the platform, which watches it for {watched}"
    return Occurrence("AdviceApplied", note)


def _written(thing: Thing, live: Live) -> WatchedWorkload:
    condition = live.condition
    return WatchedWorkload(
        namespace=thing.namespace,
        kind=thing.kind,
        name=thing.name,
        wanted=condition.wanted,
        ready=condition.ready,
        settled=condition.settled,
        failing=condition.failing,
        oom_killed=condition.oom_killed,
    )


def _until(reach: Reach) -> datetime:
    return reach.now + reach.policy.watch


def _status(advice: Advice) -> AdviceStatus:
    return advice.status or AdviceStatus()


def _progress(name: str) -> Progress:
    def progress(what: str) -> None:
        logger.info("advice %s: %s", name, what)

    return progress
