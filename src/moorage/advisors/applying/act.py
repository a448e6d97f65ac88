"""Following an advice, and undoing it: each step may be interrupted anywhere and done again.

Before anything is changed, all objects as they are and as they will be are written into the Advice, under the
version that was looked at: of two people, one is first. From then on whoever comes can finish or undo it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from lightkube import AsyncClient

from moorage.advisors.advice import Change
from moorage.advisors.applying.images import Images, Position, content, plain
from moorage.advisors.applying.plan import (
    ApplyError,
    Doing,
    Step,
    Target,
    back,
    forward,
    require_open,
    require_room,
    require_unchanged,
)
from moorage.advisors.applying.record import FIELD_MANAGER, finish, record
from moorage.advisors.keeping import life
from moorage.api.advice import Advice, AdviceStatus, Application, ApplicationPhase
from moorage.kube.discovery import delete_exactly, served_kind
from moorage.kube.kinds import Kind, Object
from moorage.kube.objects import (
    CONFLICT,
    FAILED,
    FORBIDDEN,
    NOT_FOUND,
    apply,
    create,
    explain,
    get,
    is_status,
)
from moorage.reports.findings import Action

_TRIED: Final = "-moorage-try"
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
    targets = [await _target(person.inside, each) for each in change]
    require_unchanged(targets)
    tried = [await _try(person.inside, target, targets) for target in targets]
    steps = _remembering([step for step, _ in tried], application)
    require_room(steps)
    return Prepared(steps, tuple(note for _, note in tried if note))


def _remembering(steps: Sequence[Step], application: Application | None) -> tuple[Step, ...]:
    """Return steps with how their objects were before the advice was followed for the first time.

    Somebody may have put back a part of the change. What still is as we made it was not so before.
    """
    if application is None or application.phase is not ApplicationPhase.APPLIED:
        return tuple(steps)
    earlier = {step.name: step for step in map(Step.read, application.steps)}
    return tuple(
        replace(step, images=Images(old.images.before, step.images.after))
        if (old := earlier.get(step.name)) is not None
        and old.images.position(step.images.before) is Position.AFTER
        else step
        for step in steps
    )


async def follow(
    person: Person, advice: Advice, prepared: Prepared, *, now: datetime, progress: Progress
) -> AdviceStatus:
    """Follow an advice; return what has become of it.

    Raises:
        ApplyError: somebody else changes the same objects, or decides about the same advice.
        ApiError: the API server refuses; what was done so far can be undone.
    """
    steps = prepared.steps
    status = advice.status or AdviceStatus()
    if not prepared.resumed:
        begun = _application(ApplicationPhase.APPLYING, person, steps, now)
        await record(person.management, advice, life.applied(status, begun, now=now))
        progress("written down what there is now")
    for step in steps:
        kind = await _kind(person.inside, step.object)

        def say(doing: Doing, name: str = step.name) -> None:
            progress(f"{_SAID[doing]} {name}")

        await _settle(person.inside, kind, step, forward, _do, say)
    done = _application(ApplicationPhase.APPLIED, person, steps, now)
    return await finish(person.management, advice, done, now)


async def undo(person: Person, advice: Advice, *, now: datetime, progress: Progress) -> AdviceStatus:
    """Bring all objects back to how they were before an advice was followed, the last first.

    Fields that the change was not about stay as they are now.

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
    kinds = [await _kind(person.inside, step.object) for step in steps]
    # All are looked at before the first is touched: half of it would be worse than nothing.
    for step, kind in zip(steps, kinds, strict=True):
        back(step, await _live(person.inside, kind, step.object))
    if application.phase is not ApplicationPhase.REVERTING:
        begun = _application(ApplicationPhase.REVERTING, person, steps, now, harm=application.harm)
        await record(person.management, advice, life.applied(status, begun, now=now))
        progress("written down that it is undone")
    for step, kind in reversed(list(zip(steps, kinds, strict=True))):

        def say(doing: Doing, name: str = step.name) -> None:
            progress(f"{_UNSAID[doing]} {name}")

        await _settle(person.inside, kind, step, back, _undo, say)
    done = _application(ApplicationPhase.REVERTED, person, steps, now)
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
        live = await _live(client, kind, step.object)
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


async def _target(client: AsyncClient, change: Change) -> Target:
    obj: Object = dict(change.content)
    kind = await _kind(client, obj)
    return Target(change, kind, await _live(client, kind, obj))


