"""What all benchmarks have in common: how they are run, and how they say what they found.

A benchmark measures; it never judges. What one aims at is printed beside what was measured.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from machine import Machine
from moorage.errors import MoorageError


class BenchError(Exception):
    """What was to be measured did not happen."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured, as often as it was.

    Args:
        name: what it is.
        unit: of the values.
        ours: Moorage's values, one a run.
        peer: the other side's; empty where there is none.
        aim: what is aimed at, in words.
    """

    name: str
    unit: str
    ours: tuple[float, ...]
    peer: tuple[float, ...] = ()
    aim: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the peer's median ours is."""
        if not self.peer or not median(self.peer):
            return None
        return median(self.ours) / median(self.peer)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark: one file of this folder.

    Args:
        name: the file's.
        about: what it does, for ``--help`` and the report.
        measure: does it.
        runs: how often, unless the command line says otherwise.
        peer: what it is beside, in a word; empty where there is no peer.
        options: declares what else its command line knows.
    """

    name: str
    about: str
    measure: Callable[[argparse.Namespace], list[Figure]]
    runs: int = 3
    peer: str = ""
    options: Callable[[argparse.ArgumentParser], None] = lambda _: None


def main(benchmark: Benchmark, arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark from the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog=f"bench/{benchmark.name}.py", description=benchmark.about)
    parser.add_argument(
        "--runs", type=_positive, default=benchmark.runs, metavar="N", help="how often (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the result to a file, as one line")
    if benchmark.peer:
        parser.add_argument("--no-peer", action="store_true", help=f"leave out {benchmark.peer}")
    benchmark.options(parser)
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):  # what was started is ended, whoever ends this
        signal.signal(number, signal.default_int_handler)
    machine, started = Machine.this(), datetime.now(UTC)
    try:
        figures = benchmark.measure(options)
    except (BenchError, MoorageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; everything that was started is ended", file=sys.stderr)
        return 130
    show(benchmark.peer, machine, figures)
    if options.json:
        parameters = {name: value for name, value in vars(options).items() if name != "json"}
        line = result(benchmark, machine, started, parameters, figures)
        with options.json.open("a") as file:
            file.write(json.dumps(line) + "\n")
    return 0


def result(
    benchmark: Benchmark,
    machine: Machine,
    started: datetime,
    parameters: dict[str, Any],
    figures: Sequence[Figure],
) -> dict[str, Any]:
    """Return what was found, as it is written in JSON."""
    return {
        "benchmark": benchmark.name,
        "about": benchmark.about,
        "peer": benchmark.peer,
        "started": started.isoformat(timespec="seconds"),
        "machine": asdict(machine),
        "parameters": parameters,
        "figures": [asdict(figure) for figure in figures],
    }


def show(peer: str, machine: Machine, figures: Sequence[Figure]) -> None:
    """Print what was found, and where."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    beside = any(figure.peer for figure in figures)
    table = Table("figure", "moorage", *([peer, "ratio"] if beside else []), "aim", box=None)
    for figure in figures:
        ratio = figure.ratio
        other = [spread(figure.peer, figure.unit), f"{ratio:.2f}" if ratio is not None else "-"]
        table.add_row(figure.name, spread(figure.ours, figure.unit), *(other if beside else []), figure.aim)
    console.print(table)
    console.print(f"median (min - max); {machine}", highlight=False, soft_wrap=True)
    if machine.busy:
        console.print("the machine was busy before this began: these figures are noise", soft_wrap=True)


def spread(values: Sequence[float], unit: str) -> str:
    """Return a median, with how far the values lie apart when there are several."""
    if not values:
        return "-"
    middle = f"{number(median(values))} {unit}"
    return middle if len(values) == 1 else f"{middle} ({number(min(values))} - {number(max(values))})"


def number(value: float) -> str:
    """Return a number with three digits that count."""
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0  # noqa: PLR2004 - powers of ten
    return f"{value:.{digits}f}"


def say(message: str) -> None:
    """Tell whoever waits what goes on."""
    print(f"[{datetime.now(UTC):%H:%M:%S}] {message}", file=sys.stderr, flush=True)


class Stopwatch:
    """Counts from its making."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return time.monotonic() - self._started


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let nobody interrupt what is done here: it removes what a benchmark has started."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def await_so(look: Callable[[], bool], *, what: str, timeout_seconds: float, interval: float = 0.2) -> None:
    """Wait until something is so.

    Raises:
        BenchError: it is not, in time.
    """
    watch = Stopwatch()
    while not look():
        if watch.seconds > timeout_seconds:
            raise BenchError(f"{what}: not so after {timeout_seconds:.0f} s")
        time.sleep(interval)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value
