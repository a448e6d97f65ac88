"""Many clusters in one platform, without their processes: how long until all are Ready, and how it grows.

Each size has a platform of its own. All clusters are declared at once, each with one pool of no nodes (or of
``--nodes``). Real are the API server, etcd, Cluster API and the operator with all of its controllers: each
cluster has its Cluster, LocalCluster, LocalControlPlane, MachineDeployment, templates and Secrets, and
Cluster API keeps a connection to each. Not real are the user clusters' processes: all kubeconfigs lead to the
one API server of a cluster that was made before; so each control plane is "there" at once.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightkube import AsyncClient

import fleet_operator
from harness import BenchError, Benchmark, Figure, Stopwatch, await_so, main, say
from moorage.api.meta import project_namespace
from moorage.kube.client import connect
from moorage.kube.kinds import KUBERNETES_CLUSTER, Object
from moorage.kube.objects import create, list_objects, persist
from moorage.local.controlplane import API_SERVER, ETCD
from moorage.local.management import CLUSTER_API, MANAGEMENT, OPERATOR, management_plane, management_probes
from moorage.local.ports import Ports
from moorage.local.probe import ask
from moorage.local.supervisor import Supervisor
from processes import CpuTimes, Memory, memory_of, programs
from sandbox import PROJECT, Sandbox, declared, sandbox, tools

ANCHOR = "anchor"
_NAMESPACE = project_namespace(PROJECT)
_AT_ONCE = 8
_COMPONENTS = {
    OPERATOR: "operator",
    CLUSTER_API: "Cluster API",
    f"{MANAGEMENT}.{API_SERVER}": "API server",
    ETCD: "etcd",
}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what else the command line knows."""
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[50, 100, 200, 500], metavar="N", help="how many clusters"
    )
    parser.add_argument(
        "--nodes",
        type=int,
        default=0,
        metavar="N",
        help="nodes of each, in the one real cluster (%(default)s)",
    )
    parser.add_argument(
        "--rest",
        type=float,
        default=60,
        metavar="SECONDS",
        help="how long to look at it at rest (%(default)s)",
    )
    parser.add_argument("--timeout", type=float, default=1800, metavar="SECONDS", help="(%(default)s)")


@dataclass(frozen=True, slots=True)
class Found:
    """What one fleet has cost.

    Args:
        declared: seconds until the API server had taken all declarations.
        ready: seconds until the last cluster was Ready.
        half: seconds until half of them were.
        cpu: CPU seconds until then, by component.
        memory: after that, by component.
        rest: per cent of a core after that, by component.
    """

    declared: float
    ready: float
    half: float
    cpu: dict[str, float]
    memory: dict[str, Memory]
    rest: dict[str, float]


def measure(options: argparse.Namespace) -> list[Figure]:
    """Make fleets."""
    figures = []
    for size in options.sizes:
        found = [_fleet(size, options) for _ in range(options.runs)]
        figures += _figures(size, found)
    return figures


def _figures(size: int, found: list[Found]) -> list[Figure]:
    what = f"{size} clusters"
    figures = [
        Figure(f"{what}: all declared", "s", tuple(one.declared for one in found)),
        Figure(f"{what}: half Ready", "s", tuple(one.half for one in found)),
        Figure(f"{what}: all Ready", "s", tuple(one.ready for one in found)),
        Figure(f"{what}: for each", "ms", tuple(1000 * one.ready / size for one in found)),
    ]
    for program, name in _COMPONENTS.items():
        figures += [
            Figure(f"{what}: {name}, CPU until then", "s", tuple(one.cpu[program] for one in found)),
            Figure(f"{what}: {name}, memory (PSS)", "MiB", tuple(one.memory[program].pss for one in found)),
            Figure(f"{what}: {name}, at rest", "% of a core", tuple(one.rest[program] for one in found)),
        ]
    return figures


