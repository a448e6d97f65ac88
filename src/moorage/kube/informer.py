"""Keeping a cache as the API server is: watches tell what comes, lists tell what is gone."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from lightkube import AsyncClient

from moorage.kube.cache import Cache, Change
from moorage.kube.client import connect
from moorage.kube.kinds import Kind, Object
from moorage.kube.objects import NOT_FOUND, explain, is_status
from moorage.kube.queue import Backoff
from moorage.kube.reachability import Reachability
from moorage.kube.watches import Watches

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 600.0
LOOK_SECONDS = 2.0
"""How often to look whether a kind is being watched, and to list it when it is not."""

UNSAID_FAILURES = 4
"""So many failures of a list in a row are nobody's business: API servers and new kinds start slowly."""

LOOKS = 5
"""So many looks in a row must find a kind served but not watched before the watching begins anew, or not
served any more before its objects count as gone: API servers that start say strange things."""


class Informer:
    """Keeps the kinds of a cache up to date, and tells of each change.

    A watch that was away too long begins with a new list, and kopf does not tell what vanished meanwhile. So
    after each list of kopf's, and every ten minutes in any case, the kind is listed here too, consistently,
    and what is gone is dropped. A kind that the API server does not serve (yet) has no objects.

    Args:
        cache: whose kinds are kept up to date.
        kubeconfig: how to reach the API server.
        on_change: told of each change, after the cache has it.
        identity: who watches.
        resync_seconds: how often to list in any case, about.
    """

    def __init__(
        self,
        cache: Cache,
        kubeconfig: Path,
        *,
        on_change: Callable[[Change], None],
        identity: str,
        resync_seconds: float = RESYNC_SECONDS,
    ) -> None:
        self._cache = cache
        self._kubeconfig = kubeconfig
        self._on_change = on_change
        self._resync_seconds = resync_seconds
        self._reachability = Reachability()
        self._asked = {kind: asyncio.Event() for kind in cache.kinds}
        self._unlisted = set(cache.kinds)
        self._watches = Watches(
            cache.kinds,
            kubeconfig,
            on_event=self._event,
            on_listed=lambda kind: self._asked[kind].set(),
            reachability=self._reachability,
            identity=identity,
        )
        self.synced = asyncio.Event()
        """Set when every kind has been listed once."""

    async def run(self) -> None:
        """Keep the cache up to date until cancelled."""
        async with connect(self._kubeconfig) as client, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watches.run())
            for kind in self._asked:
                tasks.create_task(self._keep(client, kind))

    def _event(self, kind: Kind, obj: Object, deleted: bool) -> None:  # noqa: FBT001 - a callback's own shape
        self._tell(self._cache.remove(kind, obj) if deleted else self._cache.put(kind, obj))

    def _tell(self, *changes: Change | None) -> None:
        for change in changes:
            if change is not None:
                self._on_change(change)

    async def _keep(self, client: AsyncClient, kind: Kind) -> None:
        """List a kind now, and whenever it may be necessary."""
        unwatched = unserved = 0
        while True:
            self._asked[kind].clear()
            if await self._list(client, kind):
                unserved = 0
                unwatched = 0 if self._watches.watched(kind) else unwatched + 1
            else:
                unserved += 1
                unwatched = 0
            self._unlisted.discard(kind)
            if not self._unlisted:
                self.synced.set()
            if unserved == LOOKS:
                self._tell(*self._cache.clear(kind))
            if unwatched == LOOKS:
                logger.info("%s are served, but not watched: watching begins anew", kind)
                self._watches.restart()
                unwatched = 0
            await self._wait(kind)

    async def _wait(self, kind: Kind) -> None:
        """Wait until a kind has been listed by kopf, is not being watched, or is due in any case."""
        due = time.monotonic() + self._resync_seconds * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load
        while (left := due - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await self._asked[kind].wait()
            except TimeoutError:
                if self._watches.watched(kind):
                    continue
            return

    async def _list(self, client: AsyncClient, kind: Kind) -> bool:
        """Bring the cache in line with a list; return whether the kind is served. Tries until it is known."""
        backoff, failures, said = Backoff(last_seconds=5.0), 0, ""
        while True:
            try:
                where: dict[str, Any] = {"namespace": "*"} if kind.namespaced else {}
                listing = client.list(kind.resource, **where)
                objects = [obj async for obj in listing]
            except httpx2.TransportError as error:
                self._reachability.silent(type(error).__name__)
            except httpx2.HTTPStatusError as error:
                if is_status(error, NOT_FOUND):
                    return False
                if failures >= UNSAID_FAILURES and explain(error) != said:
                    said = explain(error)
                    logger.warning("%s cannot be listed: %s", kind, said)
            else:
                self._reachability.answered()
                self._tell(*self._cache.replace(kind, objects, listing.resourceVersion))
                return True
            failures += 1
            await asyncio.sleep(backoff.after(failures))
