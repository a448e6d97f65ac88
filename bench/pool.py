"""A node pool that grows from 3 to 200 nodes, and goes back to 3.

Growing ends when kubectl shows all Nodes Ready; shrinking when it shows no more than are left, each of the
others having been cordoned and drained. Beside it: `kwokctl scale node`, which writes Node objects and
deletes them, without Machines and without draining.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness import Benchmark, Figure, Stopwatch, main, say
from peer import kwokctl
from sandbox import PROJECT, Sandbox, sandbox

_CLUSTER = "pool"


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what else the command line knows."""
    parser.add_argument("--fewest", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--most", type=int, default=200, metavar="N", help="(%(default)s)")


def measure(options: argparse.Namespace) -> list[Figure]:
    """Scale a pool up and down."""
    fewest, most = options.fewest, options.most
    grown, shrunk = [], []
    with sandbox() as platform:
        platform.up()
        platform.create(_CLUSTER, nodes=fewest)
        kubeconfig = platform.kubeconfig(_CLUSTER)
        for _ in range(options.runs):
            grown.append(_scale(platform, kubeconfig, most))
            shrunk.append(_scale(platform, kubeconfig, fewest))
    peer = [] if options.no_peer else [_peer(fewest, most) for _ in range(options.runs)]
    up, down = tuple(seconds for seconds, _ in peer), tuple(seconds for _, seconds in peer)
    step = most - fewest
    return [
        Figure(f"a pool from {fewest} to {most} nodes", "s", tuple(grown), up),
        Figure("nodes that join", "nodes/s", _rates(step, grown), _rates(step, up)),
        Figure(f"a pool from {most} to {fewest} nodes", "s", tuple(shrunk), down),
        Figure("nodes that are drained and go", "nodes/s", _rates(step, shrunk), _rates(step, down)),
    ]


def _rates(nodes: int, seconds: list[float] | tuple[float, ...]) -> tuple[float, ...]:
    return tuple(nodes / value for value in seconds)


def _scale(platform: Sandbox, kubeconfig: Path, nodes: int) -> float:
    watch = Stopwatch()
    platform.moorage(
        "pool", "scale", f"{PROJECT}/{_CLUSTER}", "workers", "--nodes", str(nodes), "--wait", "--timeout=14m"
    )
    platform.await_nodes(kubeconfig, nodes)
    say(f"moorage: {nodes} nodes after {watch.seconds:.1f} s")
    return watch.seconds


def _peer(fewest: int, most: int) -> tuple[float, float]:
    with kwokctl() as peer:
        peer.make(_CLUSTER, fewest)
        times = []
        for nodes in (most, fewest):
            watch = Stopwatch()
            peer.scale(_CLUSTER, nodes)
            peer.await_nodes(_CLUSTER, nodes)
            times.append(watch.seconds)
            say(f"kwokctl: {nodes} nodes after {watch.seconds:.1f} s")
    return times[0], times[1]


BENCHMARK = Benchmark("pool", __doc__ or "", measure, peer="kwokctl", options=options)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
