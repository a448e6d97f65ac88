"""Random YAML as people write it: block and flow, quotes, comments, blank lines, and any indentation."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10_000),
    st.sampled_from(
        ["", "a", "yes", "100m", "1e3", "0x1F", "a: b", "a #b", "é—ü", "it's", 'say "hi"', "- x", "~", "<<"]
    ),
    st.sampled_from(["two\nlines", "two\nlines\n", "end\n\n", "  deep\nless", "tab\there\n"]),
    st.text("ab c:#-'\"é", max_size=6),
)
KEYS = st.sampled_from(["name", "image", "spec", "a", "b", "cpu", "x/y", "on", "1", "é", "with space", "z"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=14,
)
OBJECTS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=5)


class Pen:
    """Writes values the way that is drawn, each comment with a number of its own."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self.comments = 0
        self.step = draw(st.integers(1, 4))
        self.dash = draw(st.sampled_from([0, 2, 3]))

    def _odds(self, one_in: int) -> bool:
        return self._draw(st.integers(1, one_in)) == 1

    def _comment(self) -> str:
        if self._odds(4):
            self.comments += 1
            return f"{' ' * self._draw(st.integers(1, 3))}# c{self.comments}."
        return ""

    def _above(self, column: int) -> list[str]:
        lines = []
        if self._odds(6):
            lines.append("")
        if self._odds(5):
            self.comments += 1
            lines.append(f"{' ' * column}# c{self.comments}.")
        return lines

    def block(self, value: Any, column: int) -> list[str]:
        lines: list[str] = []
        if isinstance(value, dict):
            for key, inner in value.items():
                lines += self._above(column)
                lines += self._slot(f"{' ' * column}{self.scalar(key)}:", inner, column, in_list=False)
        else:
            for inner in value:
                lines += self._above(column)
                lines += self._slot(f"{' ' * column}-", inner, column, in_list=True)
        return lines

    def _slot(self, head: str, value: Any, column: int, *, in_list: bool) -> list[str]:
        if isinstance(value, dict | list) and value and not self._odds(5):
            deeper = 2 if in_list else self.step if isinstance(value, dict) else self.dash
            lines = self.block(value, column + deeper)
            first = lines[0]
            if (
                in_list
                and first[column + 2 :].strip()
                and "#" not in first.lstrip()[:1]
                and not self._odds(6)
            ):
                return [f"{head} {first[column + 2 :]}", *lines[1:]]
            return [head + self._comment(), *lines]
        if isinstance(value, str) and "\n" in value and not value.startswith((" ", "\n")) and self._odds(2):
            body = value.rstrip("\n")
            count = len(value) - len(body)
            if body and "\n\n" not in body:
                chomp = "-" if not count else "" if count == 1 else "+"
                pad = " " * (column + (self.step if not in_list else 2))
                return [
                    f"{head} |{chomp}{self._comment()}",
                    *(pad + line for line in body.split("\n")),
                    *[""] * (count - 1),
                ]
        if value is None and self._odds(2):
            return [head + self._comment()]
        return [f"{head} {self.flow(value)}{self._comment()}"]

    def flow(self, value: Any) -> str:
        if isinstance(value, dict):
            inner = ", ".join(f"{self.scalar(key)}: {self.flow(each)}" for key, each in value.items())
            return "{" + inner + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(self.flow, value)) + (", " if value and self._odds(6) else "") + "]"
        return self.scalar(value)

    def scalar(self, value: Any) -> str:
        if not isinstance(value, str):
            return json.dumps(value)
        if value.isalpha() and value.isascii() and value not in {"yes", "on"} and not self._odds(3):
            return value
        if "\n" not in value and "\t" not in value and self._odds(2):
            return "'" + value.replace("'", "''") + "'"
        return json.dumps(value, ensure_ascii=self._odds(2))


@st.composite
def manifests(draw: Any) -> tuple[str, Any]:
    """A manifest of one document, and what it says."""
    value = draw(OBJECTS)
    lines = Pen(draw).block(value, 0)
    eol = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = eol.join(lines) + draw(st.sampled_from([eol, eol, "", f"{eol}{eol}"]))
    if lines[-1].strip() == "" or "|+" in text:
        text = eol.join(lines) + eol
    return text, value
