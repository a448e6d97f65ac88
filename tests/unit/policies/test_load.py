"""Reading libraries: what is in one, and what is said when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moorage.cache import Cache
from moorage.policies.load import builtin_library_path, combine, load_library, read_library
from moorage.policies.model import Engine, GroupVersionKind, LibraryError
from moorage.reports.findings import Severity

from .builders import EXPANSIONS, REGO, Files, library, policy_files, set_files


def changed(files: Files, path: str, **fields: object) -> Files:
    """Files with fields of one of them set ("spec__title")."""
    content = json.loads(files[path])
    for name, value in fields.items():
        *steps, last = name.split("__")
        at = content
        for step in steps:
            at = at[step]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return {**files, path: json.dumps(content).encode()}


GOOD = policy_files("bad-names")
POLICY, TEMPLATE, CONSTRAINT = (
    f"policies/bad-names/{part}.yaml" for part in ("policy", "template", "constraint")
)


def write(folder: Path, files: Files) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text)


def test_a_library_is_read():
    inventory = [
        {"version": "v1", "kind": "Service"},
        {"group": "apps", "version": "v1", "kind": "Deployment"},
    ]
    found = library(
        policy_files("cel-names"),
        policy_files("rego-names", rego=REGO, inventory=inventory),
        set_files("naming", ["cel-names", {"name": "rego-names", "parameters": {"a": 1}}]),
        EXPANSIONS,
    )
    cel, rego = found.policies.values()
    assert (cel.name, cel.engine, cel.severity) == ("cel-names", Engine.CEL, Severity.HIGH)
    assert (rego.engine, rego.kind) == (Engine.REGO, "TestRegoNames")
    assert rego.inventory == (
        GroupVersionKind("", "v1", "Service"),
        GroupVersionKind("apps", "v1", "Deployment"),
    )
    assert [(entry.policy, entry.parameters) for entry in found.sets["naming"].entries] == [
        ("cel-names", {}),
        ("rego-names", {"a": 1}),
    ]
    assert [expansion["metadata"]["name"] for expansion in found.expansions] == [
        "expand-workloads",
        "expand-jobs",
        "expand-cronjobs",
    ]


def test_the_library_that_comes_with_moorage_is_one():
    found = load_library(builtin_library_path())
    assert len(found.policies) == 63
    combine([found])  # every set names policies that there are


def test_a_folder_of_policies_alone_is_a_library(tmp_path: Path):
    write(tmp_path, {path.removeprefix("policies/"): text for path, text in GOOD.items()})
    assert list(load_library(tmp_path).policies) == ["bad-names"]


def test_a_library_says_its_name_and_version():
    said = b"""
