"""Objects as they were and became: what differs, where one stands, and how to get back. Pure."""

from __future__ import annotations

import copy
import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import msgspec

from moorage.advisors.applying import writers
from moorage.kube.kinds import Object

Path = tuple[str, ...]

_WRITERS: Final = "managedFields"
_SERVERS: Final = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        _WRITERS,
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
_KEYED: Final = frozenset({"containers", "initContainers", "ephemeralContainers", "env", "volumes"})
"""Lists in which several people have an item each; every other list is one person's as a whole."""

_SETS: Final = frozenset(
    {"rules", "subjects", "verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs"}
)
"""Lists of RBAC, whose order says nothing."""

_ABSENT: Final = object()


class Position(Enum):
    """Where an object is on the way from before to after."""

    BEFORE = auto()
    AFTER = auto()
    BETWEEN = auto()
    """It was deleted to be made anew."""
    ELSEWHERE = auto()
    """Somebody else has changed what is to be changed."""


@dataclass(frozen=True, slots=True)
class Images:
    """An object before and after a change; ``None`` where there is none."""

    before: Object | None
    after: Object | None

    @property
    def replaces(self) -> bool:
        """Whether it has to be made anew: what a binding refers to cannot be changed."""
        return (
            self.before is not None
            and self.after is not None
            and self.before.get("roleRef") != self.after.get("roleRef")
        )

    def position(self, live: Object | None) -> Position:
        """Say where the object is now; fields that the change is not about do not count."""
        if live is None:
            return self._position_of_nothing()
        if self.before is None:
            return Position.AFTER if agrees(live, content(self.after or {})) else Position.ELSEWHERE
        if self.after is None:
            return Position.BEFORE if same(live, self.before) else Position.ELSEWHERE
        return self._position_by_fields(live)

    def _position_of_nothing(self) -> Position:
        if self.replaces:
            return Position.BETWEEN
        if self.after is None:
            return Position.AFTER
        return Position.BEFORE if self.before is None else Position.ELSEWHERE

    def _position_by_fields(self, live: Object) -> Position:
        now, delta = flat(live), self.delta()
        # Of an object that was only written in another version, no field tells where it stands.
        old = writers.present(live, writers.told(self.before))
        if all(_equal(path, now.get(path, _ABSENT), after) for path, (_, after) in delta.items()):
            return Position.BEFORE if old else Position.AFTER
        if all(_equal(path, now.get(path, _ABSENT), before) for path, (before, _) in delta.items()):
            return Position.BEFORE
        return Position.ELSEWHERE

    def delta(self) -> dict[Path, tuple[Any, Any]]:
        """Return the fields that differ, with their values before and after."""
        before, after = flat(self.before or {}), flat(self.after or {})
        return {
            path: (before.get(path, _ABSENT), after.get(path, _ABSENT))
            for path in sorted({*before, *after})
            if not _equal(path, before.get(path, _ABSENT), after.get(path, _ABSENT))
        }

    def restored(self, live: Object) -> Object:
        """Return the object as it is now, with what the change has changed as it was before."""
        result: Object = copy.deepcopy(dict(live))
        there = {path[:end] for path in flat(self.before or {}) for end in range(len(path) + 1)}
        for path, (before, _) in self.delta().items():
            if before is _ABSENT:
                _remove(result, path, there)
            else:
                _set(result, path, copy.deepcopy(before))
        return result


def content(obj: Mapping[str, Any]) -> Object:
    """Return what people have written of an object: without the API server's notes, without its status."""
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _SERVERS}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def image(obj: Mapping[str, Any] | None) -> str | None:
    """Return an object as it is written down: all of it but who wrote which field.

    Writers that an image names (`writers.with_told`) stay.
    """
    if obj is None:
        return None
    metadata = {key: value for key, value in obj["metadata"].items() if key != _WRITERS}
    if named := writers.told(obj):
        metadata[_WRITERS] = named
    told = {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def plain(obj: Any) -> Any:
    """Return an object of lightkube's as plain dictionaries and lists."""
    return msgspec.json.decode(msgspec.json.encode(obj))


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two objects are the same to people."""
    return agrees(content(one), content(other)) and agrees(content(other), content(one))


def agrees(live: Any, told: Any, *, at: str = "") -> bool:
    """Say whether all that is told holds of an object; there may be more of it."""
    if isinstance(told, Mapping):
        return (not told and live is None) or (
            isinstance(live, Mapping)
            and all(agrees(live.get(key), value, at=key) for key, value in told.items())
        )
    if isinstance(told, list) and at in _KEYED and _names(told) and _names(live):
        items = {item["name"]: item for item in live}
        return all(agrees(items.get(item["name"]), item) for item in told)
    if isinstance(told, list) and at == _WRITERS:
        return writers.agree(live, told)
    if isinstance(told, list) and at in _SETS:
        return isinstance(live, list) and bool(_canonical(live) == _canonical(told))
    return bool(live == told or (not live and told in (None, "", [])))


def flat(obj: Mapping[str, Any]) -> dict[Path, Any]:
    """Return the fields of an object by their paths; an item of a list that several share has its name."""
    return dict(_flat(content(obj), ()))


def _flat(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, (*path, str(key)))
    elif isinstance(value, list) and path and path[-1] in _KEYED and _names(value):
        for item in value:
            yield from _flat(item, (*path, str(item["name"])))
    else:
        yield path, value


def _names(value: Any) -> list[str]:
    """Return the names of a list's items; nothing where they are no names to tell them apart by."""
    if not isinstance(value, list) or not all(isinstance(item, Mapping) and "name" in item for item in value):
        return []
    names = [str(item["name"]) for item in value]
    return names if len(set(names)) == len(names) else []


def _equal(path: Path, one: Any, other: Any) -> bool:
    if path and path[-1] in _SETS and isinstance(one, list) and isinstance(other, list):
        return bool(_canonical(one) == _canonical(other))
    return bool(one == other)


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        return sorted((_canonical(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _step(at: Any, key: str, *, make: bool) -> Any:
    if isinstance(at, list):
        found = next((item for item in at if item["name"] == key), None)
        if found is None and make:
            at.append(found := {"name": key})
        return found
    if key not in at and make:
        at[key] = [] if key in _KEYED else {}
    return at.get(key)


def _set(obj: Object, path: Path, value: Any) -> None:
    at: Any = obj
    for key in path[:-1]:
        at = _step(at, key, make=True)
    at[path[-1]] = value


def _remove(obj: Object, path: Path, there: Container[Path]) -> None:
    """Remove a field that was not there, and what holds nothing without it and was not there either."""
    way: list[tuple[Any, str]] = []
    at: Any = obj
    for place, key in enumerate(path[:-1]):
        way.append((at, key))
        if isinstance(at, list) and path[: place + 1] not in there:
            break  # an item that was not there goes as a whole
        at = _step(at, key, make=False)
        if at is None:
            return
    else:
        at.pop(path[-1], None)
    for place in range(len(way), 0, -1):
        parent, key = way[place - 1]
        if path[:place] in there or (not isinstance(parent, list) and parent.get(key)):
            return
        if isinstance(parent, list):
            parent[:] = [item for item in parent if item["name"] != key]
        else:
            parent.pop(key, None)
