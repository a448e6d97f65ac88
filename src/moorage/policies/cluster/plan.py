"""Deciding what to do next in a cluster, so that at no moment nothing judges. Pure; time is an argument.

In order: what the engine may read, templates, constraints of templates that it has taken, the webhooks when
it has said that it judges by every constraint, and at last the end of what is not wanted any more. A template
that it does not take holds up nothing else: what the policy had before stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

import msgspec

from moorage.kube.kinds import Object
from moorage.policies.cluster.steps import (
    ApplyConstraint,
    ApplyExpansion,
    ApplyReading,
    ApplySyncSet,
    ApplyTemplate,
    ApplyWebhooks,
    RemoveConstraint,
    RemoveExpansion,
    RemoveTemplate,
    Step,
)
from moorage.policies.cluster.wanted import ConstraintKey, Wanted
from moorage.policies.model import GroupVersionKind

PATIENCE: Final = timedelta(seconds=60)
"""What the engine has not spoken of for so long is looked at, and written, anew."""

GRACE: Final = timedelta(seconds=2)
"""How long every API server has to hear of new webhooks, before what the old ones lead to goes."""

_encode: Final = msgspec.json.Encoder(order="sorted").encode


def digest(content: Any) -> str:
    """Return what tells contents apart."""
    return hashlib.sha256(_encode(content)).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """What was written last: which object and generation it became, of what content, when."""

    uid: str
    generation: int
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """What was written to a cluster by this process."""

    templates: Mapping[str, Applied] = field(default_factory=dict)
    constraints: Mapping[ConstraintKey, Applied] = field(default_factory=dict)
    expansions: Mapping[str, Applied] = field(default_factory=dict)
    webhooks_at: datetime | None = None
    strangers: frozenset[ConstraintKey] = frozenset()
    """Constraints of our kinds that are not ours."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the engine says of a template or a constraint.

    Args:
        uid: of the object that it has seen.
        generation: of the object that it has seen.
        judges: whether it judges by it; for a template, whether it takes it.
        errors: why it does not.
    """

    uid: str
    generation: int
    judges: bool
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """What a cluster has.

    Args:
        templates: what the engine says of templates, also of others than ours. constraints: the same of
            constraints. expansions: ours, by name: uid and generation. managed: which templates are ours, and
            the policy of each; only when there are some that are not wanted. webhooks: the webhooks that are
            declared; ``None`` when none are. inventory: the kinds that the engine keeps at hand; ``None``
            when it was not told of any. reading: what the engine may read, as the rules of its role; ``None``
            without one.
    """

    templates: Mapping[str, Report] = field(default_factory=dict)
    constraints: Mapping[ConstraintKey, Report] = field(default_factory=dict)
    expansions: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    managed: Mapping[str, str] = field(default_factory=dict)
    webhooks: list[Object] | None = None
    inventory: frozenset[GroupVersionKind] | None = None
    reading: list[Object] | None = None


@dataclass(frozen=True, slots=True)
class Invalid:
    """Something that the engine does not take, and why."""

    policy: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"policy {self.policy}: {self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and how far it is.

    Args:
        steps: what to do now, in order.
        waiting: how many templates and constraints the engine has not spoken of yet.
        invalid: what it does not take.
        memory: what of the memory still holds.
        settled: whether everything is as it is to be, invalid ones aside.
    """

    steps: tuple[Step, ...]
    waiting: int
    invalid: tuple[Invalid, ...]
    memory: Memory
    settled: bool


class _State(Enum):
    WRITE = auto()
    WAIT = auto()
    INVALID = auto()
    READY = auto()


def plan(
    wanted: Wanted,
    webhooks: Object,
    reading: list[Object],
    seen: Observed,
    memory: Memory,
    now: datetime,
    *,
    refused: Sequence[Invalid] = (),
) -> Plan:
    """Decide what to do next.

    Args:
        wanted: what there is to be.
        webhooks: the configuration of the webhooks that goes with it.
        reading: the rules of the engine's role that go with it.
        seen: what there is.
        memory: what this process has written.
        now: the time.
        refused: policies that were found unable to judge before: they are not among what is wanted.
    """
    steps: list[Step] = _before(wanted, reading, seen, memory)
    templates = {
        name: _state(content, memory.templates.get(name), seen.templates.get(name), now)
        for name, content in wanted.templates.items()
    }
    constraints = {
        key: _constraint_state(key, content, templates, seen, memory, now)
        for key, content in wanted.constraints.items()
    }
    steps += [
        ApplyTemplate(name, wanted.templates[name])
        for name, state in templates.items()
        if state is _State.WRITE
    ]
    steps += [
        ApplyConstraint(key, wanted.constraints[key])
        for key, state in constraints.items()
        if state is _State.WRITE
    ]
    invalid = (*refused, *_invalid(wanted, templates, constraints, seen))
    waiting = sum(
        state in (_State.WRITE, _State.WAIT) for state in (*templates.values(), *constraints.values())
    )
    settled = not steps and not waiting
    if settled and seen.webhooks != webhooks["webhooks"]:
        steps.append(ApplyWebhooks(webhooks))
        memory = replace(memory, webhooks_at=now)
        settled = False
    elif settled:
        ends = _ends(wanted, reading, seen, {item.policy for item in invalid}, memory.strangers)
        if ends and memory.webhooks_at is not None and now - memory.webhooks_at < GRACE:
            settled = False
        else:
            steps += ends
            settled = not ends
    return Plan(tuple(steps), waiting, invalid, memory, settled)


