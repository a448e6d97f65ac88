"""One run of Gatekeeper's `gator test`: rules and objects in, messages out."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from moorage.manifests.model import Object
from moorage.policies.engine.packing import Pack, packs
from moorage.policies.engine.rules import Rule
from moorage.policies.engine.subjects import Identity, Subject
from moorage.policies.guard import without_guard
from moorage.policies.model import PolicyError

TOOL: Final = "gator"
_HEAP_GROWTH: Final = "200"  # percent: to collect half as often is a fifth faster
_MEMORY: Final = "768MiB"  # ... until there is so much of it
_LINE: Final = re.compile(r'(.*): \["((?:[^"\\]|\\.)*)"\] Message: "((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|([0-7]{3})|(.))", re.DOTALL)
_ESCAPED: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ADDING: Final = re.compile(r'adding (?:template "([^"]*)"|constraint "([^"]*)"): (.*)', re.DOTALL)
_OBJECT: Final = re.compile(r"(?:auditing objects|reading): (.*)", re.DOTALL)
_CONVERTING: Final = re.compile(r'converting unstructured "([^"]*)" to template: (.*)', re.DOTALL)

_encode: Final = msgspec.json.encode


class EngineError(PolicyError):
    """The engine does not run, or says what cannot be understood."""


class RuleRefusedError(EngineError):
    """The engine does not take a rule.

    Args:
        rule: which one, by its place in the run.
        why: what the engine says.
    """

    def __init__(self, rule: int, why: str) -> None:
        super().__init__(why)
        self.rule = rule


class ObjectRefusedError(EngineError):
    """The engine gives up because of an object; it does not say in a way to rely on which it is."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run judges: every rule, every subject.

    Args:
        rules: what judges.
        subjects: what is judged; no two are the same object.
        inventory: what rules read beside; none of the subjects.
        keep_kinds: whether the engine itself leaves aside objects that a rule is not for; right for few
            subjects, where that costs less than to judge the rules' own objects.
        cores: how many it may use.
        packed: whether rules may be made one for it.
    """

    rules: tuple[Rule, ...]
    subjects: tuple[Subject, ...]
    inventory: tuple[Subject, ...] = ()
    keep_kinds: bool = True
    cores: int = 1
    packed: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found, by the places of the subject and the rule in it.

    Args:
        messages: what is wrong.
        doubts: what is not settled: whether that rule finds something there, and what.
    """

    messages: Mapping[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    doubts: frozenset[tuple[int, int]] = frozenset()


def can_be_judged(identity: Identity) -> bool:
    """Say whether the engine's words about an object can be told from others'."""
    return not _UNPRINTABLE.search(f"{identity.kind.api_version}{identity.kind.kind}{identity}")


def execute(run: Run, gator: Path) -> Outcome:
    """Let the engine judge.

    Raises:
        RuleRefusedError: a rule does not compile, or its parameters are not what it declares.
        ObjectRefusedError: an object is not what the engine can take in.
        EngineError: anything else that the engine does not do.
    """
    environment = {
        **os.environ,
        "GOGC": os.environ.get("GOGC", _HEAP_GROWTH),
        "GOMEMLIMIT": os.environ.get("GOMEMLIMIT", _MEMORY),
        "GOMAXPROCS": str(run.cores),
    }
    together = packs(run.rules, keep_kinds=run.keep_kinds) if run.packed else []
    try:
        done = subprocess.run(
            [str(gator), "test"],
            input=_input(run, together),
            capture_output=True,
            env=environment,
            check=False,
        )
    except OSError as error:
        raise EngineError(
            f"{gator}: {error.strerror or error}", hint="`moorage tools install gator` gets the engine"
        ) from error
    if done.returncode not in {0, 1} or (done.returncode == 1 and not done.stdout):
        raise _failed(run, done.returncode, done.stderr.decode("utf-8", "replace"))
    return _read(run, together, done.stdout.decode("utf-8", "replace"))


def _input(run: Run, together: Sequence[Pack]) -> bytes:
    packed = {place for pack in together for place in pack.rules}
    alone = [(place, rule) for place, rule in enumerate(run.rules) if place not in packed]
    templates = {rule.kind: rule.template for _, rule in alone}
    constraints = [_constraint(rule, place, run) for place, rule in alone]
    templates.update((pack.name, pack.template) for pack in together)
    constraints += [pack.constraint for pack in together]
    parts = [_encode(content) for content in (*templates.values(), *constraints)]
    parts.extend(subject.json for subject in run.inventory)
    parts.extend(subject.json for subject in run.subjects)
    return b"\n".join(parts)


def _name(rule: Rule, place: int) -> str:
    """Return what a rule is called in a run: its constraint's name where it can read that."""
    return f"r{place}" if rule.constraint is None else str(rule.constraint["metadata"]["name"])


def _constraint(rule: Rule, place: int, run: Run) -> Object:
    if rule.constraint is not None:
        return rule.constraint
    content: dict[str, Any] = {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": rule.kind,
        "metadata": {"name": _name(rule, place)},
        "spec": {"parameters": rule.parameters} if rule.parameters else {},
    }
    if rule.kinds and run.keep_kinds:
        content["spec"]["match"] = {"kinds": list(rule.kinds)}
    return content


def _read(run: Run, together: Sequence[Pack], output: str) -> Outcome:
    places = {_shown(subject.identity): place for place, subject in enumerate(run.subjects)}
    rules = {_name(rule, place): place for place, rule in enumerate(run.rules)}
    by_name = {pack.name: pack for pack in together}
    found: dict[tuple[int, int], list[str]] = {}
    doubts: set[tuple[int, int]] = set()
    for line in output.split("\n"):
        if not line:
            continue
        parts = _LINE.fullmatch(line)
        if parts is None or (parts[2] not in rules and parts[2] not in by_name):
            raise EngineError(f"gator says what cannot be understood: {line[:200]!r}", hint="is it 3.23?")
        place = places.get(parts[1])
        if place is None:  # the rules themselves and the inventory are judged too, and nobody asked
            continue
        message = _unquoted(parts[3])
        said = by_name[parts[2]].read(message) if parts[2] in by_name else (rules[parts[2]], message)
        if isinstance(said, frozenset):
            doubts.update((place, rule) for rule in said)
        else:
            found.setdefault((place, said[0]), []).append(without_guard(said[1]))
    messages = {key: tuple(sorted(texts)) for key, texts in found.items() if key not in doubts}
    return Outcome(messages, frozenset(doubts))


def _shown(identity: Identity) -> str:
    where = f"{identity.namespace}/" if identity.namespace else ""
    return f"{identity.kind.api_version}/{identity.kind.kind} {where}{identity.name}"


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(found: re.Match[str]) -> str:
    byte, short, long, octal, letter = found.groups()
    if code := short or long or byte:
        return chr(int(code, 16))
    return chr(int(octal, 8)) if octal else _ESCAPED.get(letter, letter)


def _failed(run: Run, status: int, said: str) -> EngineError:
    said = said.strip()
    if found := _ADDING.search(said):
        template, name, why = found.groups()
        names = {_name(rule, place): place for place, rule in enumerate(run.rules)}
        place = names.get(name) if name else _place_of(run, template)
        if place is not None:
            return RuleRefusedError(place, why)
    if (found := _CONVERTING.search(said)) and (place := _place_of(run, found[1])) is not None:
        return RuleRefusedError(place, found[2])
    last = said.splitlines()[-1] if said else f"it ends with status {status}"
    if status == 1 and (found := _OBJECT.search(said)):
        return ObjectRefusedError(found[1])
    return EngineError(f"gator: {last}")


def _place_of(run: Run, template: str) -> int | None:
    names = [rule.template["metadata"]["name"] for rule in run.rules]
    return names.index(template) if template in names else None


def by_identity(subjects: Sequence[Subject]) -> list[list[Subject]]:
    """Split subjects so that no two of a part are the same object."""
    parts: list[dict[Identity, Subject]] = []
    for subject in subjects:
        part = next((part for part in parts if subject.identity not in part), None)
        if part is None:
            part = {}
            parts.append(part)
        part[subject.identity] = subject
    return [list(part.values()) for part in parts]
