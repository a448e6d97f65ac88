"""What audit logs show, of all their parts together."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Any

from moorage.advisors.auditlogs.lines import PROBLEMS
from moorage.advisors.auditlogs.processes import Logs
from moorage.advisors.permissions.counting import SLOTS, Counter
from moorage.advisors.permissions.model import Tally, Usage, Who
from moorage.advisors.permissions.store import Store


def scan(paths: Sequence[str], *, workers: int | None = None) -> Usage:
    """Read audit logs, and return what they show.

    Args:
        paths: files, folders, or ``-``.
        workers: how many processes read; as many as there are cores without. One is this process itself.

    Raises:
        LogError: a log cannot be read.
    """
    table = _table()
    logs = Logs[_Result](paths, lambda: _Handing(table))
    return _together(logs.count(workers), logs.names)


def _table() -> Any:
    """Return the memory of audit IDs; processes that are forked later share it."""
    return memoryview(mmap.mmap(-1, SLOTS * 8)).cast("Q")


_Result = tuple[list[Any], dict[Who, int], set[str], Tally, list[str]]


class _Handing(Counter):
    """A counter that hands over what it has."""

    def result(self) -> _Result:
        """Return what was counted."""
        self.flush()
        store = self.store
        return store.rows(), store.denied, store.days, self.tally, self.problems


def _together(results: Sequence[_Result], names: tuple[str, ...]) -> Usage:
    store, tally, problems = Store(), Tally(), list[str]()
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
        sources=names,
    )
