"""Deciding whether an advice can be followed as it is, and what to do at each step. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from moorage.advisors.advice import Change
from moorage.advisors.applying import writers
from moorage.advisors.applying.images import Images, Position, agrees, content, image
from moorage.advisors.keeping import life
from moorage.advisors.keeping.written import difference
from moorage.api.advice import IMAGE_MAX, Advice, AdviceState, ApplicationPhase, AppliedStep
from moorage.errors import MoorageError
from moorage.kube.kinds import Kind, Object
from moorage.reports.findings import Action

RECORD_MAX: Final = 768 * 1024
"""How many bytes of objects, before and after, one Advice can hold."""

_HIDDEN: Final = frozenset({"Secret"})


class ApplyError(MoorageError):
    """An advice that cannot be followed, or not be undone, as things are."""


class Doing(Enum):
    """What is done with an object."""

    NOTHING = auto()
    CREATE = auto()
    PATCH = auto()
    PUT = auto()
    DELETE = auto()


@dataclass(frozen=True, slots=True)
class Target:
    """An object that a change is about.

    Args:
        change: what is to be done with it.
        kind: how the cluster serves it.
        live: as it is now; ``None`` where there is none.
    """

    change: Change
    kind: Kind
    live: Object | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done with an object, and how it was.

    Args:
        action: what is done with it.
        object: the object that is applied; of one that is deleted, what names it.
        images: all of it, before and after.
    """

    action: Action
    object: Object
    images: Images

    @property
    def name(self) -> str:
        """Kind, namespace and name."""
        return Change(self.action, self.object).name

    def written(self) -> AppliedStep:
        """Return the step as it is written down."""
        told = {"action": self.action, "object": self.object}
        for key, obj in (("before", self.images.before), ("after", self.images.after)):
            if (text := image(obj)) is not None:
                told[key] = text
        return AppliedStep.model_validate(told)

    @classmethod
    def read(cls, step: AppliedStep) -> Step:
        """Read a step that was written down."""
        before, after = (json.loads(text) if text else None for text in (step.before, step.after))
        return cls(step.action, step.object, Images(before, after))


def require_open(
    advice: Advice, change: Sequence[Change], *, me: str, called: Callable[[str], str] = str
) -> None:
    """See that an advice is one to be followed: nobody has decided about it, and there is a change.

    Args:
        advice: which one.
        change: what is to be done, also where that is stored elsewhere.
        me: who wants to follow it.
        called: how anybody's name is written for people.

    Raises:
        ApplyError: it is not; the hint is what to do instead.
    """
    name = advice.metadata.name
    status = advice.status
    application = status.application if status is not None else None
    phase = application.phase if application is not None else None
    revert = f"`moorage advice revert {advice.full_name}`"
    undo_it = f"{revert} undoes it"
    if phase is ApplicationPhase.REVERTING:
        raise ApplyError(f"{name} is being undone", hint=f"finish that first: {revert}")
    if application is not None and phase is ApplicationPhase.APPLIED and application.harm:
        raise ApplyError(f"{name} was applied, and did harm: {application.harm}", hint=undo_it)
    if advice.state is AdviceState.DISMISSED:
        raise ApplyError(
            f"{name} {_dismissal(advice, me, called)}",
            hint=f"open it again first: `moorage advice reopen {advice.full_name}`",
        )
    if application is not None and (
        advice.state is AdviceState.APPLIED
        or (advice.state is AdviceState.RESOLVED and phase is ApplicationPhase.APPLIED)
    ):
        who = "you" if application.by == me else called(application.by)
        raise ApplyError(f"{who} applied {name} at {application.at:%Y-%m-%d %H:%M} UTC", hint=undo_it)
    if advice.state is AdviceState.RESOLVED:
        raise ApplyError(f"{name} is resolved: the advisor finds it no more", hint="there is nothing to do")
    if not change:
        raise ApplyError(
            f"{name} has no change: the advisor can say nothing for sure",
            hint="`moorage advice show` has the evidence; decide yourself, or dismiss it",
        )


def _dismissal(advice: Advice, me: str, called: Callable[[str], str]) -> str:
    dismissal = advice.status.dismissal if advice.status is not None else None
    if dismissal is None:
        return "was dismissed"
    who = "you" if dismissal.by == me else called(dismissal.by)
    until = f" until {life.told(dismissal.until)}" if dismissal.until is not None else ""
    return f"was dismissed by {who}{until}: {dismissal.reason}"