def remember(memory: Memory, step: Step, written: Object, now: datetime) -> Memory:
    """Return the memory with what a step has come to."""
    applied = Applied(written["metadata"]["uid"], written["metadata"].get("generation", 0), "", now)
    match step:
        case ApplyTemplate(name, content):
            return replace(
                memory, templates={**memory.templates, name: replace(applied, digest=digest(content))}
            )
        case ApplyConstraint(key, content):
            return replace(
                memory, constraints={**memory.constraints, key: replace(applied, digest=digest(content))}
            )
        case ApplyExpansion(name, content):
            return replace(
                memory, expansions={**memory.expansions, name: replace(applied, digest=digest(content))}
            )
        case RemoveConstraint(key):
            return replace(memory, strangers=memory.strangers | {key})
    return memory


def _before(wanted: Wanted, reading: list[Object], seen: Observed, memory: Memory) -> list[Step]:
    """Return what comes before templates. Nothing is taken away: what still judges may need it."""
    steps: list[Step] = []
    missing = [rule for rule in reading if rule not in (seen.reading or ())]
    if missing or seen.reading is None:
        steps.append(ApplyReading([*missing, *(seen.reading or ())]))
    # It never shrinks: taking a kind away makes the engine forget all of them for a moment.
    inventory = frozenset(wanted.inventory)
    if inventory and not inventory <= (seen.inventory or frozenset()):
        steps.append(ApplySyncSet(inventory | (seen.inventory or frozenset())))
    for name, content in wanted.expansions.items():
        applied, there = memory.expansions.get(name), seen.expansions.get(name)
        same = applied is not None and applied.digest == digest(content)
        if not same or applied is None or there != (applied.uid, applied.generation):
            steps.append(ApplyExpansion(name, content))
    return steps


def _state(content: Object, applied: Applied | None, report: Report | None, now: datetime) -> _State:
    if applied is None or applied.digest != digest(content):
        return _State.WRITE
    if report is None or report.uid != applied.uid or report.generation < applied.generation:
        return _State.WRITE if now - applied.at > PATIENCE else _State.WAIT
    if report.generation > applied.generation:
        return _State.WRITE  # somebody else has changed it
    if report.errors:
        return _State.INVALID
    return _State.READY if report.judges else _State.WAIT


def _constraint_state(
    key: ConstraintKey,
    content: Object,
    templates: Mapping[str, _State],
    seen: Observed,
    memory: Memory,
    now: datetime,
) -> _State:
    template = templates[key.kind.lower()]
    if template is _State.INVALID:
        return _State.INVALID
    if template is not _State.READY and key not in memory.constraints:
        return _State.WAIT
    return _state(content, memory.constraints.get(key), seen.constraints.get(key), now)


def _invalid(
    wanted: Wanted,
    templates: Mapping[str, _State],
    constraints: Mapping[ConstraintKey, _State],
    seen: Observed,
) -> Iterable[Invalid]:
    for name, state in templates.items():
        if state is _State.INVALID:
            yield Invalid(wanted.policies[name], "its template", "; ".join(seen.templates[name].errors))
    for key, constraint in constraints.items():
        report = seen.constraints.get(key)
        if constraint is _State.INVALID and templates[key.kind.lower()] is _State.READY and report:
            meaning = wanted.meanings[key]
            yield Invalid(meaning.policy, f"constraint {meaning.constraint}", "; ".join(report.errors))


def _ends(
    wanted: Wanted,
    reading: list[Object],
    seen: Observed,
    invalid: set[str],
    strangers: frozenset[ConstraintKey],
) -> list[Step]:
    """Return the end of what is not wanted any more; of an invalid policy, what it had before stays."""
    steps: list[Step] = [
        RemoveConstraint(key)
        for key in seen.constraints
        if key not in wanted.constraints
        and key not in strangers
        and wanted.policies.get(key.kind.lower(), "") not in {"", *invalid}
    ]
    steps += [
        RemoveTemplate(name)
        for name, policy in seen.managed.items()
        if name not in wanted.templates and policy not in invalid
    ]
    steps += [RemoveExpansion(name) for name in seen.expansions if name not in wanted.expansions]
    if not steps and not invalid and seen.reading != reading:
        steps.append(ApplyReading(reading))
    return steps
