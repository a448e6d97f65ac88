"""The one family of errors that Moorage shows to a person."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status says."""

    OK = 0
    FINDINGS = 1
    FAILURE = 2


class MoorageError(Exception):
    """Something a person must act on: what is wrong, where, and what to do about it.

    Args:
        message: What is wrong and where, in one line.
        hint: What to do about it, in one line.
    """

    exit_code: ExitCode = ExitCode.FAILURE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message
