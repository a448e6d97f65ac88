"""What is different between two libraries, for whoever has to decide about the newer one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from moorage.manifests.model import Object
from moorage.policies.model import Library, Policy, PolicySet


class Kind(StrEnum):
    """What happened to something."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Args:
        what: "policy", "set" or "expansion".
        name: of it.
        kind: what happened to it.
        details: what exactly, a line each.
    """

    what: str
    name: str
    kind: Kind
    details: tuple[str, ...] = ()


def compare(before: Library, after: Library) -> list[Change]:
    """Return what is different in the later of two libraries: sets, policies, expansions."""
    return [
        *_differences("set", before.sets, after.sets, _set_details),
        *_differences("policy", before.policies, after.policies, _policy_details),
        *_differences("expansion", _by_name(before), _by_name(after), _expansion_details),
    ]


def _differences(
    what: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    details: Callable[[Any, Any], Iterator[str]],
) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        if name not in before:
            yield Change(what, name, Kind.ADDED, tuple(_introduced(after[name])))
        elif name not in after:
            yield Change(what, name, Kind.REMOVED)
        elif said := tuple(details(before[name], after[name])):
            yield Change(what, name, Kind.CHANGED, said)


def _introduced(item: Any) -> Iterator[str]:
    match item:
        case Policy():
            yield f"{item.severity}: {item.title}"
        case PolicySet():
            yield f"{len(item.entries)} {'policy' if len(item.entries) == 1 else 'policies'}: {item.title}"


def _policy_details(before: Policy, after: Policy) -> Iterator[str]:
    if _rule(before) != _rule(after):
        yield "its rule is another"
    for name in ("severity", "scope", "category", "engine", "title"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{name}: {old} → {new}"
    yield from _fields("match", before.match, after.match)
    yield from _fields("parameters", before.parameters, after.parameters)
    if before.parameters_schema != after.parameters_schema:
        yield "the schema of its parameters is another"
    if before.inventory != after.inventory:
        kinds = ", ".join(kind.kind for kind in after.inventory)
        yield f"reads {kinds}" if kinds else "reads no other objects any more"
    if _rest(before) != _rest(after):
        yield "its constraint or template is another in what else it says"
    texts = ("what", "why", "mend", "references")
    if said := [name for name in texts if getattr(before, name) != getattr(after, name)]:
        yield f"its text is another: {', '.join(said)}"


def _rule(policy: Policy) -> Any:
    return policy.template["spec"]["targets"]


def _rest(policy: Policy) -> Any:
    """Return what of a policy's objects is compared nowhere else."""
    spec = {
        k: v for k, v in (policy.constraint.get("spec") or {}).items() if k not in {"match", "parameters"}
    }
    crd = {k: v for k, v in policy.template["spec"]["crd"]["spec"].items() if k != "validation"}
    return policy.constraint["kind"], policy.constraint["metadata"], spec, policy.template["metadata"], crd


def _set_details(before: PolicySet, after: PolicySet) -> Iterator[str]:
    old = {entry.policy: entry.parameters for entry in before.entries}
    new = {entry.policy: entry.parameters for entry in after.entries}
    yield from (f"+ {name}" for name in sorted(new.keys() - old.keys()))
    yield from (f"- {name}" for name in sorted(old.keys() - new.keys()))
    for name in sorted(old.keys() & new.keys()):
        yield from _fields(f"{name}: parameters", old[name], new[name])
    if (before.title, before.description) != (after.title, after.description):
        yield "its text is another"


def _expansion_details(before: Object, after: Object) -> Iterator[str]:
    yield from _fields("spec", before.get("spec") or {}, after.get("spec") or {})


def _fields(what: str, before: Object, after: Object) -> Iterator[str]:
    for name in sorted({*before, *after}):
        old, new = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if old != new or type(old) is not type(new):
            yield f"{what}.{name}: {_shown(old)} → {_shown(new)}"


_ABSENT: Final = object()
_LONGEST: Final = 60


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "(absent)"
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _by_name(library: Library) -> dict[str, Object]:
    return {str(item["metadata"]["name"]): item for item in library.expansions}
