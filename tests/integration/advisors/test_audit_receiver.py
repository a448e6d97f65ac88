"""Events of real API servers over TLS, to a process that is killed; and those who may not send any."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import stat
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from moorage.advisors.audit import receiver as receiving
from moorage.advisors.audit.receiver import Certificates, Receiver
from moorage.advisors.audit.spool import Spool
from moorage.advisors.permissions.model import Usage
from moorage.advisors.permissions.scan import scan
from moorage.kube.kinds import CONFIG_MAP
from moorage.kube.objects import create, delete, get, list_objects, poll
from moorage.local.pki import Leaf, PkiFolder, issue, new_authority
from moorage.local.supervisor import in_thread
from moorage.toolchain import ensure

from ..kube.conftest import LOOPBACK, free_port
from .audit_receiver import CLUSTER, ReceiverProcess, SendingApiServer, context

OTHER = "api-9876543210"
SECONDS = 90


def shape(usage: Usage) -> dict[Any, Any]:
    return {
        "seen": {key: (seen.count, seen.first, seen.last) for key, seen in usage.seen.items()},
        "denied": usage.denied,
        "events": usage.tally.events,
    }


def event(number: int = 0) -> dict[str, Any]:
    return {
        "auditID": f"00000000-0000-0000-0000-{number:012x}",
        "stage": "ResponseComplete",
        "verb": "list",
        "requestURI": "/api/v1/pods",
        "user": {"username": "ada", "groups": ["system:authenticated"]},
        "objectRef": {"resource": "pods"},
        "responseStatus": {"code": 200},
        "stageTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def body(events: Iterable[Any]) -> bytes:
    return json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [*events]}).encode()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[SendingApiServer, ReceiverProcess]]:
    binaries = await ensure(["etcd", "kube-apiserver"])
    process = ReceiverProcess(tmp_path)
    with tempfile.TemporaryDirectory(prefix="moorage-bare-") as folder:
        found = SendingApiServer(Path(folder), binaries)
        found.config_file = process.admit(CLUSTER)
        try:
            await process.start()
            found.start_etcd()
            await found.start()
            yield found, process
        finally:
            found.stop()
            process.stop()


async def test_every_event_counts_once_though_the_receiver_is_killed_while_they_flow(
    server: tuple[SendingApiServer, ReceiverProcess],
) -> None:
    """What was counted is held against the log that the API server itself writes."""
    api_server, process = server
    stop = asyncio.Event()

    async def traffic(number: int) -> int:
        done = 0
        async with api_server.client() as client:
            while not stop.is_set():
                name = f"thing-{number}-{done}"
                content = {"metadata": {"name": name, "namespace": "default"}}
                await create(client, CONFIG_MAP, content, field_manager="test")
                await get(client, CONFIG_MAP, name, "default")
                await get(client, CONFIG_MAP, f"{name}-missing", "default")
                await list_objects(client, CONFIG_MAP, "default", labels={"none": "such"})
                await delete(client, CONFIG_MAP, name, "default")
                async with httpx2.AsyncClient(verify=False, trust_env=False) as nobody:
                    await nobody.get(f"https://{LOOPBACK}:{api_server.port}/api/v1/secrets")
                done += 1
                await asyncio.sleep(0.02)
        return done

    running = [asyncio.create_task(traffic(number)) for number in range(3)]
    for _ in range(3):
        await asyncio.sleep(2.5)
        process.kill()
        await asyncio.sleep(0.5)
        await process.start()
    stop.set()
    assert sum(await asyncio.gather(*running)) > 50
    counts = process.counts()

    async def same() -> bool | None:
        def look() -> bool:
            since = datetime.now(UTC) - timedelta(days=1)
            usage = counts.usage(CLUSTER, since=since)
            log = scan([str(api_server.audit_log)], workers=1)
            assert usage.tally.events <= log.tally.events, "an event was counted twice"
            return shape(usage) == shape(log)

        return await in_thread(look) or None

    if not await poll(same, timeout_seconds=SECONDS, interval_seconds=0.5):
        usage = counts.usage(CLUSTER, since=datetime.now(UTC) - timedelta(days=1))
        log = scan([str(api_server.audit_log)], workers=1)
        pytest.fail(f"counted {usage.tally}, logged {log.tally}")
    assert usage_denied(counts.usage(CLUSTER, since=datetime.now(UTC))) > 0
    spool = process.root / "evidence" / "spool"
    assert stat.S_IMODE(spool.stat().st_mode) == 0o700
    assert stat.S_IMODE(process.database.stat().st_mode) == 0o600


def usage_denied(usage: Usage) -> int:
    return sum(usage.denied.values())


async def test_a_cluster_that_is_removed_leaves_nothing_and_is_not_heard_any_more(tmp_path: Path) -> None:
    process = ReceiverProcess(tmp_path)
    process.admit(CLUSTER)
    await process.start()
    try:
        url = f"https://{LOOPBACK}:{process.port}/clusters/{CLUSTER}"
        async with httpx2.AsyncClient(verify=context(process.pki, CLUSTER), trust_env=False) as client:
            assert (await client.post(url, content=body([event()]))).status_code == 200
            counts = process.counts()

            async def counted() -> bool | None:
                return CLUSTER in counts.clusters() or None

            assert await poll(counted, timeout_seconds=20)
            (process.clusters / CLUSTER).rmdir()
            assert (await client.post(url, content=body([event(1)]))).status_code == 403

            async def gone() -> bool | None:
                return not counts.clusters() or None

            assert await poll(gone, timeout_seconds=20)
            assert not list((tmp_path / "evidence" / "spool").iterdir())
    finally:
        process.stop()


async def test_while_the_database_cannot_be_used_events_wait_and_it_says_that_it_is_not_well(
    tmp_path: Path,
) -> None:
    process = ReceiverProcess(tmp_path)
    process.admit(CLUSTER)
    await process.start()
    url = f"https://{LOOPBACK}:{process.port}/clusters/{CLUSTER}"
    health = f"http://{LOOPBACK}:{process.health_port}/readyz"

    async def says(status: int) -> bool | None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            return (await client.get(health)).status_code == status or None

    try:
        counts = process.counts()
        with counts._database.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE audit_use RENAME TO elsewhere")
        async with httpx2.AsyncClient(verify=context(process.pki, CLUSTER), trust_env=False) as client:
            assert (await client.post(url, content=body([event()]))).status_code == 200
            assert await poll(lambda: says(503), timeout_seconds=20)
            assert (await client.post(url, content=body([event(1)]))).status_code == 200
        with counts._database.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO audit_use")
        assert await poll(lambda: says(200), timeout_seconds=20)
        assert counts.usage(CLUSTER, since=datetime.now(UTC)).tally.events == 2
    finally:
        process.stop()


class Inside:
    """A receiver in this process."""

    def __init__(self, root: Path, spool: Spool) -> None:
        self.pki = PkiFolder(root / "pki")
        self.authority = self.pki.authority("ca", "audit CA")
        self.pki.leaf("server", self.authority, Leaf("audit", hosts=(LOOPBACK,), client=False))
        for cluster in (CLUSTER, OTHER, "gone"):
            self.pki.leaf(cluster, self.authority, Leaf(cluster))
        self.port = free_port()
        self.spool = spool
        self.receiver = Receiver(spool, {CLUSTER, OTHER}.__contains__)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Inside]:
        certificates = Certificates(
            self.pki.certificate("server"), self.pki.key("server"), self.pki.certificate("ca")
        )
        async with self.receiver.serve(certificates, self.port):
            yield self

    async def post(
        self, content: Any, *, user: str | None = CLUSTER, cluster: str = CLUSTER, **kwargs: Any
    ) -> httpx2.Response:
        url = f"https://{LOOPBACK}:{self.port}/clusters/{cluster}"
        async with httpx2.AsyncClient(verify=context(self.pki, user), trust_env=False) as client:
            return await client.post(url, content=content, **kwargs)


@pytest.fixture
async def inside(tmp_path: Path) -> AsyncIterator[Inside]:
    async with Inside(tmp_path, Spool(tmp_path / "spool")).serving() as found:
        yield found


async def test_a_cluster_writes_for_itself_and_for_no_other(inside: Inside) -> None:
    assert (await inside.post(body([event()]))).status_code == 200
    assert (await inside.post(body([event()]), user=OTHER)).status_code == 403
    assert (await inside.post(body([event()]), user="gone", cluster="gone")).status_code == 403
    assert (await inside.post(body([event()]), cluster="..%2Fweb")).status_code == 403
    assert [segment.cluster for segment in inside.spool.cut()] == [CLUSTER]
    assert inside.receiver.received.told() == {
        "batches": 1,
        "events": 1,
        "broken": 0,
        "refused": {"403": 3},
    }


async def test_who_shows_no_certificate_of_ours_is_not_listened_to(inside: Inside, tmp_path: Path) -> None:
    stranger = new_authority("audit CA")
    inside.pki.save("stranger", issue(stranger, Leaf(CLUSTER)))
    for user in (None, "stranger"):
        with pytest.raises((httpx2.HTTPError, ssl.SSLError, OSError)):
            await inside.post(body([event()]), user=user)
    # The server's own certificate is not one of a client.
    with pytest.raises((httpx2.HTTPError, ssl.SSLError, OSError)):
        await inside.post(body([event()]), user="server", cluster="audit")
    assert inside.spool.cut() == []


@pytest.mark.parametrize("content", [b"", b"nonsense", b"{}", b"\x00" * 1000, body([])[:-1]])
async def test_what_is_no_list_of_events_is_refused_and_counted(inside: Inside, content: bytes) -> None:
    assert (await inside.post(content)).status_code == 400
    assert inside.receiver.received.told()["refused"] == {"400": 1}
    assert (await inside.post(body([event()]))).status_code == 200


async def test_a_body_without_end_is_cut_off(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "LARGEST_BODY", 1 << 16)
    assert (await inside.post(b" " * (1 << 17))).status_code == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * (1 << 14)

    try:
        status = (await inside.post(endless())).status_code
    except httpx2.HTTPError:
        status = 413  # it was closed while we were still sending
    assert status == 413
    assert inside.receiver.received.refused[413] == 2


async def test_when_the_spool_is_full_it_is_said_when_to_come_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", cluster_bytes=4000, total_bytes=6000)
    async with Inside(tmp_path, spool).serving() as inside:
        answers = [await inside.post(body([event(number)])) for number in range(40)]
        full = [answer for answer in answers if answer.status_code == 429]
        assert full
        assert {answer.headers["Retry-After"] for answer in full} == {"5"}
        assert spool.size() <= 4000
        # Another cluster still has room: nobody's flood is everybody's.
        assert (await inside.post(body([event()]), user=OTHER, cluster=OTHER)).status_code == 200
        spool.remove(spool.cut())
        assert (await inside.post(body([event()]))).status_code == 200


async def test_nothing_is_answered_before_it_is_on_the_disk(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor)))
    await inside.post(body([event()]))
    assert synced
    synced.clear()
    answers = await asyncio.gather(*(inside.post(body([event(number)])) for number in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert synced

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    answer = await inside.post(body([event()]))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
