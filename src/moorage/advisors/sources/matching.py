"""Which object of the sources a change is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from moorage.advisors.advice import Change
from moorage.advisors.sources.asked import Asked
from moorage.advisors.sources.model import Key, Objects, Source
from moorage.advisors.sources.text import where
from moorage.advisors.sources.wanted import missing
from moorage.reports.findings import Action

_MOVED: Final = {"extensions": frozenset({"apps", "networking.k8s.io", "policy"})}
"""Groups whose kinds went to other groups."""


class UnplacedError(Exception):
    """A change that has no place in the sources for sure.

    Args:
        why: in words.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Built:
    """A source with what it makes as it is."""

    source: Source
    objects: Objects = field(repr=False)

    @cached_property
    def by_name(self) -> Mapping[tuple[str, str], Sequence[Key]]:
        """The objects that may be changed, by kind and name."""
        origins = set(self.source.origins)
        found: dict[tuple[str, str], list[Key]] = {}
        for key in self.objects:
            if key.origin in origins:
                found.setdefault((key.kind, key.name), []).append(key)
        return found


@dataclass(frozen=True, slots=True)
class Matched:
    """A change of one source, with the objects that it is about.

    Args:
        asked: the change.
        built: the source.
        keys: the object of each part, in their order; ``None`` for one that is new.
    """

    asked: Asked
    built: Built
    keys: tuple[Key | None, ...]


def match(asked: Asked, sources: Sequence[Built]) -> Matched:
    """Find the objects of a change.

    Raises:
        UnplacedError: they are in no source, in several, or cannot be told from others.
    """
    found: list[tuple[Built, Key] | None] = []
    for change in asked.changes:
        one = _find(change, asked, sources)
        if one is None and change.action is Action.DELETE:
            raise UnplacedError(f"{change.name} is not in the sources")
        if one is not None and change.action is Action.APPLY:
            container = missing(one[0].objects[one[1]].content, change.content)
            if container:
                raise UnplacedError(
                    f"{change.name} has no container {container} in the sources: something adds it later"
                )
        found.append(one)
    used = {id(each[0]): each[0] for each in found if each is not None}
    if not used:
        names = ", ".join(change.name for change in asked.changes)
        raise UnplacedError(
            f"{names} is not in the sources"
            if len(asked.changes) == 1
            else f"none of {names} is in the sources"
        )
    if len(used) > 1:
        shown = ", ".join(built.source.shown for built in used.values())
        raise UnplacedError(f"its objects are in several sources: {shown}")
    return Matched(asked, next(iter(used.values())), tuple(each and each[1] for each in found))


def _find(change: Change, asked: Asked, sources: Sequence[Built]) -> tuple[Built, Key] | None:
    metadata = change.content["metadata"]
    group, slash, _ = str(change.content["apiVersion"]).partition("/")
    group = group if slash else ""
    namespace = metadata.get("namespace") or ""
    every = [
        (built, key)
        for built in sources
        for key in built.by_name.get((change.content["kind"], metadata["name"]), ())
        if key.group == group or group in _MOVED.get(key.group, ())
    ]
    for wanted in ({namespace}, {"", "default"} if namespace in {"", "default"} else {""}):
        found = [each for each in every if each[1].namespace in wanted]
        if len(found) > 1 and asked.file:
            found = [each for each in found if _is_in(each, asked.file)] or found
        if len(found) > 1:
            places = ", ".join(sorted({_where(each) for each in found}))
            raise UnplacedError(f"{change.name} is in several places: {places}")
        if found:
            return found[0]
    return None


def _is_in(found: tuple[Built, Key], file: str) -> bool:
    place = found[0].objects[found[1]].place
    return place is not None and place.file.resolve() == Path(file).resolve()


def _where(found: tuple[Built, Key]) -> str:
    built, key = found
    place = built.objects[key].place
    if place is None:
        return key.origin or built.source.shown
    return where(built.source.texts[place.file], place)
