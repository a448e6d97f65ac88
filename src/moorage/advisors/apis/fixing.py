"""What resolves sightings: one change for each object, with everything in it that goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from moorage.advisors.apis import mechanical
from moorage.advisors.apis.mechanical import Changes, Conversion
from moorage.advisors.apis.model import How, Object, Sighting
from moorage.advisors.apis.table import Api

Server = Callable[[Iterable[Sighting], Callable[[Sighting], Conversion]], Awaitable[Mapping[int, Conversion]]]
"""Converts whole objects, as `convert.convert_all` does."""

_WHOLE: Final = frozenset({How.WRITTEN, How.APPLIED})
_REFERENCE: Final = frozenset(
    {
        "apiVersion", "blockOwnerDeletion", "controller", "fieldPath", "kind", "name", "namespace",
        "resourceVersion", "uid",
    }
)  # fmt: skip
"""What a reference has; whatever has more holds an object."""


class Fixes:
    """Conversions of sightings, by the object that they are in.

    Several things may go in one object. Each finding of it has the same change, with all of them: of changes
    that are carried out one after the other, none may undo another.

    Args:
        sightings: those that matter at the target, with objects.
        changes: what is different in which version.
    """

    def __init__(self, sightings: Iterable[Sighting], changes: Changes) -> None:
        self._changes = changes
        self._inside: dict[int, Conversion] = {}
        self._whole: dict[int, Conversion] = {}
        self._contents: dict[int, Object] = {}
        # Objects are known by where they are in memory: what they are read from stays for as long.
        self._sightings = [each for each in sightings if each.content is not None]
        for each in self._sightings:
            if each.how not in _WHOLE:
                self._fix_inside(each)

    def by_schema(self) -> None:
        """Convert whole objects without a server."""
        for each in self._sightings:
            if each.how in _WHOLE:
                self._take(each, self._by_schema(self._as_fixed(each)))

    async def by_server(self, server: Server) -> None:
        """Convert whole objects by a server, where one serves both versions."""
        originals = [each for each in self._sightings if each.how in _WHOLE]
        fixed = [self._as_fixed(each) for each in originals]
        found = await server(fixed, self._by_schema)
        for original, each in zip(originals, fixed, strict=True):
            self._take(original, found[id(each)])

    def __call__(self, sighting: Sighting) -> Conversion | None:
        """Return what resolves a sighting."""
        if sighting.content is None:
            return None
        told = self._whole.get(id(sighting)) or self._inside.get(id(sighting))
        if told is None or told.content is None:
            return told
        return replace(told, content=self._contents[id(sighting.content)])

    def _by_schema(self, sighting: Sighting) -> Conversion:
        return mechanical.convert(sighting.content or {}, sighting.api, self._changes)

    def _as_fixed(self, sighting: Sighting) -> Sighting:
        return replace(sighting, content=self._contents.get(id(sighting.content), sighting.content))

    def _take(self, sighting: Sighting, conversion: Conversion) -> None:
        self._whole[id(sighting)] = conversion
        if conversion.content is not None:
            self._contents[id(sighting.content)] = conversion.content

    def _fix_inside(self, sighting: Sighting) -> None:
        content = self._contents.get(id(sighting.content), sighting.content) or {}
        fix = _rename if sighting.how is How.NAMED else _admit
        conversion = fix(content, sighting, self._changes)
        self._inside[id(sighting)] = conversion
        if conversion.content is not None:
            self._contents[id(sighting.content)] = conversion.content


def _rename(content: Object, sighting: Sighting, changes: Changes) -> Conversion:
    """Change what a field names, or convert what it holds."""
    api, named = sighting.api, value_at(content, sighting.path)
    if api.replacement is None:
        return Conversion(None, f"{api.owner} names no replacement")
    if set(named) <= _REFERENCE:
        new = {**named, "apiVersion": api.replacement.api_version, "kind": api.replacement.kind}
        return Conversion(replaced(content, sighting.path, new), "a reference is the same in both versions")
    inner = mechanical.convert(named, api, changes)
    if inner.content is None:
        return inner
    return replace(inner, content=replaced(content, sighting.path, inner.content))


def _admit(content: Object, sighting: Sighting, _: Changes) -> Conversion:
    """Add the version that stays to those that a rule matches."""
    api, versions = sighting.api, value_at(content, sighting.path)
    new = api.replacement
    if new is None:
        return Conversion(None, f"{api.owner} names no replacement")
    if _resource_differs(api):
        return Conversion(None, f"{new} is another resource: it takes a rule of its own")
    added = [*versions, *([new.version] if new.version not in versions else [])]
    return Conversion(
        replaced(content, sighting.path, added),
        "the version that stays is matched, too; the old one stays for as long as it is served",
        (f"whoever judges gets objects in {new.api_version} from then on",),
    )


def _resource_differs(api: Api) -> bool:
    new = api.replacement
    return new is None or (new.group, new.kind) != (api.name.group, api.name.kind)


def value_at(content: Any, path: tuple[str | int, ...]) -> Any:
    """Return the value at a path, which is there."""
    for step in path:
        content = content[step]
    return content


def replaced(content: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return a copy of what there is with another value at a path."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return [*content[:step], replaced(content[step], rest, value), *content[step + 1 :]]
    return {**content, step: replaced(content[step], rest, value)}
