"""How the command line starts and ends, as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from moorage import __version__
from moorage.cli import main as cli
from moorage.cli._app import ENTRIES, build

MOORAGE = (sys.executable, "-m", "moorage")


def moorage(*arguments, **environment):
    return subprocess.run(
        [*MOORAGE, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("arguments", "forbidden"),
    [
        (["token", "--help"], {"typer", "pydantic", "rich", "lightkube", "httpx2", "asyncio", "yaml"}),
        (["token", "--project", "shop"], {"typer", "pydantic", "rich", "lightkube", "httpx2", "asyncio"}),
        (["--help"], {"pydantic", "rich", "lightkube", "httpx2", "asyncio", "yaml"}),
        (["--version"], {"pydantic", "rich", "lightkube", "httpx2", "asyncio", "yaml"}),
        (["version"], {"rich", "lightkube", "httpx2", "asyncio", "yaml"}),
        (["cluster", "--help"], {"rich", "lightkube", "httpx2", "kube_custom_resource"}),
    ],
)
def test_a_command_that_must_start_at_once_loads_little(tmp_path, arguments, forbidden):
    """Time is measured by the bench; what takes it is imports, and those can be counted anywhere."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "moorage", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "MOORAGE_HOME": str(tmp_path), "MOORAGE_KUBECONFIG": ""},
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "moorage.cli.main" in imported
    assert imported & forbidden == set()


@pytest.mark.parametrize("asked", ["--version", "version"])
def test_the_version_is_printed_however_it_is_asked_for(asked):
    done = moorage(asked)
    assert (done.returncode, done.stdout) == (0, f"moorage {__version__}\n")


def test_all_commands_are_named_under_their_headings():
    done = moorage("--help")
    assert done.returncode == 0
    assert "The platform on this machine:" in done.stdout
    for entry in ENTRIES:
        assert f"  {entry.name} " in done.stdout
        assert entry.help in done.stdout


@pytest.mark.parametrize("arguments", [[], ["cluster"], ["project", "member"]])
def test_a_group_without_a_command_says_what_there_is_and_fails(arguments):
    done = moorage(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Usage: moorage")
    assert "error" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["clutser"], "no such command 'clutser'. Did you mean 'cluster'?"),
        (["cluster", "craete"], "no such command 'craete'. Did you mean 'create'"),
        (["cluster", "create", "web", "--nodez", "3"], "no such option: --nodez. Did you mean --nodes?"),
        (["cluster", "create", "web", "--nodes", "three"], "'--nodes': it is not a number"),
        (["cluster", "create", "web", "--nodes", "-1"], "greater than or equal to 0"),
        (["cluster", "create"], "missing argument 'CLUSTER'"),
        (["cluster", "create", "web", "--timeout", "soon"], "--timeout soon is no length of time"),
        (["advice", "apply", "web-1", "--watch", "soon"], "--watch soon is no length of time"),
        (["cluster", "scale", "web"], "how many nodes?"),
        (["cluster", "scale", "web", "--min", "1"], "--min and --max belong together"),
        (["cluster", "list", "-o", "xml"], "'xml' is not one of 'table', 'json', 'yaml', 'name'"),
        (["project", "member", "add", "shop", "ada", "--role", "boss"], "'boss' is not one of 'owner'"),
        (["project", "member", "add", "shop", "ada"], "missing option '--role'"),
        (["project", "create", "shop", "--max-cpu", "lots", "--dry-run"], '"lots" is not a quantity'),
    ],
)
def test_misuse_is_told_in_two_lines(arguments, told):
    done = moorage(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert told in first
    assert len(rest) <= 1
    assert all(line.startswith("hint: ") for line in rest)


def test_without_a_platform_the_way_to_one_is_said(tmp_path):
    done = moorage("cluster", "list", MOORAGE_HOME=str(tmp_path), MOORAGE_KUBECONFIG="")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: the platform in {tmp_path} is not running\nhint: start it with `moorage up`\n"
    )


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path):
    done = moorage("project", "list", MOORAGE_KUBECONFIG=str(tmp_path / "none"))
    assert done.returncode == 2
    assert f"MOORAGE_KUBECONFIG names {tmp_path / 'none'}, which is not a file" in done.stderr


def test_a_reader_that_has_enough_is_not_an_error():
    command = f"{sys.executable} -m moorage --help | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_output_that_cannot_be_written_is_an_error_in_one_line():
    command = f"{sys.executable} -m moorage policy list > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "error: what was found cannot be written: No space left on device\n",
    )


def test_an_interrupt_ends_in_one_line(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "etcd.log").write_text("begun\n")
    process = subprocess.Popen(
        [*MOORAGE, "logs", "etcd", "-f"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MOORAGE_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, told) == (130, "interrupted\n")


def _break(*_):
    raise ZeroDivisionError("something\nwrong")


def test_a_bug_is_told_in_two_lines_too(monkeypatch, capsys):
    monkeypatch.delenv("MOORAGE_DEBUG", raising=False)
    monkeypatch.setattr(cli, "_call", _break)
    assert cli.run(["x"]) == 2
    assert capsys.readouterr().err == (
        "error: ZeroDivisionError: something wrong\n"
        "hint: this is a bug of moorage; MOORAGE_DEBUG=1 shows where\n"
    )


def test_debugging_shows_where(monkeypatch):
    monkeypatch.setenv("MOORAGE_DEBUG", "1")
    monkeypatch.setattr(cli, "_call", _break)
    with pytest.raises(ZeroDivisionError):
        cli.run(["x"])


def test_the_help_of_a_command_is_the_same_with_and_without_its_module():
    from typer.main import get_command

    loaded, bare = get_command(build()), get_command(build(""))
    assert set(loaded.commands) == {entry.name for entry in ENTRIES}
    for entry in ENTRIES:
        if entry.target:
            limit = 100
            assert loaded.commands[entry.name].get_short_help_str(limit) == bare.commands[
                entry.name
            ].get_short_help_str(limit)


def _commands(command, path=()):
    for name, below in getattr(command, "commands", {}).items():
        yield (*path, name), below
        yield from _commands(below, (*path, name))


def test_every_command_and_option_says_what_it_is():
    from typer.main import get_command

    for path, command in _commands(get_command(build())):
        assert command.help, path
        first, stop, _ = " ".join(command.help.split()).partition(".")
        assert stop, path
        assert len(first) <= 65, f"{path}: it would be cut in a list of commands"
        for parameter in command.params:
            assert getattr(parameter, "help", None), (*path, parameter.name)


def test_completion_knows_commands():
    done = moorage(_MOORAGE_COMPLETE="complete_bash", COMP_WORDS="moorage cluster c", COMP_CWORD="2")
    assert done.stdout.split() == ["create"]
