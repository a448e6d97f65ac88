"""What running a controller promises, with a feed that the test holds in its hands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from lightkube.core.exceptions import ApiError

from moorage.errors import MoorageError
from moorage.kube import controller as runtime
from moorage.kube.cache import Cache, Change, Key
from moorage.kube.controller import Result, Tempo, run_controllers
from moorage.kube.kinds import CONFIG_MAP, SECRET, Kind, Object
from moorage.kube.queue import Backoff

WEB = Key("shop", "web")


def an_object(name: str = "web", version: int = 1, **labels: str) -> Object:
    metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": str(version)}
    return {"metadata": {**metadata, "labels": labels}}


class Feed:
    """Stands where the informer stands."""

    def __init__(self, cache: Cache, _: Path, *, on_change: Callable[[Change], None], **__: Any) -> None:
        self.cache = cache
        self.on_change = on_change
        self.synced = asyncio.Event()
        self.broken = asyncio.Event()

    async def run(self) -> None:
        await self.broken.wait()
        raise RuntimeError("the feed is broken")

    def put(self, kind: Kind, obj: Object) -> None:
        if change := self.cache.put(kind, obj):
            self.on_change(change)

    def remove(self, kind: Kind, obj: Object) -> None:
        if change := self.cache.remove(kind, obj):
            self.on_change(change)


@dataclass
class Recorder:
    """A controller that does what the test says and remembers what it was asked."""

    does: Callable[[Key], Any] = lambda _: None
    watches: Mapping[Kind, Callable[[Object], Iterable[Key]]] = field(default_factory=dict)
    name: str = "recorder"
    primary: Kind = CONFIG_MAP
    keys: list[Key] = field(default_factory=list)

    async def reconcile(self, key: Key) -> Result:
        self.keys.append(key)
        done = self.does(key)
        if asyncio.iscoroutine(done):
            done = await done
        return done or Result()


@dataclass
class Running:
    feed: Feed
    task: asyncio.Task[None]
    stop: asyncio.Event


@asynccontextmanager
async def running(monkeypatch: pytest.MonkeyPatch, *controllers: Recorder) -> AsyncIterator[Running]:
    feeds: list[Feed] = []
    monkeypatch.setattr(
        runtime, "Informer", lambda *args, **more: feeds.append(Feed(*args, **more)) or feeds[0]
    )
    stop = asyncio.Event()
    tempo = Tempo(backoff=Backoff(first_seconds=0.01, last_seconds=0.02))
    work = run_controllers(
        controllers, kubeconfig=Path(), cache=Cache(), stop=stop, concurrency=2, tempo=tempo
    )
    task = asyncio.create_task(work)
    await asyncio.sleep(0)
    try:
        yield Running(feeds[0], task, stop)
    finally:
        stop.set()
        await asyncio.wait({task}, timeout=5)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the condition is the test's
            await asyncio.sleep(0.002)


async def test_nothing_is_reconciled_before_the_cache_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    async with running(monkeypatch, recorder) as run:
        run.feed.put(CONFIG_MAP, an_object())
        await asyncio.sleep(0.05)
        assert recorder.keys == []
        run.feed.synced.set()
        await until(lambda: recorder.keys)
        assert recorder.keys == [WEB]


async def test_a_deleted_object_is_looked_at_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    async with running(monkeypatch, recorder) as run:
        run.feed.synced.set()
        run.feed.put(CONFIG_MAP, an_object())
        await until(lambda: len(recorder.keys) == 1)
        run.feed.remove(CONFIG_MAP, an_object(version=2))
        await until(lambda: len(recorder.keys) == 2)
        assert run.feed.cache.get(CONFIG_MAP, "web", "shop") is None


async def test_a_secondary_concerns_whom_it_belonged_to_and_whom_it_belongs_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = Recorder(watches={SECRET: lambda obj: [Key("shop", obj["metadata"]["labels"]["owner"])]})
    async with running(monkeypatch, recorder) as run:
        run.feed.put(SECRET, an_object("s", 1, owner="old"))
        run.feed.synced.set()
        await until(lambda: recorder.keys == [Key("shop", "old")])
        recorder.keys.clear()
        run.feed.put(SECRET, an_object("s", 2, owner="new"))
        await until(lambda: set(recorder.keys) == {Key("shop", "old"), Key("shop", "new")})


async def test_a_mapping_that_fails_costs_nobody_else_a_turn(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    careless = Recorder(watches={SECRET: lambda obj: [Key("shop", obj["spec"]["owner"])]}, name="careless")
    careful = Recorder(primary=SECRET)
    async with running(monkeypatch, careless, careful) as run:
        run.feed.put(SECRET, an_object("s"))
        run.feed.synced.set()
        await until(lambda: careful.keys)
        assert "careless: whom does secrets shop/s concern?" in caplog.messages


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MoorageError("port 6443 is taken"), "port 6443 is taken"),
        (httpx2.ConnectError("refused"), "the API server does not answer (ConnectError)"),
        (ExceptionGroup("tasks", [ExceptionGroup("tasks", [MoorageError("disk full")])]), "disk full"),
        (KeyError("spec"), "'spec'"),
    ],
)
async def test_a_failure_is_one_line_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, line: str
) -> None:
    def fail_twice(_: Key) -> None:
        if len(recorder.keys) <= 2:
            raise error

    recorder = Recorder(fail_twice)
    async with running(monkeypatch, recorder) as run:
        run.feed.put(CONFIG_MAP, an_object())
        run.feed.synced.set()
        await until(lambda: len(recorder.keys) == 3)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 2
    assert warnings[0].startswith(f"recorder shop/web: {line} (again in ")


async def test_a_conflict_is_tried_again_without_a_word(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    status = {"kind": "Status", "code": 409, "reason": "Conflict", "message": "the object has been modified"}
    response = httpx2.Response(409, json=status, request=httpx2.Request("PUT", "https://here"))

    def conflict_once(_: Key) -> None:
        if len(recorder.keys) == 1:
            raise ApiError(request=response.request, response=response)

    recorder = Recorder(conflict_once)
    async with running(monkeypatch, recorder) as run:
        run.feed.put(CONFIG_MAP, an_object())
        run.feed.synced.set()
        await until(lambda: len(recorder.keys) == 2)
    assert caplog.messages == []


async def test_a_result_says_when_to_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(lambda _: Result(0.01) if len(recorder.keys) < 3 else None)
    async with running(monkeypatch, recorder) as run:
        run.feed.put(CONFIG_MAP, an_object())
        run.feed.synced.set()
        await until(lambda: len(recorder.keys) == 3)
        await asyncio.sleep(0.05)
        assert len(recorder.keys) == 3


async def test_a_reconcile_that_hangs_is_cut_off_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "RECONCILE_SECONDS", 0.02)
    recorder = Recorder(lambda _: asyncio.sleep(60) if len(recorder.keys) == 1 else None)
    async with running(monkeypatch, recorder) as run:
        run.feed.put(CONFIG_MAP, an_object())
        run.feed.synced.set()
        await until(lambda: len(recorder.keys) == 2)


async def test_a_stop_lets_what_runs_come_to_its_end_and_begins_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = []

    async def work(key: Key) -> None:
        await asyncio.sleep(0.05)
        ended.append(key)

    recorder = Recorder(work)
    async with running(monkeypatch, recorder) as run:
        for name in "abcd":
            run.feed.put(CONFIG_MAP, an_object(name))
        run.feed.synced.set()
        await until(lambda: len(recorder.keys) == 2)
        run.stop.set()
        await run.task
    assert len(ended) == len(recorder.keys) == 2


async def test_a_stop_cuts_off_what_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "GRACE_SECONDS", 0.02)
    recorder = Recorder(lambda _: asyncio.sleep(60))
    async with running(monkeypatch, recorder) as run:
        run.feed.put(CONFIG_MAP, an_object())
        run.feed.synced.set()
        await until(lambda: recorder.keys)
        run.stop.set()
        await asyncio.wait_for(run.task, 5)


async def test_a_feed_that_breaks_ends_it_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch, Recorder()) as run:
        run.feed.synced.set()
        run.feed.broken.set()
        with pytest.raises(RuntimeError, match="the feed is broken"):
            await asyncio.wait_for(run.task, 5)
