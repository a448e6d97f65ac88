"""Editing collections that are written in brackets: YAML's flow style, and JSON."""

from __future__ import annotations

import re
from typing import Any, Final

from moorage.manifests.editing.lines import is_first, line_end, line_start, spliced, without_lines
from moorage.manifests.editing.marks import Spot
from moorage.manifests.editing.refusal import Refused, line_at
from moorage.manifests.editing.writing import Manner, flow, pretty_json, scalar

_COMMA: Final = re.compile(r"\s*,")
_COMMENT: Final = re.compile(r"[ \t]*(?:#.*)?")


def replaced(text: str, spot: Spot, key: Spot | None, value: Any, manner: Manner) -> str:
    """Return a text with a value in brackets replaced by another one."""
    new = _text_of(value, text, spot, manner, quote=spot.style)
    if spot.begin < spot.end:
        return spliced(text, spot.begin, spot.end, new)
    if key is None:
        raise Refused("an item of the list is empty", line_at(text, spot.begin))
    if ":" in text[key.end : spot.begin]:
        return spliced(text, spot.begin, spot.begin, f" {new}")
    return spliced(text, spot.begin, spot.begin, f": {new}")


def with_entry(text: str, spot: Spot, place: int, key: str | None, value: Any, manner: Manner) -> str:
    """Return a text with an entry put into a collection, before the one at a place or at the end."""
    entries = _entries(spot)
    new = _entry(key, value, text, spot, manner)
    if not entries:
        return spliced(text, spot.begin + 1, spot.end - 1, new)
    if place < len(entries):
        begin, _ = entries[place]
        return spliced(text, begin, begin, f"{new},{_gap(text, begin, manner)}")
    begin, end = entries[-1]
    comma = _COMMA.match(text, end)
    if comma and comma.end() < spot.end:
        return spliced(text, comma.end(), comma.end(), f"{_gap(text, begin, manner)}{new},")
    return spliced(text, end, end, f",{_gap(text, begin, manner)}{new}")


def without_entry(text: str, spot: Spot, place: int) -> str:
    """Return a text without an entry of a collection that has others."""
    entries = _entries(spot)
    begin, end = entries[place]
    comma = _COMMA.match(text, end)
    after = comma.end() if comma and comma.end() < spot.end else end
    rest = line_end(text, after)
    alone = is_first(text, begin) and bool(_COMMENT.fullmatch(text, after, rest))
    if place + 1 < len(entries):
        if alone:
            return without_lines(text, begin, after)
        return spliced(text, begin, after + len(text[after:]) - len(text[after:].lstrip(" \t")), "")
    previous = entries[place - 1][1]
    if alone:
        shorter = without_lines(text, begin, after)
        comma = _COMMA.match(shorter, previous)
        return spliced(shorter, comma.end() - 1, comma.end(), "") if comma else shorter
    return spliced(text, previous, end, "")


def _entries(spot: Spot) -> list[tuple[int, int]]:
    if spot.is_mapping:
        return [(key.start, max(key.end, value.end)) for key, value in spot.pairs()]
    return [(item.start, item.end) for item in spot.items]


def _gap(text: str, begin: int, manner: Manner) -> str:
    """Return what is between two entries: a line break where each has its own line."""
    if not is_first(text, begin):
        return " "
    return manner.eol + text[line_start(text, begin) : begin]


def _entry(key: str | None, value: Any, text: str, spot: Spot, manner: Manner) -> str:
    written = _text_of(value, text, spot, manner)
    if key is None:
        return written
    name = scalar(key, quote='"') if manner.json or _has_quoted_keys(spot) else scalar(key)
    return f"{name}: {written}"


def _has_quoted_keys(spot: Spot) -> bool:
    return bool(spot.items) and all(key.style == '"' for key, _ in spot.pairs())


def _text_of(value: Any, text: str, spot: Spot, manner: Manner, *, quote: str = "") -> str:
    if isinstance(value, dict | list) and value:
        if manner.json and "\n" in text[: spot.begin] + text[spot.begin : spot.end]:
            return _over_lines(value, text, spot, manner)
        return flow(value, manner)
    kept = quote if quote in {"'", '"'} else '"' if manner.json else ""
    return scalar(value, quote=kept)


def _over_lines(value: Any, text: str, spot: Spot, manner: Manner) -> str:
    """Return JSON over several lines, indented as the lines around it are."""
    entries = _entries(spot) if not spot.is_scalar else []
    begin = entries[0][0] if entries else spot.begin
    start = line_start(text, begin)
    indent = len(text[start:]) - len(text[start:].lstrip(" "))
    if text[start : start + 1] == "\t":
        return flow(value, manner)
    return pretty_json(value, indent, _step(text)).replace("\n", manner.eol)


def _step(text: str) -> int:
    found = re.search(r"^( +)\S", text, re.MULTILINE)
    return len(found[1]) if found else 2
