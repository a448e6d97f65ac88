"""What is done to a value, step by step: the difference between how it is and how it shall be."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

Path_ = tuple[str | int, ...]
"""Keys and indices that lead to a value."""

NAMES: Final = ("name", "mountPath", "containerPort", "port", "key", "ip", "topologyKey", "path", "id")
"""Fields by which the items of a list are told from each other, the first that all of them have."""


@dataclass(frozen=True, slots=True)
class Set:
    """Put a value at a path; what is there goes, and a key that is not there is added."""

    path: Path_
    value: Any


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the key or the item at a path away."""

    path: Path_


@dataclass(frozen=True, slots=True)
class Insert:
    """Put a value into a list, before the item at the path; at its end where the index is its length."""

    path: Path_
    value: Any


Operation = Set | Remove | Insert


def below(operation: Operation, path: Path_) -> Operation:
    """Return the same operation on a value that is at a path of another one."""
    match operation:
        case Set(inner, value):
            return Set((*path, *inner), value)
        case Insert(inner, value):
            return Insert((*path, *inner), value)
        case Remove(inner):
            return Remove((*path, *inner))


def difference(old: Any, new: Any, path: Path_ = ()) -> list[Operation]:
    """Return what makes one value the other: as little as may be, to be done in its order."""
    if same(old, new):
        return []
    if isinstance(old, dict) and isinstance(new, dict) and old and new and old.keys() & new.keys():
        found: list[Operation] = []
        for key in new:
            if key not in old:
                found.append(Set((*path, key), new[key]))
            else:
                found += difference(old[key], new[key], (*path, key))
        found += [Remove((*path, key)) for key in old if key not in new]
        return found
    if isinstance(old, list) and isinstance(new, list) and old and new:
        return _list_difference(old, new, path)
    return [Set(path, new)]


def _list_difference(old: list[Any], new: list[Any], path: Path_) -> list[Operation]:
    """Pair items by what they are called, by what they are, or by their places: the least that does it."""
    paired = _paired(old, new, path)
    if len(old) != len(new):
        return paired
    placed = [
        operation
        for place, (one, other) in enumerate(zip(old, new, strict=True))
        for operation in difference(one, other, (*path, place))
    ]
    scalars = not any(isinstance(item, dict | list) for item in (*old, *new))
    few = len(placed) * 2 <= len(old) or len(placed) == 1
    return placed if (scalars and few) or len(placed) < len(paired) else paired


def _paired(old: list[Any], new: list[Any], path: Path_) -> list[Operation]:
    """Pair items by what they are called, or by what they are; where that reorders them, all are written."""
    before, after = _identities(old, new)
    places = {identity: place for place, identity in enumerate(before)}
    kept = [places[identity] for identity in after if identity in places]
    if not kept or kept != sorted(kept):
        return [Set(path, new)]
    found: list[Operation] = []
    wanted = dict(zip(after, new, strict=True))
    for place, identity in enumerate(before):
        if identity in wanted:
            found += difference(old[place], wanted[identity], (*path, place))
    found += [Remove((*path, place)) for place in reversed(range(len(old))) if before[place] not in wanted]
    found += [
        Insert((*path, place), new[place]) for place, identity in enumerate(after) if identity not in places
    ]
    return found


def _identities(old: list[Any], new: list[Any]) -> tuple[list[str], list[str]]:
    """Return what tells items apart, each of a list another."""
    for name in NAMES:
        found = [[_name_of(item, name) for item in items] for items in (old, new)]
        if all(all(each) and len(set(each)) == len(each) for each in found):
            return found[0], found[1]
    if len(old) == len(new) and all(isinstance(item, dict) for item in (*old, *new)):
        places = [str(place) for place in range(len(old))]
        return places, places
    return _counted(old), _counted(new)


def _name_of(item: Any, name: str) -> str:
    value = item.get(name) if isinstance(item, dict) else None
    return json.dumps(value) if isinstance(value, str | int) else ""


def _counted(items: list[Any]) -> list[str]:
    """Return the texts of items; of the same ones each has its number."""
    seen: dict[str, int] = {}
    texts = []
    for item in items:
        text = json.dumps(item, sort_keys=True)
        seen[text] = seen.get(text, 0) + 1
        texts.append(f"{seen[text]} {text}")
    return texts


def carried_out(value: Any, operations: Sequence[Operation]) -> Any:
    """Return what a value is after some operations; the value itself stays as it is.

    Raises:
        KeyError: a path leads nowhere.
        IndexError: likewise.
    """
    root: Any = [copy.deepcopy(value)]
    for operation in operations:
        way: Path_ = (0, *operation.path)
        place: Any = root
        for step in way[:-1]:
            place = place[step]
        last: Any = way[-1]
        match operation:
            case Set():
                place[last] = copy.deepcopy(operation.value)
            case Insert():
                place.insert(last, copy.deepcopy(operation.value))
            case Remove():
                del place[last]
    return root[0]


def at(value: Any, path: Path_) -> Any:
    """Return what is at a path; `ABSENT` where nothing is."""
    for step in path:
        if isinstance(value, dict):
            if step not in value:
                return ABSENT
        elif not (isinstance(step, int) and isinstance(value, list) and step < len(value)):
            return ABSENT
        key: Any = step
        value = value[key]
    return value


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""Stands for a value that is not there."""


def same(one: Any, other: Any) -> bool:
    """Say whether two values are the same to JSON: true is not 1, and the order of keys says nothing."""
    if one is other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Yield what holds nothing else, with its path: scalars, and what is empty."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))
    else:
        yield path, value


def written(path: Path_) -> str:
    """Return a path as a person reads it: ``spec.containers[0].image``."""
    text = ""
    for step in path:
        if isinstance(step, int) or "." in step or "/" in step:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text or "the object"
