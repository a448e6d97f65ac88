"""One operation on the text of one document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from moorage.manifests.editing import brackets
from moorage.manifests.editing.lines import (
    is_first,
    line_end,
    line_start,
    next_line,
    spliced,
    with_lines,
    without_lines,
)
from moorage.manifests.editing.marks import Spot, compose
from moorage.manifests.editing.operations import Insert, Operation, Path_, Remove, Set, written
from moorage.manifests.editing.refusal import Refused, line_at
from moorage.manifests.editing.writing import (
    block,
    entry,
    is_empty,
    item,
    lines_of_text,
    manner_of,
    scalar,
)

_COLON: Final = re.compile(r"[ \t]*:")
_DASH: Final = re.compile(r"^[ \t]*-(?=[ \t\r\n]|\Z)", re.MULTILINE)


def changed(text: str, operation: Operation) -> str:
    """Return the text of a document with an operation carried out.

    What is not concerned stays as it is. Whether the text says what it should afterwards is the caller's to
    check.

    Raises:
        Refused: it cannot be written there without changing something else, or what is there is not known.
    """
    root = compose(text)
    if root is None:
        raise Refused("there is nothing in this document", 0)
    return _Change(text, root).carried_out(operation)


@dataclass(frozen=True, slots=True)
class _Slot:
    """A value and what it belongs to.

    Args:
        parent: the collection that it is in; ``None`` for the whole document.
        spot: the value.
        key: of a mapping's value.
        dash: where the hyphen is before a sequence's item that is written in lines.
    """

    parent: Spot | None
    spot: Spot
    key: Spot | None = None
    dash: int = -1


class _Change:
    def __init__(self, text: str, root: Spot) -> None:
        self._text = text
        self._root = root
        self._manner = manner_of(text, root)
        self._aliases = {spot.alias for spot in root.all() if spot.alias}

    def carried_out(self, operation: Operation) -> str:
        if not operation.path:
            if isinstance(operation, Set):
                return self._replace(_Slot(None, self._root), operation.value)
            raise Refused(f"{written(())} cannot go from its own document", 0)
        *way, last = operation.path
        slot = self._walk(tuple(way))
        match operation:
            case Set(_, value):
                return self._set(slot, last, value, operation.path)
            case Remove():
                return self._remove(slot, last, operation.path)
            case Insert(_, value):
                return self._insert(slot, last, value, operation.path)

    # Finding the place.

    def _walk(self, path: Path_) -> _Slot:
        """Return the value at a path, which nothing else may share."""
        slot = _Slot(None, self._root)
        self._check(slot, path)
        for step in path:
            found = self._child(slot, step)
            if found is None:
                raise Refused(
                    f"{self._missing(slot, step)}, which leads to {written(path)}", self._line(slot)
                )
            slot = found
            self._check(slot, path)
        return slot

    def _child(self, slot: _Slot, step: str | int) -> _Slot | None:
        spot = slot.spot
        if isinstance(step, int):
            if spot.is_mapping or spot.is_scalar or step >= len(spot.items):
                return None
            child = spot.items[step]
            return _Slot(spot, child, dash=-1 if spot.flow else self._dash(spot, step))
        pairs = [pair for pair in spot.pairs() if pair[0].key == step] if spot.is_mapping else []
        return _Slot(spot, pairs[-1][1], key=pairs[-1][0]) if pairs else None

    def _check(self, slot: _Slot, path: Path_) -> None:
        spot = slot.spot
        if spot.alias:
            raise Refused(
                f"{written(path)} comes from the anchor &{spot.alias}, which is somebody else's too",
                self._line(slot),
            )
        if spot.anchor and spot.anchor in self._aliases:
            raise Refused(
                f"{written(path)} is at the anchor &{spot.anchor}, which others follow", self._line(slot)
            )

    def _missing(self, slot: _Slot, step: str | int) -> str:
        if slot.spot.is_mapping and any(key.is_merge for key, _ in slot.spot.pairs()):
            return f"{step!r} comes by a merge (<<), if at all"
        return f"there is no {step!r} here"

    def _line(self, slot: _Slot) -> int:
        return line_at(self._text, (slot.key or slot.spot).begin)

    def _dash(self, sequence: Spot, place: int) -> int:
        """Return where the hyphen of an item is; -1 where it is not found for sure."""
        child = sequence.items[place]
        if place == 0 and self._text[sequence.begin : sequence.begin + 1] == "-":
            return sequence.begin
        after = sequence.items[place - 1].end if place else sequence.begin
        for match in _DASH.finditer(self._text, line_start(self._text, after), child.begin + 1):
            if match.end() - 1 >= after:
                return match.end() - 1
        return -1

    # The three operations.

    def _set(self, slot: _Slot, last: str | int, value: Any, path: Path_) -> str:
        child = self._child(slot, last)
        if child is not None:
            self._check(child, path)
            return self._replace(child, value)
        spot = slot.spot
        if isinstance(last, int):
            raise Refused(f"there is no item {last} in {written(path[:-1])}", self._line(slot))
        if not (spot.is_mapping and spot.items):
            if (
                spot.items
                or not (spot.is_mapping or spot.is_scalar)
                or spot.text not in {None, "", "~", "null"}
            ):
                raise Refused(f"{written(path[:-1])} is no mapping", self._line(slot))
            return self._replace(slot, {last: value})
        if any(key.is_merge for key, _ in spot.pairs()):
            raise Refused(f"{written(path)} may come by a merge (<<) that is here", self._line(slot))
        if spot.flow:
            return brackets.with_entry(self._text, spot, len(spot.items) // 2, last, value, self._manner)
        lines = entry(last, value, self._column(spot), self._manner)
        return with_lines(self._text, spot.end, lines, self._manner.eol)

    def _remove(self, slot: _Slot, last: str | int, path: Path_) -> str:
        child = self._child(slot, last)
        if child is None:
            raise Refused(f"{self._missing(slot, last)}, which is to go", self._line(slot))
        if child.spot.anchor in self._aliases and child.spot.anchor:
            self._check(child, path)
        spot = slot.spot
        keys = [key for key, _ in spot.pairs() if key.key == last] if spot.is_mapping else []
        if len(keys) > 1:
            raise Refused(f"{written(path)} is there twice", self._line(child))
        inside = [each.anchor for each in child.spot.all() if each.anchor]
        if any(anchor in self._aliases for anchor in inside):
            raise Refused(f"{written(path)} holds an anchor that others follow", self._line(child))
        size = 2 if spot.is_mapping else 1
        if len(spot.items) == size:
            return self._replace(slot, {} if spot.is_mapping else [])
        place = next(i for i, each in enumerate(spot.items[size - 1 :: size]) if each is child.spot)
        if spot.flow:
            return brackets.without_entry(self._text, spot, place)
        return self._without_entry(spot, child, place)

    def _insert(self, slot: _Slot, place: str | int, value: Any, path: Path_) -> str:
        spot = slot.spot
        if not isinstance(place, int) or spot.is_mapping or (spot.is_scalar and spot.text):
            raise Refused(f"{written(path[:-1])} is no list", self._line(slot))
        if spot.is_scalar or not spot.items:
            return self._replace(slot, [value])
        if spot.flow:
            return brackets.with_entry(self._text, spot, place, None, value, self._manner)
        dash = self._dash(spot, min(place, len(spot.items) - 1))
        if dash < 0 or (place < len(spot.items) and not is_first(self._text, dash)):
            raise Refused(f"the list {written(path[:-1])} begins within a line", self._line(slot))
        lines = item(value, dash - line_start(self._text, dash), self._manner)
        if place >= len(spot.items):
            return with_lines(self._text, spot.end, lines, self._manner.eol)
        begin = line_start(self._text, dash)
        return spliced(self._text, begin, begin, "".join(f"{line}{self._manner.eol}" for line in lines))

    # Values that are there.

    def _column(self, spot: Spot) -> int:
        first = spot.items[0]
        return first.start - line_start(self._text, first.start)

    def _replace(self, slot: _Slot, value: Any) -> str:
        spot, text = slot.spot, self._text
        inside = [each.anchor for each in spot.all() if each.anchor and each is not spot]
        if any(anchor in self._aliases for anchor in inside):
            raise Refused("what is to be replaced holds an anchor that others follow", self._line(slot))
        if spot.tag and not spot.tag.endswith(":str"):
            raise Refused(f"the value has the tag {spot.tag}", self._line(slot))
        in_flow = slot.parent.flow if slot.parent else spot.flow
        if in_flow:
            return brackets.replaced(text, spot, slot.key, value, self._manner)
        if spot.style in {"|", ">"} and isinstance(value, str) and "\n" in value.rstrip("\n"):
            same = self._same_block(spot, value)
            if same is not None:
                return same
        below = spot.begin > self._slot_end(slot) and "\n" in text[self._slot_end(slot) : spot.begin]
        if is_empty(value):
            return self._with_scalar(slot, value, below=below)
        return self._with_block(slot, value, below=below)

    def _slot_end(self, slot: _Slot) -> int:
        """Return where a value may begin: behind the colon or the hyphen, and its anchor."""
        spot, text = slot.spot, self._text
        if slot.key is not None:
            match = _COLON.match(text, slot.key.end)
            if match is None:
                raise Refused("the key is written in a way that is not edited (`? key`)", self._line(slot))
            after = match.end()
        elif slot.parent is not None:
            if slot.dash < 0:
                raise Refused("the list begins within a line", self._line(slot))
            after = slot.dash + 1
        else:
            after = spot.begin
        if spot.start < spot.begin:
            return spot.start + len(text[spot.start : spot.begin].rstrip(" \t"))
        return after

    def _same_block(self, spot: Spot, value: str) -> str | None:
        """Replace the lines of a block scalar and keep its header, where that says the same."""
        text, eol = self._text, self._manner.eol
        begin = next_line(text, spot.begin)
        first = next((line for line in text[begin : spot.end].split("\n") if line.strip()), "")
        column = len(first) - len(first.lstrip(" "))
        kept = "+" in text[spot.begin : begin].partition("#")[0]
        if not column or spot.style == ">" or kept or value.startswith((" ", "\n")):
            return None
        header = text[spot.begin : begin].partition("#")[0].strip()
        wanted = 0 if "-" in header else 1
        body = value.rstrip("\n")
        if len(value) - len(body) != wanted:
            return None
        lines = [f"{' ' * column}{line}" if line else "" for line in body.split("\n")]
        return spliced(text, begin, spot.end, eol.join(lines))

    def _with_scalar(self, slot: _Slot, value: Any, *, below: bool) -> str:
        text, spot = self._text, slot.spot
        column = self._parent_column(slot) + self._manner.step
        first, *more = lines_of_text(value, column)
        if not more and isinstance(value, str):
            quote = spot.style if spot.style in {"'", '"'} else ""
            first = scalar(value, quote=quote)
        new = self._manner.eol.join((first, *more))
        after = self._slot_end(slot)
        if below:
            ending = self._without_value(slot)
            return spliced(ending, after, after, f" {new}")
        if more and not (spot.style in {"|", ">"} or not text[spot.end : line_end(text, spot.end)].strip()):
            new = scalar(value)  # a comment stands behind it
        if slot.parent is None:
            return spliced(text, spot.begin, spot.end, new)
        return spliced(text, after, max(spot.end, after), f"{text[after : spot.begin] or ' '}{new}")

    def _without_value(self, slot: _Slot) -> str:
        return without_lines(self._text, slot.spot.begin, max(slot.spot.begin, slot.spot.end - 1))

    def _parent_column(self, slot: _Slot) -> int:
        if slot.key is not None:
            return slot.key.start - line_start(self._text, slot.key.start)
        if slot.dash >= 0:
            return slot.dash - line_start(self._text, slot.dash)
        return 0

    def _with_block(self, slot: _Slot, value: Any, *, below: bool) -> str:
        text, spot, manner = self._text, slot.spot, self._manner
        if slot.parent is None:
            lines = block(value, 0, manner)
            return spliced(text, spot.begin, spot.end, manner.eol.join(lines))
        if slot.key is None and not below:
            column = (
                spot.begin - line_start(text, spot.begin) if spot.is_block else self._parent_column(slot) + 2
            )
            lines = block(value, column, manner)
            lines[0] = lines[0][column:]
            if spot.is_block or not text[spot.end : line_end(text, spot.end)].strip():
                begin = spot.begin if spot.is_block else self._slot_end(slot)
                new = manner.eol.join(lines)
                return spliced(text, begin, max(spot.end, begin), new if spot.is_block else f" {new}")
            raise Refused("a comment stands behind what is to be replaced", self._line(slot))
        deeper = manner.step if isinstance(value, dict) else manner.dash if slot.key is not None else 2
        column = self._parent_column(slot) + deeper
        if below and spot.is_block and spot.is_mapping == isinstance(value, dict):
            column = spot.begin - line_start(text, spot.begin)
        lines = block(value, column, manner)
        after = self._slot_end(slot)
        if below:
            begin, end = line_start(text, spot.begin), line_end(text, max(spot.begin, spot.end - 1))
            return spliced(text, begin, end, manner.eol.join(lines))
        emptied = spliced(text, after, max(spot.end, after), "")
        return with_lines(emptied, after, lines, manner.eol)

    def _without_entry(self, spot: Spot, child: _Slot, place: int) -> str:
        text = self._text
        if child.key is None:
            if child.dash < 0 or not is_first(text, child.dash):
                raise Refused("the list begins within a line", self._line(child))
            begin = child.dash
        else:
            begin = child.key.start
        last = max(begin, child.spot.end - 1)
        if is_first(text, begin):
            return without_lines(text, begin, last)
        after = line_end(text, last)  # the first key behind a hyphen
        following = spot.items[(place + 1) * 2].start
        if not text[after:following].strip():
            return spliced(text, begin, following, "")
        begin = len(text[:begin].rstrip(" \t"))
        return spliced(text, begin, after, "")
