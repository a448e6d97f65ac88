"""Testing: inputs and libraries in, a report out. What the terminal asks of all the others, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from moorage.cache import Cache
from moorage.manifests.model import Item, Object, Where, metadata_of
from moorage.manifests.places import where
from moorage.policies import exceptions as excepting
from moorage.policies.compiled import Compiled
from moorage.policies.compiling import compile_policies
from moorage.policies.engine import judgement as engine
from moorage.policies.engine.judging import judge
from moorage.policies.engine.subjects import Subject, identify
from moorage.policies.inputs.model import Inputs
from moorage.policies.inputs.spots import Question, spots
from moorage.policies.levels import read_levels
from moorage.policies.model import Action, GroupVersionKind, Library, PolicyError, PolicySet, SetEntry
from moorage.policies.report.exceptions import listed, remarks
from moorage.policies.report.model import Failure, Report, Result, Thing
from moorage.policies.report.notes import notes
from moorage.toolchain import locate

TARGET_VERSION: Final = "targetVersion"
"""The parameter of policies that look ahead to a version of Kubernetes."""

_MINOR: Final = re.compile(r"1\.[0-9]+")


@dataclass(frozen=True, slots=True)
class Rules:
    """What judges.

    Args:
        libraries: whose policies and sets there are.
        floor: the action below which no namespace can go, by set.
        target_version: a version of Kubernetes to look ahead to; empty for what the sets say.
        approval: whether an exception counts only when an owner approved it.
        now: the time.
    """

    libraries: Sequence[Library]
    now: datetime
    floor: Mapping[str, Action] = field(default_factory=dict)
    target_version: str = ""
    approval: bool = False


def test(inputs: Inputs, rules: Rules, *, cache: Cache, keep_going: bool) -> Report:
    """Judge what was read.

    Where no namespace and no floor says anything about sets, every policy does, and the report says so:
    somebody who tries it out sees something.

    Args:
        inputs: what was read.
        rules: what judges.
        cache: what is remembered between runs.
        keep_going: whether the rest is judged when something cannot be read or judged.

    Raises:
        PolicyError: a library contradicts itself, or the engine cannot run.
    """
    failures = [Failure.of(problem.error, problem.where) for problem in inputs.problems]
    known = {name for library in rules.libraries for name in library.policies}
    standing = listed(inputs, known, rules.now, approval=rules.approval)
    exceptions = [each.exception for each in standing if each.exception and each.state != "awaiting"]
    said = tuple(remarks(standing))
    if failures and not keep_going:
        return Report((), tuple(failures), said, tuple(inputs.notes), time=rules.now)
    libraries, ahead = _ahead(rules)
    opted_in = bool(rules.floor) or any(map(_asks, inputs.namespaces.values()))
    floor = {**ahead, **rules.floor} if opted_in else {}
    compiled = compile_policies(
        libraries, floor=floor, exceptions=exceptions, now=rules.now, everything=not opted_in
    )
    judgement = judge(
        compiled,
        [Subject.of(item.content) for item in inputs.items],
        namespaces={
            name: metadata_of(content).get("labels") or {} for name, content in inputs.namespaces.items()
        },
        gator=locate("gator"),
        inventory=[Subject.of(content) for content in _beside(inputs)],
        cache=cache,
        keep_going=True,  # so that it says which objects it could not judge
    )
    things = tuple(_Things(inputs.items))
    asked = [
        Question(inputs.items[each.subject], each.message, bool(each.made)) for each in judgement.findings
    ]
    results = [
        _result(things, compiled, finding, spot)
        for finding, spot in zip(judgement.findings, spots(asked, cache), strict=True)
    ]
    failures += [_failure(failure, things) for failure in judgement.failures]
    if failures and not keep_going:
        return Report((), tuple(failures), said, tuple(inputs.notes), time=rules.now)
    return Report(
        results=tuple(sorted(results, key=_order)),
        failures=tuple(failures),
        remarks=said,
        notes=(
            *inputs.notes,
            *_beyond(rules),
            *notes(inputs, libraries, opted_in=opted_in, floor=rules.floor, strangers=judgement.strangers),
        ),
        things=things,
        policies={name: compiled.policies[name] for name in sorted(judgement.policies)},
        loaded=sum(len(library.policies) for library in libraries),
        exceptions=len(excepting.active(exceptions, rules.now)),
        time=rules.now,
    )


def _ahead(rules: Rules) -> tuple[Sequence[Library], Mapping[str, Action]]:
    """Look ahead to a version: return the libraries that do, and the floor that asks for it.

    Its set judges everywhere; it is made where no library has it.

    Raises:
        PolicyError: no policy looks ahead, or the version is none.
    """
    version = rules.target_version
    if not version:
        return rules.libraries, {}
    if not _MINOR.fullmatch(version):
        raise PolicyError(f"--target-version {version} is not a version", hint="write a minor, such as 1.38")
    name = f"upgrade-{version}"
    parameters = {TARGET_VERSION: version}
    changed, some = [], False
    for library in rules.libraries:
        looking = [each.name for each in library.policies.values() if _looks_ahead(each.parameters_schema)]
        some = some or bool(looking)
        policies = {
            each.name: replace(each, constraint=_with_parameters(each.constraint, parameters))
            if each.name in looking
            else each
            for each in library.policies.values()
        }
        sets = dict(library.sets)
        if looking and not any(name in each.sets for each in rules.libraries):
            entries = tuple(SetEntry(policy, parameters) for policy in looking)
            sets[name] = PolicySet(name, library.name, f"Ready for Kubernetes {version}", "", entries)
        changed.append(replace(library, policies=policies, sets=sets))
    if not some:
        raise PolicyError(f"no policy has the parameter {TARGET_VERSION}", hint="leave --target-version out")
    return changed, {name: Action.ENFORCE}


def _beyond(rules: Rules) -> Iterator[str]:
    """Say that a version is later than those that the policies tell of themselves."""
    told = [
        parameters[TARGET_VERSION]
        for library in rules.libraries
        for parameters in (
            *(policy.parameters for policy in library.policies.values()),
            *(entry.parameters for found in library.sets.values() for entry in found.entries),
        )
        if _MINOR.fullmatch(str(parameters.get(TARGET_VERSION)))
    ]
    newest = max(told, key=_minor, default="")
    if newest and rules.target_version and _minor(rules.target_version) > _minor(newest):
        yield (
            f"the policies know Kubernetes up to {newest}: "
            f"what {rules.target_version} removes beyond what is announced they cannot tell"
        )


def _minor(version: str) -> int:
    return int(version.removeprefix("1."))


def _looks_ahead(schema: Object) -> bool:
    properties = schema.get("properties")
    return isinstance(properties, Mapping) and TARGET_VERSION in properties


def _with_parameters(constraint: Object, parameters: Object) -> Object:
    spec = constraint.get("spec") or {}
    return {**constraint, "spec": {**spec, "parameters": {**(spec.get("parameters") or {}), **parameters}}}


def _asks(namespace: Object) -> bool:
    """Say whether a namespace says what judges it: also one that asks for what there is not."""
    levels = read_levels(metadata_of(namespace).get("labels") or {})
    return bool(levels.actions or levels.unknown)


def _beside(inputs: Inputs) -> Iterator[Object]:
    """Yield what a cluster has beside what is judged: a file's version of an object counts in its place."""
    judged = {identify(item.content) for item in inputs.items} if inputs.inventory else set()
    for content in inputs.inventory:
        if identify(content) not in judged:
            yield content


