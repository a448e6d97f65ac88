"""Manifests are read as kubectl reads them: it is asked."""

from __future__ import annotations

import json
import subprocess

import pytest

from moorage.manifests.documents import BrokenManifestError, decode, documents
from moorage.toolchain import ensure

HEAD = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\n"
TRICKY = [
    *("yes", "Yes", "no", "on", "OFF", "y", "N", "true", "True", "~", "null", "Null", "", "yEs"),
    *(
        "0o17",
        "017",
        "08",
        "1e3",
        "1E3",
        "1e+3",
        "1_000",
        "_1",
        "0x1F",
        "-0x1f",
        "0b11",
        "+1",
        "-0",
        "00",
        "1.",
    ),
    *(".5", "-.5", "1.0", "1.10", "1e-7", "12345678901234567", "9223372036854775807", "12345678901234567890"),
    *("1:30", "190:20:30", "2020-01-01", "2001-12-14t21:59:43.10-05:00", "2020-01-01 10:00:00"),
    *("1.2.3", "100m", "1Gi", "1E", "0x", ".e", "..", "--", "=", "!!str 1", "!!int '3'", "!mine x", "! 1"),
    *(
        "!!float 3",
        "!!bool 'yes'",
        "!!binary aGVsbG8=",
        "'x'",
        '"\\u00e9\\x41"',
        "a:b",
        "a #b",
        "a#b",
        "http://x/y",
    ),
    *(
        "{a:b}",
        "{a: b}",
        "[a: b]",
        '{"a":1}',
        "[a, ]",
        "|\n    x\n    ---\n    y",
        ">-\n    a\n    b",
        "|+\n    a\n\n",
    ),
    *("'a\n\n    b'", "plain\n    folded", "é日本", "1e1000", "0.1e-400", "99999999999999999999999"),
]
MANIFESTS = [
    *(f"{HEAD}data:\n  k: {text}\n" for text in TRICKY),
    *(f"{HEAD}data:\n  k: {text}" for text in ("|\n    a", ">\n    a", "a")),
    *(
        f"{HEAD}data:\n  ? {key}\n  : v\n"
        for key in ("yes", "1", "1.5", "0x1f", "1e3", "1e30", "2020-01-01", "'1'")
    ),
    f"{HEAD}data: &x {{p: 1, q: 2}}\nmore:\n  p: 0\n  <<: *x\nthen:\n  <<: *x\n  p: 5\n",
    f"{HEAD}a: &x {{p: 1}}\nb: &y {{p: 2, r: 3}}\nc:\n  <<: [*x, *y]\n",
    f"{HEAD}a: &k b\n*k : 1\n",
    f"{HEAD}a: 1\na: 2\n",
    f"# c\n---\n{HEAD}---\n# nothing\n--- # c\n{HEAD}a: 1\n---\n",
    f"\ufeff{HEAD}a: 1\n",
    f"{HEAD}a: |\n  x\n  y\n".replace("\n", "\r\n"),
    '{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "a": 1.0, "b": 1e3}',
    '{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "a": 1, "a": 2}',
    f"{HEAD}a: !!set {{x, y}}\n",
    f"{HEAD}a:\tb\n",
]
REFUSED = [
    *(
        "a: *nope",
        "a: &x [*x]",
        "a: .nan",
        'a: "\\/"',
        "a: @x",
        "a: `x",
        "a: [1",
        "a: b: c",
        "\ta: 1",
        "{a: b}: 1",
    ),
    *("a: \x07", "a: -", "a: a\u2028b", "~: 1", "a: !!int x", "- a", "a: 'x", "%a"),
]


@pytest.fixture(scope="module")
async def kubectl():
    return (await ensure(["kubectl"]))["kubectl"]


def read_by(kubectl, manifest: str):
    """What kubectl reads, without the annotation that it is asked to add; ``None`` where it refuses."""
    command = [kubectl, "annotate", "--local", "--filename=-", "asked=yes", "--output=json"]
    done = subprocess.run(command, input=manifest.encode(), capture_output=True, timeout=60, check=False)
    if done.returncode:
        return None
    decoder, text, found, place = json.JSONDecoder(), done.stdout.decode(), [], 0
    while place < len(text.rstrip()):
        value, place = decoder.raw_decode(text, place)
        place += len(text[place:]) - len(text[place:].lstrip())
        del value["metadata"]["annotations"]
        found.append(value)
    return found


def same(ours, theirs) -> bool:
    """Say whether two values are one in JSON; kubectl has large integers as floats."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, bool) or isinstance(theirs, bool) or not isinstance(ours, int | float):
        return type(ours) is type(theirs) and ours == theirs
    return isinstance(theirs, int | float) and float(ours) == float(theirs)


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_is_read_as_kubectl_reads_it(kubectl, manifest):
    theirs = read_by(kubectl, manifest)
    ours = list(documents(decode(manifest.encode())))
    assert theirs is not None, "kubectl takes it"
    assert not any(isinstance(each, BrokenManifestError) for each in ours), ours
    assert same([each.value for each in ours], theirs), (ours, theirs)


@pytest.mark.parametrize("text", REFUSED)
def test_what_kubectl_refuses_is_refused(kubectl, text):
    manifest = f"{HEAD}{text}\n"
    assert read_by(kubectl, manifest) is None
    assert any(isinstance(each, BrokenManifestError) for each in documents(manifest))
