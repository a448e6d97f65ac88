"""The operator as a process: one leads, one stands by, and none takes long to take over."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from lightkube import AsyncClient

from moorage.api.meta import SYSTEM_NAMESPACE
from moorage.kube.kinds import LEASE, PROJECT, VALIDATING_WEBHOOK
from moorage.kube.objects import create, delete, get, poll
from moorage.local.home import Home
from moorage.local.management import OPERATOR, management_pki
from moorage.local.ports import port_is_free
from moorage.local.supervisor import Supervisor, in_thread
from moorage.operator.identity import Identity
from moorage.operator.main import LEASE_NAME

SOON_SECONDS = 60


def free_ports(count: int) -> list[int]:
    return [port for port in range(32100, 32700) if port_is_free(port)][:count]


@asynccontextmanager
async def another_operator(home: Home) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A second operator of the same platform, and where it says how it is."""
    pki = management_pki(home)
    webhook, health = free_ports(2)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "moorage.operator",
        f"--kubeconfig={home.management / 'operator.kubeconfig'}",
        f"--webhook-port={webhook}",
        f"--health-port={health}",
        f"--cert-file={pki.certificate(OPERATOR)}",
        f"--key-file={pki.key(OPERATOR)}",
        f"--ca-file={pki.certificate('ca')}",
        f"--home={home.root}",
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process, health
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def readiness(port: int) -> str | None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        try:
            response = await client.get(f"http://127.0.0.1:{port}/readyz")
        except httpx2.TransportError:
            return None
    return f"{response.status_code} {response.text.strip()}"


async def leader(admin: AsyncClient) -> str:
    lease = await get(admin, LEASE, LEASE_NAME, SYSTEM_NAMESPACE)
    assert lease is not None
    return str(lease["spec"].get("holderIdentity"))


async def test_of_two_operators_one_leads_and_the_other_stands_by(platform: Home, admin: AsyncClient) -> None:
    before = await leader(admin)
    webhooks = await get(admin, VALIDATING_WEBHOOK, "moorage")

    async with another_operator(platform) as (process, health):

        async def stands_by() -> bool | None:
            said = await readiness(health)
            return True if said is not None and said.startswith("503 waits for the lease") else None

        assert await poll(stands_by, timeout_seconds=SOON_SECONDS)
        await asyncio.sleep(3)
        assert await leader(admin) == before
        assert await get(admin, VALIDATING_WEBHOOK, "moorage") == webhooks, "only who leads says where to ask"

        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), timeout=10) == 0
    assert await leader(admin) == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_an_operator_that_ends_is_followed_at_once_and_nothing_is_forgotten(
    platform: Home, admin: AsyncClient, number: signal.Signals
) -> None:
    name = f"ended-by-{number.name.lower()}"
    before = Identity.read(await leader(admin))
    assert before is not None
    process = (await in_thread(Supervisor(platform).statuses))[OPERATOR]
    assert process.pid == before.pid

    await create(admin, PROJECT, {"metadata": {"name": name}}, field_manager="test")
    signalled = asyncio.get_running_loop().time()
    os.kill(before.pid, number)

    async def followed() -> str | None:
        now = Identity.read(await leader(admin))
        return str(now) if now is not None and now.pid != before.pid else None

    assert await poll(followed, timeout_seconds=SOON_SECONDS)
    assert asyncio.get_running_loop().time() - signalled < 14, "a lease of the dead is not waited for"

    async def ready() -> bool | None:
        conditions = ((await get(admin, PROJECT, name) or {}).get("status") or {}).get("conditions") or ()
        return True if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) else None

    assert await poll(ready, timeout_seconds=SOON_SECONDS)
    await delete(admin, PROJECT, name)

    async def gone() -> bool | None:
        return True if await get(admin, PROJECT, name) is None else None

    assert await poll(gone, timeout_seconds=SOON_SECONDS)