def _fleet(size: int, options: argparse.Namespace) -> Found:
    with sandbox() as platform:
        platform.up()
        platform.create(ANCHOR, nodes=0)
        _take_over(platform, platform.kubeconfig(ANCHOR))
        before = CpuTimes.of(platform.home)
        names = [f"fleet-{number:04}" for number in range(size)]
        taken, times = asyncio.run(_declare(platform, names, options.nodes, options.timeout))
        after = CpuTimes.of(platform.home)
        say(f"{size} clusters are Ready after {times[-1]:.1f} s")
        pids = programs(platform.home)
        memory = {name: memory_of([pids[name]]) for name in _COMPONENTS}
        time.sleep(options.rest / 2)  # what was begun comes to its end
        resting = CpuTimes.of(platform.home)
        time.sleep(options.rest)
        return Found(
            declared=taken,
            ready=times[-1],
            half=times[(size - 1) // 2],
            cpu=after.since(before),
            memory=memory,
            rest=CpuTimes.of(platform.home).percent_since(resting),
        )


def _take_over(platform: Sandbox, anchor: Path) -> None:
    """Let the operator with the stub work in the place of the real one."""
    home = platform.home
    management = management_plane(home, tools())
    [real] = [program for program in management.controllers() if program.name == OPERATOR]
    position = real.argv.index("-m")
    stubbed = replace(
        real,
        argv=(*real.argv[:position], fleet_operator.__file__, *real.argv[position + 2 :]),
        environment={**real.environment, fleet_operator.ANCHOR: str(anchor)},
    )
    if Supervisor(home).put([stubbed]) != [OPERATOR]:
        raise BenchError("the operator was not replaced")
    probe = management_probes(home, Ports(home).known())[OPERATOR]
    await_so(lambda: asyncio.run(ask(probe)) is None, what="the stubbed operator works", timeout_seconds=60)


async def _declare(
    platform: Sandbox, names: list[str], nodes: int, timeout_seconds: float
) -> tuple[float, list[float]]:
    """Return the seconds until all were declared, and, in order, until one after the other was Ready."""
    async with connect(platform.home.admin_kubeconfig) as client:
        watch = Stopwatch()
        watching = asyncio.create_task(_watch(client, set(names), watch))
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str) -> None:
            async with gate:
                obj = declared(name, nodes=nodes)
                await persist(
                    lambda: create(client, KUBERNETES_CLUSTER, obj, field_manager="bench"), timeout_seconds=60
                )

        try:
            await asyncio.gather(*map(one, names))
            taken = watch.seconds
            say(f"{len(names)} clusters are declared after {taken:.1f} s")
            async with asyncio.timeout(timeout_seconds):
                times = await watching
        except TimeoutError:
            raise BenchError(await _laggards(client, timeout_seconds)) from None
        finally:
            watching.cancel()
    return taken, sorted(times)


async def _watch(client: AsyncClient, waited_for: set[str], watch: Stopwatch) -> Iterable[float]:
    """Return when each cluster was Ready for the first time."""
    times: dict[str, float] = {}
    events: Any = client.watch(KUBERNETES_CLUSTER.resource, namespace=_NAMESPACE)
    async for _, obj in events:
        name = obj["metadata"]["name"]
        if name in waited_for and name not in times and _is_ready(obj):
            times[name] = watch.seconds
            if len(times) == len(waited_for):
                break
    return times.values()


async def _laggards(client: AsyncClient, timeout_seconds: float) -> str:
    """Say which clusters are not Ready in time, and what the first of them says about it."""
    late = [obj for obj in await list_objects(client, KUBERNETES_CLUSTER, _NAMESPACE) if not _is_ready(obj)]
    said = [
        f"{obj['metadata']['name']}: {item['type']} {item['reason']}: {item['message']}"
        for obj in late[:1]
        for item in (obj.get("status") or {}).get("conditions") or ()
        if item["status"] != "True"
    ]
    return f"{len(late)} clusters are not Ready after {timeout_seconds:.0f} s; {'; '.join(said)}"


def _is_ready(obj: Object) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


BENCHMARK = Benchmark("fleet", __doc__ or "", measure, runs=1, options=options)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
