"""A YAML document as a tree that knows where each value begins and ends, to the character."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from moorage.manifests.scalars import ScalarError, as_key, resolve

_PROPERTIES: Final = re.compile(r"(?:[&!][^\s,\[\]{}]*(?:[ \t]+|(?=[\r\n,\]}]|\Z)))*")
_BLANK_LINES: Final = re.compile(r"(?:\r?\n[ \t]*)+\Z")
_TAG_OF_TEXT: Final = ("!", "tag:yaml.org,2002:str")


@dataclass(slots=True, eq=False)
class Spot:
    """A value and the characters that it is written in.

    Args:
        start: where it begins, with its anchor and tag.
        begin: where it begins without them.
        end: behind its last character; comments and blank lines after it are not part of it.
        column: of `begin`, from 0.
        style: of a scalar: ``'``, ``"``, ``|``, ``>``, or empty for a plain one.
        text: of a scalar.
        plain: whether what the scalar means depends on what it says.
        flow: whether a collection is written in brackets.
        is_mapping: whether it is one.
        anchor: its name, if it has one.
        alias: the anchor that it stands for; empty unless it is an alias.
        tag: the tag it was given.
        items: the items of a sequence, or a mapping's keys and values in turn.
    """

    start: int
    begin: int
    end: int
    column: int
    style: str = ""
    text: str | None = None
    plain: bool = False
    flow: bool = False
    is_mapping: bool = False
    anchor: str = ""
    alias: str = ""
    tag: str = ""
    items: list[Spot] = field(default_factory=list)

    @property
    def is_scalar(self) -> bool:
        """Whether it holds nothing else."""
        return self.text is not None

    @property
    def is_block(self) -> bool:
        """Whether it is a collection that is written in lines."""
        return not self.is_scalar and not self.flow and not self.alias

    def pairs(self) -> list[tuple[Spot, Spot]]:
        """Return a mapping's keys with their values."""
        return list(zip(self.items[::2], self.items[1::2], strict=True))

    def all(self) -> Iterator[Spot]:
        """Yield it and all that is in it."""
        waiting = [self]
        while waiting:
            spot = waiting.pop()
            yield spot
            waiting += reversed(spot.items)

    @property
    def key(self) -> str:
        """What a scalar is called as a key; empty for what cannot be one, which nobody looks for."""
        try:
            return as_key(resolve(str(self.text)) if self.plain and not self.tag else str(self.text))
        except ScalarError:
            return ""

    @property
    def is_merge(self) -> bool:
        """Whether, as a key, it merges its value in."""
        return self.text == "<<" and self.plain


def compose(text: str) -> Spot | None:
    """Read one document that is known to be YAML; ``None`` where nothing is in it."""
    parser = CParser(text)
    root: Spot | None = None
    opened: list[Spot] = []
    try:
        while parser.check_event():
            event = parser.get_event()
            if isinstance(event, yaml.CollectionEndEvent):
                _close(opened.pop(), event)
                continue
            if not isinstance(event, yaml.NodeEvent):
                continue
            spot = _spot(event, text)
            if opened:
                opened[-1].items.append(spot)
            elif root is None:
                root = spot
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append(spot)
    finally:
        parser.dispose()
    return root


def _close(spot: Spot, event: Any) -> None:
    if spot.flow:
        spot.end = event.end_mark.index
    elif spot.items:
        spot.end = max(item.end for item in spot.items[-2:])


def _spot(event: Any, text: str) -> Spot:
    start, end = event.start_mark.index, event.end_mark.index
    begin, column = start, event.start_mark.column
    if isinstance(event, yaml.AliasEvent):
        return Spot(start, begin, end, column, alias=event.anchor or "")
    if event.anchor or event.tag:
        match = _PROPERTIES.match(text, start)
        begin = match.end() if match else start
        column += begin - start
    if isinstance(event, yaml.ScalarEvent):
        style = event.style or ""
        if style in {"|", ">"}:
            end = _end_of_block(text, begin, end)
        return Spot(
            start,
            begin,
            max(begin, end),
            column,
            style=style,
            text=event.value,
            plain=event.implicit[0] or (not style and not event.tag),
            anchor=event.anchor or "",
            tag=event.tag or "",
        )
    flow = bool(event.flow_style)
    return Spot(
        start,
        begin,
        end,
        column,
        flow=flow,
        is_mapping=isinstance(event, yaml.MappingStartEvent),
        anchor=event.anchor or "",
        tag=event.tag or "",
    )


def _end_of_block(text: str, begin: int, end: int) -> int:
    """Return where the last line of a block scalar ends; blank lines count where they are kept."""
    header_end = text.find("\n", begin, end)
    if header_end < 0:
        return end
    if "+" in text[begin:header_end].partition("#")[0]:
        return end - 1 if text[end - 1 : end] == "\n" else end
    match = _BLANK_LINES.search(text, begin, end)
    return match.start() if match else end
