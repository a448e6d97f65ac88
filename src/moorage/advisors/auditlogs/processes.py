"""Reading audit logs on all cores: the only part that is about processes.

Plain files are split into parts of some megabytes, which processes take one by one; each counts for itself,
and what they have is put together at the end. How much memory that needs depends on how many different things
were asked for, not on how often.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final, Generic, Protocol, TypeVar

from moorage.advisors.auditlogs import reading
from moorage.advisors.auditlogs.logs import LogError, Source, close, open_sources
from moorage.advisors.auditlogs.reading import Part, parts_of, read

_WORTH_IT: Final = 4
"""How many parts are there before another process is worth its start."""

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Counting(reading.Counter, Protocol[Result_co]):
    """A counter that can say what it has."""

    def result(self) -> Result_co:
        """Return what was counted, as it goes from one process to another; called once, at the end."""


class Logs(Generic[Result]):
    """Some logs, and how they are counted.

    Args:
        paths: files, folders, or ``-``.
        counter: makes a counter; each process has its own.
    """

    def __init__(self, paths: Sequence[str], counter: Callable[[], Counting[Result]]) -> None:
        self._paths = paths
        self._counter = counter
        self.names: tuple[str, ...] = ()

    def count(self, workers: int | None = None) -> list[Result]:
        """Read them; return what each counter has. `names` is then what was read.

        Args:
            workers: how many processes read; as many as there are cores without. One is this process itself.

        Raises:
            LogError: a log cannot be read.
        """
        sources = open_sources(self._paths)
        self.names = tuple(source.name for source in sources)
        try:
            parts = parts_of(sources)
            count = min(workers or cores(), max(len(parts), 1))
            if workers is None and len(parts) < _WORTH_IT and all(part.end <= 1 << 20 for part in parts):
                count = 1
            if count == 1 or threading.active_count() > 1:  # a fork would copy locks that other threads hold
                counter = self._counter()
                for part in parts:
                    _read(part, sources, counter)
                return [counter.result()]
            return self._in_processes(parts, sources, count)
        finally:
            close(sources)

    def _in_processes(self, parts: list[Part], sources: list[Source], count: int) -> list[Result]:
        context = multiprocessing.get_context("fork")
        following = context.Value("q", 0)
        running = []
        try:
            for _ in range(count):
                receive, send = context.Pipe(duplex=False)
                process = context.Process(
                    target=self._work, args=(parts, sources, following, send), daemon=True
                )
                process.start()
                send.close()
                running.append((process, receive))
            results: list[Result] = [_received(receive) for _, receive in running]
            for process, _ in running:
                process.join()
        finally:
            for process, receive in running:
                receive.close()
                if process.is_alive():
                    process.terminate()
                    process.join()
        return results

    def _work(self, parts: list[Part], sources: list[Source], following: Any, send: Connection) -> None:
        counter = self._counter()
        try:
            while True:
                with following.get_lock():
                    number = following.value
                    following.value += 1
                if number >= len(parts):
                    break
                _read(parts[number], sources, counter)
            send.send(counter.result())
        except KeyboardInterrupt:
            pass  # whoever has started it says so
        except LogError as error:
            send.send(error.message)
        finally:
            send.close()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _received(receive: Connection) -> Any:
    try:
        result = receive.recv()
    except EOFError:
        raise LogError(
            "a process that reads the log has ended before its work", hint="is there enough memory?"
        ) from None
    if isinstance(result, str):
        raise LogError(result)
    return result


def _read(part: Part, sources: list[Source], counter: reading.Counter) -> None:
    source = sources[part.source]
    try:
        read(part, source, counter)
    except OSError as error:
        raise LogError(f"{source.name}: {error.strerror or error}") from error
