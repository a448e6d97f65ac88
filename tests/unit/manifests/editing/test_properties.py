"""Whatever is edited says what it should, and nothing else of it is different."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from moorage.manifests.editing.editing import documents_of, edited, with_object, without
from moorage.manifests.editing.operations import (
    ABSENT,
    Insert,
    Operation,
    Remove,
    Set,
    at,
    carried_out,
    difference,
    same,
)
from moorage.manifests.editing.refusal import Refused

from .written import KEYS, OBJECTS, SCALARS, VALUES, manifests

PATIENT = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        found += [each for key in value for each in paths(value[key], (*path, key))]
    elif isinstance(value, list):
        found += [each for place, inner in enumerate(value) for each in paths(inner, (*path, place))]
    return found


@st.composite
def operations(draw: Any, value: Any) -> Operation:
    path = draw(st.sampled_from(paths(value)))
    there = at(value, path)
    kinds = ["set"] if path else []
    kinds += ["remove"] if path else []
    kinds += ["add"] if isinstance(there, dict) and there else []
    kinds += ["insert"] if isinstance(there, list) else []
    assume(kinds)
    match draw(st.sampled_from(kinds)):
        case "set":
            return Set(path, draw(VALUES))
        case "remove":
            return Remove(path)
        case "add":
            key = draw(KEYS)
            assume(key not in there)
            return Set((*path, key), draw(VALUES))
        case _:
            return Insert((*path, draw(st.integers(0, len(there)))), draw(VALUES))


def read(text: str) -> list[Any]:
    return [each.value for each in documents_of(text)]


def comments(text: str) -> list[str]:
    return re.findall(r"# c\d+\.", text)


@PATIENT
@given(st.data())
def test_what_is_edited_says_what_it_should(data: st.DataObject) -> None:
    text, value = data.draw(manifests())
    assume(read(text) == [value])
    operation = data.draw(operations(value))
    try:
        new = edited(text, 0, (), [operation])
    except Refused as refused:
        event(f"refused: {refused.why[:40]}")
        return
    assert same(read(new), [carried_out(value, [operation])])


@PATIENT
@given(st.data())
def test_a_scalar_that_is_set_changes_its_line_only(data: st.DataObject) -> None:
    text, value = data.draw(manifests())
    assume(read(text) == [value])
    scalars = [
        path
        for path in paths(value)
        if isinstance(at(value, path), str | int) and "\n" not in str(at(value, path))
    ]
    assume(scalars)
    path = data.draw(st.sampled_from(scalars))
    wanted = data.draw(SCALARS.filter(lambda each: not (isinstance(each, str) and "\n" in each)))
    new = edited(text, 0, (), [Set(path, wanted)])
    before, after = text.split("\n"), new.split("\n")
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) <= 1
    assert comments(text) == comments(new)


@PATIENT
@given(st.data())
def test_an_edit_touches_one_place_and_keeps_the_comments_around_it(data: st.DataObject) -> None:
    text, value = data.draw(manifests())
    assume(read(text) == [value])
    operation = data.draw(operations(value))
    try:
        new = edited(text, 0, (), [operation])
    except Refused:
        return
    before, after = text.split("\n"), new.split("\n")
    first = common(before, after)
    last = common(before[first:][::-1], after[first:][::-1])
    concerned = before[first : len(before) - last]
    assert set(comments(text)) - set(comments(new)) <= set(comments("\n".join(concerned)))
    adds = isinstance(operation, Insert) or (
        isinstance(operation, Set) and at(value, operation.path) is ABSENT
    )
    if adds and at(value, operation.path[:-1]):
        assert len(concerned) <= 1, "what is added is in lines of its own, or in those of its brackets"
        assert comments(text) == comments(new)


def common(one: list[str], other: list[str]) -> int:
    """How many lines are the same at the beginning."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


@PATIENT
@given(st.data())
def test_any_difference_can_be_carried_out_and_is_written_or_refused(data: st.DataObject) -> None:
    text, value = data.draw(manifests())
    assume(read(text) == [value])
    wanted = data.draw(OBJECTS)
    steps = difference(value, wanted)
    assert same(carried_out(value, steps), wanted)
    try:
        new = edited(text, 0, (), steps)
    except Refused as refused:
        event(f"refused: {refused.why[:40]}")
        return
    assert same(read(new), [wanted])


@PATIENT
@given(manifests())
def test_the_empty_edit_is_the_identity(made: tuple[str, Any]) -> None:
    text, value = made
    assert edited(text, 0, (), []) == text
    assert difference(value, value) == []


@PATIENT
@given(st.lists(manifests(), min_size=1, max_size=4), st.data())
def test_a_document_comes_and_goes_and_the_others_stay(
    made: list[tuple[str, Any]], data: st.DataObject
) -> None:
    text = "---\n".join(part if part.endswith("\n") else f"{part}\n" for part, _ in made)
    values = [value for _, value in made]
    assume(read(text) == values)
    number = data.draw(st.integers(0, len(values) - 1))
    new = data.draw(OBJECTS)
    longer = with_object(text, number, (), new)
    assert same(read(longer), [*values[: number + 1], new, *values[number + 1 :]])
    assert read(without(text, number)) == [*values[:number], *values[number + 1 :]]
    assert without(longer, number + 1) == text
