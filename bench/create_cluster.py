"""How long a cluster takes: from `moorage cluster create` until kubectl shows all of its nodes Ready.

The platform runs already. Beside it, by turns, of the same binaries: `kwokctl create cluster --wait`,
`kwokctl scale node --replicas N`, and the same wait with kubectl.
"""

from __future__ import annotations

import argparse
import sys

from harness import Benchmark, Figure, Stopwatch, main, say
from peer import kwokctl
from sandbox import AT_VERSION, PROJECT, Sandbox, sandbox


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what else the command line knows."""
    parser.add_argument("--nodes", type=int, default=3, metavar="N", help="nodes of a cluster (%(default)s)")


def measure(options: argparse.Namespace) -> list[Figure]:
    """Make clusters and remove them."""
    ready, returned, deleted, peer, peer_deleted = [], [], [], [], []
    with sandbox() as platform, kwokctl() as other:
        platform.up()
        for run in range(options.runs):
            total, command = _make(platform, f"web-{run}", options.nodes)
            ready.append(total)
            returned.append(command)
            deleted.append(platform.timed("cluster", "delete", f"{PROJECT}/web-{run}", "--yes"))
            if not options.no_peer:
                peer.append(other.make("web", options.nodes))
                watch = Stopwatch()
                other.delete("web")
                peer_deleted.append(watch.seconds)
    what = f"a cluster with {options.nodes} nodes"
    return [
        Figure(f"{what}: kubectl shows all Ready", "s", tuple(ready), tuple(peer), aim="within 2x"),
        Figure(f"{what}: the command returns", "s", tuple(returned)),
        Figure(f"{what}: deleted, the command returns", "s", tuple(deleted), tuple(peer_deleted)),
    ]


def _make(platform: Sandbox, cluster: str, nodes: int) -> tuple[float, float]:
    """Return the seconds until kubectl has seen all Nodes Ready, and until the command returned."""
    watch = Stopwatch()
    platform.moorage(
        "cluster", "create", f"{PROJECT}/{cluster}", "--nodes", str(nodes), *AT_VERSION, "--wait"
    )
    returned = watch.seconds
    platform.await_nodes(platform.kubeconfig(cluster), nodes)
    say(f"moorage: {cluster} with {nodes} nodes: {watch.seconds:.1f} s")
    return watch.seconds, returned


BENCHMARK = Benchmark("create_cluster", __doc__ or "", measure, runs=5, peer="kwokctl", options=options)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
