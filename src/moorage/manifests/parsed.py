"""What manifests were parsed to, by what they say: most of them are what they were a minute ago."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from moorage.cache import Cache, Room
from moorage.manifests.documents import BrokenManifestError, Document, documents

PARSED: Final = Room("parsed")
_READER: Final = b"1"
"""Changes whenever a text may be read to something else than before."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[Document]).decode


class Parsed:
    """Reads manifests, and remembers what they say.

    Args:
        cache: where; nothing is remembered without.
    """

    def __init__(self, cache: Cache | None) -> None:
        self._cache = cache
        self._new: dict[bytes, bytes] = {}

    def documents(self, text: str) -> Iterator[Document | BrokenManifestError]:
        """Yield the documents of a manifest, as `documents` does."""
        if self._cache is None:
            yield from documents(text)
            return
        key = hashlib.sha256(_READER + text.encode("utf-8", "surrogatepass")).digest()
        known = self._recall(key)
        if known is not None:
            yield from known
            return
        found = list(documents(text))
        yield from found
        if not any(isinstance(each, BrokenManifestError) for each in found):
            self._remember(key, found)

    def close(self) -> None:
        """Write down what is new."""
        if self._cache is not None and self._new:
            self._cache.write(PARSED, self._new)
            self._new = {}

    def _recall(self, key: bytes) -> list[Document] | None:
        value = self._cache.read(PARSED, [key]).get(key) if self._cache is not None else None
        if value is None:
            return None
        try:
            return _decode(value)
        except msgspec.MsgspecError:
            return None

    def _remember(self, key: bytes, found: list[Document | BrokenManifestError]) -> None:
        """Remember what was found, unless JSON would not give all of it back."""
        try:
            value = _encode(found)
            if repr(_decode(value)) == repr(found):
                self._new[key] = value
        except (msgspec.MsgspecError, OverflowError, RecursionError):
            return
