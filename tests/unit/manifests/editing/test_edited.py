"""Edits of texts as people write them: what is concerned is different, and not a byte else."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from moorage.manifests.editing.editing import documents_of, edited, line_of, with_object, without
from moorage.manifests.editing.operations import Insert, Operation, Remove, Set, difference
from moorage.manifests.editing.refusal import Refused


def text(indented: str) -> str:
    return textwrap.dedent(indented).removeprefix("\n")


CASES: dict[str, tuple[str, Operation, str]] = {
    "a scalar, its comment and the spaces before it": (
        "a: 1\nb:   2   # two\nc: 3\n",
        Set(("b",), 4),
        "a: 1\nb:   4   # two\nc: 3\n",
    ),
    "double quotes stay": ('a: "x" # c\n', Set(("a",), "y"), 'a: "y" # c\n'),
    "single quotes stay": ("a: 'x'\n", Set(("a",), "y"), "a: 'y'\n"),
    "a text that could be a number is quoted": ("a: x\n", Set(("a",), "1.0"), 'a: "1.0"\n'),
    "a text that could be true is quoted": ("a: x\n", Set(("a",), "on"), 'a: "on"\n'),
    "a quantity needs no quotes": ("cpu: 1\n", Set(("cpu",), "250m"), "cpu: 250m\n"),
    "line breaks of Windows": ("a: 1\r\nb: 2 # c\r\n", Set(("b",), 3), "a: 1\r\nb: 3 # c\r\n"),
    "a mark at the beginning": ("\ufeffa: 1\n", Set(("a",), 2), "\ufeffa: 2\n"),
    "no line break at the end": ("a:\n  b: 1", Set(("a", "c"), 2), "a:\n  b: 1\n  c: 2"),
    "no line break after what is taken away": ("a: 1\nb: 2", Remove(("b",)), "a: 1"),
    "letters of other alphabets": ("ä: ö # ü\nk: 1\n", Set(("k",), "ß"), 'ä: ö # ü\nk: "ß"\n'),
    "a key behind the others, before what follows": (
        "a:\n  b: 1 # one\n\n# about c\nc: 2\n",
        Set(("a", "d"), {"e": [1]}),
        "a:\n  b: 1 # one\n  d:\n    e:\n    - 1\n\n# about c\nc: 2\n",
    ),
    "the indentation of the document": (
        "a:\n    b:\n        c: 1\n",
        Set(("a", "d"), {"e": 2}),
        "a:\n    b:\n        c: 1\n    d:\n        e: 2\n",
    ),
    "what is empty gets lines, and keeps its comment": (
        "a: {} # none yet\nb: 1\n",
        Set(("a",), {"c": 1}),
        "a: # none yet\n  c: 1\nb: 1\n",
    ),
    "what has no value gets lines": ("a:\nb: 1\n", Set(("a",), {"c": 1}), "a:\n  c: 1\nb: 1\n"),
    "the last key leaves brackets": ("a: # why\n  b: 1\nc: 2\n", Remove(("a", "b")), "a: {} # why\nc: 2\n"),
    "the first key behind a hyphen": ("- a: 1\n  b: 2\n", Remove((0, "a")), "- b: 2\n"),
    "a comment between that key and the next": (
        "- a: 1\n  # about b\n  b: 2\n",
        Remove((0, "a")),
        "-\n  # about b\n  b: 2\n",
    ),
    "an item with its comment, and not the comment above": (
        "l:\n  # first\n  - a # 1\n  # second\n  - b # 2\n",
        Remove(("l", 1)),
        "l:\n  # first\n  - a # 1\n  # second\n",
    ),
    "an item in the middle": ("l:\n- a\n# c\n- b\n", Insert(("l", 1), "x"), "l:\n- a\n# c\n- x\n- b\n"),
    "an item at the end": (
        "l:\n  - a # 1\nm: 1\n",
        Insert(("l", 1), {"b": 1, "c": 2}),
        "l:\n  - a # 1\n  - b: 1\n    c: 2\nm: 1\n",
    ),
    "a key in brackets": ("a: {b: 1} # c\n", Set(("a", "d"), "e"), "a: {b: 1, d: e} # c\n"),
    "a key out of brackets": ("a: {b: 1, c: 2, d: 3}\n", Remove(("a", "c")), "a: {b: 1, d: 3}\n"),
    "the last key out of brackets": ("a: {b: 1, c: 2}\n", Remove(("a", "c")), "a: {b: 1}\n"),
    "an item into brackets": ("a: [1, 2]\n", Insert(("a", 1), 9), "a: [1, 9, 2]\n"),
    "a line of a block scalar": (
        "a: |- # sh\n  one\n  two\nb: 1\n",
        Set(("a",), "one\nthree"),
        "a: |- # sh\n  one\n  three\nb: 1\n",
    ),
    "brackets over several lines": (
        '{\n  "a": 1,\n  "b": {\n    "c": 2\n  }\n}\n',
        Set(("b", "d"), [1]),
        '{\n  "a": 1,\n  "b": {\n    "c": 2,\n    "d": [\n      1\n    ]\n  }\n}\n',
    ),
    "a line out of JSON": ('{\n  "a": 1,\n  "b": 2\n}\n', Remove(("b",)), '{\n  "a": 1\n}\n'),
    "JSON with tabs": ('{\n\t"a": 1,\n\t"b": 2\n}', Set(("a",), 3), '{\n\t"a": 3,\n\t"b": 2\n}'),
    "of a key that is there twice, the last one": ("a: 1\na: 2\n", Set(("a",), 3), "a: 1\na: 3\n"),
    "an anchor that nobody follows": ("a: &x 1\nb: 2\n", Set(("a",), 3), "a: &x 3\nb: 2\n"),
    "a mapping in place of a scalar": ("a: 1 # c\nb: 2\n", Set(("a",), {"d": 1}), "a: # c\n  d: 1\nb: 2\n"),
    "a scalar in place of a mapping": ("a: # c\n  d: 1 # d\nb: 2\n", Set(("a",), 1), "a: 1 # c\nb: 2\n"),
    "a key that is not a word": ("a: {}\n", Set(("a", "x: y"), 1), 'a:\n  "x: y": 1\n'),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_concerned_changes_and_not_a_byte_else(name: str) -> None:
    before, operation, after = CASES[name]
    assert edited(before, 0, (), [operation]) == after


@pytest.mark.parametrize(
    ("before", "operation", "why"),
    [
        ("a: &x {k: 1}\nb: *x\n", Set(("b", "k"), 2), "anchor &x"),
        ("a: &x {k: 1}\nb: *x\n", Set(("a", "k"), 2), "others follow"),
        ("a: &x 1\nb: *x\n", Remove(("a",)), "others follow"),
        ("d: &d {k: 1}\na:\n  <<: *d\n  l: 2\n", Set(("a", "k"), 2), "merge"),
        ("d: &d {k: 1}\na:\n  <<: *d\n  l: 2\n", Remove(("a", "k")), "no such place|merge"),
        ("a: 1\na: 2\n", Remove(("a",)), "twice"),
        ("? a\n: 1\n", Set(("a",), {"b": 1}), "key"),
        ("a: !!int 1\n", Set(("a",), "x"), "tag"),
        ("a: 1\n", Remove(("b",)), "no such place"),
    ],
)
def test_what_others_share_or_is_not_understood_is_refused_with_the_reason(
    before: str, operation: Operation, why: str
) -> None:
    with pytest.raises(Refused, match=why):
        edited(before, 0, (), [operation])


def test_an_edit_is_in_its_document_only() -> None:
    before = "# one\na: 1\n---\n# two\na: 1\n---\na: 1\n"
    assert edited(before, 1, (), [Set(("a",), 2)]) == "# one\na: 1\n---\n# two\na: 2\n---\na: 1\n"


def test_an_object_of_a_list_is_edited_where_it_is() -> None:
    before = "kind: List\nitems:\n- a: 1\n- a: 1 # here\n"
    assert edited(before, 0, ("items", 1), [Set(("a",), 2)]) == "kind: List\nitems:\n- a: 1\n- a: 2 # here\n"


@pytest.mark.parametrize(
    ("before", "number", "after"),
    [
        ("a: 1\n---\nb: 2\n---\nc: 3\n", 1, "a: 1\n---\nc: 3\n"),
        ("a: 1\n---\nb: 2\n", 1, "a: 1\n"),
        ("a: 1\n---\nb: 2\n", 0, "b: 2\n"),
        ("# licence\n\na: 1\n---\nb: 2\n", 0, "# licence\n\nb: 2\n"),
        ("---\na: 1\n---\nb: 2\n", 0, "---\nb: 2\n"),
        ("---\n# only this\na: 1\n", 0, ""),
        ('{"a": 1}\n{"b": 2}\n', 0, '{"b": 2}\n'),
    ],
)
def test_a_document_goes_with_its_separator(before: str, number: int, after: str) -> None:
    assert without(before, number) == after


def test_an_object_comes_behind_another_one_in_its_manner() -> None:
    value = {"kind": "C", "l": [1]}
    assert with_object("a:\n  - 1", 0, (), value) == "a:\n  - 1\n---\nkind: C\nl:\n  - 1\n"
    assert with_object("kind: List\nitems:\n- a: 1\n- b: 2\n", 0, ("items", 0), value) == (
        "kind: List\nitems:\n- a: 1\n- kind: C\n  l:\n  - 1\n- b: 2\n"
    )
    assert with_object('{"a": 1}', 0, (), {"b": 2}) == '{"a": 1}\n{\n  "b": 2\n}'


def test_the_line_of_a_value_is_told() -> None:
    before = "# head\na: 1\n---\n# why\nb:\n  c:\n  - d: 1\n"
    assert line_of(before, 0, ()) == 2
    assert line_of(before, 1, ("b", "c", 0, "d")) == 7
    assert line_of(before, 1, ("b", "x")) == 5


def test_a_text_that_cannot_be_read_is_refused_with_its_line() -> None:
    with pytest.raises(Refused) as caught:
        documents_of("a: 1\nb: [\n")
    assert caught.value.line >= 1


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ({"a": 1}, {"a": True}, [Set(("a",), True)]),
        ([{"name": "a", "x": 1}, {"name": "b"}], [{"name": "a", "x": 2}, {"name": "b"}], [Set((0, "x"), 2)]),
        ([{"name": "a"}, {"name": "b"}], [{"name": "b"}], [Remove((0,))]),
        ([1, 2], [1, 3], [Set((1,), 3)]),
        (["a"], ["b"], [Set((0,), "b")]),
        ([1], [1, 2], [Insert((1,), 2)]),
        ({"a": {"b": 1}}, {"a": {}}, [Set(("a",), {})]),
        ({"a": {}}, {"a": {"b": 1}}, [Set(("a",), {"b": 1})]),
    ],
)
def test_a_difference_is_as_little_as_may_be(old: Any, new: Any, steps: list[Operation]) -> None:
    assert difference(old, new) == steps
