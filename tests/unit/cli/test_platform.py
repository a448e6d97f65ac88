"""``moorage up`` where nothing is to be done, and the logs of the platform's components."""

from __future__ import annotations

import pytest

from moorage.cli import main as cli
from moorage.cli.platform import growth, last_lines
from moorage.local.errors import NotRunningError
from moorage.local.management import MANAGEMENT_PROGRAMS
from moorage.local.supervisor import ProcessStatus, Supervisor


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "logs").mkdir()
    for name in ("etcd", "management.kube-apiserver", "operator"):
        (tmp_path / "logs" / f"{name}.log").write_text("".join(f"{name} {n}\n" for n in range(100)))
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path))
    return tmp_path


def processes(first_pid, *, missing=()):
    return {
        name: ProcessStatus(name, "BACKOFF" if name in missing else "RUNNING", first_pid + number, 0.0, "")
        for number, name in enumerate((*MANAGEMENT_PROGRAMS, "of-a-user-cluster"))
    }


@pytest.mark.parametrize(
    ("before", "after", "already"),
    [
        (processes(100), processes(100), True),
        (processes(100), processes(200), False),
        (processes(100, missing=("operator",)), processes(100), False),
        (None, processes(100), False),
    ],
)
def test_a_platform_that_runs_is_not_said_to_have_been_started(
    home, monkeypatch, capsys, before, after, already
):
    seen = iter([before, after])

    def statuses(self):
        found = next(seen)
        if found is None:
            raise NotRunningError(home)
        return found

    async def done(*_, **__):
        return None

    monkeypatch.setattr(Supervisor, "statuses", statuses)
    monkeypatch.setattr("moorage.toolchain.ensure", done)
    monkeypatch.setattr("moorage.local.platform.up", done)
    assert cli.run(["up"]) == 0
    said = capsys.readouterr().err
    assert ("the platform is already running" in said) is already
    assert ("the platform is ready after" in said) is not already


def test_without_a_component_all_are_named(home, capsys):
    assert cli.run(["logs"]) == 0
    assert capsys.readouterr().out.split() == ["etcd", "management.kube-apiserver", "operator"]


def test_where_nothing_was_started_there_are_no_logs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path / "none"))
    for arguments in (["logs"], ["logs", "etcd"]):
        assert cli.run(arguments) == 2
        assert "there are no logs in" in capsys.readouterr().err


def test_stopping_what_is_not_there_is_no_error_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path / "none"))
    assert cli.run(["down"]) == 0
    assert "there is no platform in" in capsys.readouterr().err


def test_the_last_lines_are_shown(home, capsys):
    assert cli.run(["logs", "etcd", "-n", "2"]) == 0
    assert capsys.readouterr().out == "etcd 98\netcd 99\n"
    cli.run(["logs", "etcd", "-n", "0"])
    assert len(capsys.readouterr().out.splitlines()) == 100


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("kube-apiserver", "management.kube-apiserver"),
        ("web-1.kube-apiserver", "web-1.kube-apiserver"),
        ("kube-scheduler", "web-1.kube-scheduler"),
        ("web.gatekeeper", "web-fb47e752b8.gatekeeper"),
        ("shop/web.gatekeeper", "web-fb47e752b8.gatekeeper"),
    ],
)
def test_the_end_of_a_name_is_enough_where_it_says_which(home, capsys, said, meant):
    clusters = ("web-fb47e752b8.gatekeeper", "web-two-fb47e752b9.gatekeeper")
    for name in ("web-1.kube-apiserver", "web-1.kube-scheduler", *clusters):
        (home / "logs" / f"{name}.log").write_text(f"{name} 99\n")
    assert cli.run(["logs", said, "-n", "1"]) == 0
    assert capsys.readouterr().out == f"{meant} 99\n"


@pytest.mark.parametrize(
    ("said", "guess"),
    [
        ("apiserver", "; did you mean management.kube-apiserver?"),
        ("operater", "; did you mean operator?"),
        ("zzz", "there is no log of zzz\n"),
    ],
)
def test_a_component_that_is_not_there_is_guessed(home, capsys, said, guess):
    assert cli.run(["logs", said]) == 2
    assert guess in capsys.readouterr().err


def test_what_is_not_text_is_shown_as_far_as_it_goes(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"a\xff\n")
    assert last_lines(path, 5) == ["a\ufffd\n"]


def test_a_log_is_followed_over_a_rotation(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.write_text("old\n")
    steps = iter(
        [
            lambda: path.write_text("old\nnew\n"),
            lambda: path.rename(tmp_path / "log.1"),
            lambda: path.write_text("rotated\n"),
            lambda: path.write_text(""),
            lambda: path.write_text("again\n"),
        ]
    )
    monkeypatch.setattr("moorage.cli.platform.time.sleep", lambda _: next(steps)())
    grown = growth(path)
    assert [next(grown) for _ in range(3)] == ["new\n", "rotated\n", "again\n"]
    grown.close()
