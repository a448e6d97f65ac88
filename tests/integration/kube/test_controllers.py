"""Controllers against a real API server: that comes late, goes away, and forgets."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from lightkube import AsyncClient

from moorage.kube import informer
from moorage.kube.controller import Cache, Key, Result, Tempo, run_controllers
from moorage.kube.informer import Informer
from moorage.kube.kinds import CONFIG_MAP, CRD, EVENT, NAMESPACE, SECRET, Kind, Object
from moorage.kube.objects import apply, create, delete, get, list_objects, merge_patch, poll
from moorage.kube.watches import Watches

from .conftest import BareApiServer, free_port

BOAT = Kind("test.moorage.dev", "v1", "Boat", "boats")
BACK_SECONDS = 30


def boats() -> Object:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "metadata": {"name": str(BOAT)},
        "spec": {
            "group": BOAT.group,
            "scope": "Namespaced",
            "names": {"kind": BOAT.kind, "plural": BOAT.plural},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }


@dataclass
class Mirror:
    """Keeps what it sees of its namespace's objects: each key's data, or that it is gone."""

    cache: Cache
    namespace: str
    primary: Kind = CONFIG_MAP
    name: str = "mirror"
    watches: Mapping[Kind, Callable[[Object], Iterable[Key]]] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    turns: Counter[str] = field(default_factory=Counter)

    async def reconcile(self, key: Key) -> Result:
        if key.namespace == self.namespace:
            self.turns[key.name] += 1
            found = self.cache.get(self.primary, key.name, key.namespace)
            self.seen[key.name] = found.get("data", {}) if found else None
        return Result()


@asynccontextmanager
async def mirroring(
    bare: BareApiServer, namespace: str, resync_seconds: float = 600, **more: Any
) -> AsyncIterator[Mirror]:
    cache, stop, synced = Cache(), asyncio.Event(), asyncio.Event()
    mirror = Mirror(cache, namespace, **more)
    running = asyncio.create_task(
        run_controllers(
            [mirror],
            kubeconfig=bare.kubeconfig,
            cache=cache,
            stop=stop,
            on_synced=synced.set,
            identity="mirror-test",
            tempo=Tempo(resync_seconds=resync_seconds),
        )
    )
    try:
        await asyncio.wait_for(synced.wait(), BACK_SECONDS)
        yield mirror
    finally:
        stop.set()
        await asyncio.wait_for(running, BACK_SECONDS)


async def until(condition: Callable[[], Any], seconds: float = BACK_SECONDS) -> None:
    async def look() -> bool | None:
        return bool(condition()) or None

    assert await poll(look, timeout_seconds=seconds, interval_seconds=0.01), "it has not come to pass"


def config_map(name: str, namespace: str, **data: str) -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


async def test_what_is_there_and_what_comes_changes_and_goes_is_reconciled(
    bare: BareApiServer, client: AsyncClient, namespace: str
) -> None:
    await create(client, CONFIG_MAP, config_map("early", namespace, a="1"), field_manager="test")
    async with mirroring(bare, namespace) as mirror:
        await until(lambda: mirror.seen.get("early") == {"a": "1"})
        await create(client, CONFIG_MAP, config_map("web", namespace, a="1"), field_manager="test")
        await until(lambda: mirror.seen.get("web") == {"a": "1"})
        await apply(client, CONFIG_MAP, config_map("web", namespace, a="2"), field_manager="test")
        await until(lambda: mirror.seen["web"] == {"a": "2"})
        await delete(client, CONFIG_MAP, "web", namespace)
        await until(lambda: mirror.seen["web"] is None)


async def test_a_change_is_reconciled_within_milliseconds(
    bare: BareApiServer, client: AsyncClient, namespace: str
) -> None:
    await create(client, CONFIG_MAP, config_map("web", namespace), field_manager="test")
    async with mirroring(bare, namespace) as mirror:
        await until(lambda: "web" in mirror.seen)
        delays = []
        for number in range(20):
            await merge_patch(
                client, CONFIG_MAP, "web", namespace, {"data": {"n": str(number)}}, field_manager="test"
            )
            written = time.perf_counter()
            async with asyncio.timeout(BACK_SECONDS):
                while mirror.seen["web"] != {"n": str(number)}:  # noqa: ASYNC110 - as fine as can be
                    await asyncio.sleep(0)
            delays.append(time.perf_counter() - written)
        assert sorted(delays)[10] < 0.05


async def test_a_storm_of_changes_ends_in_the_last_state_with_fewer_turns(
    bare: BareApiServer, client: AsyncClient, namespace: str
) -> None:
    await create(client, CONFIG_MAP, config_map("web", namespace), field_manager="test")
    async with mirroring(bare, namespace) as mirror:
        for number in range(100):
            await merge_patch(
                client, CONFIG_MAP, "web", namespace, {"data": {"n": str(number)}}, field_manager="test"
            )
        await until(lambda: mirror.seen.get("web") == {"n": "99"})
        assert mirror.turns["web"] <= 102


async def test_watching_leaves_no_trace_on_what_is_watched(
    bare: BareApiServer, client: AsyncClient, namespace: str
) -> None:
    async with mirroring(bare, namespace) as mirror:
        written = await create(client, CONFIG_MAP, config_map("web", namespace), field_manager="test")
        await until(lambda: "web" in mirror.seen)
        await asyncio.sleep(0.3)
    assert await get(client, CONFIG_MAP, "web", namespace) == written
    assert await list_objects(client, EVENT, namespace) == []


async def test_a_kind_that_comes_and_goes_and_comes_again_is_watched_each_time(
    bare: BareApiServer, client: AsyncClient, namespace: str
) -> None:
    async with mirroring(bare, namespace, primary=BOAT) as mirror:
        for number in (1, 2):
            await create(client, CRD, boats(), field_manager="test")

            async def launch(boat: str = f"boat-{number}") -> Object | None:
                return await create(client, BOAT, config_map(boat, namespace), field_manager="test")

            assert await poll(launch, timeout_seconds=BACK_SECONDS, tolerate=(Exception,))
            await until(lambda boat=f"boat-{number}": mirror.seen.get(boat) == {})
            await delete(client, CRD, str(BOAT))
            await until(lambda boat=f"boat-{number}": mirror.seen.get(boat, 0) is None)

            async def crd_gone() -> bool | None:
                return await get(client, CRD, str(BOAT)) is None or None

            assert await poll(crd_gone, timeout_seconds=BACK_SECONDS)


async def test_an_api_server_that_goes_away_is_waited_for(
    bare: BareApiServer, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    second = free_port()
    async with bare.client() as client:
        for name in ("changed", "deleted", "kept"):
            await create(client, CONFIG_MAP, config_map(name, namespace, a="1"), field_manager="test")
    async with mirroring(bare, namespace) as mirror:
        await until(lambda: len(mirror.seen) == 3)
        bare.kill()
        await bare.start(second)  # another way to the same objects, that nobody watches
        async with bare.client(second) as client:
            await delete(client, CONFIG_MAP, "deleted", namespace)
            patch = {"data": {"a": "2"}}
            await merge_patch(client, CONFIG_MAP, "changed", namespace, patch, field_manager="test")
            await create(client, CONFIG_MAP, config_map("added", namespace, a="2"), field_manager="test")
        await until(lambda: any("does not answer" in message for message in caplog.messages))
        assert mirror.seen["deleted"] is not None
        bare.kill(second)
        await bare.start()
        await until(
            lambda: (
                mirror.seen
                == {"changed": {"a": "2"}, "deleted": None, "kept": {"a": "1"}, "added": {"a": "2"}}
            )
        )
        assert len(mirror.cache.list(CONFIG_MAP, namespace)) == 3
        async with bare.client() as client:
            await delete(client, CONFIG_MAP, "kept", namespace)
        await until(lambda: mirror.seen["kept"] is None)
    about_it = [message for message in caplog.messages if "API server" in message]
    assert len(about_it) == 2
    assert about_it[0].startswith("the API server does not answer")
    assert about_it[1].startswith("the API server answers again")


async def test_controllers_can_start_before_their_api_server(
    bare: BareApiServer, client: AsyncClient, namespace: str
) -> None:
    await create(client, CONFIG_MAP, config_map("web", namespace), field_manager="test")
    bare.kill()

    async def start() -> None:
        await asyncio.sleep(1)
        await bare.start()

    starting = asyncio.create_task(start())
    async with mirroring(bare, namespace) as mirror:
        await until(lambda: mirror.seen == {"web": {}})
    await starting


async def test_watching_that_fails_is_started_anew(
    bare: BareApiServer, client: AsyncClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives: list[Watches] = []
    live = Watches._live

    async def counted(self: Watches) -> BaseException | None:
        lives.append(self)
        return await live(self)

    monkeypatch.setattr(Watches, "_live", counted)
    async with mirroring(bare, namespace) as mirror:
        await until(lambda: lives[0].watched(CONFIG_MAP))
        lives[0].restart()
        await until(lambda: len(lives) == 2)
        await until(lambda: lives[0].watched(CONFIG_MAP))
        await create(client, CONFIG_MAP, config_map("web", namespace), field_manager="test")
        await until(lambda: "web" in mirror.seen)


async def test_what_the_watches_miss_is_found_by_the_next_list(
    bare: BareApiServer, client: AsyncClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Informer, "_event", lambda *_: None)
    await create(client, CONFIG_MAP, config_map("deleted", namespace), field_manager="test")
    async with mirroring(bare, namespace, resync_seconds=0.5) as mirror:
        await until(lambda: "deleted" in mirror.seen)
        await delete(client, CONFIG_MAP, "deleted", namespace)
        await create(client, CONFIG_MAP, config_map("added", namespace), field_manager="test")
        await until(lambda: mirror.seen == {"deleted": None, "added": {}})


async def test_a_kind_that_is_served_but_not_watched_starts_the_watching_anew(
    bare: BareApiServer, client: AsyncClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(informer, "LOOK_SECONDS", 0.05)
    restarts: list[int] = []
    monkeypatch.setattr(Watches, "watched", lambda *_: False)
    monkeypatch.setattr(Watches, "restart", lambda _: restarts.append(1))
    async with mirroring(bare, namespace) as mirror:
        await until(lambda: restarts)
        await create(client, CONFIG_MAP, config_map("web", namespace), field_manager="test")
        await until(lambda: "web" in mirror.seen)


async def test_two_kinds_are_read_in_one_reconcile(
    bare: BareApiServer, client: AsyncClient, namespace: str
) -> None:
    watches = {SECRET: lambda obj: [Key(obj["metadata"]["namespace"], obj["metadata"]["name"])]}
    async with mirroring(bare, namespace, watches=watches) as mirror:
        await create(client, CONFIG_MAP, config_map("web", namespace), field_manager="test")
        await until(lambda: mirror.turns["web"])
        before = mirror.turns["web"]
        secret = {"metadata": {"name": "web", "namespace": namespace}}
        await create(client, SECRET, secret, field_manager="test")
        await until(lambda: mirror.turns["web"] > before)
        assert mirror.cache.get(SECRET, "web", namespace) is not None


async def test_a_stop_leaves_neither_task_nor_thread(bare: BareApiServer, namespace: str) -> None:
    before = asyncio.all_tasks()
    async with mirroring(bare, namespace):
        assert any(thread.name == "watches" for thread in threading.enumerate())
    await until(lambda: not any(thread.name == "watches" for thread in threading.enumerate()), 5)
    assert asyncio.all_tasks() <= before


async def test_an_operator_that_ends_leaves_the_other_tasks_of_its_loop_alone(
    bare: BareApiServer, namespace: str
) -> None:
    async with mirroring(bare, namespace):
        bystander = asyncio.create_task(asyncio.sleep(60))
    assert not bystander.done()
    bystander.cancel()


async def test_a_cluster_wide_kind_has_keys_without_namespace(
    bare: BareApiServer, client: AsyncClient, namespace: str
) -> None:
    async with mirroring(bare, None, primary=NAMESPACE) as mirror:  # type: ignore[arg-type]
        await until(lambda: mirror.seen.get(namespace) == {})
