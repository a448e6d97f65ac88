"""What is different between two libraries."""

from __future__ import annotations

import pytest

from moorage.policies.bundles.diff import Change, Kind, compare
from moorage.policies.load import read_library

SETS = "sets/words.yaml"
NAME = "policies/no-bad-word"


@pytest.fixture
def changes(files):
    """`changes({path: (old, new)}, ...)`: what is told after a text in a file was replaced."""

    def make(edits=None, *, added=None, removed=()):
        after = {
            path: content for path, content in files.items() if not path.startswith(tuple(removed) or "\0")
        }
        after |= added or {}
        for path, (old, new) in (edits or {}).items():
            assert old in after[path].decode()
            after[path] = after[path].decode().replace(old, new).encode()
        return compare(read_library(files, name="a", origin="a"), read_library(after, name="b", origin="b"))

    return make


def test_the_same_is_no_difference(changes):
    assert changes() == []


def test_where_it_is_and_what_only_suites_say_is_no_difference(changes):
    assert changes({f"{NAME}/suite.yaml": ("suite", "other")}) == []


def test_a_policy_more_and_a_policy_less(changes, policy):
    assert changes(added=policy("no-new-word", "new", severity="high")) == [
        Change("policy", "no-new-word", Kind.ADDED, ("high: Names are not new",))
    ]
    assert changes(removed=["policies/no-worse-word/"]) == [Change("policy", "no-worse-word", Kind.REMOVED)]


@pytest.mark.parametrize(
    ("file", "old", "new", "details"),
    [
        ("template", "!= variables.params.word", "!= 'x'", "its rule is another"),
        ("template", "a bad word", "an ugly word", "its rule is another"),
        ("policy", "severity: low", "severity: critical", "severity: low → critical"),
        ("constraint", "word: bad", "word: ugly", 'parameters.word: "bad" → "ugly"'),
        ("constraint", "word: bad", "word: true", 'parameters.word: "bad" → true'),
        ("constraint", "parameters: {word: bad}", "parameters: {}", 'parameters.word: "bad" → (absent)'),
        (
            "constraint",
            "enforcementAction: deny",
            "enforcementAction: warn",
            "its constraint or template is another",
        ),
        (
            "template",
            "description: The word.",
            "description: A word.",
            "the schema of its parameters is another",
        ),
        ("policy", "what: Names.", "what: All names.", "its text is another: what"),
    ],
)
def test_what_changed_in_a_policy_is_told(changes, file, old, new, details):
    (change,) = changes({f"{NAME}/{file}.yaml": (old, new)})
    assert (change.what, change.name, change.kind) == ("policy", "no-bad-word", Kind.CHANGED)
    assert len(change.details) == 1
    assert change.details[0].startswith(details)


def test_what_it_judges_is_told(changes):
    (change,) = changes({f"{NAME}/constraint.yaml": ("kinds: [ConfigMap]", "kinds: [Secret]")})
    assert change.details[0].startswith("match.kinds: ")
    assert "Secret" in change.details[0]


def test_what_changed_in_a_set_is_told(changes):
    (change,) = changes({SETS: ("{name: no-bad-word}", "{name: no-worse-word, parameters: {word: x}}")})
    assert change == Change("set", "words", Kind.CHANGED, ("+ no-worse-word", "- no-bad-word"))
    (change,) = changes({SETS: ("{name: no-bad-word}", "{name: no-bad-word, parameters: {word: x}}")})
    assert change.details == ('no-bad-word: parameters.word: (absent) → "x"',)


def test_what_changed_in_an_expansion_is_told(changes):
    (change,) = changes({"expansion/workloads.yaml": ("spec.template", "spec.other")})
    assert change.details == ('spec.templateSource: "spec.template" → "spec.other"',)


def test_true_is_not_one(files):
    path = f"{NAME}/constraint.yaml"
    one, true = (
        read_library({**files, path: files[path].replace(b"word: bad", word)}, name="a", origin="a")
        for word in (b"word: 1", b"word: true")
    )
    (change,) = compare(one, true)
    assert change.details == ("parameters.word: 1 → true",)
