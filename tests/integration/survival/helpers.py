"""Killing, and looking for what is left."""

from __future__ import annotations

import os
import signal
import ssl
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
from lightkube import AsyncClient

from moorage.clusters.kubeconfig import Kubeconfig
from moorage.kube.client import connect
from moorage.kube.kinds import CRD, NODE, POD, SECRET, Kind, Object
from moorage.kube.objects import list_objects, poll
from moorage.local.errors import PlatformError
from moorage.local.etcd import range_below
from moorage.local.home import Home
from moorage.local.management import MANAGEMENT, etcd_client
from moorage.local.ports import Ports
from moorage.local.status import platform_status
from moorage.local.supervisor import Supervisor, platform_processes
from moorage.local.usercluster import COMPONENTS

from ..clusters.helpers import SOON_SECONDS, condition

KILLED_SECONDS = 20.0
GROUPS = ("moorage.dev", "cluster.x-k8s.io")


@dataclass(frozen=True)
class UserCluster:
    """A cluster that runs: where it is declared, and how one gets into it."""

    project: str
    name: str
    id: str
    kubeconfig: Kubeconfig

    async def until_well(self, *, pods: int, nodes: int = 1) -> dict[str, set[str]]:
        """Wait until so many nodes are ready and so many Pods run; return the uids of both."""

        async def look() -> dict[str, set[str]] | None:
            async with connect(self.kubeconfig) as inside:
                found = {"nodes": await list_objects(inside, NODE)}
                found["pods"] = await list_objects(inside, POD, "default")
            well = (
                len(found["nodes"]) == nodes
                and len(found["pods"]) == pods
                and all(has_condition(item, "Ready") for items in found.values() for item in items)
            )
            uids = {name: {item["metadata"]["uid"] for item in items} for name, items in found.items()}
            return uids if well else None

        tolerate = (httpx2.TransportError, httpx2.HTTPStatusError)
        found = await poll(look, timeout_seconds=SOON_SECONDS, tolerate=tolerate)
        assert found is not None, f"{self.id} has not got {nodes} ready nodes and {pods} Pods"
        return found


def has_condition(obj: Object | None, name: str) -> bool:
    return condition(obj, name).get("status") == "True"


# ---- killing ---------------------------------------------------------------------------------------------


def power_cut(home: Home) -> None:
    """Kill -9 every process of a platform in one instant.

    All are frozen before the first is killed: nobody sees another one die, and reacts to it.
    """
    frozen: dict[int, psutil.Process] = {}
    while new := [process for process in platform_processes(home) if process.pid not in frozen]:
        for process in new:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
            frozen[process.pid] = process
    signal_all(frozen.values(), signal.SIGKILL)
    _, alive = psutil.wait_procs(frozen.values(), timeout=KILLED_SECONDS)
    assert not alive
    assert not platform_processes(home)


