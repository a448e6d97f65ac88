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

from moorage.kube.client import connect
from moorage.kube.kinds import CONFIG_MAP
from moorage.kube.objects import FAILED, create, get, list_objects, merge_patch, persist
from moorage.local.controlplane import API_SERVER, ETCD
from moorage.local.errors import PlatformError
from moorage.local.home import Home
from moorage.local.management import MANAGEMENT, OPERATOR
from moorage.local.supervisor import Supervisor

from ..clusters.helpers import MANAGER, SOON_SECONDS, patch, pool, settled, until
from .helpers import UserCluster, kill, pid_of, until_replaced

AWAY_SECONDS = 20.0  # longer than a lease can go without renewal
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
        Supervisor(home).hurry()


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

        # What is wanted now, too, is carried out.
        pools = [pool("main", 2, labels={"after": "it"})]
        await persist(
            lambda: patch(admin, web.project, web.name, {"nodePools": pools}), timeout_seconds=SOON_SECONDS
        )
        await until(admin, web.project, web.name, settled)
        during = await web.until_well(pods=2, nodes=2)
        assert during["nodes"] > before["nodes"]
        assert during["pods"] == before["pods"]
        assert Supervisor(platform).statuses()[OPERATOR].state == "RUNNING"
        said = log.read_bytes()[read:].decode()
        assert "Traceback" not in said, said
    finally:
        await persist(
            lambda: patch(admin, web.project, web.name, {"nodePools": [pool("main", 1)]}),
            timeout_seconds=SOON_SECONDS,
        )
        await until(admin, web.project, web.name, settled)


class Writer:
    """Creates objects and counts in another one, and knows what was acknowledged."""

    def __init__(self, client: AsyncClient, name: str) -> None:
        self._client = client
        self._name = name
        self.created: set[str] = set()
        self.counted = 0
        self.acknowledged_at: list[float] = []

    async def run(self) -> None:
        await self._create(self._name)
        number = 0
        while True:
            number += 1
            with suppress(*FAILED, TimeoutError):
                async with asyncio.timeout(5):
                    await self._create(f"{self._name}-{number}")
                    await self._count(number)
                    self.acknowledged_at.append(time.monotonic())

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
        async with asyncio.timeout(SOON_SECONDS):
            while not all(writer.acknowledged_at[-1] > killed_at + 2 for writer in writers):
                await asyncio.sleep(0.1)
        for task in writing:
            task.cancel()
        ended = await asyncio.gather(*writing, return_exceptions=True)
        assert [type(end) for end in ended] == [asyncio.CancelledError] * len(writers)
        for writer in writers:
            await writer.assert_kept()
    await web.until_well(pods=2)
