"""Events out of lines: whole blocks at once, and line by line what is not simply one event a line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from moorage.advisors.auditlogs.tally import Tally

PROBLEMS: Final = 5
"""How many lines that cannot be read are told in full."""

_WRAPPERS: Final = (
    "log", "message", "@message", "msg", "MESSAGE", "line", "_raw", "event", "Event", "data", "body",
    "textPayload", "jsonPayload", "items", "events", "logEvents", "Records", "records", "values",
)  # fmt: skip
"""Where shippers and log services put what they carry."""

_DEEPEST: Final = 6
_LONGEST_PREFIX: Final = 200
_BOM: Final = b"\xef\xbb\xbf"


class BrokenLineError(ValueError):
    """A line that is not JSON, or an event whose fields are not what they should be."""


class _Staged(Protocol):
    """An event, as far as it is decoded."""

    stage: str


Event = TypeVar("Event", bound=_Staged)


class LineCounter(ABC, Generic[Event]):
    """Counts the events of blocks of lines; what an event is, and what it counts for, others say.

    Args:
        decoder: of a line that is simply an event.
    """

    def __init__(self, decoder: msgspec.json.Decoder[Event]) -> None:
        self.tally = Tally()
        self.problems: list[str] = []
        self._decoder = decoder

    @abstractmethod
    def count(self, events: list[Event]) -> bool:
        """Count events; pass over those without a stage, and say whether there was none of these."""

    @abstractmethod
    def converted(self, content: dict[str, Any]) -> Event:
        """Return an event that was in a line as one.

        Raises:
            BrokenLineError: its fields are not what they should be.
        """

    def block(self, lines: bytes, *, source: str, offset: int) -> None:
        """Count the events of a block of whole lines.

        Args:
            lines: the block.
            source: where it is from, for what is told of broken lines.
            offset: where in the source it begins.
        """
        self.tally.bytes += len(lines)
        try:
            events = self._decoder.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._line_by_line(lines, source, offset)
        else:
            if not self.count(events):
                # Some are no plain events: what is one is taken there as it was here.
                self._line_by_line(lines, source, offset, only_odd=True)

    def problem(self, said: str) -> None:
        """Keep what is told of a line, if not too many are told already."""
        if len(self.problems) < PROBLEMS:
            self.problems.append(said)

    def _line_by_line(self, lines: bytes, source: str, offset: int, *, only_odd: bool = False) -> None:
        for line in lines.split(b"\n"):
            begin, offset = offset, offset + len(line) + 1
            if not line or line.isspace():
                continue
            try:
                event = self._decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                event = None
            if event is not None and event.stage:
                if not only_odd:
                    self.count([event])
                continue
            try:
                found = [self.converted(content) for content in unwrapped(line)]
            except BrokenLineError as error:
                self.tally.corrupt += 1
                self.problem(f"{source}, byte {begin:,}: {error}")
                continue
            if not found:
                self.tally.foreign += 1
            self.count(found)


def unwrapped(line: bytes) -> list[dict[str, Any]]:
    """Return the events of such a line as they were written.

    Raises:
        BrokenLineError: it cannot be read.
    """
    start = line.find(b"{")
    if start < 0 or start > _LONGEST_PREFIX:
        raise BrokenLineError("it is not JSON")
    text = line[start:] if start else line.removeprefix(_BOM)
    try:
        content = msgspec.json.decode(text)
    except UnicodeDecodeError:
        content = _decoded_anyhow(text)
    except msgspec.DecodeError as error:
        content = _decoded_anyhow(text) if "utf-8" in str(error).lower() else None
        if content is None:
            raise BrokenLineError(str(error)) from None
    except RecursionError:
        raise BrokenLineError("it is nested too deep") from None
    return list(_events(content, 0))


def _decoded_anyhow(text: bytes) -> Any:
    """Read a line whose text is not all UTF-8: a name that a client sent is no reason to lose a request."""
    try:
        return msgspec.json.decode(text.decode("utf-8", "replace"))
    except msgspec.DecodeError as error:
        raise BrokenLineError(str(error)) from None


def _events(content: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > _DEEPEST:
        return
    if isinstance(content, list):
        for item in content:
            yield from _events(item, depth + 1)
    elif isinstance(content, str):
        if "{" in content[:_LONGEST_PREFIX]:
            yield from unwrapped(content.encode("utf-8", "replace"))
    elif isinstance(content, dict):
        if content.get("stage") and "verb" in content:
            yield content
            return
        for key in _WRAPPERS:
            if isinstance(content.get(key), str | dict | list):
                yield from _events(content[key], depth + 1)
