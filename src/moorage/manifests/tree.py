"""A YAML document as a tree that knows where everything was written, and what it means to Kubernetes.

libyaml, which Go's parser was ported from, reads the text; the tree is built from its events without
recursion, so that no document, however deep, is more than an error.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from moorage.manifests.documents import BrokenManifestError
from moorage.manifests.scalars import ScalarError, as_json, as_key, resolve

DEEPEST: Final = 200
"""No object of Kubernetes is nested deeper; Python could not print it."""

MOST_ALIASED: Final = 1_000_000
"""How many values the aliases of a document may stand for: a few lines can ask for more than fits memory."""

_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = "<<"


@dataclass(slots=True, eq=False)
class Node:
    """A value and where it was written; lines and columns count from 0.

    Args:
        line: where it begins.
        column: where it begins in its line.
        text: of a scalar; ``None`` for a mapping and a sequence.
        plain: whether the scalar is written without quotes: what it means depends on what it says.
        tag: the tag it was given; empty for none.
        items: the values of a sequence, or a mapping's keys and values in turn.
        is_mapping: whether it is one.
        anchor: its name, if it has one.
        closed: whether all of it has been read.
    """

    line: int
    column: int
    text: str | None = None
    plain: bool = False
    tag: str = ""
    items: list[Node] = field(default_factory=list)
    is_mapping: bool = False
    anchor: str = ""
    closed: bool = True

    def pairs(self) -> Iterator[tuple[Node, Node]]:
        """Yield a mapping's keys with their values, as they were written."""
        yield from zip(self.items[::2], self.items[1::2], strict=True)

    @property
    def is_merge_key(self) -> bool:
        """Whether what it stands before is merged in."""
        return self.text == _MERGE and ((self.plain and not self.tag) or self.tag == f"{_TAG}merge")


def compose(text: str) -> Node | None:
    """Read the first document of a text; ``None`` where there is none.

    Raises:
        BrokenManifestError: it is not YAML, or another document follows, which kubectl would overlook.
    """
    try:
        return _compose(text)
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        line, column = (mark.line, mark.column) if mark else (None, None)
        raise BrokenManifestError(problem, line, column) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        column = len(before) - (before.rfind("\n") + 1)
        raise BrokenManifestError(str(error.reason), before.count("\n"), column) from error


def _compose(text: str) -> Node | None:
    parser = CParser(text)
    try:
        builder = _Builder(text)
        while parser.check_event():
            builder.take(parser.get_event())
        return builder.root
    finally:
        parser.dispose()


