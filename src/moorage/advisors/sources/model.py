"""Sources, what they make, and where something in them can be changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from moorage.errors import MoorageError
from moorage.manifests.editing.operations import Operation, Path_

Texts = Mapping[Path, str | None]
"""What files say; ``None`` of one that is not there (any more)."""


class DoesNotBuildError(MoorageError):
    """Sources that make nothing, as they were changed."""


@dataclass(frozen=True, slots=True)
class Key:
    """What tells an object from all others that a source makes.

    Args:
        origin: what makes it, where a source makes several things.
        group: of its API; an object that moves to another one stays the same.
        kind: of the object.
        namespace: empty where the object names none.
        name: of the object.
        number: of several that are called the same.
    """

    origin: str
    group: str = field(compare=False)
    kind: str
    namespace: str
    name: str
    number: int = 0

    def __str__(self) -> str:
        namespace = f"{self.namespace}/" if self.namespace else ""
        made = f" in {self.origin}" if self.origin else ""
        return f"{self.kind} {namespace}{self.name}{made}"


@dataclass(frozen=True, slots=True)
class Made:
    """An object that a source makes.

    Args:
        content: what it says.
        place: where it is written, where it is written as it is.
        template: the file that it was made from, where that is known.
    """

    content: Mapping[str, Any]
    place: Place | None = None
    template: Path | None = None


Objects = Mapping[Key, Made]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is written.

    Args:
        file: which file.
        number: of the document in it, from 0.
        path: of the value in the document.
        inner: in a text that is YAML itself: the number of its document, and the path there.
    """

    file: Path
    number: int = 0
    path: Path_ = ()
    inner: tuple[int, Path_] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The next thing to change: an object that goes, one that comes, or one operation on one.

    Args:
        key: of the object; of one that comes, that of an object beside which it belongs.
        operation: on what the source makes of it.
        content: of one that comes.
    """

    key: Key
    operation: Operation | None = None
    content: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def goes(self) -> bool:
        """Whether the object goes."""
        return self.operation is None and self.content is None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way of making a change, of which nothing is known yet but that it might do.

    Args:
        texts: the files that it changes.
        where: the place, for a person.
    """

    texts: Texts = field(repr=False)
    where: str


@dataclass(frozen=True, slots=True)
class No:
    """A way that is not gone, and why.

    Args:
        why: in words, with the place.
    """

    why: str


class Source(Protocol):
    """Files from which objects are made."""

    @property
    def shown(self) -> str:
        """How a person calls it."""

    @property
    def texts(self) -> Mapping[Path, str]:
        """What its files say."""

    @property
    def origins(self) -> Sequence[str]:
        """The origins of the objects that may be changed; others only have to stay as they are."""

    def make(self, texts: Texts) -> Objects:
        """Return what it makes when some files say something else.

        Raises:
            DoesNotBuildError: it makes nothing.
        """

    def candidates(self, texts: Texts, objects: Objects, step: Step) -> Iterator[Candidate | No]:
        """Yield the ways in which a step might be made, the likeliest first.

        Args:
            texts: what was changed so far.
            objects: what is made then.
            step: what to do.
        """
