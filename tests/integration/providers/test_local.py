"""The local provider at work: real Cluster API above it, a real API server below."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import psutil
import pytest

from moorage.kube.kinds import (
    CAPI_CLUSTER,
    DEPLOYMENT,
    LOCAL_CLUSTER,
    LOCAL_CONTROL_PLANE,
    LOCAL_MACHINE,
    LOCAL_MACHINE_TEMPLATE,
    MACHINE,
    NODE,
    POD,
    SECRET,
    Kind,
    Object,
)
from moorage.kube.objects import create, delete, get, list_objects, merge_patch
from moorage.local.controlplane import API_SERVER, KWOK
from moorage.local.home import Home
from moorage.local.ports import Ports
from moorage.local.supervisor import Supervisor, in_thread, platform_processes
from moorage.local.usercluster import known_clusters
from moorage.providers.local.contract import parse_cluster
from moorage.providers.local.faults import Fault
from moorage.providers.local.injection import (
    NoSuchMachineError,
    clear,
    inject,
    inject_next,
    injected_faults,
)

from .conftest import (
    MANAGER,
    POOL,
    UserCluster,
    declare,
    eventually,
    gone,
    ready,
    reason_of,
    remove,
    status_of,
    taints_of,
)

JOB = Kind("batch", "v1", "Job", "jobs")
UNREACHABLE_SECONDS = 120.0


def pod_spec(**more: Any) -> Object:
    return {"containers": [{"name": "main", "image": "example.com/app:1"}], **more}


def deployment(name: str, replicas: int) -> Object:
    labels = {"app": name}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec()},
        },
    }


async def running_pods(cluster: UserCluster, name: str, count: int) -> list[Object]:
    async def look() -> list[Object] | None:
        pods = await list_objects(cluster.inside, POD, "default", labels={"app": name})
        ready = [pod for pod in pods if status_of(pod, "Ready") == "True"]
        return ready if len(ready) == len(pods) == count else None

    found: list[Object] = await eventually(look, what=f"{name} has not {count} pods that run")
    return found


async def kill(home: Home, program: str) -> None:
    statuses = await in_thread(Supervisor(home).statuses)
    pid = statuses[program].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def test_a_node_is_as_its_machine_says(cluster: UserCluster) -> None:
    nodes = {node["metadata"]["name"]: node for node in await cluster.ready_nodes(3)}
    addresses, ranges = set(), set()
    for machine in await cluster.machines():
        node = nodes[machine["status"]["nodeRef"]["name"]]
        assert node["spec"]["providerID"] == machine["spec"]["providerID"]
        assert node["spec"]["providerID"].startswith(f"local:///{cluster.id}/")
        assert node["status"]["nodeInfo"]["kubeletVersion"] == machine["spec"]["version"]
        labels = node["metadata"]["labels"]
        assert labels["node.kubernetes.io/instance-type"] == "small"
        assert labels["moorage.dev/pool"] == POOL
        assert labels["topology.kubernetes.io/zone"] == machine["status"]["failureDomain"]
        [address] = [item["address"] for item in node["status"]["addresses"] if item["type"] == "InternalIP"]
        assert {"type": "InternalIP", "address": address} in machine["status"]["addresses"]
        addresses.add(address)
        ranges.add(node["spec"]["podCIDR"])
    assert len(addresses) == len(ranges) == 3
    assert {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes.values()} == set(
        "abc"
    )


async def test_an_autoscaler_knows_how_large_a_node_would_be(cluster: UserCluster) -> None:
    [template] = await list_objects(cluster.management, LOCAL_MACHINE_TEMPLATE, cluster.namespace)
    [node, *_] = await cluster.nodes()
    assert template["status"]["capacity"] == node["status"]["capacity"]
    info = {"architecture": node["status"]["nodeInfo"]["architecture"], "operatingSystem": "linux"}
    assert template["status"]["nodeInfo"] == info


async def test_pods_run_work_and_go(cluster: UserCluster) -> None:
    job = {
        "metadata": {"name": "work", "namespace": "default"},
        "spec": {"template": {"spec": pod_spec(restartPolicy="Never")}},
    }
    side = {"name": "side", "image": "example.com/side:1", "restartPolicy": "Always"}
    first = {"name": "first", "image": "example.com/first:1"}
    alone = {
        "metadata": {"name": "alone", "namespace": "default", "labels": {"app": "alone"}},
        "spec": pod_spec(initContainers=[first, side]),
    }
    await create(cluster.inside, JOB, job, field_manager=MANAGER)
    await create(cluster.inside, POD, alone, field_manager=MANAGER)

    [pod] = await running_pods(cluster, "alone", 1)
    node = await cluster.node(pod["spec"]["nodeName"])
    assert node is not None
    assert pod["status"]["podIP"].startswith(node["spec"]["podCIDR"].removesuffix("0/24"))
    assert pod["status"]["hostIP"] in [item["address"] for item in node["status"]["addresses"]]
    states = {item["name"]: item["state"] for item in pod["status"]["initContainerStatuses"]}
    assert states["first"]["terminated"]["exitCode"] == 0
    assert "running" in states["side"]

    async def complete() -> bool:
        return status_of(await get(cluster.inside, JOB, "work", "default"), "Complete") == "True"

    await eventually(complete, what="the job does not complete")
    await delete(cluster.inside, JOB, "work", "default")
    await delete(cluster.inside, POD, "alone", "default")
    still = await get(cluster.inside, POD, "alone", "default")
    assert still is not None, "a pod has some time to end in"
    assert still["metadata"]["deletionTimestamp"]
    await eventually(lambda: gone(cluster.inside, POD, "alone", "default"), timeout_seconds=20)


async def test_a_node_that_is_deleted_registers_again(cluster: UserCluster) -> None:
    [node, *_] = await cluster.ready_nodes(3)
    await delete(cluster.inside, NODE, node["metadata"]["name"])

    async def anew() -> bool:
        found = await cluster.node(node["metadata"]["name"])
        return found is not None and found["metadata"]["uid"] != node["metadata"]["uid"]

    await eventually(anew, what="the node does not come back")
    await cluster.ready_nodes(3)


async def test_what_somebody_wrote_on_a_node_stays(cluster: UserCluster) -> None:
    [node, *_] = await cluster.ready_nodes(3)
    name = node["metadata"]["name"]
    mine = {"metadata": {"labels": {"example.com/mine": "yes"}}}
    await merge_patch(cluster.inside, NODE, name, None, mine, field_manager=MANAGER)
    await inject(cluster.management, cluster.target, name, Fault.DISK_PRESSURE, field_manager=MANAGER)

    async def pressed() -> bool:
        found = await cluster.node(name)
        return status_of(found, "DiskPressure") == "True"

    await eventually(pressed)
    await clear(cluster.management, cluster.target, machine=name, field_manager=MANAGER)
    for found in await cluster.ready_nodes(3):
        if found["metadata"]["name"] == name:
            assert found["metadata"]["labels"]["example.com/mine"] == "yes"


async def test_a_full_disk_keeps_pods_away_until_it_is_cleared(cluster: UserCluster) -> None:
    [machine, *_] = await cluster.local_machines()
    name = machine["metadata"]["name"]
    await inject(cluster.management, cluster.target, name, Fault.DISK_PRESSURE, field_manager=MANAGER)

    async def noticed() -> bool:
        node = await cluster.node(name)
        return node is not None and "node.kubernetes.io/disk-pressure" in taints_of(node)

    await eventually(noticed, what="the node lifecycle controller takes no notice of the full disk")
    node = await cluster.node(name)
    assert status_of(node, "Ready") == "True"
    since = {c["type"]: c["lastTransitionTime"] for c in (node or {})["status"]["conditions"]}
    assert since["DiskPressure"] > since["Ready"], "only what has changed has a new time of transition"
    await clear(cluster.management, cluster.target, machine=name, field_manager=MANAGER)
    await cluster.ready_nodes(3)


async def test_a_machine_that_vanishes_stays_away_until_it_is_cleared(cluster: UserCluster) -> None:
    [machine, *_] = await cluster.local_machines()
    name = machine["metadata"]["name"]
    await inject(cluster.management, cluster.target, name, Fault.NODE_GONE, field_manager=MANAGER)
    await eventually(lambda: gone(cluster.inside, NODE, name), what="the node does not vanish")

    async def reported() -> bool:
        found = await get(cluster.management, LOCAL_MACHINE, name, cluster.namespace)
        return status_of(found, "Ready") == "False"

    await eventually(reported)
    found = await get(cluster.management, LOCAL_MACHINE, name, cluster.namespace)
    assert reason_of(found, "Ready") == "NodeGone"
    await asyncio.sleep(3)
    assert await cluster.node(name) is None
    await clear(cluster.management, cluster.target, machine=name, field_manager=MANAGER)
    await cluster.ready_nodes(3)


async def test_a_kubelet_that_stops_is_found_out_by_kubernetes_itself(cluster: UserCluster) -> None:
    [machine, *_] = await cluster.local_machines()
    name = machine["metadata"]["name"]
    await inject(cluster.management, cluster.target, name, Fault.KUBELET_STOPPED, field_manager=MANAGER)

    async def unreachable() -> bool:
        node = await cluster.node(name)
        return status_of(node, "Ready") == "Unknown" and "node.kubernetes.io/unreachable" in taints_of(
            node or {"spec": {}}
        )

    await eventually(unreachable, timeout_seconds=UNREACHABLE_SECONDS)
    assert reason_of(await cluster.node(name), "Ready") == "NodeStatusUnknown"
    others = [node for node in await cluster.nodes() if node["metadata"]["name"] != name]
    assert [status_of(node, "Ready") for node in others] == ["True", "True"]
    await clear(cluster.management, cluster.target, machine=name, field_manager=MANAGER)
    await cluster.ready_nodes(3)


@pytest.mark.parametrize("fault", [Fault.NEVER_JOINS, Fault.PROVIDER_ERROR])
async def test_a_pools_next_machine_fails_alone(cluster: UserCluster, fault: Fault) -> None:
    await inject_next(cluster.management, cluster.target, POOL, fault, field_manager=MANAGER)
    assert [(item.machine, item.fault) for item in await faults(cluster)] == [(None, fault.value)]
    before = {machine["metadata"]["name"] for machine in await cluster.local_machines()}
    await cluster.scale(5)
    await cluster.ready_nodes(4)

    [broken] = await faults(cluster)
    assert broken.machine is not None
    assert broken.machine not in before
    machine = await get(cluster.management, LOCAL_MACHINE, broken.machine, cluster.namespace)
    provisioned = bool(machine and machine["status"].get("initialization"))
    assert provisioned is (fault is Fault.NEVER_JOINS)
    assert status_of(machine, "Ready") == ("True" if provisioned else "False")

    await clear(cluster.management, cluster.target, field_manager=MANAGER)
    await cluster.ready_nodes(5)
    assert await faults(cluster) == []
    await cluster.scale(3)
    await cluster.ready_nodes(3)


async def test_a_fault_for_nobody_is_refused(cluster: UserCluster) -> None:
    # Not one that is on its way out: the test before may have left some.
    [node, *_] = await cluster.ready_nodes(3)
    name = node["metadata"]["name"]
    management, target = cluster.management, cluster.target
    with pytest.raises(NoSuchMachineError, match="has no machine nobody"):
        await inject(management, target, "nobody", Fault.NODE_GONE, field_manager=MANAGER)
    with pytest.raises(NoSuchMachineError, match="has no pool none"):
        await inject_next(management, target, "none", Fault.NEVER_JOINS, field_manager=MANAGER)
    with pytest.raises(NoSuchMachineError, match="has joined"):
        await inject(management, target, name, Fault.NEVER_JOINS, field_manager=MANAGER)
    assert await faults(cluster) == []


async def test_kubelets_that_are_killed_go_on_at_once(platform: Home, cluster: UserCluster) -> None:
    await create(cluster.inside, DEPLOYMENT, deployment("steady", 6), field_manager=MANAGER)
    before = await running_pods(cluster, "steady", 6)
    await kill(platform, f"{cluster.id}.{KWOK}")
    await scale_deployment(cluster, "steady", 12)
    after = await running_pods(cluster, "steady", 12)
    addresses = {pod["metadata"]["uid"]: pod["status"]["podIP"] for pod in after}
    for pod in before:
        assert addresses[pod["metadata"]["uid"]] == pod["status"]["podIP"]
    assert [status_of(node, "Ready") for node in await cluster.nodes()] == ["True"] * 3
    await delete(cluster.inside, DEPLOYMENT, "steady", "default")


async def test_no_pod_is_lost_when_the_api_server_is_killed(platform: Home, cluster: UserCluster) -> None:
    await create(cluster.inside, DEPLOYMENT, deployment("many", 40), field_manager=MANAGER)
    await asyncio.sleep(0.4)  # in the middle of it
    await kill(platform, f"{cluster.id}.{API_SERVER}")
    await running_pods_after_a_crash(cluster, "many", 40)
    await delete(cluster.inside, DEPLOYMENT, "many", "default")
    await cluster.ready_nodes(3)


async def test_a_cluster_that_is_deleted_leaves_nothing_and_its_name_is_free(
    platform: Home, cluster: UserCluster
) -> None:
    management, namespace = cluster.management, cluster.namespace
    first = parse_cluster(await declare(management, namespace, "brief", nodes=1)).id
    await ready(management, namespace, "brief")
    assert first in await known_clusters(platform)
    await remove(management, namespace, "brief")
    await assert_nothing_left(platform, management, namespace, first)

    # In the middle of its making, this time.
    second = parse_cluster(await declare(management, namespace, "brief", nodes=1)).id
    assert second != first

    async def begun() -> bool:
        # Not before its Machine is there: when a MachineDeployment goes in the moment in which its MachineSet
        # is made, Cluster API removes that one only minutes later.
        machines = await list_objects(management, MACHINE, namespace)
        machine = any(obj["metadata"]["name"].startswith("brief") for obj in machines)
        return machine and second in await known_clusters(platform)

    await eventually(begun, what="the second cluster is not begun")
    await remove(management, namespace, "brief")
    await assert_nothing_left(platform, management, namespace, second)


async def assert_nothing_left(platform: Home, management: Any, namespace: str, cluster: str) -> None:
    assert cluster not in await known_clusters(platform)
    assert not [name for name in Ports(platform).known() if cluster in name]
    assert not [path for path in platform.root.rglob("*") if cluster in path.name]

    def processes() -> list[psutil.Process]:
        return [p for p in platform_processes(platform) if any(cluster in word for word in p.cmdline())]

    assert not await in_thread(processes)
    for kind in (CAPI_CLUSTER, LOCAL_CLUSTER, LOCAL_CONTROL_PLANE, LOCAL_MACHINE):
        objects = await list_objects(management, kind, namespace)
        assert not [obj for obj in objects if obj["metadata"]["name"].startswith("brief")]

    async def no_secrets() -> bool:
        secrets = await list_objects(management, SECRET, namespace)
        return not [obj for obj in secrets if obj["metadata"]["name"].startswith("brief")]

    await eventually(no_secrets, what="Secrets of the cluster are left")


async def faults(cluster: UserCluster) -> list[Any]:
    return await injected_faults(cluster.management, cluster.namespace, "web")


async def scale_deployment(cluster: UserCluster, name: str, replicas: int) -> None:
    patch = {"spec": {"replicas": replicas}}
    await merge_patch(cluster.inside, DEPLOYMENT, name, "default", patch, field_manager=MANAGER)


async def running_pods_after_a_crash(cluster: UserCluster, name: str, count: int) -> None:
    """A minute may pass before the provider has its next look at the control plane, and starts kwok anew."""

    async def look() -> bool:
        pods = await list_objects(cluster.inside, POD, "default", labels={"app": name})
        return len(pods) == count and all(status_of(pod, "Ready") == "True" for pod in pods)

    await eventually(look, timeout_seconds=150, what=f"{name} has not {count} pods that run")
