"""The work queue's promises, against a model that keeps them in the plainest way."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from moorage.kube.queue import Backoff, WorkQueue

KEYS = st.sampled_from(["a", "b", "c", "d"])
NO_JITTER = Backoff(jitter=lambda: 1.0)


@dataclass
class Scheduled:
    at: float
    call: Callable[[], None]
    clock: Clock

    def cancel(self) -> None:
        self.clock.scheduled.remove(self)


@dataclass
class Clock:
    """Time that passes when it is told to."""

    now: float = 0.0
    scheduled: list[Scheduled] = field(default_factory=list)

    def call_later(self, delay: float, call: Callable[[], None]) -> Scheduled:
        timer = Scheduled(self.now + delay, call, self)
        self.scheduled.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for timer in sorted(self.scheduled, key=lambda timer: timer.at):
            if timer.at <= self.now and timer in self.scheduled:
                self.scheduled.remove(timer)
                timer.call()


class Promises(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue: WorkQueue[str] = WorkQueue(NO_JITTER, self.clock.call_later)
        self.owed: set[str] = set()
        """Keys that were asked for after their last turn began."""
        self.line: list[str] = []
        """Those of them that could have a turn now, in the order in which they could."""
        self.running: list[str] = []
        self.later: dict[str, float] = {}
        self.failures: Counter[str] = Counter()

    def _owe(self, key: str) -> None:
        if key not in self.owed:
            self.owed.add(key)
            if key not in self.running:
                self.line.append(key)

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self._owe(key)

    @rule(key=KEYS, seconds=st.integers(0, 100))
    def add_after(self, key: str, seconds: int) -> None:
        self.queue.add_after(key, seconds)
        self.later.pop(key, None)
        if seconds:
            self.later[key] = self.clock.now + seconds
        else:
            self._owe(key)

    @rule(key=KEYS)
    def retry(self, key: str) -> None:
        delay = self.queue.retry(key)
        assert delay == pytest.approx(min(0.1 * 2 ** self.failures[key], 60.0))
        self.failures[key] += 1
        self.later.pop(key, None)
        self.later[key] = self.clock.now + delay

    @rule(key=KEYS)
    def succeeded(self, key: str) -> None:
        self.queue.succeeded(key)
        self.failures[key] = 0

    @rule(seconds=st.floats(0, 50))
    def time_passes(self, seconds: float) -> None:
        due = [key for key, at in self.later.items() if at <= self.clock.now + seconds]
        self.clock.advance(seconds)
        for key in sorted(due, key=self.later.__getitem__):
            self._owe(key)
            del self.later[key]

    @rule()
    def begin(self) -> None:
        key = self.queue.get_nowait()
        assert key == (self.line.pop(0) if self.line else None)
        if key is not None:
            assert key not in self.running
            self.running.append(key)
            self.owed.remove(key)
            self.later.pop(key, None)

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 10))
    def done(self, pick: int) -> None:
        key = self.running.pop(pick % len(self.running))
        self.queue.done(key)
        if key in self.owed:
            self.line.append(key)

    @invariant()
    def no_wish_is_lost_or_made_up(self) -> None:
        assert len(self.queue) == len(self.owed)
        assert sorted(timer.at for timer in self.clock.scheduled) == pytest.approx(
            sorted(self.later.values())
        )

    def teardown(self) -> None:
        for key in list(self.running):
            self.done(self.running.index(key))
        while self.line:
            self.begin()
            self.done(0)
        assert not self.owed
        assert self.queue.get_nowait() is None


TestPromises = Promises.TestCase
TestPromises.settings = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_delay_doubles_up_to_its_limit() -> None:
    delays = [NO_JITTER.after(failures) for failures in range(1, 13)]
    assert delays[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert delays[-2:] == [60.0, 60.0]
    assert NO_JITTER.after(10_000) == 60.0


def test_jitter_takes_away_at_most_half() -> None:
    delays = [Backoff().after(4) for _ in range(500)]
    assert min(delays) >= 0.4
    assert max(delays) <= 0.8
    assert max(delays) - min(delays) > 0.2


async def test_a_waiting_worker_is_woken_by_what_comes_due() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.01)
    assert await asyncio.wait_for(queue.get(), 5) == "a"


async def test_many_workers_never_have_the_same_key_and_miss_none() -> None:
    queue: WorkQueue[int] = WorkQueue()
    chance = random.Random(7)  # noqa: S311 - not for secrets
    world, seen, running = Counter[int](), Counter[int](), set[int]()

    async def worker() -> None:
        while (key := await queue.get()) is not None:
            assert key not in running
            running.add(key)
            state = world[key]
            await asyncio.sleep(chance.uniform(0, 0.003))
            seen[key] = state
            running.remove(key)
            queue.done(key)

    workers = [asyncio.create_task(worker()) for _ in range(8)]
    for _ in range(600):
        key = chance.randrange(10)
        world[key] += 1
        queue.add(key)
        if chance.random() < 0.2:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.2)
    queue.close()
    await asyncio.gather(*workers)
    assert seen == world


async def test_a_closed_queue_gives_no_turns_and_lets_every_worker_go() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add_after("later", 0.001)
    queue.close()
    assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [None, None, None]
    queue.add("a")
    await asyncio.sleep(0.01)
    assert await asyncio.wait_for(queue.get(), 5) is None
