"""Following an advice, and undoing it: each step may be interrupted anywhere and done again.

Before anything is changed, all objects as they are and as they will be are written into the Advice, under the
version that was looked at: of two people, one is first. From then on whoever comes can finish or undo it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from lightkube import AsyncClient

from moorage.advisors.advice import Change
from moorage.advisors.applying import writers
from moorage.advisors.applying.images import Images, Position, content, plain
from moorage.advisors.applying.plan import (
    ApplyError,
    Doing,
    Step,
    back,
    forward,
    require_open,
    require_room,
    require_unchanged,
)
from moorage.advisors.applying.record import FIELD_MANAGER, finish, record
from moorage.advisors.applying.restored import with_age
from moorage.advisors.applying.single import create_object, kind_of, live_object, replace_object
from moorage.advisors.applying.trying import read_target, try_step
from moorage.advisors.keeping import life
from moorage.api.advice import Advice, AdviceStatus, Application, ApplicationPhase, Watch
from moorage.kube.discovery import delete_exactly
from moorage.kube.kinds import Kind, Object
from moorage.kube.objects import (
    CONFLICT,
    FAILED,
    apply,
    is_status,
)

_TRIES: Final = 10

Progress = Callable[[str], None]
"""Is told what was just done."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An advice that can be followed as things are.

    Args:
        steps: what will be done.
        notes: what a person should know first.
        resumed: whether it was begun before, and is only to be finished.
    """

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who decides: by name, with their own way into both clusters.

    Args:
        name: as the management cluster knows them.
        management: their client of the management cluster.
        inside: their client of the user cluster.
        called: how anybody's name is written for people.
    """

    name: str
    management: AsyncClient = field(repr=False)
    inside: AsyncClient = field(repr=False)
    called: Callable[[str], str] = field(default=str, repr=False)


async def prepare(person: Person, advice: Advice, change: Sequence[Change]) -> Prepared:
    """See that an advice can be followed: what it rests on holds, and the API server takes each step.

    Args:
        person: who wants to follow it.
        advice: which one.
        change: what is to be done, also where that is stored elsewhere.

    Raises:
        ApplyError: it cannot, and why.
        ApiError: the API server refuses a step, or this person.
    """
    application = advice.status.application if advice.status is not None else None
    if application is not None and application.phase is ApplicationPhase.APPLYING:
        return Prepared(tuple(map(Step.read, application.steps)), resumed=True)
    require_open(advice, change, me=person.name, called=person.called)
    targets = [await read_target(person.inside, each) for each in change]
    require_unchanged(targets)
    tried = [await try_step(person.inside, target, targets) for target in targets]
    steps = _remembering([step for step, _ in tried], application)
    require_room(steps)
    return Prepared(steps, tuple(note for _, note in tried if note))


def _remembering(steps: Sequence[Step], application: Application | None) -> tuple[Step, ...]:
    """Return steps with how their objects were before the advice was followed for the first time.

    Somebody may have put back a part of the change: what still is as we made it was not so before. And what
    was taken back is as old as it was before that.
    """
    if application is None:
        return tuple(steps)
    earlier = {step.name: step.images for step in map(Step.read, application.steps)}
    return tuple(
        replace(step, images=Images(_first(step.images, images, application.phase), step.images.after))
        if (images := earlier.get(step.name)) is not None
        else step
        for step in steps
    )


def _first(images: Images, earlier: Images, phase: ApplicationPhase) -> Object | None:
    """Return how an object was before the advice was followed for the first time.

    When the advice says something else by now, that is a new beginning: what stands is what was before.
    """
    live = images.before
    is_made = phase is ApplicationPhase.APPLIED and earlier.position(live) is Position.AFTER
    if is_made and Images(earlier.before, images.after).position(live) is Position.AFTER:
        return earlier.before
    if phase is ApplicationPhase.REVERTED and live is not None and earlier.before is not None:
        return with_age([live], [earlier.before])[0]
    return live


async def follow(
    person: Person,
    advice: Advice,
    prepared: Prepared,
    *,
    now: datetime,
    progress: Progress,
    watch: Watch | None = None,
) -> AdviceStatus:
    """Follow an advice; return what has become of it.

    Args:
        person: who follows it.
        advice: which one.
        prepared: what is to be done.
        now: the time.
        progress: is told what was done.
        watch: how it will be watched, by whoever looks after it; written down with the rest.

    Raises:
        ApplyError: somebody else changes the same objects, or decides about the same advice.
        ApiError: the API server refuses; what was done so far can be undone.
    """
    steps = prepared.steps
    status = advice.status or AdviceStatus()
    if not prepared.resumed:
        begun = _application(ApplicationPhase.APPLYING, person, steps, now, watch=watch)
        await record(person.management, advice, life.applied(status, begun, now=now))
        progress("written down what there is now")
    for step in steps:
        kind = await kind_of(person.inside, step.object)

        def say(doing: Doing, name: str = step.name) -> None:
            progress(f"{_SAID[doing]} {name}")

        await _settle(person.inside, kind, step, forward, _do, say)
    done = _application(ApplicationPhase.APPLIED, person, steps, now, watch=watch)
    return await finish(person.management, advice, done, now)


