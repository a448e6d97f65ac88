"""Five clusters at once: how long until all are Ready, what memory each takes, how long until all are gone.

They are declared in one `kubectl apply`. Memory is that of a user cluster's own processes, after they have
been left alone for a while; its share of the platform's etcd, Cluster API and operator is not in it, and is
shown for the platform as a whole. Beside it: five of kwokctl, one after the other, because two that are
made at once may take the same ports.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from harness import BenchError, Benchmark, Figure, Stopwatch, await_so, main, say
from moorage.api.meta import project_namespace
from moorage.local.usercluster import known_clusters
from peer import Kwokctl, kwokctl
from processes import Memory, memory_of, of_user_clusters, programs
from sandbox import PROJECT, Sandbox, sandbox

_DELETION_SECONDS = 600.0


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what else the command line knows."""
    parser.add_argument("--clusters", type=int, default=5, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--nodes", type=int, default=3, metavar="N", help="nodes of each (%(default)s)")
    parser.add_argument(
        "--settle", type=float, default=30, metavar="SECONDS", help="before memory is read (%(default)s)"
    )


def measure(options: argparse.Namespace) -> list[Figure]:
    """Make clusters at once, weigh them, and remove them at once."""
    names = [f"c{number}" for number in range(options.clusters)]
    ours = [_ours(names, options.nodes, options.settle) for _ in range(options.runs)]
    peers = [] if options.no_peer else [_peer(names, options.nodes, options.settle) for _ in ours]
    return [
        Figure(
            f"{len(names)} clusters at once: all Ready",
            "s",
            tuple(found.ready for found in ours),
            tuple(found.ready for found in peers),
        ),
        *_weights("memory of a user cluster", ours, peers, aim="at most 450 MiB"),
        Figure("memory of the platform beside them, PSS", "MiB", tuple(found.platform for found in ours)),
        Figure(
            f"{len(names)} clusters at once: all gone",
            "s",
            tuple(found.gone for found in ours),
            tuple(found.gone for found in peers),
        ),
    ]


class _Found:
    """What one run has found."""

    def __init__(self) -> None:
        self.ready = 0.0
        self.weights: list[Memory] = []
        self.platform = 0.0
        self.gone = 0.0


def _weights(name: str, ours: list[_Found], peers: list[_Found], *, aim: str) -> list[Figure]:
    def figure(label: str, what: str, aim: str = "") -> Figure:
        mine = tuple(getattr(weight, what) for found in ours for weight in found.weights)
        theirs = tuple(getattr(weight, what) for found in peers for weight in found.weights)
        return Figure(f"{name}, {label}", "MiB", mine, theirs, aim=aim)

    return [
        figure("PSS (shared pages by share)", "pss", aim),
        figure("RSS (shared pages in full)", "rss"),
        figure("unique (no shared pages)", "unique"),
    ]


def _ours(names: list[str], nodes: int, settle: float) -> _Found:
    found = _Found()
    with sandbox() as platform:
        platform.up()
        watch = Stopwatch()
        platform.apply_clusters(names, nodes=nodes)
        platform.await_clusters()
        found.ready = watch.seconds
        say(f"{len(names)} clusters are Ready: {found.ready:.1f} s")
        for name in names:
            platform.await_nodes(platform.kubeconfig(name), nodes)
        time.sleep(settle)
        found.weights, found.platform = _weigh(platform, len(names))
        watch = Stopwatch()
        platform.kubectl(
            "delete", "kubernetesclusters", "--all", f"--namespace={project_namespace(PROJECT)}",
            f"--timeout={_DELETION_SECONDS:.0f}s",
        )  # fmt: skip
        await_so(lambda: _nothing_left(platform), what="everything is gone", timeout_seconds=60)
        found.gone = watch.seconds
        say(f"{len(names)} clusters are gone: {found.gone:.1f} s")
    return found


def _weigh(platform: Sandbox, count: int) -> tuple[list[Memory], float]:
    """Return what each user cluster takes, and the platform beside them."""
    pids = programs(platform.home)
    theirs = of_user_clusters(pids)
    clusters: dict[str, list[int]] = {}
    for name in theirs:
        clusters.setdefault(name.rpartition(".")[0], []).append(pids[name])
    if len(clusters) != count:
        raise BenchError(f"{len(clusters)} clusters run, not {count}")
    rest = memory_of(pid for name, pid in pids.items() if name not in theirs)
    return [memory_of(found) for found in clusters.values()], rest.pss


def _nothing_left(platform: Sandbox) -> bool:
    """Say whether no process, no file and no port of a user cluster is left."""
    return not of_user_clusters(programs(platform.home)) and not asyncio.run(known_clusters(platform.home))


def _peer(names: list[str], nodes: int, settle: float) -> _Found:
    found = _Found()
    with kwokctl() as peer, ThreadPoolExecutor(len(names)) as pool:
        watch = Stopwatch()
        for name in names:
            peer.make(name, nodes)
        found.ready = watch.seconds
        time.sleep(settle)
        found.weights = [_weigh_peer(peer, name) for name in names]
        watch = Stopwatch()
        list(pool.map(peer.delete, names))
        found.gone = watch.seconds
    return found


def _weigh_peer(peer: Kwokctl, name: str) -> Memory:
    return memory_of(peer.pids(name))


BENCHMARK = Benchmark("five_clusters", __doc__ or "", measure, peer="kwokctl", options=options)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
