"""What was read: objects that know where they were written, and what could not be read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from moorage.errors import MoorageError

Object = Mapping[str, Any]
"""An object of Kubernetes as it was read: never changed in place."""


class InputError(MoorageError):
    """Something that was named and cannot be read."""


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """Where something was written.

    Args:
        file: as it is shown to a person.
        line: from 1; ``None`` where there is no telling: what a chart renders has no line of its own.
        column: from 1; ``None`` likewise.
    """

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [self.file, *(str(part) for part in (self.line, self.column) if part is not None)]
        return ":".join(parts)


@dataclass(frozen=True, eq=False)
class Manifest:
    """A text with documents in it.

    Args:
        shown: how it is called: a path, "standard input", "chart web (release shop)".
        text: what it says.
        rendered: whether it was made by a program: its lines are nobody's.
        root: of a rendered chart: its folder, by which documents name their templates.
        asked: whether a person named it; what was merely found may be about something else.
    """

    shown: str
    text: str = field(repr=False)
    rendered: bool = False
    root: str = ""
    asked: bool = True

    @cached_property
    def _known(self) -> list[tuple[int, int]]:
        """Characters whose lines are known, in order: few of a text's lines are ever asked for."""
        return [(0, 0)]

    def line_at(self, place: int) -> int:
        """Return the line of a character, from 0."""
        after = bisect_left(self._known, (place + 1,))
        before, line = self._known[after - 1]
        if before < place:
            line += self.text.count("\n", before, place)
            self._known.insert(after, (place, line))
        return line


@dataclass(frozen=True, eq=False, slots=True)
class Item:
    """An object that was read.

    Args:
        content: what it says.
        manifest: the text that it is in.
        begin: where its document begins in that text.
        end: where its document ends.
        path: where it is in the document: an object of a List is at ``items``, 3.
    """

    content: Object
    manifest: Manifest = field(repr=False)
    begin: int = 0
    end: int = 0
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read, and why."""

    error: InputError
    where: Where


def metadata_of(content: Object) -> Mapping[str, Any]:
    """Return an object's metadata; an empty one where it is none."""
    found = content.get("metadata")
    return found if isinstance(found, Mapping) else {}


def title_of(content: Object) -> str:
    """Return an object as a person calls it: ``Deployment shop/web``."""
    metadata = metadata_of(content)
    name = metadata.get("name") or (f"{metadata['generateName']}*" if metadata.get("generateName") else "")
    namespace = metadata.get("namespace")
    where = f"{namespace}/" if namespace else ""
    return f"{content.get('kind') or 'an object'} {where}{name or '(no name)'}"