async def _try(client: AsyncClient, target: Target, targets: Sequence[Target]) -> tuple[Step, str]:
    """Ask the API server what would become of a step, without doing it."""
    change, kind, live = target.change, target.kind, target.live
    obj: Object = dict(change.content)
    if change.action is Action.DELETE:
        if live is not None:
            await delete_exactly(client, kind, live, dry_run=True)
        return Step(change.action, obj, Images(live, None)), ""
    images = Images(live, obj)
    note = ""
    try:
        if live is None:
            after = await _create(client, kind, obj, dry_run=True)
        elif images.replaces:
            # In its own name it is there already; whether it may be, another name tells as well.
            tried = {**obj, "metadata": {**obj["metadata"], "name": f"{obj['metadata']['name']}{_TRIED}"}}
            await delete_exactly(client, kind, live, dry_run=True)
            after = await _create(client, kind, tried, dry_run=True)
            after = {**after, "metadata": {**after["metadata"], "name": obj["metadata"]["name"]}}
        else:
            note = await _owners(client, kind, obj, change.name)
            after = await apply(client, kind, obj, field_manager=FIELD_MANAGER, dry_run=True)
    except FAILED as error:
        if not _comes_with(error, obj, targets):
            raise
        after = obj  # it needs what an earlier step makes, and is asked about again when that is there
    return Step(change.action, obj, Images(live, content(plain(after)))), note


def _comes_with(error: BaseException, obj: Object, targets: Sequence[Target]) -> bool:
    """Say whether a binding is refused only because its role is not there yet, and will be."""
    role = obj.get("roleRef")
    if role is None or not (is_status(error, NOT_FOUND) or is_status(error, FORBIDDEN)):
        return False
    return any(
        each.live is None
        and (each.kind.kind, each.change.content["metadata"]["name"]) == (role["kind"], role["name"])
        for each in targets
    )


async def _owners(client: AsyncClient, kind: Kind, obj: Object, name: str) -> str:
    """Say who else holds the fields of a change: what they put back, they put back."""
    try:
        await apply(client, kind, obj, field_manager=FIELD_MANAGER, force=False, dry_run=True)
    except FAILED as error:
        if not is_status(error, CONFLICT):
            raise
        owners = sorted({part.split('"')[1] for part in explain(error).split("conflict")[1:] if '"' in part})
        who = ", ".join(owners) or "somebody else"
        return f"{name}: {who} also writes these fields; change its source, too, or it will put them back"
    return ""


async def _do(client: AsyncClient, kind: Kind, step: Step, doing: Doing, live: Object | None) -> None:
    match doing:
        case Doing.DELETE if live is not None:
            await delete_exactly(client, kind, live)
        case Doing.PATCH if live is not None:
            version = {"resourceVersion": live["metadata"]["resourceVersion"]}
            wanted = {**step.object, "metadata": {**step.object["metadata"], **version}}
            await apply(client, kind, wanted, field_manager=FIELD_MANAGER)
        case _:
            await _create(client, kind, step.object)


async def _undo(client: AsyncClient, kind: Kind, step: Step, doing: Doing, live: Object | None) -> None:
    match doing:
        case Doing.DELETE if live is not None:
            await delete_exactly(client, kind, live)
        case Doing.PUT if live is not None:
            wanted = step.images.restored(plain(live))
            wanted["metadata"].pop("managedFields", None)
            await client.replace(
                kind.resource(**wanted), field_manager=FIELD_MANAGER, **_namespace(kind, wanted)
            )
        case _:
            await _create(client, kind, content(step.images.before or step.object))


async def _create(client: AsyncClient, kind: Kind, obj: Object, *, dry_run: bool = False) -> Object:
    if dry_run:
        tried: Object = await client.create(
            kind.resource(**{"apiVersion": kind.api_version, "kind": kind.kind, **obj}),
            field_manager=FIELD_MANAGER,
            dry_run=True,
            **_namespace(kind, obj),
        )
        return tried
    made = await create(client, kind, obj, field_manager=FIELD_MANAGER)
    if made is None:
        raise ApplyError(
            f"somebody else has made {kind.kind} {obj['metadata']['name']} just now",
            hint="look at it, and try again",
        )
    return made


def _application(
    phase: ApplicationPhase, person: Person, steps: Sequence[Step], now: datetime, *, harm: str = ""
) -> Application:
    return Application(
        phase=phase,
        by=person.name,
        at=now,
        message=", ".join(f"{step.action.value} {step.name}" for step in steps)[:512],
        harm=harm,
        steps=[step.written() for step in steps],
    )


async def _live(client: AsyncClient, kind: Kind, obj: Object) -> Object | None:
    metadata = obj["metadata"]
    found: Object | None = plain(await get(client, kind, metadata["name"], metadata.get("namespace")))
    return found


async def _kind(client: AsyncClient, obj: Object) -> Kind:
    kind = await served_kind(client, obj["apiVersion"], obj["kind"])
    if kind is None:
        raise ApplyError(
            f"the cluster does not serve {obj['kind']} of {obj['apiVersion']}",
            hint="it may have been upgraded since; the advisor's next run makes the advice anew",
        )
    return kind


def _namespace(kind: Kind, obj: Object) -> dict[str, Any]:
    return {"namespace": obj["metadata"]["namespace"]} if kind.namespaced else {}
