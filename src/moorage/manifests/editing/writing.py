"""Writing values as YAML, in the manner of the document that they go into."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from moorage.manifests.documents import is_disputed
from moorage.manifests.editing.marks import Spot
from moorage.manifests.scalars import resolve

_PLAIN: Final = re.compile(
    r"[A-Za-z0-9_./$(][-A-Za-z0-9_./@+=$()%~^ ]*(?::[-A-Za-z0-9_./@+=$()%~^]+[-A-Za-z0-9_./@+=$()%~^ ]*)*"
)
_LINES: Final = re.compile(
    r"[^\s#\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff][^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]*"
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a document is written.

    Args:
        step: how much deeper a mapping in a mapping is.
        dash: how much deeper a sequence in a mapping is.
        eol: what ends a line.
        json: whether it is JSON.
    """

    step: int = 2
    dash: int = 0
    eol: str = "\n"
    json: bool = False


def manner_of(text: str, root: Spot | None) -> Manner:
    """Return how a document is written, by what is in it most often."""
    eol = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    steps: Counter[int] = Counter()
    dashes: Counter[int] = Counter()
    for spot in root.all() if root else ():
        if not spot.is_mapping or spot.flow:
            continue
        for _, value in spot.pairs():
            if value.is_block and value.items and value.column >= spot.column:
                (steps if value.is_mapping else dashes)[value.column - spot.column] += 1
    return Manner(
        step=max(1, steps.most_common(1)[0][0]) if steps else 2,
        dash=dashes.most_common(1)[0][0] if dashes else 0,
        eol=eol,
        json=root is not None and root.flow and _is_json(text, root),
    )


def _is_json(text: str, root: Spot) -> bool:
    try:
        json.loads(text[root.begin : root.end])
    except ValueError:
        return False
    return True


def is_empty(value: Any) -> bool:
    """Say whether a value is written in its line whatever the manner: a scalar, or nothing in brackets."""
    return not isinstance(value, dict | list) or not value


def scalar(value: Any, *, quote: str = "") -> str:
    """Return a scalar, or what is empty, in one line.

    Args:
        value: what to write.
        quote: the quotes that a text has had; one that needs none is written without where it had none.
    """
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if quote == "'" and "'" not in value and _LINES.fullmatch(value) and "\n" not in value:
        return f"'{value}'"
    if not quote and is_plain(value):
        return value
    return _double(value)


def is_plain(text: str) -> bool:
    """Say whether a text can go without quotes, and means itself to every version of YAML."""
    return (
        bool(_PLAIN.fullmatch(text))
        and text == text.strip()
        and resolve(text) == text
        and isinstance(resolve(text), str)
        and not is_disputed(text)
    )


def _double(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda match: f"\\u{ord(match[0]):04x}", written)


def flow(value: Any, manner: Manner) -> str:
    """Return a value in one line, in brackets."""
    if manner.json:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict) and value:
        inner = ", ".join(f"{scalar(key)}: {flow(each, manner)}" for key, each in value.items())
        return "{" + inner + "}"
    if isinstance(value, list) and value:
        return "[" + ", ".join(flow(each, manner) for each in value) + "]"
    return scalar(value)


def pretty_json(value: Any, column: int, step: int) -> str:
    """Return a value as JSON over several lines, the first of which begins at a column."""
    return json.dumps(value, ensure_ascii=False, indent=step).replace("\n", "\n" + " " * column)


def block(value: Any, column: int, manner: Manner) -> list[str]:
    """Return the lines of a mapping or a sequence that is not empty."""
    lines: list[str] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            lines += entry(str(key), inner, column, manner)
        return lines
    for inner in value:
        lines += item(inner, column, manner)
    return lines


def entry(key: str, value: Any, column: int, manner: Manner) -> list[str]:
    """Return the lines of a key with its value."""
    head = f"{' ' * column}{scalar(key)}:"
    if is_empty(value):
        text = lines_of_text(value, column + manner.step)
        return [f"{head} {text[0]}", *text[1:]]
    deeper = manner.step if isinstance(value, dict) else manner.dash
    return [head, *block(value, column + deeper, manner)]


def item(value: Any, column: int, manner: Manner) -> list[str]:
    """Return the lines of an item of a sequence."""
    head = f"{' ' * column}- "
    if is_empty(value):
        text = lines_of_text(value, column + 2)
        return [f"{head}{text[0]}", *text[1:]]
    first, *rest = block(value, column + 2, manner)
    return [head + first[column + 2 :], *rest]


def lines_of_text(value: Any, column: int) -> list[str]:
    """Return a scalar; a text of several lines as such, where that says the same."""
    if not isinstance(value, str) or "\n" not in value.rstrip("\n") or not _LINES.fullmatch(value):
        return [scalar(value)]
    body = value.rstrip("\n")
    breaks = len(value) - len(body)
    chomp = "-" if breaks == 0 else "" if breaks == 1 else "+"
    pad = " " * column
    lines = [f"{pad}{line}" if line else "" for line in body.split("\n")]
    return [f"|{chomp}", *lines, *[""] * (breaks - 1)]
