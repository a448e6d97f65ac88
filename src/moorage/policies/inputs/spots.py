"""Where the fields that messages are about were written, remembered: to look takes longer than to judge."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from moorage.cache import Cache, Room
from moorage.manifests.model import Item, Where
from moorage.manifests.places import field_where

SPOTS: Final = Room("spots")
_LOOKER: Final = "1"
"""Changes whenever a message may be found to be about another field than before."""


class Question(NamedTuple):
    """Where in an object that is which a message is about: in itself, or in what it makes."""

    item: Item
    message: str
    made: bool


def spots(questions: Sequence[Question], cache: Cache) -> list[Where | None]:
    """Return where the field was written that each message is about; ``None`` where there is no telling."""
    items = {id(question.item): question.item for question in questions}
    documents = {key: _digest(item) for key, item in items.items()}
    asked = [(question, _key(documents[id(question.item)], question)) for question in questions]
    known = cache.read(SPOTS, [key for _, key in asked])
    new: dict[bytes, bytes] = {}
    found: list[Where | None] = []
    for question, key in asked:
        value = known.get(key) or new.get(key)
        if value is None:
            spot = field_where(question.item, question.message, made=question.made)
            new[key] = _written(question.item, spot)
        else:
            spot = _read(question.item, value)
        found.append(spot)
    cache.write(SPOTS, new)
    return found


def _digest(item: Item) -> bytes:
    """Return a digest of everything about an object that says where its fields are in its document."""
    manifest = item.manifest
    indent = item.begin - (manifest.text.rfind("\n", 0, item.begin) + 1)
    namespace = (item.content.get("metadata") or {}).get("namespace")  # which may have been filled in
    about = repr((_LOOKER, manifest.rendered, indent, item.path, namespace))
    text = manifest.text[item.begin : item.end]
    return hashlib.sha256(f"{about}\0{text}".encode("utf-8", "surrogatepass")).digest()


def _key(document: bytes, question: Question) -> bytes:
    about = f"{question.made}\0{question.message}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(document + about).digest()


def _written(item: Item, spot: Where | None) -> bytes:
    if spot is None or spot.line is None:
        return b"-"
    return f"{spot.line - item.manifest.line_at(item.begin)} {spot.column}".encode()


def _read(item: Item, value: bytes) -> Where | None:
    if value == b"-":
        return None
    line, column = map(int, value.split())
    return Where(item.manifest.shown, line + item.manifest.line_at(item.begin), column)
