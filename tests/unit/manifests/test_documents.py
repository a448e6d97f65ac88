"""Splitting and reading manifests."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.manifests import documents as reading
from moorage.manifests.documents import BrokenManifestError, Document, decode, documents


def values(text: str) -> list:
    found = list(documents(text))
    assert all(isinstance(each, Document) for each in found), found
    return [each.value for each in found]


def broken(text: str) -> BrokenManifestError:
    return next(each for each in documents(text) if isinstance(each, BrokenManifestError))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("---\na: 1\n--- # the next\nb: 2\n---\n# nothing\n---\n\n", [{"a": 1}, {"b": 2}]),
        ("", []),
        ("# nothing\n", []),
        ("null\n---\n~\n", []),
        ("a: |\n  ---\n  x\n---\nb: 1\n", [{"a": "---\nx\n"}, {"b": 1}]),
        ("a: |\n  last", [{"a": "last\n"}]),
        ("a: 1\n...\n", [{"a": 1}]),
        ("\ufeffa: 1\n", [{"a": 1}]),
        ('{"a": 1}{"b": 2}\n\n{"c": 3}', [{"a": 1}, {"b": 2}, {"c": 3}]),
        ('{"a": 1, "a": 2}', [{"a": 2}]),
        ("{a: 1}\n---\nb: 2", [{"a": 1}, {"b": 2}]),
        ("- 1\n- x\n", [[1, "x"]]),
        ("a: yes\nb: 'yes'\non: x\n", [{"a": True, "b": "yes", "true": "x"}]),
        ("1: a\n1.5: b\n", [{"1": "a", "1.5": "b"}]),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, p: 3}\n", [{"a": {"p": 1, "q": 2}, "b": {"p": 3, "q": 2}}]),
        ("a: &x {p: 1}\nb:\n  p: 3\n  <<: *x\n", [{"a": {"p": 1}, "b": {"p": 1}}]),
        (
            "a: !!str 1\nb: !!float 2\nc: !!binary aGk=\nd: !mine 3\n",
            [{"a": "1", "b": 2, "c": "hi", "d": "3"}],
        ),
        ("a: [1, 2,\n  3]\n", [{"a": [1, 2, 3]}]),
    ],
)
def test_a_manifest_says_what_kubernetes_reads(text, said):
    assert values(text) == said


def test_of_several_merged_mappings_the_first_wins():
    assert values("a: &x {p: 1}\nb: &y {p: 2, q: 3}\nc: {<<: [*x, *y]}\n")[0]["c"] == {"p": 1, "q": 3}


def test_windows_line_breaks_are_line_breaks():
    assert values(decode(b"a: |\r\n  x\r\n  y\r\n---\r\nb: 1\r\n")) == [{"a": "x\ny\n"}, {"b": 1}]


def test_of_a_key_that_is_there_twice_the_last_one_counts_and_is_told():
    (found,) = documents("x: 1\nspec:\n  a: 1\n  b: 2\n  a: 3\n")
    assert found.value == {"x": 1, "spec": {"a": 3, "b": 2}}
    assert found.duplicates == (("a", 4),)


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("a: 1\nb: [1,\nc: 2\n", None, None, ""),
        ("a: 1\n---\nb: 1\n  c: 2\n", 3, 3, "mapping values"),
        ("a:\n\tb: 1\n", 1, 0, "token"),
        ("a: *nope\n", 0, 3, "no anchor 'nope'"),
        ("a: &x [*x]\n", 0, 7, "contains itself"),
        ("a: {1: {2: 3}}\n? [x]\n: y\n", 1, 2, "cannot be a key"),
        ("x: 1\n~: y\n", 1, 0, "null"),
        ("a: .nan\n", 0, 3, "NaN"),
        ('a: "x\\/y"\n', 0, 3, "escape"),
        ("a: 1\n...\nb: 2\n", 2, 0, ""),
        ("a: \x07\n", 0, 3, "control characters"),
        ("--- a\n", 0, 3, "nothing may be there"),
        ("%YAML 1.1\n---\na: 1\n", None, None, ""),
        ("x: 1\nx\n", None, None, ""),
        ("a: !!int x\n", 0, 3, "not a int"),
    ],
)
def test_what_is_broken_is_told_with_its_place(text, line, column, said):
    error = broken(text)
    assert said in error.problem
    assert line is None or error.line == line
    assert column is None or error.column == column


def test_the_rest_is_read_after_what_is_broken():
    first, second, third = documents("a: 1\n---\nb: [\n---\nc: 3\n")
    assert isinstance(second, BrokenManifestError)
    assert [first.value, third.value] == [{"a": 1}, {"c": 3}]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "[{a: ", "? "])
def test_depth_is_an_error_and_not_a_crash(opening):
    assert broken(f"x: 1\ny:\n  {opening * 100_000}\n").problem


def test_many_levels_of_indentation_are_an_error_and_not_a_crash():
    text = "".join(f"{' ' * level}a:\n" for level in range(3000))
    assert "deeper" in broken(text).problem


def test_aliases_cannot_ask_for_more_than_fits_memory():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "aliases stand for more than" in broken("\n".join(lines)).problem


def test_what_is_not_text_is_refused():
    for content in (b"\xff\xfe\x00", b"a: \xc3\x28\n", b"a\x00b"):
        with pytest.raises(BrokenManifestError):
            decode(content)


TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff") | st.just("\n"),
    max_size=12,
)
"""Without what the writer does not write so that it can be read back."""

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | TEXT
    | st.sampled_from(["yes", "017", "1e3", "~", "0o7", "1:30", "a: b", "- x", "# c", "'", '"', "<<"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


class Quoting(yaml.SafeDumper):
    """Quotes every text, so that it is text to every reader."""

    quotes = '"'


Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style=dumper.quotes)
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(TEXT, JSON, min_size=1, max_size=5),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["'", '"', "|", ">"]),
)
def test_what_another_writer_wrote_is_read_back(content, flow, unicode, quotes):
    dumper = type("Dumper", (Quoting,), {"quotes": quotes})
    written = yaml.dump(content, Dumper=dumper, default_flow_style=flow, allow_unicode=unicode)
    assert reading.read(written)[0] == json.loads(json.dumps(content))


ATOMS = st.sampled_from(
    [
        *(
            "a",
            "1",
            "-1",
            "0",
            "100m",
            "128Mi",
            "1.25-alpine",
            "10.0.0.1",
            '"x"',
            "'y'",
            '"a: b"',
            "a b",
            "a:b",
        ),
        *(
            "foo#bar",
            "foo #bar",
            "true",
            "null",
            "[1, 2]",
            "{a: b}",
            "{a, b}",
            "[a: b]",
            "[]",
            "{}",
            '{"a":1}',
        ),
        *(
            "-a",
            "--x y",
            "?a",
            ":a",
            '"q\\n"',
            "é",
            "日本",
            "a%",
            "a@b",
            "=",
            "<",
            "a|b",
            "a*",
            "$(X)",
            "1.5",
        ),
        *(
            "|\n  a\n  b",
            "|-\n  a\n   b\n",
            ">-\n  a\n  b\n\n  c",
            "|+\n  a\n\n",
            "|2\n   a",
            "plain\n  folded",
        ),
        *(
            "'multi\n  line'",
            '"multi\n  line"',
            '"a"   # c',
            "[a,]",
            "{a: 1,}",
            "1 2",
            "v1",
            "---x",
            "a\\b",
            "",
        ),
        *(
            "yes",
            "017",
            "1e3",
            "~",
            "*a",
            "&a b",
            "!x",
            "2020-01-01",
            "1_0",
            ".5",
            "0x1f",
            "@a",
            "%a",
            "[a",
            "}",
        ),
    ]
)
BLOCKS = st.recursive(
    ATOMS,
    lambda inner: st.builds(
        lambda items, kind: (kind, items),
        st.lists(inner, min_size=1, max_size=3),
        st.sampled_from(["map", "list"]),
    ),
    max_leaves=8,
)


def written(block, indent: int) -> str:
    if isinstance(block, str):
        return " " + block.replace("\n", "\n" + " " * indent)
    kind, items = block
    lines = [
        " " * indent + (f"k{place}:" if kind == "map" else "-") + written(item, indent + 2)
        for place, item in enumerate(items)
    ]
    return "\n" + "\n".join(lines)


@settings(max_examples=500, deadline=None)
@given(st.lists(BLOCKS, min_size=1, max_size=3))
def test_the_fast_reader_reads_what_the_careful_one_does(blocks):
    text = written(("map", blocks), 0).lstrip("\n") + "\n"
    try:
        careful = reading._read_carefully(text)
    except BrokenManifestError:
        with pytest.raises(BrokenManifestError):
            reading.read(text)
        return
    assert reading.read(text) == careful


def test_ordinary_manifests_are_read_fast(monkeypatch):
    def fail(text):
        raise AssertionError(f"read carefully: {text}")

    monkeypatch.setattr(reading, "_read_carefully", fail)
    text = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web, "app.kubernetes.io/name": web}
spec:
  replicas: 3
  template:
    spec:
      containers:
        - name: web
          image: registry.example.com/web:1.25.3@sha256:0f1e2d
          args: ["--port=8080", --verbose]
          command:
            - sh
            - -c
            - |
              set -e
              exec web "$PORT"
          resources:
            limits: {cpu: 500m, memory: 1.5Gi}
          ports: [{containerPort: 8080}]
"""
    assert values(text)[0]["spec"]["replicas"] == 3