class _Things:
    """The things of items, each made once."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Thing]:
        for item in self._items:
            metadata = metadata_of(item.content)
            generated = metadata.get("generateName")
            yield Thing(
                kind=GroupVersionKind.of(item.content["apiVersion"], item.content["kind"]),
                namespace=str(metadata.get("namespace") or ""),
                name=str(metadata.get("name") or (f"{generated}*" if generated else "")),
                where=where(item),
            )


def _result(
    things: Sequence[Thing], compiled: Compiled, finding: engine.Finding, spot: Where | None
) -> Result:
    return Result(
        thing=things[finding.subject],
        policy=compiled.policies[finding.policy],
        message=finding.message,
        action=finding.action,
        made=finding.made,
        sets=finding.sets,
        spot=spot,
    )


def _failure(failure: engine.Failure, things: Sequence[Thing]) -> Failure:
    """Return what could not be judged, with its place where it is one object."""
    if len(failure.subjects) != 1:
        return Failure.of(failure.error)
    where = things[failure.subjects[0]].where
    return Failure(f"{where}: {failure.error.message}", failure.error.hint or "", where)


def _order(result: Result) -> tuple[Any, ...]:
    thing = result.thing
    return (
        thing.where.file,
        thing.where.line or 0,
        str(thing),
        result.made,
        -result.action.strength,
        list(type(result.policy.severity)).index(result.policy.severity),
        result.policy.name,
        result.message,
    )
