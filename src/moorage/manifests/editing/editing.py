"""Editing a manifest: its documents, the objects in them, and a check that it says what it should."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from moorage.manifests.documents import BrokenManifestError, Document, documents
from moorage.manifests.editing.changing import changed
from moorage.manifests.editing.lines import line_end, line_start, next_line, spliced
from moorage.manifests.editing.operations import Insert, Operation, Path_, Remove, below, carried_out, same
from moorage.manifests.editing.refusal import Refused, line_at
from moorage.manifests.editing.writing import Manner, block, manner_of

_BOM: Final = "\ufeff"
_SEPARATOR: Final = re.compile(r"^---", re.MULTILINE)
_CONTENT: Final = re.compile(r"^(?![ \t]*(?:#|\r?$|---))", re.MULTILINE)
_NOTHING: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)|---[ \t]*(?:\r?\n|\Z))*\Z")


def documents_of(text: str) -> list[Document]:
    """Return the documents of a manifest, the line breaks of which are as the file has them.

    Raises:
        Refused: it cannot be read.
    """
    found: list[Document] = []
    for each in documents(text):
        if isinstance(each, BrokenManifestError):
            raise Refused(f"this is not YAML: {each.problem}", each.line or 0)
        found.append(each)
    return found


def edited(text: str, number: int, path: Path_, operations: Sequence[Operation]) -> str:
    """Return a manifest with operations carried out on a value in one of its documents, and nothing else.

    Args:
        text: of the manifest.
        number: of the document, from 0, as `documents_of` counts them.
        path: of the value in the document: an object of a List has one.
        operations: in their order.

    Raises:
        Refused: it cannot be told for sure that the manifest would then say this and only this.
    """
    if not operations:
        return text
    found = documents_of(text)
    wanted = [each.value for each in found]
    steps = [below(operation, path) for operation in operations]
    try:
        wanted[number] = carried_out(wanted[number], steps)
    except (KeyError, IndexError, TypeError) as error:
        raise Refused(f"there is no such place: {error}", line_at(text, found[number].begin)) from error
    begin, end = _extent(text, found[number])
    part = text[begin:end]
    try:
        for step in steps:
            part = changed(part, step)
    except Refused as refused:
        raise Refused(refused.why, refused.line + line_at(text, begin)) from refused
    return _checked(spliced(text, begin, end, part), wanted, line_at(text, begin))


def without(text: str, number: int, path: Path_ = ()) -> str:
    """Return a manifest without an object: its document with its separator, or its item of a List.

    What says nothing any more is an empty text.

    Raises:
        Refused: it cannot be told for sure that the rest stays as it is.
    """
    if path:
        return edited(text, number, (), [Remove(path)])
    found = documents_of(text)
    document = found[number]
    wanted = [each.value for each in found]
    del wanted[number]
    begin, end = document.begin, document.end
    separators = [match.start() for match in _SEPARATOR.finditer(text)]
    before = [place for place in separators if place < begin]
    if _is_stream(text):
        end = len(text) - len(text[end:].lstrip(" \t\r\n"))
    elif before and not text[next_line(text, before[-1]) : begin].strip():
        begin = before[-1]
    else:
        begin += _headline(text[begin:end])
        end = next_line(text, end) if end < len(text) else end
    shorter = spliced(text, begin, end, "")
    if not wanted and _NOTHING.match(shorter.removeprefix(_BOM)):
        return ""
    return _checked(shorter, wanted, line_at(text, begin))


def with_object(text: str, number: int, path: Path_, value: Any) -> str:
    """Return a manifest with an object put behind another one: as a document, or as an item of its List.

    Raises:
        Refused: it cannot be told for sure that the rest stays as it is.
    """
    if path:
        *way, last = path
        return edited(text, number, (), [Insert((*way, int(last) + 1), value)])
    found = documents_of(text)
    document = found[number]
    wanted = [each.value for each in found]
    wanted.insert(number + 1, value)
    manner = _manner(found, text)
    eol = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    if _is_stream(text):
        written = json.dumps(value, indent=2, ensure_ascii=False).replace("\n", eol)
        return _checked(
            spliced(text, document.end, document.end, f"{eol}{written}"),
            wanted,
            line_at(text, document.begin),
        )
    lines = ["---", *block(value, 0, manner)]
    before = text[: document.end]
    glue = "" if before.endswith("\n") or not before else eol
    new = glue + "".join(f"{line}{eol}" for line in lines)
    return _checked(spliced(text, document.end, document.end, new), wanted, line_at(text, document.begin))


def line_of(text: str, number: int, path: Path_) -> int:
    """Return the line of what is at a path of a document, from 1; of what is not there, what leads to it."""
    from moorage.manifests.tree import compose, find

    document = documents_of(text)[number]
    begin, end = _extent(text, document)
    try:
        root = compose(text[begin:end])
    except BrokenManifestError:
        root = None
    before = line_at(text, begin)
    if root is None:
        return before + 1
    if not path:
        match = _CONTENT.search(text, begin, end)
        return line_at(text, match.start() if match else begin) + 1
    return before + find(root, path).line + 1


def _extent(text: str, document: Document) -> tuple[int, int]:
    begin = document.begin
    return (begin + 1 if text[begin : begin + 1] == _BOM else begin), document.end


def _checked(text: str, wanted: Sequence[Any], line: int) -> str:
    found = [each.value for each in documents_of(text)]
    if not same(found, list(wanted)):
        raise Refused("the way this is written is not edited: something else would change too", line)
    return text


def _is_stream(text: str) -> bool:
    """Say whether a manifest is JSON, whose documents need no separator."""
    if not text.lstrip().startswith("{") or _SEPARATOR.search(text):
        return False
    try:
        json.JSONDecoder().raw_decode(text.lstrip())
    except ValueError:
        return False
    return True


def _headline(part: str) -> int:
    """Return how long the comment is at the top of a file that is about all of it: a blank line follows."""
    match = re.match(r"(?:\ufeff)?(?:[ \t]*#[^\n]*\n)+[ \t]*\r?\n", part)
    return match.end() if match else (1 if part.startswith(_BOM) else 0)


def _manner(found: Sequence[Document], text: str) -> Manner:
    from moorage.manifests.editing.marks import compose

    begin, end = _extent(text, found[0])
    return manner_of(text, compose(text[begin:end]))


def first_line(text: str, place: int) -> str:
    """Return the line of a character."""
    return text[line_start(text, place) : line_end(text, place)]
