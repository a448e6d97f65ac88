"""The command lines of `moorage policy`; `tests/e2e/test_policy.py` runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from moorage.cli import policy_test
from moorage.cli._flags import Declaration, Flag, Takes
from moorage.cli._libraries import cluster_of, parse_floor, read_libraries
from moorage.cli.main import run
from moorage.errors import MoorageError
from moorage.policies.model import Action

DECLARATION = Declaration(
    "policy test",
    words="paths",
    words_metavar="PATH",
    words_help="Paths.",
    flags=(
        Flag("chosen", ("--set", "-s"), "Sets.", "SET", Takes.TEXTS),
        Flag("keys", ("--key",), "Keys.", "FILE", Takes.TEXTS, variable="MOORAGE_TEST_KEYS"),
        Flag("namespace", ("--namespace",), "Where.", "NAME", default="default"),
        Flag("context", ("--context",), "Which.", "NAME"),
        Flag("keep", ("--keep-going",), "Go on.", takes=Takes.NOTHING),
        Flag("cache", ("--cache",), "Remember.", takes=Takes.YES_OR_NO, default=True),
    ),
)


def by_typer(arguments: list[str], environ: dict[str, str]) -> dict:
    import typer

    got: dict = {}
    app = typer.Typer()
    app.command()(DECLARATION.as_typer(got.update, "Help."))
    done = CliRunner().invoke(app, arguments, env=environ)
    assert done.exit_code == 0, done.output
    return got


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a", "b"],
        ["a", "--set", "x", "b", "-s", "y"],
        ["-"],
        ["--no-cache", "--keep-going"],
        ["--cache", "--context", "c", "--namespace=n"],
        ["--set=x=y", "--", "a", "-b"],
        ["--key", "k"],
    ],
)
@pytest.mark.parametrize("environ", [{}, {"MOORAGE_TEST_KEYS": "from-environment"}])
def test_a_command_line_means_the_same_with_and_without_typer(arguments, environ):
    assert DECLARATION.parse(arguments, environ) == by_typer(arguments, environ)


@pytest.mark.parametrize("arguments", [["--nope"], ["--set"], ["--keep", "x"], ["--cache=1"]])
def test_a_command_line_that_is_none_is_told_in_a_line_and_a_hint(arguments):
    with pytest.raises(MoorageError) as error:
        DECLARATION.parse(arguments, {})
    assert "\n" not in error.value.message
    assert error.value.hint == "`moorage policy test --help` shows what there is"


def test_typer_is_not_loaded_to_judge(tmp_path):
    script = (
        "import sys\n"
        "from moorage.cli.main import run\n"
        "run(['policy', 'test', 'nope.yaml', '--builtin', '--policies', 'nope'])\n"
        "heavy = ('typer', 'pydantic', 'rich', 'lightkube', 'httpx2')\n"
        "sys.exit(any(name in sys.modules for name in heavy))\n"
    )
    for name in ("gator", "helm", "kubectl"):
        (tmp_path / name).touch(mode=0o755)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "MOORAGE_TOOLS": str(tmp_path)},
        timeout=60,
        check=False,
        capture_output=True,
    )
    assert b"nope" in done.stderr
    assert done.returncode == 0, done.stderr


def test_help_names_every_flag(capsys):
    assert run(["policy", "test", "--help"]) == 0
    told = capsys.readouterr().out
    assert all(spelling in told for flag in policy_test.DECLARATION.flags for spelling in flag.spellings)


@pytest.mark.parametrize(
    ("texts", "floor"),
    [
        ([], {}),
        (["baseline"], {"baseline": Action.ENFORCE}),
        (["baseline=warn", "cost=audit"], {"baseline": Action.WARN, "cost": Action.AUDIT}),
        (["baseline=warn", "baseline=enforce"], {"baseline": Action.ENFORCE}),
        (["baseline=enforce", "baseline=audit"], {"baseline": Action.ENFORCE}),
    ],
)
def test_sets_are_read_with_their_actions_the_strongest_counts(texts, floor):
    assert parse_floor(texts) == floor


def test_an_action_that_is_none_is_refused():
    with pytest.raises(MoorageError, match="block is not an action"):
        parse_floor(["baseline=block"])


def test_no_libraries_at_all_is_a_mistake():
    with pytest.raises(MoorageError, match="no policies are named"):
        read_libraries([], [], builtin=False)


def test_a_key_without_a_bundle_checks_nothing_unless_it_is_the_environments(monkeypatch):
    with pytest.raises(MoorageError, match="no bundle is named"):
        read_libraries(None, None, keys=["nope.pub"])
    monkeypatch.setenv("MOORAGE_POLICY_KEYS", "nope.pub")
    assert read_libraries(None, None, keys=["nope.pub"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-n", "Bad_NS"], "no namespace can be called that"),
        (["-f", "values.yaml"], "--values is for charts, and there is none in"),
        (["--value", "a=b"], "--value is for charts"),
        (["--release", "web"], "--release is for charts"),
    ],
)
def test_what_would_be_ignored_is_refused(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.yaml").write_text("a: 1\n")
    with pytest.raises(MoorageError, match=said):
        policy_test.main([*arguments, "web.yaml"])


def test_a_kubeconfig_without_a_context_asks_nobody():
    assert cluster_of(None, None) is None
    with pytest.raises(MoorageError, match="asks no cluster"):
        cluster_of(None, "kubeconfig")


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (["xml"], "-o xml is no format"),
        (["json", "text"], "two formats cannot both go to standard output"),
    ],
)
def test_formats_that_cannot_be_are_refused(outputs, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["policy", "test", *(f"--output={each}" for each in outputs)]) == 2
    assert said in capsys.readouterr().err


def test_the_pages_of_the_policies_are_what_the_policies_say(monkeypatch):
    from moorage.policies import pages

    monkeypatch.chdir(Path(__file__).parents[3])
    assert pages.main(["--check"]) == 0
