"""``moorage demo``: all of it at work, from nothing to a Deployment that runs."""

from __future__ import annotations

import getpass
import time
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from moorage.cli._output import say, write

if TYPE_CHECKING:
    from lightkube import AsyncClient

    from moorage.cli._names import ClusterRef
    from moorage.cli.demo_advice import Told
    from moorage.clusters.kubeconfig import Kubeconfig

PROJECT_NAME = "demo"
CLUSTER_NAME = "hello"
KUBERNETES = "1.36"
NODES_FIRST = 3
NODES_THEN = 5
KUBECONFIG = "demo.kubeconfig"

_TIMEOUT_SECONDS = 600.0
_LINE = 76


def demo() -> None:
    """Show all of it at work, in two minutes or three.

    Starts the platform and makes project demo with cluster hello: three nodes, a Deployment that is seen
    running with a member's own rights, then five nodes; and three advices about the Deployment: rights that
    it does not use, requests that are too large, an API that is deprecated. All of it stays, and doing it
    again changes nothing.
    """
    from moorage.cli._run import run

    began = time.monotonic()
    result = run(_demo())
    _last_screen(result, time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class _Result:
    """What the demo has come to: a member's kubeconfig, the pods of each node, and the advice about them."""

    kubeconfig: Path
    nodes: list[tuple[str, str]]
    advice: list[Told]


async def _demo() -> _Result:
    from moorage.cli import demo_advice, demo_workload
    from moorage.cli._kubeconfig import for_cluster
    from moorage.cli._names import ClusterRef
    from moorage.cli._run import management
    from moorage.cli.platform import start
    from moorage.clusters.kubeconfig import merge_into

    home, _ = await start()
    ref = ClusterRef(PROJECT_NAME, CLUSTER_NAME)
    kubeconfig = home.management / KUBECONFIG
    async with management() as client:
        await _project(client)
        await _cluster(client, ref)
        config = await for_cluster(str(ref), None, user=getpass.getuser(), admin=False)
        merge_into(kubeconfig, config)
        await demo_workload.prepare(config)
        await _run_deployment(config, kubeconfig)
        await _scale(client, ref)
        advice = await demo_advice.advice_about_it(client, ref, config)
    return _Result(kubeconfig, await _pods_by_node(config), advice)


async def _project(client: AsyncClient) -> None:
    from moorage.cli import _objects, demo_advice
    from moorage.cli._edit import create_new, edit
    from moorage.cli._wait import wait_for_project
    from moorage.kube.kinds import PROJECT

    user = getpass.getuser()
    declared = _objects.project(PROJECT_NAME, _objects.ProjectOptions("A first look", owners=(user,)))
    await create_new(client, PROJECT, declared, what="project demo", if_not_exists=True)
    await edit(client, PROJECT, PROJECT_NAME, None, _objects.with_member(user, "owner", _objects.USER))
    await edit(client, PROJECT, PROJECT_NAME, None, demo_advice.in_a_minute)
    await wait_for_project(client, PROJECT_NAME, timeout_seconds=_TIMEOUT_SECONDS)
    say(f"project {PROJECT_NAME} is there, and {user} owns it")


async def _cluster(client: AsyncClient, ref: ClusterRef) -> None:
    from moorage.cli._declare import declare_cluster
    from moorage.cli._edit import create_new
    from moorage.cli._objects import ClusterOptions, PoolSize
    from moorage.cli._wait import wait_for_cluster
    from moorage.cli.cluster import DEFAULT_POOL
    from moorage.kube.kinds import KUBERNETES_CLUSTER

    _, declared = await declare_cluster(
        client,
        ref.name,
        ref.project,
        ClusterOptions(version=KUBERNETES),
        pool=DEFAULT_POOL,
        size=PoolSize(nodes=NODES_FIRST),
        machine_type=None,
    )
    await create_new(client, KUBERNETES_CLUSTER, declared, what=f"cluster {ref}", if_not_exists=True)
    title = f"Creating cluster {ref}: Kubernetes {KUBERNETES}, {NODES_FIRST} nodes"
    await wait_for_cluster(client, ref, title=title, timeout_seconds=_TIMEOUT_SECONDS)


async def _run_deployment(config: Kubeconfig, kubeconfig: Path) -> None:
    """Run a Deployment as a member would: with nothing but the kubeconfig that they get."""
    from moorage.cli._live import Board, Row, State
    from moorage.cli._wait import TimeIsOverError
    from moorage.cli.demo_workload import APP, NAMESPACE, REPLICAS, deployment
    from moorage.kube.client import connect
    from moorage.kube.kinds import DEPLOYMENT
    from moorage.kube.objects import apply, get, poll

    async with connect(config) as client:
        with Board(f"Running a Deployment of {REPLICAS} replicas, as {config['current-context']}") as board:
            await apply(client, DEPLOYMENT, deployment(), field_manager="moorage-demo")

            async def look() -> bool | None:
                found = await get(client, DEPLOYMENT, APP, NAMESPACE)
                ready = ((found or {}).get("status") or {}).get("readyReplicas", 0)
                state = State.DONE if ready == REPLICAS else State.WAITING
                board.show(Row("pods", f"{ready} of {REPLICAS} running", state))
                return True if ready == REPLICAS else None

            if not await poll(look, timeout_seconds=_TIMEOUT_SECONDS):
                raise TimeIsOverError(
                    f"the Deployment does not run after {_TIMEOUT_SECONDS:g} s",
                    hint=f"`kubectl --kubeconfig {kubeconfig} get pods` shows why",
                )


async def _scale(client: AsyncClient, ref: ClusterRef) -> None:
    from moorage.cli._edit import edit
    from moorage.cli._objects import PoolSize, scaled
    from moorage.cli._wait import wait_for_cluster
    from moorage.cli.cluster import DEFAULT_POOL
    from moorage.kube.kinds import KUBERNETES_CLUSTER

    change = scaled(DEFAULT_POOL, PoolSize(nodes=NODES_THEN))
    await edit(client, KUBERNETES_CLUSTER, ref.name, ref.namespace, change)
    title = f"Scaling cluster {ref} to {NODES_THEN} nodes"
    await wait_for_cluster(client, ref, title=title, timeout_seconds=_TIMEOUT_SECONDS)


async def _pods_by_node(config: Kubeconfig) -> list[tuple[str, str]]:
    """Return each node with the pods that run on it."""
    from moorage.cli.demo_workload import NAMESPACE
    from moorage.kube.client import connect
    from moorage.kube.kinds import NODE, POD
    from moorage.kube.objects import list_objects

    async with connect(config) as client:
        nodes = await list_objects(client, NODE)
        pods = await list_objects(client, POD, NAMESPACE)
    running: dict[str, list[str]] = {str(node["metadata"]["name"]): [] for node in nodes}
    for pod in pods:
        node: Any = pod["spec"].get("nodeName")
        if node in running and (pod.get("status") or {}).get("phase") == "Running":
            running[node].append(str(pod["metadata"]["name"]))
    return [(node, f"{len(names)} running") for node, names in sorted(running.items())]


def _last_screen(result: _Result, seconds: float) -> None:
    from moorage.cli._output import Column, paint, print_table
    from moorage.cli.demo_workload import REPLICAS

    ref, moorage = f"{PROJECT_NAME}/{CLUSTER_NAME}", _myself()
    write("")
    write(paint(f"It runs, {seconds:.0f} s after you asked.", "bold"))
    write("")
    print_table(
        (Column("Node", lambda record: record["node"]), Column("Pods", lambda record: record["pods"])),
        [{"node": node, "pods": pods} for node, pods in result.nodes],
    )
    write("")
    write(paint("The first advice", "bold"))
    for told in result.advice:
        for line in wrap(f"{told.subject}: {told.says}", _LINE):
            write(f"  {line}")
        write(f"    {moorage} advice apply {PROJECT_NAME}/{told.name}")
    write("  `advice show` in place of `apply` shows the evidence; `advice revert` takes it back.")
    write("")
    for heading, lines in (
        (
            "What there is",
            (
                "a management cluster: etcd, an API server, Cluster API, Moorage's operator",
                f"project {PROJECT_NAME}, and its cluster {CLUSTER_NAME} with its own control plane",
                f"a Deployment of {REPLICAS} replicas; nodes and pods are simulated, all else is real",
            ),
        ),
        (
            "What to try",
            (
                f"{moorage} status",
                f"{moorage} cluster get {ref}",
                f"{_kubectl()} --kubeconfig {result.kubeconfig} get pods -o wide",
                f"{moorage} pool add {ref} spot --min 0 --max 3 --taint spot=yes:NoSchedule",
                f"{moorage} cluster upgrade {ref} 1.37",
                f"{moorage} cluster events {ref}",
                f"{moorage} down            # and `moorage up` brings it all back",
                f"{moorage} down --delete   # leaves nothing behind",
            ),
        ),
    ):
        write(paint(heading, "bold"))
        for line in lines:
            write(f"  {line}")
        write("")


def _myself() -> str:
    """Return what to type for this program: a checkout's is not on the PATH."""
    import shutil
    import sys
    from pathlib import Path

    called = Path(sys.argv[0])
    return str(called) if called.name == "moorage" and shutil.which("moorage") is None else "moorage"


def _kubectl() -> str:
    """Return what to type for kubectl: the machine's own, or else the one that came with the tools."""
    import shutil

    from moorage.toolchain import locate
    from moorage.toolchain.errors import ToolchainError

    if shutil.which("kubectl") is not None:
        return "kubectl"
    try:
        return str(locate("kubectl"))
    except ToolchainError:
        return "kubectl"
