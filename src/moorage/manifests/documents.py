"""The documents of a manifest, as kubectl splits and reads them.

Most documents say nothing that YAML's versions disagree about. ryaml, which has libyaml's own grammar, reads
those; it is three times as fast as PyYAML with libyaml. Whatever else there may be, or that ryaml refuses, is
read by `tree`, scalar by scalar.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_SEPARATOR: Final = re.compile(r"^---", re.MULTILINE)
_NOTHING: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?(?:\n|\Z))*\Z")
_BOM: Final = "\ufeff"

_END: Final = r"(?=\s*(?:$|[\n,\]}])|\s+\#)"
_DISPUTED: Final = rf"""
    (?=[&*!%@`<.?:yYnNoOtTfF~+\-0-9])
    (?:
        [&*!%@`] | <<(?=\s*:) | \.\.\. | \?(?=\s) | :(?=\s)
        # the booleans of YAML 1.1; keys that are not text
      | (?:[yYnN] | [yY]es | YES | [nN]o | NO | [oO]n | ON | [oO]ff | OFF) (?=\s*(?:$|[\n,\]}}:]|\#))
      | (?:[tT]rue | TRUE | [fF]alse | FALSE | [nN]ull | NULL | ~) (?=\s*:)
        # numbers and dates, but for plain integers, simple fractions, and versions of three parts or more
      | (?! -?(?:0|[1-9][0-9]{{0,17}}) {_END} | [0-9]{{1,9}}\.[0-9]{{0,5}}[1-9]{_END} | [0-9]+\.[0-9]+\. )
        [-+]?\.?[0-9][-+.0-9a-fA-FxXoO_:tTzZ]* (?=[\s,\]}}:]|\Z)
      | [-+]?\.(?:inf|Inf|INF|nan|NaN|NAN)
        # what is nested by its first line alone
      | (?:-\ +){{32}}
    )
"""
"""What YAML's versions do not agree about, where a value or a key begins."""

# Each begins with one character of few: that is what makes searching fast.
_AT_THE_BEGINNING: Final = re.compile(_DISPUTED, re.VERBOSE)
_SUSPICIOUS: Final = (
    re.compile(rf"[ \n\[{{,]{_DISPUTED}", re.VERBOSE),
    re.compile(rf"[\"'\]}}]:{_DISPUTED}", re.VERBOSE),
    re.compile(r"\\[^nt\"'\\ ]"),
    # What is a line break, or not printable, to one version of YAML only.
    re.compile(r"[^\x20-\x7e\n\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"),
)


class BrokenManifestError(ValueError):
    """A text that Kubernetes' clients cannot read.

    Args:
        problem: what is wrong.
        line: where, from 0; ``None`` where that is not known.
        column: where in the line, from 0.
    """

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a manifest.

    Args:
        value: what it says.
        begin: where its text begins, in characters.
        end: where its text ends.
        duplicates: keys that it has twice, each with its line, from 0: the last one counts.
    """

    value: Any
    begin: int
    end: int
    duplicates: tuple[tuple[str, int], ...] = ()


def decode(content: bytes) -> str:
    """Return the text of a manifest, with the line breaks that kubectl gives it.

    Raises:
        BrokenManifestError: it is not text.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start)
        raise BrokenManifestError("this is not UTF-8 text", line, None) from error
    if "\0" in text:
        raise BrokenManifestError("this is not text", text.count("\n", 0, text.index("\0")), None)
    return text.replace("\r\n", "\n")


def documents(text: str) -> Iterator[Document | BrokenManifestError]:
    """Yield the documents of a manifest that say something; what is broken, in place of what it would say.

    Lines of an error count from the beginning of the manifest. What is broken ends at the next ``---``.
    """
    if text.lstrip().startswith("{"):
        found = _json_documents(text)
        if found is not None:
            yield from found
            return
    yield from _yaml_documents(text)


def _json_documents(text: str) -> list[Document] | None:
    """Read a stream of JSON objects; ``None`` where it is not one: flow style YAML begins in the same way."""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    found: list[Document] = []
    place = 0
    try:
        while (place := _after_space(text, place)) < len(text):
            value, end = decoder.raw_decode(text, place)
            found.append(Document(value, place, end))
            place = end
    except (ValueError, RecursionError):
        return None
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _after_space(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\n\r":
        place += 1
    return place


def _yaml_documents(text: str) -> Iterator[Document | BrokenManifestError]:
    for begin, end in _split(text):
        if isinstance(end, BrokenManifestError):
            yield end
            continue
        part = text[begin:end]
        if _NOTHING.match(part):
            continue
        try:
            value, duplicates = read(part)
        except BrokenManifestError as error:
            before = text.count("\n", 0, begin)
            line = None if error.line is None else error.line + before
            yield BrokenManifestError(error.problem, line, error.column)
            continue
        if value is not None:
            yield Document(value, begin, end, duplicates)


def _split(text: str) -> Iterator[tuple[int, int | BrokenManifestError]]:
    """Yield where documents begin and end: at lines that begin with three hyphens, wherever they are."""
    begin = 0
    for match in _SEPARATOR.finditer(text):
        yield begin, match.start()
        end_of_line = text.find("\n", match.end())
        end_of_line = len(text) if end_of_line < 0 else end_of_line
        rest = text[match.end() : end_of_line].strip()
        begin = end_of_line
        if rest and not rest.startswith("#"):
            line = text.count("\n", 0, match.start())
            yield (
                begin,
                BrokenManifestError(f"`---` is followed by {rest[:30]!r}: nothing may be there", line, 3),
            )
    yield begin, len(text)


def read(text: str) -> tuple[Any, tuple[tuple[str, int], ...]]:
    """Read one document: what it says, and the keys that it has twice with their lines.

    Raises:
        BrokenManifestError: it is not YAML, or JSON could not say it.
    """
    if not text.endswith("\n"):
        text += "\n"  # as kubectl does; a block scalar at the end would lack its last line break
    if not is_disputed(text):
        from ryaml import InvalidYamlError, loads  # type: ignore[attr-defined] # it is typed, but says not what

        try:
            return loads(text), ()
        except (InvalidYamlError, ValueError, TypeError):
            pass  # it is stricter in places; what is wrong, if anything is, is said below
    return _read_carefully(text)


def is_disputed(text: str) -> bool:
    """Say whether a document may mean one thing to Kubernetes and another to a reader of YAML 1.2."""
    return bool(_AT_THE_BEGINNING.match(text)) or any(pattern.search(text) for pattern in _SUSPICIOUS)


def _read_carefully(text: str) -> tuple[Any, tuple[tuple[str, int], ...]]:
    from moorage.manifests.tree import Meaning, compose

    root = compose(text.removeprefix(_BOM))
    if root is None:
        return None, ()
    meaning = Meaning(root)
    return meaning.value, tuple((str(key.text), key.line) for key in meaning.duplicates)
