"""Find what a folder of manifests uses and the next Kubernetes does not serve: how much is found, how fast.

3,000 files: most of them current, a tenth of them written in a version that is removed (in YAML and JSON, in
Lists, with escapes, quotes and Windows' line ends), and a tenth that only looks so. What is right is known.
pluto reads the same files for the same target. Both are measured as a person runs them, from the start of the
command to its end; Moorage from cold, and again when nothing has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apis_load import TARGET, Use, write
from harness import BenchError, Benchmark, Figure, Stopwatch, main, say

PEER = "pluto"
_OURS = (0, 1)
_THEIRS = (0, 2, 3, 4)
"""What pluto ends with, by what it has found."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took and found."""

    seconds: float
    found: frozenset[Use]

    def scores(self, truth: frozenset[Use]) -> tuple[float, float, float]:
        """Return how many were found, missed, and false."""
        return len(self.found & truth), len(truth - self.found), len(self.found - truth)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what else the command line knows."""
    parser.add_argument("--files", type=int, default=3000, metavar="N", help="(%(default)s)")
    parser.add_argument(
        "--pluto",
        metavar="FILE",
        default=shutil.which(PEER),
        help="the peer's program; else that of the PATH",
    )


def measure(options: argparse.Namespace) -> list[Figure]:
    """Measure both sides on the same files."""
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as name:
        folder = Path(name, "manifests")
        truth = write(folder, options.files)
        say(f"{options.files:,} files, {len(truth)} uses of what is removed")
        cold, warm = [], []
        for number in range(options.runs):
            cache = Path(name, f"cache-{number}")
            cold.append(_ours(folder, cache))
            warm.append(_ours(folder, cache))
        theirs = _theirs(folder, options)
    what = f"{options.files:,} files"
    seconds = tuple(run.seconds for run in theirs)
    ours, peers = (list(zip(*(run.scores(truth) for run in runs), strict=True)) for runs in (cold, theirs))
    peers = peers or [(), (), ()]
    aims = ("all", "none", "none")
    return [
        Figure(f"{what}, from cold", "s", tuple(run.seconds for run in cold), seconds),
        Figure(f"{what}, again", "s", tuple(run.seconds for run in warm), seconds),
        *(
            Figure(f"{word}, of {len(truth)}", "", tuple(mine), tuple(other), aim=aim)
            for word, mine, other, aim in zip(("found", "missed", "false"), ours, peers, aims, strict=True)
        ),
    ]


def _ours(folder: Path, cache: Path) -> Run:
    command = [sys.executable, "-m", "moorage", "advise", "apis", ".", f"--target={TARGET}", "-o", "json"]
    return _say("moorage", _run(command, folder, _OURS, _our_uses, {"XDG_CACHE_HOME": str(cache)}))


def _theirs(folder: Path, options: argparse.Namespace) -> list[Run]:
    if options.no_peer:
        return []
    if not options.pluto:
        say(f"{PEER} is not here: name it with --pluto")
        return []
    command = [str(Path(options.pluto).absolute()), "detect-files", "-d", ".", "-o", "json"]
    command += ["--target-versions", f"k8s=v{TARGET}.0"]
    return [_say(PEER, _run(command, folder, _THEIRS, _their_uses, {})) for _ in range(options.runs)]


def _run(
    command: list[str],
    folder: Path,
    statuses: tuple[int, ...],
    uses: Callable[[Any], frozenset[Use]],
    environment: dict[str, str],
) -> Run:
    watch = Stopwatch()
    done = subprocess.run(
        command, cwd=folder, capture_output=True, check=False, env={**os.environ, **environment}
    )
    seconds = watch.seconds
    if done.returncode not in statuses:
        raise BenchError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return Run(seconds, uses(json.loads(done.stdout)))


def _our_uses(report: Any) -> frozenset[Use]:
    found = [each for each in report["findings"] if each["code"] == "manifest-removed"]
    return frozenset(
        Use(each["location"]["file"], version, kind, _name(each["subject"]))
        for each in found
        for version, kind in (each["evidence"]["version"].split(" "),)
    )


def _name(subject: str) -> str:
    return subject.rpartition(" ")[2].rpartition("/")[2]


def _their_uses(report: Any) -> frozenset[Use]:
    return frozenset(
        Use(os.path.normpath(each["filePath"]), each["api"]["version"], each["api"]["kind"], each["name"])
        for each in report.get("items") or ()
        if each.get("removed")
    )


def _say(who: str, run: Run) -> Run:
    say(f"{who}: {run.seconds:.2f} s, {len(run.found)} found")
    return run


BENCHMARK = Benchmark("apis", __doc__ or "", measure, runs=3, peer=PEER, options=options)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
