"""Editing values where `Place` says they are, also those in a text that is YAML itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from moorage.advisors.sources.model import Key, Place, Texts
from moorage.manifests.documents import Document
from moorage.manifests.editing.editing import documents_of, edited, line_of
from moorage.manifests.editing.operations import ABSENT, Operation, Path_, Set, at
from moorage.manifests.editing.refusal import Refused

_KEPT = 512


@lru_cache(maxsize=_KEPT)
def _documents(text: str) -> tuple[Document, ...]:
    return tuple(documents_of(text))


def documents_in(text: str) -> tuple[Document, ...]:
    """Return the documents of a text; none where it cannot be read."""
    try:
        return _documents(text)
    except Refused:
        return ()


def changed(base: Mapping[Path, str], texts: Texts, file: Path) -> str | None:
    """Return what a file says, with what was changed."""
    return texts[file] if file in texts else base.get(file)


def value_of(text: str, place: Place) -> Any:
    """Return the value at a place; `ABSENT` where there is none."""
    documents = documents_in(text)
    if place.number >= len(documents):
        return ABSENT
    value = at(documents[place.number].value, place.path)
    if place.inner is None or not isinstance(value, str):
        return value if place.inner is None else ABSENT
    number, path = place.inner
    inner = documents_in(value)
    return at(inner[number].value, path) if number < len(inner) else ABSENT


def edited_at(text: str, place: Place, operations: Sequence[Operation]) -> str:
    """Return a text with operations carried out on the value at a place.

    Raises:
        Refused: it cannot be told for sure that nothing else would change.
    """
    if place.inner is None:
        return edited(text, place.number, place.path, operations)
    outer = Place(place.file, place.number, place.path)
    number, path = place.inner
    inner = edited(str(value_of(text, outer)), number, path, operations)
    return edited(text, place.number, place.path, [Set((), inner)])


def where(text: str, place: Place, path: Path_ = ()) -> str:
    """Return file and line of what is at a path below a place."""
    whole = place.path if place.inner is not None else (*place.path, *path)
    try:
        return f"{shown(place.file)}:{line_of(text, place.number, whole)}"
    except (Refused, IndexError):
        return shown(place.file)


def shown(file: Path) -> str:
    """Return a path as a person in this folder would write it."""
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("../../..") else relative


def keyed(origin: str, contents: Sequence[Any]) -> Iterator[tuple[Key, Any]]:
    """Yield objects with what tells them apart; of those with the same name each gets a number."""
    seen: dict[Key, int] = {}
    for content in contents:
        metadata = content.get("metadata") if isinstance(content.get("metadata"), dict) else {}
        group, slash, _ = str(content.get("apiVersion") or "").partition("/")
        key = Key(
            origin,
            group if slash else "",
            str(content.get("kind") or ""),
            str(metadata.get("namespace") or ""),
            str(metadata.get("name") or ""),
        )
        seen[key] = seen.get(key, -1) + 1
        yield Key(origin, key.group, key.kind, key.namespace, key.name, seen[key]), content
