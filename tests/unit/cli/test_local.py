"""``moorage local``, as far as it needs no platform."""

from __future__ import annotations

import subprocess
import sys

import pytest

from moorage.providers.local.faults import SYMPTOMS, Fault


def local(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "moorage", "local", "fault", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["inject", "shop/web", "node-gone"], "which machine is to fail?"),
        (
            ["inject", "shop/web", "node-gone", "--machine", "a", "--pool", "b"],
            "which machine is to fail?",
        ),
        (["inject", "shop/web", "meteor", "--machine", "a"], "invalid value for 'FAULT': 'meteor'"),
        (["clear", "shop/web"], "which machine is to be well again?"),
        (["clear", "shop/web", "--machine", "a", "--all"], "which machine is to be well again?"),
    ],
)
def test_a_command_that_does_not_say_which_machine_is_refused(arguments, error):
    done = local(*arguments)
    assert done.returncode == 2
    assert f"error: {error}" in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_says_what_each_fault_does():
    said = " ".join(local("inject", "--help").stdout.split())
    for fault in Fault:
        assert f"{fault.value}: {SYMPTOMS[fault].summary}." in said
