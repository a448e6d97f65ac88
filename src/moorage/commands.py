"""Running other programs to their end, and reading what they say."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from moorage.errors import MoorageError


def run(
    command: Sequence[str], *, seconds: float, late: str, error: type[MoorageError]
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever it says; nobody is asked anything.

    Args:
        command: the program and its arguments.
        seconds: how long it may take.
        late: what to say when it takes longer.
        error: what is raised when it cannot be run, or takes longer.

    Raises:
        MoorageError: of that kind.
    """
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        raise error(late) from expired
    except OSError as refused:
        raise error(f"{command[0]} cannot be run: {refused.strerror or refused}") from refused
