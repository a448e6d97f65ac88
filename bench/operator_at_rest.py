"""What the platform costs when nothing happens: per cent of a core, with ten clusters and with none.

CPU time is what Linux has accounted to each process over some minutes, in which nobody asks anything of the
platform.
"""

from __future__ import annotations

import argparse
import sys
import time

from harness import Benchmark, Figure, main, say
from processes import CpuTimes, of_user_clusters
from sandbox import Sandbox, sandbox

_OPERATOR = "operator"
_AIM = "at most 2 % of a core"


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what else the command line knows."""
    parser.add_argument("--clusters", type=int, default=10, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--nodes", type=int, default=3, metavar="N", help="nodes of each (%(default)s)")
    parser.add_argument("--minutes", type=float, default=3, metavar="M", help="how long (%(default)s)")
    parser.add_argument(
        "--settle", type=float, default=60, metavar="SECONDS", help="before it begins (%(default)s)"
    )


def measure(options: argparse.Namespace) -> list[Figure]:
    """Look at a platform at rest."""
    with sandbox() as platform:
        platform.up()
        empty = [_rest(platform, options) for _ in range(options.runs)]
        platform.apply_clusters((f"c{number}" for number in range(options.clusters)), nodes=options.nodes)
        platform.await_clusters()
        say(f"{options.clusters} clusters are Ready")
        full = [_rest(platform, options) for _ in range(options.runs)]
    return [
        *_figures("no clusters", empty),
        *_figures(f"{options.clusters} clusters of {options.nodes} nodes", full, aim=_AIM),
    ]


def _figures(when: str, rests: list[dict[str, float]], *, aim: str = "") -> list[Figure]:
    theirs = of_user_clusters(rests[0])
    ours = sorted(set(rests[0]) - theirs, key=lambda name: (name != _OPERATOR, name))
    figures = [
        Figure(
            f"{name}, {when}",
            "% of a core",
            tuple(rest[name] for rest in rests),
            aim=aim if name == _OPERATOR else "",
        )
        for name in ours
    ]
    if theirs:
        totals = tuple(sum(rest[name] for name in theirs) for rest in rests)
        figures.append(Figure(f"all processes of user clusters together, {when}", "% of a core", totals))
    return figures


def _rest(platform: Sandbox, options: argparse.Namespace) -> dict[str, float]:
    time.sleep(options.settle)
    before = CpuTimes.of(platform.home)
    say(f"nothing happens for {options.minutes:g} minutes")
    time.sleep(60 * options.minutes)
    return CpuTimes.of(platform.home).percent_since(before)


BENCHMARK = Benchmark("operator_at_rest", __doc__ or "", measure, runs=1, options=options)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
