"""How tools come: bars on a terminal, a line now and then elsewhere; on stderr, so results can be piped."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from moorage.toolchain.progress import Progress, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def shown(stream: TextIO | None = None) -> Iterator[Progress]:
    """Show a person what happens to tools, for as long as the context lasts."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield Lines(stream)
        return
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    bars = _bars(console)
    with bars:
        yield TerminalBars(bars)


def amount(done: int, total: int | None, unit: Unit) -> str:
    """Say how much is done, in the words of what is counted."""
    if unit is Unit.BYTES:
        of = f" of {_megabytes(total)}" if total else ""
        return f"{_megabytes(done)}{of}" if done else ""
    of = f" of {total}" if total else ""
    return f"{done}{of} {unit}" if done or total else ""


def _megabytes(size: int | None) -> str:
    return f"{(size or 0) / 1e6:.1f} MB"


@dataclass(slots=True)
class _Step:
    name: str
    unit: Unit
    began: float
    told: float
    told_of: bool


@dataclass(slots=True)
class Lines:
    """Plain lines: a step's beginning, a sign of life while it lasts, and what came of it.

    A download begins with its first bytes: a host that is not reached is no step of any tool.
    """

    stream: TextIO
    _steps: dict[str, _Step] = field(default_factory=dict, init=False)

    def started(self, tool: str, step: str, unit: Unit) -> None:
        """Write a line."""
        now = time.monotonic()
        self._steps[tool] = _Step(step, unit, now, now, told_of=unit is not Unit.BYTES)
        if unit is not Unit.BYTES:
            self._write(tool, step)

    def advanced(self, tool: str, done: int, total: int | None) -> None:
        """Write a line, if the last one is a while ago."""
        step, now = self._steps[tool], time.monotonic()
        if not step.told_of:
            step.told_of = True
            self._write(tool, step.name)
        if now - step.told >= _SECONDS_BETWEEN_LINES:
            step.told = now
            self._write(tool, f"{step.name}, {amount(done, total, step.unit)}, {now - step.began:.0f} s")

    def note(self, tool: str, text: str) -> None:
        """Write a line."""
        self._write(tool, text)

    def announce(self, text: str) -> None:
        """Write a line."""
        self.stream.write(f"{text}\n")
        self.stream.flush()

    def finished(self, tool: str, outcome: str) -> None:
        """Write a line."""
        self._write(tool, outcome)

    def _write(self, tool: str, text: str) -> None:
        self.stream.write(f"{tool}: {text}\n")
        self.stream.flush()


@dataclass(slots=True)
class TerminalBars:
    """A bar a tool: what, how much, how long."""

    bars: Bars
    _tasks: dict[str, TaskID] = field(default_factory=dict, init=False)
    _units: dict[str, Unit] = field(default_factory=dict, init=False)

    def started(self, tool: str, step: str, unit: Unit) -> None:
        """Begin the tool's bar anew for the step."""
        self._units[tool] = unit
        if tool not in self._tasks:
            self._tasks[tool] = self.bars.add_task(tool, total=None, step=step, amount="")
        else:
            self.bars.reset(self._tasks[tool], total=None, step=step, amount="")

    def advanced(self, tool: str, done: int, total: int | None) -> None:
        """Move the bar."""
        # A step with nothing to do would be a full bar that stands still.
        self.bars.update(
            self._tasks[tool],
            completed=done,
            total=total or None,
            amount=amount(done, total, self._units[tool]),
        )

    def note(self, tool: str, text: str) -> None:
        """Write a line above the bars."""
        self.bars.console.print(f"{tool}: {text}", style="dim", markup=False)

    def announce(self, text: str) -> None:
        """Write a line above the bars."""
        self.bars.console.print(text, style="dim", markup=False)

    def finished(self, tool: str, outcome: str) -> None:
        """Make the bar a line above the others."""
        if (task := self._tasks.pop(tool, None)) is not None:
            self.bars.remove_task(task)
        self.bars.console.print(f"{tool}: {outcome}", markup=False)


def _bars(console: Console) -> Bars:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[step]}", style="dim", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
