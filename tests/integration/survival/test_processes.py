"""One process is killed, and nobody says `moorage up`."""

from __future__ import annotations

import asyncio

import psutil
import pytest
from lightkube import AsyncClient

from moorage.api.meta import project_namespace
from moorage.kube.client import connect
from moorage.kube.kinds import CAPI_CLUSTER, DEPLOYMENT, KUBERNETES_CLUSTER, MACHINE
from moorage.kube.objects import delete, get, list_objects, merge_patch, poll
from moorage.local.controlplane import API_SERVER, KWOK
from moorage.local.home import Home
from moorage.local.management import CLUSTER_API, OPERATOR
from moorage.local.platform import down, up
from moorage.local.supervisor import platform_processes
from moorage.providers.local.contract import parse_cluster

from ..clusters.helpers import MANAGER, SOON_SECONDS, declare, pool, settled, until, until_gone
from .helpers import (
    UserCluster,
    assert_nothing_left,
    assert_one_control_plane,
    kill,
    until_healthy,
    until_replaced,
)

# Longer than it takes the operator to notice (1 s) and to call for help.
NOBODY_COMES_SECONDS = 4.0


@pytest.mark.parametrize("program", [OPERATOR, CLUSTER_API, "supervisor"])
async def test_a_process_that_is_killed_while_a_cluster_is_made_or_removed_finishes_it(
    platform: Home, admin: AsyncClient, project: str, program: str
) -> None:
    namespace = project_namespace(project)

    async def machine() -> bool | None:
        return bool(await list_objects(admin, MACHINE, namespace)) or None

    async def machine_goes() -> bool | None:
        machines = await list_objects(admin, MACHINE, namespace)
        return all("deletionTimestamp" in item["metadata"] for item in machines) or None

    await declare(admin, project, "web", pool("main", 1))
    assert await poll(machine, timeout_seconds=SOON_SECONDS, interval_seconds=0.01)
    killed = kill(platform, program)
    await until_replaced(platform, program, killed)
    await until_healthy(platform)
    await until(admin, project, "web", settled)
    made = await get(admin, CAPI_CLUSTER, "web", namespace)
    assert made is not None
    cluster_id = parse_cluster(made).id
    assert_one_control_plane(platform, cluster_id)

    await delete(admin, KUBERNETES_CLUSTER, "web", namespace)
    assert await poll(machine_goes, timeout_seconds=SOON_SECONDS, interval_seconds=0.01)
    killed = kill(platform, program)
    await until_replaced(platform, program, killed)
    await until_healthy(platform)
    await until_gone(admin, KUBERNETES_CLUSTER, "web", namespace)
    await assert_nothing_left(platform, cluster_id, admin, namespace)
    await up(platform)  # waits until whoever brought it back has finished


async def test_a_cluster_whose_api_server_and_kubelets_are_killed_keeps_its_nodes_and_pods(
    platform: Home, web: UserCluster
) -> None:
    before = await web.until_well(pods=2)
    programs = [f"{web.id}.{component}" for component in (API_SERVER, KWOK)]
    killed = {program: kill(platform, program) for program in programs}
    for program, pid in killed.items():
        await until_replaced(platform, program, pid)
    assert await web.until_well(pods=2) == before

    # Its kubelets do not only stand there: they run what comes.
    async with connect(web.kubeconfig) as inside:
        for replicas in (3, 2):
            patch = {"spec": {"replicas": replicas}}
            await merge_patch(inside, DEPLOYMENT, "lasting", "default", patch, field_manager=MANAGER)
            after = await web.until_well(pods=replicas)
    assert after["nodes"] == before["nodes"]


async def test_a_supervisor_that_is_killed_again_while_it_is_brought_back_is_brought_back(
    platform: Home, web: UserCluster
) -> None:
    before = await web.until_well(pods=2)
    for _ in range(3):
        killed = kill(platform, "supervisor")
        await until_replaced(platform, "supervisor", killed)
    await until_healthy(platform)
    assert await web.until_well(pods=2) == before
    await up(platform)


def helpers_of(home: Home) -> list[psutil.Process]:
    """Whoever brings a platform back whose supervisor was killed."""
    command = ["-m", "moorage.local.recover", str(home.root)]
    return [p for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [])[1:] == command]


@pytest.mark.parametrize("helped", [False, True], ids=["before anybody notices", "while help is at work"])
async def test_a_platform_that_is_stopped_after_its_supervisor_was_killed_stays_stopped(
    platform: Home, web: UserCluster, helped: bool
) -> None:
    before = await web.until_well(pods=2)
    try:
        kill(platform, "supervisor")
        if helped:

            async def helper() -> bool | None:
                return bool(helpers_of(platform)) or None

            assert await poll(helper, timeout_seconds=SOON_SECONDS, interval_seconds=0.02)
        await down(platform)
        assert platform_processes(platform) == []
        await asyncio.sleep(NOBODY_COMES_SECONDS)
        assert platform_processes(platform) == []
        assert helpers_of(platform) == []
    finally:
        await up(platform)
    assert await web.until_well(pods=2) == before
