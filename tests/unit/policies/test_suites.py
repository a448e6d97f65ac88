"""Reading what `gator verify` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage.policies.model import PolicyError
from moorage.policies.scaffold import write_policy
from moorage.policies.suites import Case, find_suites, read_output

PATH = Path("suite.yaml")
OUTPUT = """\
=== RUN   one
    === RUN   allowed
    --- PASS: allowed\t(0.016s)
    === SKIP  later
    === RUN   denied
    --- FAIL: denied\t(0.005s)
        unexpected number of violations: got 1 but want 2:
got messages [a
b]
--- FAIL: one\t(0.035s)
=== SKIP  two
=== RUN   refused
--- PASS: refused\t(0.001s)
=== RUN   three
--- FAIL: three\t(0.002s)
  adding template: no such file
FAIL\tsuite.yaml\t0.123s
FAIL

"""


def test_every_case_is_read_with_what_was_wrong():
    suite = read_output(PATH, OUTPUT)
    assert suite.cases == (
        Case("one", "allowed", seconds=0.016),
        Case("one", "later", skipped=True),
        Case(
            "one", "denied", "unexpected number of violations: got 1 but want 2:\ngot messages [a\nb]", 0.005
        ),
        Case("two", "", skipped=True),
        Case("refused", "", seconds=0.001),
        Case("three", "", "adding template: no such file", 0.002),
    )
    assert suite.problem == ""
    assert suite.seconds == 0.123
    assert [case.name for case in suite.failed] == ["denied", ""]
    assert not suite.ok


def test_a_suite_that_passes_is_fine():
    output = """\
=== RUN   one
    === RUN   a
    --- PASS: a\t(0.1s)
--- PASS: one\t(0.1s)
ok\tsuite.yaml\t0.2s
PASS

"""
    suite = read_output(PATH, output)
    assert suite.ok
    assert suite.cases == (Case("one", "a", seconds=0.1),)


def test_a_suite_that_cannot_be_run_says_why():
    suite = read_output(PATH, "FAIL\tsuite.yaml\t0.0s\n  something is wrong\nFAIL\n\n")
    assert suite.problem == "something is wrong"
    assert not suite.ok


def test_suites_are_found_by_what_they_say(tmp_path):
    suite = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\n"
    (tmp_path / "a").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name, text in {
        "a/suite.yaml": suite,
        "b.yml": suite.replace("Suite", '"Suite" # c'),
        ".hidden/suite.yaml": suite,
        "other.yaml": "kind: Suite\napiVersion: example.com/v1\n",
        "readme.md": suite,
    }.items():
        (tmp_path / name).write_text(text)
    assert find_suites([tmp_path]) == [tmp_path / "a/suite.yaml", tmp_path / "b.yml"]
    assert find_suites([tmp_path / "b.yml", tmp_path]) == [tmp_path / "b.yml", tmp_path / "a/suite.yaml"]
    with pytest.raises(PolicyError, match="this is not a suite"):
        find_suites([tmp_path / "other.yaml"])
    with pytest.raises(PolicyError, match="no such file"):
        find_suites([tmp_path / "nope"])


@pytest.mark.parametrize("name", ["", "A", "a b", "a/b", "-a", "a-", "1a", "a" * 54, "../a"])
def test_a_policy_has_a_name_that_can_be(tmp_path, name):
    with pytest.raises(PolicyError, match="cannot be the name"):
        write_policy(tmp_path, name, rego=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rego", [True, False])
def test_a_new_policy_can_be_loaded(tmp_path, rego):
    from moorage.policies.load import load_library

    (tmp_path / "policies").mkdir()
    folder, files = write_policy(tmp_path, "team-label", rego=rego)
    assert folder == tmp_path / "policies/team-label"
    assert all(file.is_file() for file in files)
    policy = load_library(tmp_path).policies["team-label"]
    assert policy.kind == "TeamLabel"
    assert policy.parameters == {"label": "team"}
