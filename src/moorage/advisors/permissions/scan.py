"""Reading audit logs on all cores: the only part that is about processes.

Plain files are split into parts of some megabytes, which processes take one by one; each counts for itself,
and what they have is put together at the end. How much memory that needs depends on how many different things
were asked for, not on how often.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Final

from moorage.advisors.permissions.counting import PROBLEMS, SLOTS, Counter
from moorage.advisors.permissions.logs import LogError, Source, close, open_sources
from moorage.advisors.permissions.model import Tally, Usage, Who
from moorage.advisors.permissions.reading import Part, parts_of, read
from moorage.advisors.permissions.store import Store

_WORTH_IT: Final = 4
"""How many parts are there before another process is worth its start."""


def scan(paths: Sequence[str], *, workers: int | None = None) -> Usage:
    """Read audit logs, and return what they show.

    Args:
        paths: files, folders, or ``-``.
        workers: how many processes read; as many as there are cores without. One is this process itself.

    Raises:
        LogError: a log cannot be read.
    """
    sources = open_sources(paths)
    results: list[_Result]
    try:
        parts = parts_of(sources)
        count = min(workers or cores(), max(len(parts), 1))
        if workers is None and len(parts) < _WORTH_IT and all(part.end <= 1 << 20 for part in parts):
            count = 1
        if count == 1 or threading.active_count() > 1:  # a fork would copy locks that other threads hold
            counter = Counter(_table())
            for part in parts:
                _read(part, sources, counter)
            counter.flush()
            store, results = counter.store, [([], {}, set(), counter.tally, counter.problems)]
        else:
            store, results = Store(), _in_processes(parts, sources, count)
    finally:
        close(sources)
    return _together(store, results, sources)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _table() -> Any:
    """Return the memory of audit IDs; processes that are forked later share it."""
    return memoryview(mmap.mmap(-1, SLOTS * 8)).cast("Q")


_Result = tuple[list[Any], dict[Who, int], set[str], Tally, list[str]]


def _in_processes(parts: list[Part], sources: list[Source], count: int) -> list[_Result]:
    context = multiprocessing.get_context("fork")
    following, table = context.Value("q", 0), _table()
    running = []
    try:
        for _ in range(count):
            receive, send = context.Pipe(duplex=False)
            process = context.Process(
                target=_work, args=(parts, sources, following, table, send), daemon=True
            )
            process.start()
            send.close()
            running.append((process, receive))
        results = [_received(receive) for _, receive in running]
        for process, _ in running:
            process.join()
    finally:
        for process, receive in running:
            receive.close()
            if process.is_alive():
                process.terminate()
                process.join()
    return results


def _received(receive: Connection) -> _Result:
    try:
        result = receive.recv()
    except EOFError:
        raise LogError(
            "a process that reads the log has ended before its work", hint="is there enough memory?"
        ) from None
    if isinstance(result, str):
        raise LogError(result)
    rows, denied, days, tally, problems = result
    return rows, denied, days, tally, problems


def _work(parts: list[Part], sources: list[Source], following: Any, table: Any, send: Connection) -> None:
    counter = Counter(table)
    try:
        while True:
            with following.get_lock():
                number = following.value
                following.value += 1
            if number >= len(parts):
                break
            _read(parts[number], sources, counter)
        counter.flush()
        store = counter.store
        send.send((store.rows(), store.denied, store.days, counter.tally, counter.problems))
    except KeyboardInterrupt:
        pass  # whoever has started it says so
    except LogError as error:
        send.send(error.message)
    finally:
        send.close()


def _read(part: Part, sources: list[Source], counter: Counter) -> None:
    source = sources[part.source]
    try:
        read(part, source, counter)
    except OSError as error:
        raise LogError(f"{source.name}: {error.strerror or error}") from error


def _together(store: Store, results: list[_Result], sources: Sequence[Source]) -> Usage:
    tally, problems = Tally(), list[str]()
    for rows, denied, days, numbers, told in results:
        store.merge(rows, denied)
        store.days |= days
        tally.add(numbers)
        problems += told
    return Usage(
        seen=dict(store.seen()),
        denied=dict(store.denied),
        days=frozenset(store.days),
        tally=tally,
        problems=tuple(sorted(problems)[:PROBLEMS]),
        sources=tuple(source.name for source in sources),
    )
