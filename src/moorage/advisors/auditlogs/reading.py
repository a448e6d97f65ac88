"""Reading logs in blocks of whole lines, a range of a file at a time."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from moorage.advisors.auditlogs.logs import Form, Source
from moorage.advisors.auditlogs.tally import Tally

PART: Final = 16 << 20
"""How much of a file one process takes at a time."""

BLOCK: Final = 128 << 10
"""How much is decoded at a time: what stays in the caches of a core."""

LONGEST: Final = 64 << 20
"""Of a line; what is longer is no audit event, for the API server does not take objects of that size."""

_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


class Counter(Protocol):
    """Counts the events of blocks of whole lines."""

    tally: Tally
    problems: list[str]

    def block(self, lines: bytes, *, source: str, offset: int) -> None:
        """Count the events of a block, which begins at an offset of its source."""

    def problem(self, said: str) -> None:
        """Keep what is told of a line, if not too many are told already."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a log: the lines that begin in it. Of what cannot be split, all.

    Args:
        source: its place among the sources.
        begin: where it begins.
        end: where the next one begins.
    """

    source: int
    begin: int
    end: int


def parts_of(sources: list[Source]) -> list[Part]:
    """Split logs into parts, the large indivisible ones first."""
    whole, split = [], []
    for number, source in enumerate(sources):
        if source.form is Form.PLAIN:
            split += [Part(number, at, min(at + PART, source.size)) for at in range(0, source.size, PART)]
        else:
            whole.append(Part(number, 0, source.size))
    return sorted(whole, key=lambda part: -part.end) + split


def read(part: Part, source: Source, counter: Counter) -> None:
    """Count the events of a part of a log."""
    if source.form is Form.PLAIN:
        begin, chunks = _range(part, source)
        _Lines(counter, source.name, begin).of(chunks)
        return
    chunks = _stream(source.fd)
    if source.form is Form.GZIP:
        chunks = _inflated(_from_start(source), source.name, counter)
    _Lines(counter, source.name, 0).of(_sniffed(chunks, source.name, counter))


def _range(part: Part, source: Source) -> tuple[int, Iterator[bytes]]:
    """Return where the first line that begins in a part is, and the chunks up to the end of the last one."""
    begin: int | None = part.begin
    if part.begin:
        # Where the line before it ends is told by the byte before the part, or by one after it.
        begin = _line_begin(source, part.begin - 1)
    if begin is None or begin >= part.end:
        return part.end, iter(())
    return begin, _chunks(part, source, begin)


def _chunks(part: Part, source: Source, begin: int) -> Iterator[bytes]:
    at, chunk = begin, b""
    while at < part.end:
        chunk = os.pread(source.fd, min(BLOCK, part.end - at), at)
        if not chunk:
            return  # it was cut off meanwhile
        at += len(chunk)
        yield chunk
    if chunk.endswith(b"\n"):
        return
    end = _line_begin(source, at) or source.size
    while at < end and (chunk := os.pread(source.fd, min(BLOCK, end - at), at)):
        at += len(chunk)
        yield chunk


def _line_begin(source: Source, at: int) -> int | None:
    """Return where the first line after a place begins."""
    while at < source.size:
        chunk = os.pread(source.fd, min(BLOCK, source.size - at), at)
        if not chunk:
            return None
        if (found := chunk.find(b"\n")) >= 0:
            return at + found + 1
        at += len(chunk)
    return None


def _stream(fd: int) -> Iterator[bytes]:
    while chunk := os.read(fd, BLOCK):
        yield chunk


def _from_start(source: Source) -> Iterator[bytes]:
    at = 0
    while at < source.size and (chunk := os.pread(source.fd, min(BLOCK, source.size - at), at)):
        at += len(chunk)
        yield chunk


def _sniffed(chunks: Iterator[bytes], name: str, counter: Counter) -> Iterator[bytes]:
    """Yield a stream, unpacked if it is packed."""
    first = next(chunks, b"")
    together = _chain(first, chunks)
    yield from _inflated(together, name, counter) if first.startswith(b"\x1f\x8b") else together


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _inflated(chunks: Iterator[bytes], name: str, counter: Counter) -> Iterator[bytes]:
    """Yield what gzip has packed, of all its members; as far as it goes when the file is not whole."""
    inflate, fed = zlib.decompressobj(_GZIP_WINDOW), False
    for chunk in chunks:
        data = chunk
        while data:
            fed = True
            try:
                yield inflate.decompress(data, BLOCK)
            except zlib.error as error:
                counter.tally.corrupt += 1
                counter.problem(f"{name}: the rest of it cannot be unpacked: {error}")
                return
            data = inflate.unconsumed_tail
            if inflate.eof:
                data = inflate.unused_data.lstrip(b"\0")
                inflate, fed = zlib.decompressobj(_GZIP_WINDOW), False
    if rest := inflate.flush():
        yield rest
    if not inflate.eof and fed:
        counter.tally.incomplete += 1


class _Lines:
    """Cuts chunks into blocks of whole lines, and has them counted."""

    def __init__(self, counter: Counter, name: str, offset: int) -> None:
        self._counter = counter
        self._name = name
        self._offset = offset
        self._kept = bytearray()
        self._skipping = False

    def of(self, chunks: Iterator[bytes]) -> None:
        """Count the lines of some chunks; what has no line break at the end is a line, if it is whole."""
        for chunk in chunks:
            end = chunk.rfind(b"\n") + 1
            if not end:
                self._keep(chunk)
                continue
            head, tail = chunk[:end], chunk[end:]
            if self._skipping:
                over = head.index(b"\n") + 1
                head = head[over:]
                self._offset += over
                self._skipping = False
            self._take(bytes(self._kept) + head if self._kept else head)
            self._kept.clear()
            self._keep(tail)
        if self._kept:
            self._last(bytes(self._kept))

    def _keep(self, piece: bytes) -> None:
        if self._skipping:
            self._offset += len(piece)
            return
        self._kept += piece
        if len(self._kept) > LONGEST:
            self._counter.tally.corrupt += 1
            self._counter.problem(f"{self._name}, byte {self._offset:,}: a line without an end")
            self._offset += len(self._kept)
            self._kept.clear()
            self._skipping = True

    def _take(self, lines: bytes) -> None:
        if lines:
            self._counter.block(lines, source=self._name, offset=self._offset)
        self._offset += len(lines)

    def _last(self, line: bytes) -> None:
        """Count the last line; when it is cut short it is still being written, and no error."""
        tally = self._counter.tally
        corrupt, problems = tally.corrupt, list(self._counter.problems)
        self._take(line)
        if tally.corrupt > corrupt:
            tally.corrupt, self._counter.problems = corrupt, problems
            tally.incomplete += 1
