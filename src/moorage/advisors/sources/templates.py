"""Plain literals in templates: lines in which nothing is computed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from moorage.manifests.editing.operations import same
from moorage.manifests.editing.writing import scalar
from moorage.manifests.scalars import resolve

_LINE: Final = re.compile(
    r"^(?P<head>[ ]*(?:- )*(?P<key>[\w./-]+):[ ]+)"
    r"(?P<value>\"[^\"\\{}\n]*\"|'[^'{}\n]*'|[^\s\"'#{}\[\]&*!|>][^\n#{}]*?)"
    r"(?P<tail>[ ]*(?:[ ]#[^\n]*)?)\r?$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal in a template that could be changed.

    Args:
        line: where it is, from 1.
        text: the template with the other value.
    """

    line: int
    text: str = field(repr=False)


def literals(text: str, key: str, old: Any, new: Any) -> Iterator[Literal]:
    """Yield the lines of a template that give a key a value, with another one in its place."""
    if isinstance(new, dict | list) or isinstance(old, dict | list):
        return
    for match in _LINE.finditer(text):
        written = match["value"]
        quote = written[0] if written[0] in "\"'" else ""
        said = written[1:-1] if quote else resolve(written)
        if match["key"] != key or not same(said, old):
            continue
        value = scalar(new, quote=quote)
        begin, end = match.span("value")
        yield Literal(text.count("\n", 0, begin) + 1, text[:begin] + value + text[end:])