async def undo(person: Person, advice: Advice, *, now: datetime, progress: Progress) -> AdviceStatus:
    """Bring all objects back to how they were before an advice was followed, the last first.

    Fields that the change was not about stay as they are now. What harm it did is remembered.

    Raises:
        ApplyError: there is nothing to undo, or somebody else has changed the same fields since.
        ApiError: the API server refuses; it can be tried again.
    """
    status = advice.status or AdviceStatus()
    application = status.application
    if application is None or application.phase is ApplicationPhase.REVERTED:
        raise ApplyError(
            f"{advice.metadata.name} was not applied, so there is nothing to undo",
            hint="`moorage advice list --state applied` shows what was",
        )
    steps = [Step.read(step) for step in application.steps]
    kinds = [await kind_of(person.inside, step.object) for step in steps]
    # All are looked at before the first is touched: half of it would be worse than nothing.
    for step, kind in zip(steps, kinds, strict=True):
        back(step, await live_object(person.inside, kind, step.object))
    if application.phase is not ApplicationPhase.REVERTING:
        begun = _application(ApplicationPhase.REVERTING, person, steps, now, harm=application.harm)
        await record(person.management, advice, life.applied(status, begun, now=now))
        progress("written down that it is undone")
    for step, kind in reversed(list(zip(steps, kinds, strict=True))):

        def say(doing: Doing, name: str = step.name) -> None:
            progress(f"{_UNSAID[doing]} {name}")

        await _settle(person.inside, kind, step, back, _undo, say)
    done = _application(ApplicationPhase.REVERTED, person, steps, now, harm=application.harm)
    return await finish(person.management, advice, done, now)


_SAID: Final = {
    Doing.CREATE: "created",
    Doing.PATCH: "applied",
    Doing.PUT: "changed",
    Doing.DELETE: "deleted",
}
_UNSAID: Final = {
    Doing.CREATE: "made again",
    Doing.PATCH: "changed back",
    Doing.PUT: "changed back",
    Doing.DELETE: "removed",
}


async def _settle(
    client: AsyncClient,
    kind: Kind,
    step: Step,
    decide: Callable[[Step, Object | None], Doing],
    act: Callable[[AsyncClient, Kind, Step, Doing, Object | None], Awaitable[None]],
    say: Callable[[Doing], None],
) -> None:
    """Bring one object to where it shall be, however it stands.

    An object that moves on meanwhile, as those do that controllers look after, is looked at again: what
    matters is whether the fields of the change are still as expected.
    """
    for _ in range(_TRIES):
        live = await live_object(client, kind, step.object)
        doing = decide(step, live)
        if doing is Doing.NOTHING:
            return
        try:
            await act(client, kind, step, doing, live)
        except FAILED as error:
            if not is_status(error, CONFLICT):
                raise
            continue
        say(doing)
    raise ApplyError(
        f"{step.name} does not stay as it is written: somebody else writes it at the same time",
        hint="find out who (`kubectl get -o yaml --show-managed-fields`), and run the same command again",
    )


async def _do(client: AsyncClient, kind: Kind, step: Step, doing: Doing, live: Object | None) -> None:
    match doing:
        case Doing.DELETE if live is not None:
            await delete_exactly(client, kind, live)
        case Doing.PATCH if live is not None and writers.told(step.object):
            await replace_object(client, kind, writers.written(plain(live), step.object, step.images.before))
        case Doing.PATCH if live is not None:
            version = {"resourceVersion": live["metadata"]["resourceVersion"]}
            wanted = {**step.object, "metadata": {**step.object["metadata"], **version}}
            await apply(client, kind, wanted, field_manager=FIELD_MANAGER)
        case _:
            await create_object(client, kind, step.object)


async def _undo(client: AsyncClient, kind: Kind, step: Step, doing: Doing, live: Object | None) -> None:
    match doing:
        case Doing.DELETE if live is not None:
            await delete_exactly(client, kind, live)
        case Doing.PUT if live is not None:
            wanted = step.images.restored(plain(live))
            await replace_object(client, kind, writers.restored(wanted, step.object, step.images.before))
        case _:
            await create_object(client, kind, content(step.images.before or step.object))


def _application(
    phase: ApplicationPhase,
    person: Person,
    steps: Sequence[Step],
    now: datetime,
    *,
    harm: str = "",
    watch: Watch | None = None,
) -> Application:
    return Application(
        phase=phase,
        by=person.name,
        at=now,
        message=", ".join(f"{step.action.value} {step.name}" for step in steps)[:512],
        harm=harm,
        watch=watch,
        steps=[step.written() for step in steps],
    )
