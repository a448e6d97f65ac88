"""Asking the child that reads metrics: one at a time, and not for ever."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from moorage.advisors.resources.wire import Answer, Question, decode, encode
from moorage.errors import MoorageError

TIMEOUT_SECONDS: Final = 600.0
"""Ten thousand containers and two weeks take about one of these minutes."""

_COMMAND: Final = (sys.executable, "-m", "moorage.advisors.resources.worker")
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_LAST: Final = 300


class ChildError(MoorageError):
    """A child that ended without an answer, or went on without one."""


class Child:
    """Asks; every question has a process of its own, and the next one waits until it has ended.

    Credentials go through its input, never into its arguments or its environment. It is killed when whoever
    waits for the answer is cancelled, and ends by itself when this process does, however that comes.
    """

    def __init__(
        self, command: Sequence[str] = _COMMAND, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._command = tuple(command)
        self._seconds = timeout_seconds
        self._turn = asyncio.Lock()

    async def ask(self, question: Question) -> Answer:
        """Return the answer to a question.

        Raises:
            ChildError: there is none.
            WireError: it is not one.
            MoorageError: what the child says that is in the way.
        """
        async with self._turn:
            answer = decode(await self._run(encode(question)), Answer)
        if answer.trouble is not None:
            raise MoorageError(answer.trouble.message, hint=answer.trouble.hint or None)
        return answer

    async def _run(self, line: bytes) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **_ONE_THREAD},
            )
        except OSError as error:
            raise ChildError(f"what reads metrics cannot be started: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(self._seconds):
                said, complaint = await _exchange(process, line)
        except TimeoutError:
            raise ChildError(f"metrics were not read within {self._seconds:.0f} s") from None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if process.returncode:
            why = " ".join(complaint.decode(errors="replace").split())[-_LAST:]
            raise ChildError(
                f"what reads metrics ended with status {process.returncode}: {why or 'silently'}"
            )
        return said


async def _exchange(process: asyncio.subprocess.Process, line: bytes) -> tuple[bytes, bytes]:
    """Send a question, and return what comes until the child has ended. Its input stays open so long."""
    assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - all three are pipes
    reading = asyncio.gather(process.stdout.read(), process.stderr.read())
    with suppress(ConnectionError):  # it has ended already: what it complains of says more
        process.stdin.write(line)
        await process.stdin.drain()
    said, complaint = await reading
    await process.wait()
    return said, complaint
