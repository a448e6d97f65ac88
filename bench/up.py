"""How long ``moorage up`` takes: from nothing, when all runs, after `down`, and after everything was killed.

The tools are there already. Each run takes a home of its own. Beside it: `kwokctl create cluster`, which
starts as many processes (five) of the same size.
"""

from __future__ import annotations

import argparse
import sys

from harness import Benchmark, Figure, Stopwatch, main, say
from peer import kwokctl
from sandbox import sandbox


def measure(options: argparse.Namespace) -> list[Figure]:
    """Start platforms."""
    fresh, warm, stopped, again, killed, peer = [], [], [], [], [], []
    for _ in range(options.runs):
        with sandbox() as platform:
            fresh.append(platform.timed("up"))
            warm.append(platform.timed("up"))
            stopped.append(platform.timed("down"))
            again.append(platform.timed("up"))
            say("kill -9 of every process")
            platform.kill_everything()
            killed.append(platform.timed("up"))
        if not options.no_peer:
            peer.append(_peer())
    return [
        Figure("`moorage up`, nothing there yet", "s", tuple(fresh), tuple(peer)),
        Figure("`moorage up`, all runs", "s", tuple(warm)),
        Figure("`moorage down`", "s", tuple(stopped)),
        Figure("`moorage up`, after `moorage down`", "s", tuple(again)),
        Figure("`moorage up`, after kill -9 of everything", "s", tuple(killed)),
    ]


def _peer() -> float:
    with kwokctl() as peer:
        watch = Stopwatch()
        peer.create("up")
        say(f"kwokctl create cluster: {watch.seconds:.1f} s")
        return watch.seconds


BENCHMARK = Benchmark("up", __doc__ or "", measure, peer="kwokctl")

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
