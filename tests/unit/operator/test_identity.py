"""Who an operator is, and who is known to be dead."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from moorage.operator.health import Health, Stage
from moorage.operator.identity import Identity
from moorage.operator.settings import parse

HOME = Path("/srv/moorage")


@pytest.fixture
def me() -> Identity:
    return Identity.of_this_process(HOME)


def test_an_identity_is_read_as_it_was_written(me: Identity) -> None:
    assert Identity.read(str(me)) == me
    assert Identity.read("pod-7f9c_0b5e") is None
    assert Identity.read("") is None


def test_whoever_runs_is_not_dead(me: Identity) -> None:
    assert not me.knows_dead(me)
    assert not me.knows_dead(replace(me, nonce="other"))


def test_a_process_that_ended_is_dead(me: Identity) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    assert me.knows_dead(replace(me, pid=ended.pid))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux says when a process was started")
def test_another_process_with_the_same_id_is_not_the_one_that_led(me: Identity) -> None:
    assert me.started > 0
    assert me.knows_dead(replace(me, started=me.started - 1))
    assert me.knows_dead(replace(me, boot="before-the-reboot"))


def test_nobody_elses_processes_are_judged(me: Identity) -> None:
    other_platform = replace(Identity.of_this_process(Path("/srv/other")), pid=999_999_999)
    in_production = Identity.of_this_process(None)

    assert not me.knows_dead(other_platform)
    assert not me.knows_dead(replace(me, host="another", pid=999_999_999))
    assert not in_production.knows_dead(replace(in_production, pid=999_999_999))


def test_where_there_is_one_operator_nothing_is_ready_before_it_works() -> None:
    alone, one_of_many = Health(standby_is_ready=False), Health(standby_is_ready=True)

    assert (alone.ready, one_of_many.ready) == (False, True)
    for stage, ready in ((Stage.SYNCING, False), (Stage.WORKING, True), (Stage.STOPPING, False)):
        alone.stage = one_of_many.stage = stage
        assert (alone.ready, one_of_many.ready) == (ready, ready)


def test_the_command_line_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--kubeconfig=k", "--webhook-port=1", "--health-port=2", "--cert-file=c", "--key-file=f"]

    settings = parse([*arguments, "--ca-file=a", "--home=/h"])

    assert settings.home == Path("/h")
    assert settings.certificate.authority == Path("a")
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert "--ca-file" in capsys.readouterr().err
