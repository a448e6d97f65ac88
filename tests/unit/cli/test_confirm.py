"""Before something cannot be undone, a person is asked."""

from __future__ import annotations

import io
import signal
import sys

import pytest

from moorage.cli._confirm import confirm
from moorage.cli._run import run
from moorage.errors import MoorageError


class Terminal(io.StringIO):
    """What a person types; ``^C`` is that key."""

    def isatty(self):
        return True

    def readline(self, _size=-1):
        if self.getvalue() == "^C":
            signal.raise_signal(signal.SIGINT)
            return "y\n"  # who only asks to be ended later goes on with this
        return super().readline()


@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_yes_goes_on(monkeypatch, answer, capsys):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    confirm("all of it will be gone", yes=False)
    assert capsys.readouterr().err == "all of it will be gone. Go on? [y/N] "


@pytest.mark.parametrize("answer", ["", "\n", "no\n", "yes, but\n"])
def test_everything_else_is_no(monkeypatch, answer):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    with pytest.raises(MoorageError, match="nothing was changed"):
        confirm("all of it will be gone", yes=False)


def test_ctrl_c_ends_it_at_once_also_within_what_is_asynchronous(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Terminal("^C"))
    handler, done = signal.getsignal(signal.SIGINT), []

    async def work():
        confirm("all of it will be gone", yes=False)
        done.append("gone")

    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert not done
    assert capsys.readouterr().err.endswith("[y/N] \n")
    assert signal.getsignal(signal.SIGINT) is handler
