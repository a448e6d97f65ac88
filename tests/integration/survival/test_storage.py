"""The management cluster's API server is away for a while, and etcd is killed while it is written to."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest
from lightkube import AsyncClient

from moorage.api.meta import project_namespace
from moorage.kube.client import connect
from moorage.kube.kinds import CONFIG_MAP, LOCAL_BOOTSTRAP_CONFIG, LOCAL_MACHINE, MACHINE
from moorage.kube.objects import FAILED, create, delete, get, list_objects, merge_patch, persist, poll
from moorage.local.controlplane import API_SERVER, ETCD
from moorage.local.home import Home
from moorage.local.management import MANAGEMENT, OPERATOR
from moorage.local.supervisor import Supervisor
from moorage.providers.local.faults import Fault
from moorage.providers.local.injection import Cluster, inject_next, injected_faults

from ..clusters.helpers import MANAGER, SOON_SECONDS, patch, pool, settled, until
from .helpers import UserCluster, kill, pid_of, until_healthy, until_replaced

AWAY_SECONDS = 15.0  # longer than the operator can go on without renewing its lease
MANAGEMENT_API_SERVER = f"{MANAGEMENT}.{API_SERVER}"

Away = Callable[[Home], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def frozen(home: Home) -> AsyncIterator[None]:
    """The API server takes connections, and says nothing."""
    pid = pid_of(home, MANAGEMENT_API_SERVER)
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def killed_again_and_again(home: Home) -> AsyncIterator[None]:
    """The API server is killed whenever it has been started."""

    async def keep_killing() -> None:
        while True:
            if pid := pid_of(home, MANAGEMENT_API_SERVER):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.2)

    killing = asyncio.create_task(keep_killing())
    try:
        yield
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)


@pytest.mark.parametrize("away", [frozen, killed_again_and_again])
async def test_an_api_server_that_is_away_delays_what_is_wanted_and_no_more(
    platform: Home, admin: AsyncClient, web: UserCluster, away: Away
) -> None:
    before = await web.until_well(pods=2)
    log = platform.log(OPERATOR)
    read = log.stat().st_size
    try:
        # What was wanted a moment before, the operator is in the middle of.
        await patch(admin, web.project, web.name, {"nodePools": [pool("main", 2)]})
        async with away(platform):
            await asyncio.sleep(AWAY_SECONDS)
            # Whoever uses a cluster does not notice that nobody could change it.
            async with connect(web.kubeconfig) as inside:
                assert await get(inside, CONFIG_MAP, "kube-root-ca.crt", "default")

        await until_healthy(platform, MANAGEMENT_API_SERVER)
        # What is wanted now, too, is carried out.
        pools = [pool("main", 2, labels={"after": "it"})]
        await persist(
            lambda: patch(admin, web.project, web.name, {"nodePools": pools}), timeout_seconds=SOON_SECONDS
        )
        await until(admin, web.project, web.name, settled)
        during = await web.until_well(pods=2, nodes=2)
        assert during["nodes"] > before["nodes"]
        assert during["pods"] == before["pods"]
        # It may have ended, without its lease, and have been started anew a moment ago.
        assert Supervisor(platform).statuses()[OPERATOR].running
        said = log.read_bytes()[read:].decode()
        assert "Traceback" not in said, said
    finally:
        await until_healthy(platform)
        await persist(
            lambda: patch(admin, web.project, web.name, {"nodePools": [pool("main", 1)]}),
            timeout_seconds=SOON_SECONDS,
        )
        await until(admin, web.project, web.name, settled)


async def test_a_machine_that_was_stored_and_given_up_is_replaced(
    platform: Home, admin: AsyncClient, web: UserCluster
) -> None:
    """Cluster API takes a Machine's parts back when an API server dies that was just storing it."""
    target, namespace = Cluster(project_namespace(web.project), web.name), project_namespace(web.project)
    known = {item["metadata"]["name"] for item in await list_objects(admin, MACHINE, namespace)}
    await inject_next(admin, target, "main", Fault.PROVIDER_ERROR, field_manager=MANAGER)

    async def failing() -> str | None:
        faults = await injected_faults(admin, namespace)
        return next((item.machine for item in faults if item.machine is not None), None)

    try:
        await patch(admin, web.project, web.name, {"nodePools": [pool("main", 2)]})
        name = await poll(failing, timeout_seconds=SOON_SECONDS)
        assert name is not None
        assert name not in known
        for kind in (LOCAL_MACHINE, LOCAL_BOOTSTRAP_CONFIG):
            assert await delete(admin, kind, name, namespace)

        await web.until_well(pods=2, nodes=2)
        assert await get(admin, MACHINE, name, namespace) is None
    finally:
        await patch(admin, web.project, web.name, {"nodePools": [pool("main", 1)]})
        await until(admin, web.project, web.name, settled)


class Writer:
    """Creates objects and counts in another one, and knows what was acknowledged."""

    def __init__(self, client: AsyncClient, name: str) -> None:
        self._client = client
        self._name = name
        self.created: set[str] = set()
        self.counted = 0
        self.acknowledged_at = 0.0

    async def run(self) -> None:
        await self._create(self._name)
        number = 0
        while True:
            number += 1
            with suppress(*FAILED, TimeoutError):
                async with asyncio.timeout(5):
                    await self._create(f"{self._name}-{number}")
                    await self._count(number)
                    self.acknowledged_at = time.monotonic()

    async def _create(self, name: str) -> None:
        obj = {"metadata": {"name": name, "namespace": "default"}}
        if await create(self._client, CONFIG_MAP, obj, field_manager=MANAGER):
            self.created.add(name)

    async def _count(self, number: int) -> None:
        patch = {"data": {"counted": str(number)}}
        if await merge_patch(self._client, CONFIG_MAP, self._name, "default", patch, field_manager=MANAGER):
            self.counted = number

    async def assert_kept(self) -> None:
        names = {item["metadata"]["name"] for item in await list_objects(self._client, CONFIG_MAP, "default")}
        assert self.created - names == set()
        counter = await get(self._client, CONFIG_MAP, self._name, "default")
        assert counter is not None
        # The last one may have been stored without anybody having been told.
        assert int(counter["data"]["counted"]) >= self.counted > 0


async def test_nothing_that_was_acknowledged_is_lost_when_etcd_is_killed(
    platform: Home, admin: AsyncClient, web: UserCluster
) -> None:
    async with connect(web.kubeconfig) as inside:
        writers = [Writer(client, f"written-{n}") for client in (admin, inside) for n in range(3)]
        writing = [asyncio.create_task(writer.run()) for writer in writers]
        for _ in range(3):
            await asyncio.sleep(1.5)
            killed = kill(platform, ETCD)
            killed_at = time.monotonic()
            await until_replaced(platform, ETCD, killed)

        async def all_write_again() -> bool | None:
            return all(writer.acknowledged_at > killed_at + 2 for writer in writers) or None

        assert await poll(all_write_again, timeout_seconds=SOON_SECONDS)
        for task in writing:
            task.cancel()
        ended = await asyncio.gather(*writing, return_exceptions=True)
        assert [type(end) for end in ended] == [asyncio.CancelledError] * len(writers)
        for writer in writers:
            await writer.assert_kept()
    await web.until_well(pods=2)