apiVersion: policy.moorage.dev/v1alpha1
kind: PolicyLibrary
metadata: {name: company}
spec: {version: 1.4.0}
"""
    found = library(GOOD, {"library.yaml": said}, name="folder")
    assert (found.name, found.version) == ("company", "1.4.0")
    assert (library(GOOD, name="folder").name, library(GOOD).version) == ("folder", "")


def test_the_digest_changes_with_what_decides_and_not_with_tests():
    same = library({**GOOD, "policies/bad-names/suite.yaml": b"x", "README.md": b"y"})
    other = library(changed(GOOD, CONSTRAINT, spec__enforcementAction="warn"))
    assert library(GOOD).digest == same.digest != other.digest


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "test: there is no policy here"),
        ({POLICY: GOOD[POLICY]}, "policy bad-names: test/policies/bad-names/template.yaml is missing"),
        ({**GOOD, POLICY: b"a: [1"}, r"^test/policies/bad-names/policy\.yaml:2:1: this is not YAML"),
        ({**GOOD, POLICY: b"kind: Policy\n\tx: 1"}, r"policy\.yaml:2:\d+: this is not YAML"),
        ({**GOOD, POLICY: b"- 1"}, r"policy\.yaml:1: a document is an object, not list"),
        ({**GOOD, POLICY: GOOD[POLICY] + b"\n---\na: 1"}, "one document is wanted, there are 2"),
        (changed(GOOD, POLICY, metadata__name="other"), "metadata.name is 'other'; it should be 'bad-names'"),
        (changed(GOOD, POLICY, spec__severity="bad"), "spec.severity is 'bad'; it is one of critical, high"),
        (changed(GOOD, POLICY, spec__category="x"), "spec.category is 'x'"),
        (changed(GOOD, POLICY, spec__title=None), "spec.title is missing"),
        (changed(GOOD, POLICY, spec__titel="x"), "spec.titel is not a field"),
        (changed(GOOD, POLICY, spec__references=["x"]), "spec.references is not a list of objects"),
        (changed(GOOD, TEMPLATE, metadata__name="x"), "metadata.name is 'x'; it should be 'testbadnames'"),
        (changed(GOOD, TEMPLATE, spec__targets=[]), "one target is wanted, there are 0"),
        (changed(GOOD, CONSTRAINT, kind="Other"), "kind is 'Other'; it should be 'TestBadNames'"),
        (changed(GOOD, CONSTRAINT, metadata__name="x"), "metadata.name is 'x'; it should be 'bad-names'"),
        ({**GOOD, **set_files("Naming", [])}, "metadata.name is 'Naming'"),
        ({**GOOD, **set_files("naming", ["bad-names", "bad-names"])}, "bad-names is listed twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(files: Files, says: str):
    with pytest.raises(LibraryError, match=says):
        library(files)


def test_the_place_counts_comments_and_names_the_policy():
    text = b"# a comment\n\n" + GOOD[POLICY].replace(b'"high"', b'"highest"')
    with pytest.raises(LibraryError) as caught:
        library({**GOOD, POLICY: text})
    assert caught.value.message.startswith(f"test/{POLICY}:3: policy bad-names: spec.severity is 'highest'")


def test_a_folder_that_is_not_there_is_one_error(tmp_path: Path):
    with pytest.raises(LibraryError, match="No such file"):
        load_library(tmp_path / "none")


def test_a_date_stays_the_text_it_is():
    files = changed(policy_files("dates"), "policies/dates/constraint.yaml", spec__parameters={"day": "X"})
    text = files["policies/dates/constraint.yaml"].replace(b'"X"', b"2027-03-31")
    found = library({**files, "policies/dates/constraint.yaml": text})
    assert found.policies["dates"].parameters == {"day": "2027-03-31"}


# --- Several together ------------------------------------------------------------------------------------


def test_two_policies_of_one_name_are_an_error_that_says_where():
    mine, theirs = library(GOOD, name="mine"), library(GOOD, name="theirs")
    with pytest.raises(LibraryError, match=r"two policies are called bad-names: mine/.* and theirs/"):
        combine([theirs, mine])


def test_two_policies_of_one_kind_are_an_error():
    twin = {
        path.replace("bad-names", "badnames"): text.replace(b'"bad-names"', b'"badnames"')
        for path, text in GOOD.items()
    }
    with pytest.raises(LibraryError, match="two policies make the kind TestBadNames"):
        combine([library(GOOD), library(twin, name="other")])


def test_two_sets_of_one_name_are_an_error():
    first, second = (library(GOOD, set_files("naming", [])), library(set_files("naming", []), name="other"))
    with pytest.raises(
        LibraryError, match=r"two sets are called naming: other/sets/naming\.yaml:1 and test/"
    ):
        combine([first, second])


def test_a_set_takes_up_policies_of_another_library():
    policies, sets = combine([library(GOOD), library(set_files("ours", ["bad-names"]), name="team")])
    assert sets["ours"].entries[0].policy in policies


def test_a_set_that_names_no_policy_is_an_error():
    with pytest.raises(LibraryError, match="set ours names a policy that there is not: gone"):
        combine([library(GOOD, set_files("ours", ["gone"]))])


# --- Remembered ------------------------------------------------------------------------------------------


def test_what_is_remembered_is_what_is_read(tmp_path: Path):
    files = {**GOOD, **policy_files("dates", parameters={"a": 1.5, "b": None, "1": [True]}), **EXPANSIONS}
    with Cache(tmp_path) as cache:
        fresh = read_library(files, name="x", origin="x", cache=cache)
        assert read_library(files, name="x", origin="x", cache=cache) == fresh
    assert read_library(files, name="x", origin="x") == fresh


def test_the_same_files_elsewhere_are_said_to_be_there(tmp_path: Path):
    with Cache(tmp_path) as cache:
        read_library(GOOD, name="x", origin="here", cache=cache)
        found = read_library(GOOD, name="x", origin="there", cache=cache)
    assert found.policies["bad-names"].at("template") == "there/policies/bad-names/template.yaml:1"
