"""Leader election on a real API server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from lightkube import AsyncClient

from moorage.kube.kinds import LEASE, Object
from moorage.kube.lease import LeadershipLost, LeaseTimes, lead
from moorage.kube.objects import get, merge_patch, poll

from .conftest import BareApiServer

QUICK = LeaseTimes(duration_seconds=2, renew_deadline_seconds=1.5, retry_period_seconds=0.2)
NAME = "moorage-operator"


@dataclass
class Work:
    """Work that goes on until it is ended, and that knows who else does it."""

    others: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    async def do(self, who: str) -> None:
        assert not self.others, "two lead"
        self.others.append(who)
        self.log.append(who)
        try:
            await asyncio.Event().wait()
        finally:
            self.others.remove(who)


@pytest.fixture
def work() -> Work:
    return Work()


@asynccontextmanager
async def candidate(
    client: AsyncClient, namespace: str, who: str, work: Work
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(lead(client, NAME, namespace, who, run=lambda: work.do(who), times=QUICK))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until_leads(work: Work, who: str, seconds: float = 20) -> float:
    began = time.monotonic()

    async def leads() -> bool | None:
        return work.others == [who] or None

    assert await poll(leads, timeout_seconds=seconds, interval_seconds=0.01), work.log
    return time.monotonic() - began


async def lease(client: AsyncClient, namespace: str) -> Object:
    found = await get(client, LEASE, NAME, namespace)
    assert found is not None
    return dict(found["spec"])


async def test_one_leads_and_keeps_leading(client: AsyncClient, namespace: str, work: Work) -> None:
    async with candidate(client, namespace, "a", work):
        await until_leads(work, "a")
        first = await lease(client, namespace)
        async with candidate(client, namespace, "b", work):
            await asyncio.sleep(QUICK.duration_seconds + 1)
            assert work.log == ["a"]
        now = await lease(client, namespace)
    assert now["holderIdentity"] == "a"
    assert now["renewTime"] > first["renewTime"]
    assert now["acquireTime"] == first["acquireTime"]
    assert now["leaseTransitions"] == 0


async def test_a_lease_that_is_given_back_is_taken_at_once(
    client: AsyncClient, namespace: str, work: Work
) -> None:
    async with candidate(client, namespace, "b", Work()) as first:
        await poll(lambda: get(client, LEASE, NAME, namespace), timeout_seconds=5)
        async with candidate(client, namespace, "a", work):
            await asyncio.sleep(0.5)
            first.cancel()
            assert await until_leads(work, "a") < 1.5
            assert (await lease(client, namespace))["leaseTransitions"] == 1


async def test_the_lease_of_a_leader_that_died_is_taken_when_it_has_run_out(
    client: AsyncClient, namespace: str, work: Work
) -> None:
    async with candidate(client, namespace, "a", work):
        await until_leads(work, "a")
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 2, "renewTime": "2020-01-01T00:00:00.000000Z"}
    await merge_patch(client, LEASE, NAME, namespace, {"spec": spec}, field_manager="test")
    async with candidate(client, namespace, "b", work):
        waited = await until_leads(work, "b")
    assert waited >= 2, "its clock is nobody's business: it may have been renewed just now"
    assert waited < 5


async def test_a_leader_that_cannot_renew_ends_its_work_before_another_can_begin(
    bare: BareApiServer, namespace: str, work: Work
) -> None:
    async with bare.client() as client, candidate(client, namespace, "a", work) as leading:
        await until_leads(work, "a")
        bare.kill()
        began = time.monotonic()
        try:
            with pytest.raises(LeadershipLost, match=f"lease {namespace}/{NAME} is lost"):
                await asyncio.wait_for(asyncio.shield(leading), 10)
            assert time.monotonic() - began < QUICK.duration_seconds
            assert work.others == []
        finally:
            await bare.start()


async def test_a_lease_that_somebody_took_is_lost_at_once(
    client: AsyncClient, namespace: str, work: Work
) -> None:
    async with candidate(client, namespace, "a", work) as leading:
        await until_leads(work, "a")
        patch = {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 60}}
        await merge_patch(client, LEASE, NAME, namespace, patch, field_manager="test")
        with pytest.raises(LeadershipLost, match="thief leads"):
            await asyncio.wait_for(asyncio.shield(leading), 1)
    assert (await lease(client, namespace))["holderIdentity"] == "thief"


async def test_work_that_fails_gives_the_lease_back_and_says_why(client: AsyncClient, namespace: str) -> None:
    async def fail() -> None:
        raise RuntimeError("no disk")

    with pytest.raises(RuntimeError, match="no disk"):
        await lead(client, NAME, namespace, "a", run=fail, times=QUICK)
    assert not (await lease(client, namespace)).get("holderIdentity")


async def test_the_lease_is_kept_while_the_work_comes_to_its_end(client: AsyncClient, namespace: str) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def slow_to_end() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(QUICK.duration_seconds + 0.5)
            ended.set()

    leading = asyncio.create_task(lead(client, NAME, namespace, "a", run=slow_to_end, times=QUICK))
    await begun.wait()
    leading.cancel()
    await asyncio.sleep(QUICK.duration_seconds)
    assert (await lease(client, namespace))["holderIdentity"] == "a"
    await asyncio.wait({leading})
    assert ended.is_set()
    assert leading.cancelled()
    assert not (await lease(client, namespace)).get("holderIdentity")


async def test_of_many_that_come_and_go_never_two_lead(
    client: AsyncClient, namespace: str, work: Work
) -> None:
    async def stand(who: str) -> None:
        for _ in range(3):
            async with candidate(client, namespace, who, work) as task:
                await asyncio.wait({task}, timeout=0.7)
                assert not task.done() or task.exception() is None

    await asyncio.gather(*(stand(who) for who in "abcd"))
    assert len(work.log) >= 3
