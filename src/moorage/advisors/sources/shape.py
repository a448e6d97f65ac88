"""An operation on an object, as one on a document that says a part of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from moorage.advisors.sources.model import Place
from moorage.manifests.editing.operations import ABSENT, NAMES, Insert, Operation, Path_, Remove, Set, at


@dataclass(frozen=True, slots=True)
class Layered:
    """A document that an object is made of.

    Args:
        place: where it is.
        content: what it says.
        patch: whether it says a part of the object only.
    """

    place: Place
    content: Any = field(repr=False)
    patch: bool


def translated(operation: Operation, whole: Any, part: Any, *, exact: bool) -> Operation | None:
    """Return an operation on an object as one on a document that says a part of it.

    Args:
        operation: on the object.
        whole: the object.
        part: what the document says.
        exact: whether the document must say what is changed, or hold what it is in, already.
    """
    path = operation.path
    *way, last = path
    found = _path(tuple(way), whole, part)
    if len(found) < len(way):
        return None if exact or not isinstance(operation, Set) else _nested(operation, found, part)
    there = at(part, found)
    inner = _path(path, whole, part)
    match operation:
        case Insert(_, value) if isinstance(there, list):
            same = len(there) == len(at(whole, tuple(way)))
            return Insert((*found, last if same else len(there)), value)
        case Remove() if len(inner) == len(path):
            return Remove(inner)
        case Set(_, value) if len(inner) == len(path):
            return Set(inner, value)
        case Set(_, value) if isinstance(last, str) and isinstance(there, dict) and (there or not exact):
            return Set((*found, last), value)
    return None


def nested(path: Path_, value: Any) -> Any:
    """Return a value inside the mappings that a path of keys leads through; `ABSENT` where it has indices."""
    for step in reversed(path):
        if isinstance(step, int):
            return ABSENT
        value = {step: value}
    return value


def _nested(operation: Set, found: Path_, part: Any) -> Set | None:
    rest = operation.path[len(found) :]
    there = at(part, found)
    if isinstance(rest[0], int) or not isinstance(there, dict):
        return None
    value = nested(rest[1:], operation.value)
    return None if value is ABSENT else Set((*found, rest[0]), value)


def _path(path: Path_, whole: Any, part: Any) -> Path_:
    """Return a path in an object as one in a document, as far as the document has it."""
    found: list[str | int] = []
    for step in path:
        if isinstance(step, str):
            if not isinstance(part, dict) or step not in part:
                break
            place: str | int = step
        else:
            index = _index(step, whole, part)
            if index is None:
                break
            place = index
        found.append(place)
        whole = at(whole, (step,))
        part = at(part, (place,))
    return tuple(found)


def _index(place: int, whole: Any, part: Any) -> int | None:
    """Return the index of the same item in another list: that with the same name, or at the same place."""
    if not isinstance(whole, list) or not isinstance(part, list) or place >= len(whole):
        return None
    item = whole[place]
    if isinstance(item, dict):
        for name in NAMES:
            if name in item:
                found = [
                    index
                    for index, each in enumerate(part)
                    if isinstance(each, dict) and each.get(name) == item[name]
                ]
                return found[0] if len(found) == 1 else None
    if item in part:
        return part.index(item)
    return place if len(part) == len(whole) else None