class _Builder:
    """Builds the tree of one document from the events of the parser."""

    def __init__(self, text: str) -> None:
        self.root: Node | None = None
        self._text = text
        self._open: list[Node] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0

    def take(self, event: Any) -> None:
        """Take the next event."""
        if isinstance(event, yaml.CollectionEndEvent):
            self._open.pop().closed = True
        elif isinstance(event, yaml.AliasEvent):
            self._add(_alias(event, self._anchors))
        elif isinstance(event, yaml.NodeEvent):
            self._take_node(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                mark: Any = event.start_mark
                raise BrokenManifestError(
                    "another document begins here, and not with `---`: kubectl would overlook it",
                    mark.line,
                    mark.column,
                )

    def _take_node(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent) and event.style == '"':
            _check_escapes(event, self._text)
        node = _node(event)
        if node.anchor:
            self._anchors[node.anchor] = node
        self._add(node)
        if not node.closed:
            self._open.append(node)
            if len(self._open) > DEEPEST:
                raise BrokenManifestError(f"nested deeper than {DEEPEST}", node.line, node.column)

    def _add(self, node: Node) -> None:
        if self._open:
            self._open[-1].items.append(node)
        else:
            self.root = node


def _check_escapes(event: Any, text: str) -> None:
    """Refuse the one escape that libyaml knows and Go's parser does not."""
    mark = event.start_mark
    if _SLASH.search(text, mark.index, event.end_mark.index):
        raise BrokenManifestError("the escape `\\/` is not known to Kubernetes", mark.line, mark.column)


_SLASH: Final = re.compile(r"(?<!\\)(?:\\\\)*\\/")


def _node(event: Any) -> Node:
    mark = event.start_mark
    if isinstance(event, yaml.ScalarEvent):
        return Node(
            mark.line,
            mark.column,
            text=event.value,
            plain=event.implicit[0],
            tag=event.tag or "",
            anchor=event.anchor or "",
        )
    return Node(
        mark.line,
        mark.column,
        tag=event.tag or "",
        is_mapping=isinstance(event, yaml.MappingStartEvent),
        anchor=event.anchor or "",
        closed=False,
    )


def _alias(event: Any, anchors: dict[str, Node]) -> Node:
    mark = event.start_mark
    node = anchors.get(event.anchor)
    if node is None:
        raise BrokenManifestError(f"there is no anchor {event.anchor!r}", mark.line, mark.column)
    if not node.closed:
        raise BrokenManifestError(f"the anchor {event.anchor!r} contains itself", mark.line, mark.column)
    return node


class Meaning:
    """What a tree means in JSON; of a key that is there twice the last one counts, as for Kubernetes.

    Args:
        root: of the tree.
    """

    def __init__(self, root: Node) -> None:
        self.duplicates: list[Node] = []
        self._seen: set[int] = set()
        self._repeating = 0
        self._repeated = 0
        self.value = self._of(root)

    def _of(self, node: Node) -> Any:
        repeats = bool(node.anchor) and id(node) in self._seen
        if node.anchor:
            self._seen.add(id(node))
        self._repeating += repeats
        if self._repeating:
            self._repeated += 1
            if self._repeated > MOST_ALIASED:
                raise BrokenManifestError(
                    f"aliases stand for more than {MOST_ALIASED:,} values", node.line, node.column
                )
        if node.text is not None:
            found = _scalar(node)
        elif node.is_mapping:
            found = self._mapping(node, {})
        else:
            found = [self._of(item) for item in node.items]
        self._repeating -= repeats
        return found

    def _mapping(self, node: Node, found: dict[str, Any]) -> dict[str, Any]:
        own: set[str] = set()
        for key, value in node.pairs():
            if key.is_merge_key:
                self._merge(value, found)
                continue
            name = self._key(key)
            if name in own:
                self.duplicates.append(key)
            own.add(name)
            found[name] = self._of(value)
        return found

    def _merge(self, node: Node, found: dict[str, Any]) -> None:
        """Merge mappings in; Go lets whatever is written later win, a merge as well as a key."""
        mappings = [node] if node.is_mapping else list(reversed(node.items))
        if node.text is not None or not all(item.is_mapping for item in mappings):
            raise BrokenManifestError("only mappings can be merged", node.line, node.column)
        for mapping in mappings:
            found.update(self._of(mapping))

    def _key(self, node: Node) -> str:
        if node.text is None:
            raise BrokenManifestError("a mapping or a sequence cannot be a key", node.line, node.column)
        try:
            return as_key(_resolved(node))
        except ScalarError as error:
            raise BrokenManifestError(str(error), node.line, node.column) from error


def _scalar(node: Node) -> Any:
    try:
        return as_json(_resolved(node))
    except ScalarError as error:
        raise BrokenManifestError(str(error), node.line, node.column) from error


def _resolved(node: Node) -> Any:
    text = str(node.text)
    tag = node.tag.removeprefix(_TAG)
    if not tag:
        return resolve(text) if node.plain else text
    if node.tag in {"!", f"{_TAG}str"} or not node.tag.startswith(_TAG):
        return text  # tags of one's own say nothing to Kubernetes
    if tag == "binary":
        try:
            return base64.b64decode(text, validate=False).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ScalarError("!!binary that is not base64 of text") from error
    wanted = _TAGGED.get(tag)
    if wanted is None:
        return text
    value = resolve(text)
    if tag == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (tag == "int" and isinstance(value, bool)):
        raise ScalarError(f"{text!r} is not a {tag}")
    return value


_TAGGED: Final[dict[str, tuple[type, ...]]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (float,),
    "null": (type(None),),
}


def find(root: Node, path: Sequence[str | int]) -> Node:
    """Return the node at a path of keys and indices, or the last one before it that there is.

    For a key of a mapping it is the key's own node that is returned: where a person looks.
    """
    node, shown = root, root
    for step in path:
        match step:
            case int() if not node.is_mapping and node.text is None and step < len(node.items):
                node = shown = node.items[step]
            case str() if node.is_mapping:
                found = [(key, value) for key, value in node.pairs() if key.text == step]
                if not found:
                    return shown
                shown, node = found[-1]
            case _:
                return shown
    return shown