def signal_all(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def pid_of(home: Home, program: str) -> int | None:
    """Return the process of a program (or of the `supervisor`), if it has one."""
    supervisor = Supervisor(home)
    if program == "supervisor":
        return supervisor.pid
    status = supervisor.statuses().get(program)
    return status.pid if status is not None else None


def kill(home: Home, program: str) -> int:
    """Kill -9 a program's process, and return which it was."""
    pid = pid_of(home, program)
    assert pid, f"{program} does not run"
    os.kill(pid, signal.SIGKILL)
    return pid


async def until_replaced(home: Home, program: str, killed: int) -> int:
    """Wait until a program that was killed runs again."""

    async def look() -> int | None:
        pid = pid_of(home, program)
        return pid if pid != killed else None

    found = await poll(look, timeout_seconds=SOON_SECONDS, tolerate=(PlatformError,))
    assert found, f"{program} does not come back"
    return found


async def until_healthy(home: Home, *components: str) -> None:
    """Wait until these components, or all of the platform and its clusters, say that they are well.

    It is not enough that somebody answers: when all are asked for, nothing runs without the supervisor.
    An API server that has just started refuses even the platform team, until it has read who may do what.
    """

    async def look() -> bool | None:
        found = [
            item for item in await platform_status(home) if item.component in components or not components
        ]
        well = all(item.healthy for item in found)
        return (well and (components != () or not unsupervised(home))) or None

    assert await poll(look, timeout_seconds=SOON_SECONDS, tolerate=(PlatformError,)), await platform_status(
        home
    )


def unsupervised(home: Home) -> list[str]:
    """Return the platform's processes that its supervisor did not start."""
    supervisor = Supervisor(home).pid
    found = []
    for process in platform_processes(home):
        with suppress(psutil.NoSuchProcess):
            if process.pid != supervisor and process.ppid() != supervisor:
                found.append(" ".join(process.cmdline()))
    return found


# ---- what is left ----------------------------------------------------------------------------------------


def processes_of(home: Home, cluster_id: str) -> list[str]:
    """Return what runs for a cluster: its components' names, as often as there are processes."""
    mark = f"{home.clusters / cluster_id}/"
    found = []
    for process in platform_processes(home):
        with suppress(psutil.NoSuchProcess):
            if any(mark in word for word in process.cmdline()):
                found.append(Path(process.exe()).name)
    return sorted(found)


def assert_one_control_plane(home: Home, cluster_id: str) -> None:
    """A cluster's components run once each, are declared, and have the cluster's only ports."""
    assert processes_of(home, cluster_id) == sorted(COMPONENTS)
    assert Supervisor(home).declared(f"{cluster_id}.") == sorted(
        f"{cluster_id}.{name}" for name in COMPONENTS
    )
    assert set(_ports(home, cluster_id)) == {f"port clusters/{cluster_id}/{name}" for name in COMPONENTS}


async def assert_nothing_left(home: Home, cluster_id: str, admin: AsyncClient, namespace: str) -> None:
    """No process, port, file, etcd key or object of a cluster is there.

    Kubernetes' garbage collector may still be at the objects, and only at those.
    """
    assert [*_on_the_machine(home, cluster_id), *await _keys(home, cluster_id)] == []

    async def no_objects() -> bool | None:
        return None if await _objects(admin, namespace) else True

    assert await poll(no_objects, timeout_seconds=SOON_SECONDS, interval_seconds=0.5), await _objects(
        admin, namespace
    )


def _on_the_machine(home: Home, cluster_id: str) -> list[str]:
    return [
        *(f"process {name}" for name in processes_of(home, cluster_id)),
        *(f"program {name}" for name in Supervisor(home).statuses() if cluster_id in name),
        *_ports(home, cluster_id),
        *(f"file {path}" for path in home.root.rglob("*") if cluster_id in str(path)),
    ]


def _ports(home: Home, cluster_id: str) -> list[str]:
    return [f"port {name}" for name in Ports(home).known() if cluster_id in name]


async def _keys(home: Home, cluster_id: str) -> list[str]:
    etcd = etcd_client(home, MANAGEMENT)
    context = ssl.create_default_context(cafile=str(etcd.pki.certificate("ca")))
    context.load_cert_chain(etcd.pki.certificate(etcd.user), etcd.pki.key(etcd.user))
    start, end = (b64encode(key).decode() for key in range_below(f"/clusters/{cluster_id}"))
    asked = {"key": start, "range_end": end, "count_only": True}
    async with httpx2.AsyncClient(verify=context, trust_env=False) as http:
        answer = (await http.post(f"{etcd.endpoint}/v3/kv/range", json=asked)).raise_for_status().json()
    return [f"{answer['count']} keys in etcd"] if int(answer.get("count", 0)) else []


async def _objects(admin: AsyncClient, namespace: str) -> list[str]:
    kinds = [SECRET]
    for crd in await list_objects(admin, CRD):
        spec = crd["spec"]
        version = next(item["name"] for item in spec["versions"] if item["storage"])
        if spec["scope"] == "Namespaced" and spec["group"].endswith(GROUPS):
            kinds.append(Kind(spec["group"], version, spec["names"]["kind"], spec["names"]["plural"]))
    return [
        f"{kind} {item['metadata']['name']}"
        for kind in kinds
        for item in await list_objects(admin, kind, namespace)
    ]
