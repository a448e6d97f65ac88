"""Asking before something cannot be undone."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from moorage.errors import MoorageError

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def confirm(consequence: str, *, yes: bool) -> None:
    """Ask a person whether to go on; without a terminal, only ``--yes`` is an answer.

    Raises:
        MoorageError: the answer is no, or nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise MoorageError(f"{consequence}, and nobody can be asked", hint="say --yes if that is meant")
    sys.stderr.write(f"{consequence}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise MoorageError("nothing was changed")
