"""Manifests judged by the policy library, from the command line and from cold.

2,000 objects, half of them Deployments and half of them Pods, in 200 files, against every policy of the
library; then again with nothing changed, and with one object changed. Beside it: `gator test` over the same
files and the same policies, which remembers nothing, so that each of the three is the same to it. Both sides
must find as much.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness import BenchError, Benchmark, Figure, Stopwatch, main, say
from moorage.policies.model import Library
from moorage.toolchain import locate
from policy_load import change_one, write_bundle, write_library, write_manifests

_MIB = 1024 * 1024
_SAMPLE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Side:
    """What one command took and found.

    Args:
        seconds: how long it took.
        memory: MiB that it and what it started had at most, all together.
        findings: how much it found.
    """

    seconds: float
    memory: float
    findings: int


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files that both sides read."""

    folder: Path
    library: Library

    @property
    def manifests(self) -> Path:
        """The manifests."""
        return self.folder / "manifests"

    def ours(self, cache: Path) -> Side:
        """Judge them with Moorage, and what it remembers in a folder."""
        command = [sys.executable, "-m", "moorage", "policy", "test", str(self.manifests), "--output=json"]
        command += ["--no-builtin", f"--policies={self.folder / 'library'}"]
        side, output = _run(command, {"XDG_CACHE_HOME": str(cache)})
        return Side(side.seconds, side.memory, len(json.loads(output)["findings"]))

    def peers(self) -> Side:
        """Judge them with `gator test`."""
        command = [str(locate("gator")), "test", f"--filename={self.manifests}", "--output=json"]
        side, output = _run([*command, f"--filename={self.folder / 'bundle'}"], {})
        return Side(side.seconds, side.memory, len(json.loads(output) or ()))


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what else the command line knows."""
    parser.add_argument("--objects", type=int, default=2000, metavar="N", help="(%(default)s)")


def measure(options: argparse.Namespace) -> list[Figure]:
    """Judge many objects, the same again, one that changed, and one alone; and see how it grows."""
    peer = not options.no_peer
    with _inputs(options.objects) as inputs:
        policies = len(inputs.library.policies)
        cold, warm, changed, theirs = [], [], [], []
        for run in range(options.runs):
            with tempfile.TemporaryDirectory(prefix="moorage-bench-") as cache:
                cold.append(_say("moorage, cold", inputs.ours(Path(cache))))
                warm.append(_say("moorage, nothing changed", inputs.ours(Path(cache))))
                change_one(inputs.manifests, run)
                changed.append(_say("moorage, one object changed", inputs.ours(Path(cache))))
            if peer:
                theirs.append(_say("gator", inputs.peers()))
        _agree([*cold, *warm, *changed, *theirs])
    with _inputs(1) as inputs:
        one = [_alone(inputs) for _ in range(options.runs)]
        one_peer = [_say("gator, one object", inputs.peers()) for _ in range(options.runs if peer else 0)]
        _agree([*one, *one_peer])
    what = f"{options.objects:,} objects, {policies} policies"
    gator = _seconds(theirs)
    return [
        Figure(what, "s", _seconds(cold), gator, aim="at most half"),
        Figure("again, with nothing changed", "s", _seconds(warm), gator, aim="at most a 50th"),
        Figure("again, with one object changed", "s", _seconds(changed), gator, aim="at most a 20th"),
        Figure(
            f"1 object, {policies} policies", "s", _seconds(one), _seconds(one_peer), aim="at most 0.2 s more"
        ),
        Figure("memory, with nothing known", "MiB", _memory(cold), _memory(theirs)),
        Figure("memory, with nothing changed", "MiB", _memory(warm), _memory(theirs)),
        *_growth(options.objects, policies, peer=peer),
    ]


def _growth(objects: int, policies: int, *, peer: bool) -> Iterator[Figure]:
    """Yield what it costs more for more objects and for more policies."""
    few, less = max(1, objects // 4), max(1, policies // 4)
    whole, fewer_objects, fewer_policies = (
        _once(*size, peer=peer) for size in ((objects, None), (few, None), (objects, less))
    )
    for name, other, step in (
        ("each further object", fewer_objects, objects - few),
        ("each further policy", fewer_policies, policies - less),
    ):
        ours, theirs = (
            tuple(1000 * (more - fewer) / step for more, fewer in zip(whole[side], other[side], strict=True))
            for side in (0, 1)
        )
        yield Figure(name, "ms", ours, theirs)


def _once(objects: int, policies: int | None, *, peer: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    with _inputs(objects, policies) as inputs:
        ours = _alone(inputs)
        theirs = [_say("gator", inputs.peers())] if peer else []
        return _seconds([ours]), _seconds(theirs)


def _alone(inputs: Inputs) -> Side:
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as cache:
        return _say("moorage, cold", inputs.ours(Path(cache)))


@contextmanager
def _inputs(objects: int, policies: int | None = None) -> Iterator[Inputs]:
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as name:
        folder = Path(name)
        library = write_library(folder / "library", policies)
        write_bundle(folder / "bundle", library)
        write_manifests(folder / "manifests", objects)
        say(f"{objects} objects, {len(library.policies)} policies")
        yield Inputs(folder, library)


def _run(command: Sequence[str], environment: dict[str, str]) -> tuple[Side, bytes]:
    """Run a command that ends with 0 or 1; return what it took and what it wrote."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        watch = Stopwatch()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, **environment},
        )
        most = _MostMemory(process.pid)
        status = process.wait()
        seconds = watch.seconds
        memory = most.stop()
        output.seek(0)
        errors.seek(0)
        if status not in {0, 1}:
            raise BenchError(f"{' '.join(command)}: {errors.read().decode('utf-8', 'replace').strip()}")
        return Side(seconds, memory, 0), output.read()


class _MostMemory:
    """Watches how much memory a process and its children have, which costs a fiftieth of a core."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self._most = max(self._most, self._now())

    def _now(self) -> int:
        total = 0
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                total += process.memory_info().rss
        except psutil.Error:
            pass  # one has just ended
        return total

    def stop(self) -> float:
        """Return the most that there was, in MiB."""
        self._ended.set()
        self._thread.join()
        return self._most / _MIB


def _agree(sides: Sequence[Side]) -> None:
    found = {side.findings for side in sides}
    if len(found) != 1:
        raise BenchError(f"not everybody finds the same: {sorted(found)}")


def _say(what: str, side: Side) -> Side:
    say(f"{what}: {side.seconds:.2f} s, {side.memory:.0f} MiB, {side.findings} findings")
    return side


def _seconds(sides: Sequence[Side]) -> tuple[float, ...]:
    return tuple(side.seconds for side in sides)


def _memory(sides: Sequence[Side]) -> tuple[float, ...]:
    return tuple(side.memory for side in sides)


BENCHMARK = Benchmark("policies", __doc__ or "", measure, peer="gator test", options=options)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
