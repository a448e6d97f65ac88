"""Asking before something cannot be undone."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from moorage.errors import MoorageError

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def confirm(consequence: str, *, yes: bool) -> None:
    """Ask a person whether to go on; without a terminal, only ``--yes`` is an answer.

    Raises:
        MoorageError: the answer is no, or nobody can be asked.
        KeyboardInterrupt: the answer is Ctrl-C.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise MoorageError(f"{consequence}, and nobody can be asked", hint="say --yes if that is meant")
    sys.stderr.write(f"{consequence}. Go on? [y/N] ")
    sys.stderr.flush()
    with _interruptible():
        answer = sys.stdin.readline()
    if answer.strip().lower() not in ("y", "yes"):
        raise MoorageError("nothing was changed")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end what blocks here at once.

    asyncio takes the first one for the end of the task that runs, and that is the one that waits for a line.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise
    finally:
        signal.signal(signal.SIGINT, before)
