"""A live view of what is waited for: rows that move on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType

REFRESHES_PER_SECOND = 8
SECONDS_BETWEEN_LINES = 2.0
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class State(StrEnum):
    """How far a row is."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is waited for.

    Args:
        name: What it is.
        text: How far it is, and why no further.
        state: Whether it is still waited for.
        indent: How deep below the row above it is shown.
    """

    name: str
    text: str = ""
    state: State = State.WAITING
    indent: int = 0


@dataclass(frozen=True, slots=True)
class _Shown:
    row: Row
    since: float
    told: float
    until: float | None = None

    def seconds(self, now: float) -> float:
        return (self.until if self.until is not None else now) - self.since


class Board:
    """Shows rows, each with how long it took; on stderr, so that a result can be piped on.

    Args:
        title: What is done, above the rows.
        stream: Where to show it.
        clock: Returns seconds.
        extra: What else is shown below the rows on a terminal, such as progress bars.
    """

    def __init__(
        self,
        title: str = "",
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        extra: RenderableType | None = None,
    ) -> None:
        self._title = title
        self._stream = stream or sys.stderr
        self._clock = clock
        self._extra = extra
        self._started = clock()
        self._rows: dict[str, _Shown] = {}
        self._live: Any = None

    @property
    def is_live(self) -> bool:
        """Whether rows move, as on a terminal."""
        return self._stream.isatty()

    def __enter__(self) -> Board:
        self._started = self._clock()
        if self.is_live:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                get_renderable=self._render,
                console=Console(file=self._stream, highlight=False),
                refresh_per_second=REFRESHES_PER_SECOND,
                vertical_overflow="visible",
            )
            self._live.__enter__()
        elif self._title:
            self._line(self._title)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            for shown in list(self._rows.values()):
                if shown.row.state is State.WAITING:
                    self.show(replace(shown.row, state=State.FAILED))
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def show(self, row: Row) -> None:
        """Show a row for the first time, or how it is now."""
        now = self._clock()
        before = self._rows.get(row.name)
        if before is not None and before.row == row:
            return
        if self._live is None and before is not None and self._is_too_soon(before, row, now):
            return
        since = before.since if before is not None else now
        over = row.state is not State.WAITING
        until = before.until if before is not None and before.until is not None else now
        shown = _Shown(row, since, now, until if over else None)
        self._rows[row.name] = shown
        if self._live is None:
            self._line(self._plain(shown, now))

    def show_all(self, rows: Iterable[Row]) -> None:
        """Show what there is now; a row that is not among them any more is no longer shown."""
        wanted = list(rows)
        names = {row.name for row in wanted}
        for row in wanted:
            self.show(row)
        self._rows = {row.name: self._rows[row.name] for row in wanted if row.name in names}

    @staticmethod
    def _is_too_soon(before: _Shown, row: Row, now: float) -> bool:
        """Say whether a line was written for this row just now, and the new one would only be worded anew."""
        return row.state is before.row.state and now - before.told < SECONDS_BETWEEN_LINES

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def _plain(self, shown: _Shown, now: float) -> str:
        row = shown.row
        at = f"[{now - self._started:6.1f} s]"
        told = f": {row.text}" if row.text else ""
        if row.state is State.WAITING:
            return f"{at} {'  ' * row.indent}{row.name}{told or ' ...'}"
        if row.state is State.FAILED:
            told = ": not done"
        took = f" ({shown.seconds(now):.1f} s)" if shown.seconds(now) >= 0.05 else ""  # noqa: PLR2004
        return f"{at} {'  ' * row.indent}{row.name}{told or ': done'}{took}"

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        now = self._clock()
        spinner = _SPINNER[int(now * REFRESHES_PER_SECOND) % len(_SPINNER)]
        marks = {State.WAITING: (spinner, "cyan"), State.DONE: ("✓", "green"), State.FAILED: ("✗", "red")}
        width = max((len(shown.row.name) + 2 * shown.row.indent for shown in self._rows.values()), default=0)
        lines: list[RenderableType] = []
        if self._title:
            lines.append(Text(f"{self._title}  {now - self._started:.0f} s", style="bold"))
        for shown in self._rows.values():
            mark, style = marks[shown.row.state]
            name = f"{'  ' * shown.row.indent}{shown.row.name}".ljust(width)
            line = Text.assemble(
                (f" {mark} ", style), name, (f"  {shown.seconds(now):5.1f} s", "dim"), "  ", shown.row.text
            )
            line.no_wrap, line.overflow = True, "ellipsis"
            lines.append(line)
        if self._extra is not None:
            lines.append(self._extra)
        return Group(*lines)