def require_unchanged(targets: Sequence[Target]) -> None:
    """See that what the advice rests on still holds.

    Raises:
        ApplyError: somebody has changed an object since; the message shows how.
    """
    for target in targets:
        change = target.change
        if target.kind.kind in _HIDDEN:
            raise ApplyError(
                f"{change.name} is not changed from here: how it was would be kept where others can read it",
                hint="`moorage advice diff` shows what to do by hand",
            )
        if change.was is None:
            continue
        made = target.live is not None and agrees(content(target.live), content(change.content))
        if (not change.was and target.live is not None and not made) or (
            change.was and target.live is not None and not agrees(target.live, change.was) and not made
        ):
            seen = _only(target.live, change.was)
            raise ApplyError(
                f"{change.name} has changed since the advice was made:\n"
                f"{difference(change.was or None, seen, change.name)}".rstrip(),
                hint="the advisor's next run makes the advice anew; nothing was changed",
            )
        if change.was and target.live is None and change.action is Action.APPLY:
            raise ApplyError(
                f"{change.name} is not there any more",
                hint="the advisor's next run makes the advice anew; nothing was changed",
            )


def require_room(steps: Sequence[Step]) -> None:
    """See that what was before can be written down.

    Raises:
        ApplyError: the objects are too large for that.
    """
    sizes = {
        step.name: [len(image(obj) or "") for obj in (step.images.before, step.images.after)]
        for step in steps
    }
    total = sum(map(sum, sizes.values()))
    for name, (before, after) in sizes.items():
        if max(before, after) > IMAGE_MAX or total > RECORD_MAX:
            raise ApplyError(
                f"{name} is too large to be written down, and so could not be had back",
                hint="make the change by hand: `moorage advice diff` shows it, `-o yaml` has it",
            )


def forward(step: Step, live: Object | None) -> Doing:
    """Decide what to do towards the advice, wherever one was interrupted.

    Raises:
        ApplyError: somebody else has changed the object since.
    """
    images = step.images
    match images.position(live):
        case Position.AFTER:
            return Doing.NOTHING
        case Position.BETWEEN:
            return Doing.CREATE
        case Position.BEFORE if images.before is None:
            return Doing.CREATE
        case Position.BEFORE if images.after is None or images.replaces:
            return Doing.DELETE
        case Position.BEFORE:
            return Doing.PATCH
    raise _elsewhere(step, live, images.before)


def back(step: Step, live: Object | None) -> Doing:
    """Decide what to do towards how it was, wherever one was interrupted.

    Raises:
        ApplyError: somebody else has changed the object since.
    """
    images = step.images
    match images.position(live):
        case Position.BEFORE:
            return Doing.NOTHING
        case Position.BETWEEN:
            return Doing.CREATE
        case Position.AFTER if images.before is None:
            return Doing.NOTHING if live is None else Doing.DELETE
        case Position.AFTER if images.after is None:
            return Doing.CREATE
        case Position.AFTER if images.replaces:
            return Doing.DELETE
        case Position.AFTER:
            return Doing.PUT
    raise _elsewhere(step, live, images.after)


def _elsewhere(step: Step, live: Object | None, expected: Object | None) -> ApplyError:
    now = content(live) if live is not None else None
    shown = difference(content(expected) if expected is not None else None, now, step.name)
    return ApplyError(
        f"somebody else has changed {step.name} meanwhile:\n{shown}".rstrip(),
        hint="nothing of theirs is overwritten; put it as it was, or finish by hand",
    )


def _only(live: Object, was: object) -> Object | None:
    """Return of an object the fields that an advice rests on; all that people wrote where it knew of none."""
    if not isinstance(was, dict) or not was:
        return content(live)
    return {key: _part(live.get(key), value) for key, value in was.items() if key in live}


def _part(live: object, was: object) -> object:
    if isinstance(live, dict) and isinstance(was, dict):
        return {
            key: writers.brief(live[key], value) if key == "managedFields" else _part(live[key], value)
            for key, value in was.items()
            if key in live
        }
    return live
