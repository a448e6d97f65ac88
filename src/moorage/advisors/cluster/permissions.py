"""Rights that are not used: what a cluster's audit events show, held against what it grants."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Final

from lightkube import AsyncClient

from moorage.advisors.advice import Advice
from moorage.advisors.applying.restored import read_restored, with_age
from moorage.advisors.audit.counts import Signal
from moorage.advisors.cluster.observe import PERMISSIONS, granted, read_grants
from moorage.advisors.cluster.timing import INTERVAL, moment, words
from moorage.advisors.cluster.topic import Found, Silent, Situation
from moorage.advisors.keeping import withdraw_outgrown
from moorage.advisors.permissions.plan import Wanted, plan
from moorage.kube.client import connect
from moorage.local.supervisor import in_thread

logger = logging.getLogger(__name__)

COLLECTING: Final = "Collecting"
NO_EVENTS: Final = "NoEvents"
TOO_MUCH: Final = "TooMuch"

TIMEOUT_SECONDS: Final = 120.0
_SILENCE: Final = timedelta(minutes=2)


class PermissionsTopic:
    """Advises on permissions once a cluster's events fill the window.

    Args:
        client: of the management cluster.
        interval: how often it looks when nothing happens.
    """

    advisor = PERMISSIONS

    def __init__(self, client: AsyncClient, interval: timedelta = INTERVAL) -> None:
        self._client = client
        self.interval = interval

    def stirred(self, situation: Situation) -> Hashable:
        """Look again when events begin to come in, and when roles, bindings or accounts were written."""
        return None if situation.signal is None else situation.signal.changes

    async def look(self, situation: Situation) -> Found | Silent:
        """Hold what was used against what is granted."""
        created = datetime.fromisoformat(situation.obj["metadata"]["creationTimestamp"])
        early = too_early(situation.signal, created, situation.window, situation.now)
        if early is not None:
            await self._withdraw(situation)
            return early
        counts, cluster, since = situation.counts, situation.id, situation.now - situation.window
        async with asyncio.timeout(TIMEOUT_SECONDS):
            if await in_thread(lambda: counts.left_out(cluster, since=since)):
                return _TOO_MUCH
            async with connect(situation.access) as client:
                objects = await read_grants(client)
            restored = await read_restored(self._client, str(situation.key.namespace), situation.key.name)

            def work() -> Advice:
                usage = counts.usage(cluster, since=since)
                rbac = granted(with_age(objects, restored), origin=f"cluster {situation.key}")
                return plan(usage, rbac, Wanted(window=situation.window), now=situation.now)

            return Found(await in_thread(work), clean="nothing is granted that is not used")

    async def _withdraw(self, situation: Situation) -> None:
        """Take back what was said about a shorter time than what is asked for, and not yet known."""
        key = situation.key
        count = await withdraw_outgrown(
            self._client,
            project_namespace=str(key.namespace),
            cluster=key.name,
            advisor=PERMISSIONS,
            window=situation.window,
            now=situation.now,
        )
        if count:
            logger.info("%s: permissions: %d withdrawn: the window is longer now", key, count)


def too_early(signal: Signal | None, created: datetime, window: timedelta, now: datetime) -> Silent | None:
    """Say why there cannot be advice yet; nothing when there can. Pure.

    Events are missing from before the cluster was there, and from before it was listened to.
    """
    if signal is None:
        until = created + _SILENCE
        if until > now:
            return Silent(COLLECTING, "not yet: no audit event has come in so far", until)
        return Silent(
            NO_EVENTS, "no audit event of the cluster has come in; `moorage logs audit` may say why"
        )
    since = max(signal.since, created)
    until = since + window
    if until <= now:
        return None
    message = (
        f"not yet. Audit events come in since {moment(since)}; there is advice when they fill the window of "
        f"{words(window)}: from {moment(until)} on"
    )
    return Silent(COLLECTING, message, until)


_NOTHING: Final = Silent(
    NO_EVENTS, "no audit event of the cluster has come in; `moorage logs audit` may say why"
)
_TOO_MUCH: Final = Silent(
    TOO_MUCH,
    "so many different things were done in the window that not all are kept, and so none can be called "
    "unused: is somebody impersonating users that there are not?",
)
