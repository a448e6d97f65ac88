"""A queue of keys to work on, with the promises that a level-triggered controller needs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

DEFAULT_FIRST_DELAY_SECONDS = 0.1
DEFAULT_LAST_DELAY_SECONDS = 60.0


class Timer(Protocol):
    """Something scheduled that can be called off."""

    def cancel(self) -> None:
        """Call it off."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after the n-th failure in a row: twice as long each time, with jitter."""

    first_seconds: float = DEFAULT_FIRST_DELAY_SECONDS
    last_seconds: float = DEFAULT_LAST_DELAY_SECONDS
    jitter: Callable[[], float] = random.random

    def after(self, failures: int) -> float:
        """Return the delay after so many failures in a row: between half and all of the doubled delay."""
        doublings = min(failures - 1, 60)
        delay = min(self.first_seconds * 2.0**doublings, self.last_seconds)
        return delay * (0.5 + 0.5 * self.jitter())


class WorkQueue(Generic[K]):
    """Keys to work on, each at most once at a time.

    - A key that is added several times before its turn gets one turn.
    - A key that is added while it is worked on gets another turn afterwards: no news is lost.
    - Turns come in the order of the adding; a busy key goes to the back.
    - A key waits for at most one later turn (`add_after`, `retry`): the last word counts, and a turn that
      comes earlier replaces it.

    It belongs to one event loop, and is not for several threads.

    Args:
        backoff: the delays of `retry`.
        call_later: what schedules; the running loop's by default.
    """

    def __init__(
        self,
        backoff: Backoff | None = None,
        call_later: Callable[[float, Callable[[], None]], Timer] | None = None,
    ) -> None:
        self._backoff = backoff or Backoff()
        self._call_later = call_later or (
            lambda delay, call: asyncio.get_running_loop().call_later(delay, call)
        )
        self._ready: asyncio.Queue[K | None] = asyncio.Queue()
        self._wanted: set[K] = set()
        self._running: set[K] = set()
        self._later: dict[K, Timer] = {}
        self._failures: dict[K, int] = {}
        self._closed = False

    def __len__(self) -> int:
        """Return how many keys wait for a turn that is due."""
        return len(self._wanted)

    def add(self, key: K) -> None:
        """Ask for a turn of a key as soon as may be."""
        if key in self._wanted:
            return
        self._wanted.add(key)
        if key not in self._running:
            self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Ask for a turn of a key at a later time, in place of the later turn it may have."""
        self._call_off(key)
        if seconds <= 0:
            self.add(key)
        else:
            self._later[key] = self._call_later(seconds, lambda: self._due(key))

    def retry(self, key: K) -> float:
        """Ask for a turn of a key that has failed, later each time; return the delay in seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = self._backoff.after(self._failures[key])
        self.add_after(key, delay)
        return delay

    def succeeded(self, key: K) -> None:
        """Take note that a key has worked out: its next failure counts as the first."""
        self._failures.pop(key, None)

    async def get(self) -> K | None:
        """Wait for the next key and begin its turn, which `done` must end; ``None`` when it is closed."""
        return self._begin(None if self._closed else await self._ready.get())

    def get_nowait(self) -> K | None:
        """Begin the turn of the next key; ``None`` where none is due."""
        return None if self._ready.empty() else self._begin(self._ready.get_nowait())

    def done(self, key: K) -> None:
        """End the turn of a key."""
        self._running.remove(key)
        if key in self._wanted:
            self._ready.put_nowait(key)

    def close(self) -> None:
        """Give no more turns."""
        self._closed = True
        for key in list(self._later):
            self._call_off(key)
        self._ready.put_nowait(None)

    def _begin(self, key: K | None) -> K | None:
        if self._closed or key is None:
            self._ready.put_nowait(None)  # for whoever else waits
            return None
        self._wanted.remove(key)
        self._running.add(key)
        self._call_off(key)
        return key

    def _due(self, key: K) -> None:
        self._later.pop(key, None)
        self.add(key)

    def _call_off(self, key: K) -> None:
        if timer := self._later.pop(key, None):
            timer.cancel()
