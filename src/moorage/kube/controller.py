"""Running controllers: whatever changes, the objects it concerns are looked at again.

Level-triggered: a reconcile is told which object, never what happened to it. It looks at what is, does what
is missing, and may be run at any time and any number of times.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from moorage.kube.cache import Cache, Change, Key
from moorage.kube.informer import RESYNC_SECONDS, Informer
from moorage.kube.kinds import Kind, Object
from moorage.kube.objects import CONFLICT, explain, is_status
from moorage.kube.queue import Backoff, WorkQueue

__all__ = ["Cache", "Controller", "Key", "Result", "Tempo", "run_controllers"]

logger = logging.getLogger(__name__)

CONCURRENCY = 8
GRACE_SECONDS = 5.0
RECONCILE_SECONDS = 300.0
"""A reconcile that takes longer is cut off and tried again: it must not hold its key forever."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a reconcile says in the end: when to look again, if nothing happens before."""

    requeue_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Tempo:
    """How often, how late.

    Attributes:
        backoff: the delays after failures of a key in a row.
        resync_seconds: how often everything is listed in any case, about.
    """

    backoff: Backoff = field(default_factory=Backoff)
    resync_seconds: float = RESYNC_SECONDS


class Controller(Protocol):
    """Something that brings objects of one kind to the state that they declare."""

    @property
    def name(self) -> str:
        """What it is called in logs."""

    @property
    def primary(self) -> Kind:
        """The kind whose objects it reconciles."""

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """Other kinds that it reads, and which primary objects one of theirs concerns."""

    async def reconcile(self, key: Key) -> Result:
        """Look at one object, and do what is missing. It may be gone.

        It is never run twice at once for the same key. When it raises, it is run again later.
        """


async def run_controllers(
    controllers: Sequence[Controller],
    *,
    kubeconfig: Path,
    cache: Cache,
    stop: asyncio.Event,
    concurrency: int = CONCURRENCY,
    on_synced: Callable[[], None] | None = None,
    identity: str = "controllers",
    tempo: Tempo | None = None,
) -> None:
    """Run controllers until `stop` is set.

    The first reconcile comes after every kind has been listed once. An API server that goes away, or a kind
    that is not served yet, is waited for. After `stop`, running reconciles have some seconds to end.

    Args:
        controllers: what to run.
        kubeconfig: how to reach the API server.
        cache: what the controllers read; it is kept up to date.
        stop: ends it.
        concurrency: how many objects each controller works on at once.
        on_synced: told when the cache is complete for the first time.
        identity: who this is, in the API server's audit log.
        tempo: how often, how late.
    """
    tempo = tempo or Tempo()
    loops = [_Loop(controller, tempo.backoff) for controller in controllers]
    for loop in loops:
        cache.watch(*loop.kinds)

    def on_change(change: Change) -> None:
        for loop in loops:
            loop.changed(change)

    informer = Informer(
        cache, kubeconfig, on_change=on_change, identity=identity, resync_seconds=tempo.resync_seconds
    )
    feed = asyncio.create_task(informer.run(), name="informer")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    synced = asyncio.create_task(informer.synced.wait(), name="synced")
    workers: list[asyncio.Task[None]] = []
    try:
        await asyncio.wait({feed, stopping, synced}, return_when=asyncio.FIRST_COMPLETED)
        if synced.done():
            if on_synced:
                on_synced()
            workers = [
                asyncio.create_task(loop.work(), name=f"{loop.name} {number}")
                for loop in loops
                for number in range(concurrency)
            ]
        done, _ = await asyncio.wait({feed, stopping, *workers}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            task.result()
    finally:
        for loop in loops:
            loop.end()
        if workers:
            await asyncio.wait(workers, timeout=GRACE_SECONDS)
        tasks = [feed, stopping, synced, *workers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Loop:
    """One controller's queue and what happens with its keys."""

    def __init__(self, controller: Controller, backoff: Backoff) -> None:
        self.name = controller.name
        self._controller = controller
        self._queue: WorkQueue[Key] = WorkQueue(backoff)
        self._concerns = {kind: [concerns] for kind, concerns in controller.watches.items()}
        self._concerns.setdefault(controller.primary, []).append(lambda obj: (Key.of(obj),))

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(self._concerns)

    def changed(self, change: Change) -> None:
        """Ask for a turn of every object that a change concerns: as it was, and as it is."""
        for concerns in self._concerns.get(change.kind, ()):
            for obj in (change.before, change.after):
                if obj is not None:
                    self._add(concerns, change.kind, obj)

    def _add(self, concerns: Callable[[Object], Iterable[Key]], kind: Kind, obj: Object) -> None:
        try:
            for key in concerns(obj):
                self._queue.add(key)
        except Exception:
            # A mapping that fails is a fault of the program; the other objects must still get their turns.
            logger.exception("%s: whom does %s %s concern?", self.name, kind, Key.of(obj))

    def end(self) -> None:
        """Let the workers end after the turn that they are in."""
        self._queue.close()

    async def work(self) -> None:
        """Give turns until the queue is closed."""
        while (key := await self._queue.get()) is not None:
            try:
                await self._turn(key)
            finally:
                self._queue.done(key)

    async def _turn(self, key: Key) -> None:
        try:
            async with asyncio.timeout(RECONCILE_SECONDS):
                result = await self._controller.reconcile(key)
        except Exception as raised:
            error = _sole(raised)
            delay = self._queue.retry(key)
            level = logging.DEBUG if is_status(error, CONFLICT) else logging.WARNING
            logger.log(level, "%s %s: %s (again in %.1f s)", self.name, key, explain(error), delay)
            logger.debug("%s %s", self.name, key, exc_info=raised)
        else:
            self._queue.succeeded(key)
            if result.requeue_after_seconds is not None:
                self._queue.add_after(key, result.requeue_after_seconds)


def _sole(error: BaseException) -> BaseException:
    """Return the one error that a task group was about."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
