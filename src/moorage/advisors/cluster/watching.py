"""Looking, every few seconds, whether advice that was followed did harm: somebody is refused what it took."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lightkube import AsyncClient

from moorage.advisors.cluster.harm import find_harm
from moorage.advisors.cluster.observe import read_followed, read_grants
from moorage.advisors.cluster.roster import Member, Roster
from moorage.advisors.cluster.timing import CALM
from moorage.advisors.keeping import reopen_applied
from moorage.kube.client import connect
from moorage.kube.controller import Key, Result
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, Kind, Object
from moorage.local.supervisor import in_thread

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 3.0
"""How often it is looked whether somebody was refused something."""

TIMEOUT_SECONDS: Final = 60.0


@dataclass(slots=True)
class _Seen:
    """Until where this process has looked at one cluster's refusals."""

    id: str
    denials: int = -1
    at: datetime | None = None


class HarmController:
    """Opens advice again after which somebody is refused what it took away."""

    name = "advice-harm"
    primary = KUBERNETES_CLUSTER

    def __init__(
        self, client: AsyncClient, roster: Roster, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._client = client
        self._roster = roster
        self._clock = clock or (lambda: datetime.now(UTC))
        self._seen: dict[Key, _Seen] = {}

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """Whether a cluster can be entered."""
        return {CAPI_CLUSTER: lambda obj: (Key.of(obj),)}

    async def reconcile(self, key: Key) -> Result:
        """Look whether advice did harm, if anybody was refused anything since."""
        obj = self._roster.object(key)
        if obj is None:
            self._seen.pop(key, None)
            return Result()
        cluster = await self._roster.find(key, obj)
        if cluster is None or cluster.signal is None:
            return Result(LOOK_SECONDS)
        seen = self._seen.get(key)
        if seen is None or seen.id != cluster.id:
            seen = self._seen[key] = _Seen(cluster.id)
        denials, now = cluster.signal.denials, self._clock()
        if denials != seen.denials and (seen.at is None or now - seen.at >= CALM):
            seen.at = now
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._look(cluster, now)
            seen.denials = denials
        return Result(LOOK_SECONDS)

    async def _look(self, cluster: Member, now: datetime) -> None:
        key = cluster.key
        followed = await read_followed(self._client, str(key.namespace), key.name)
        if not followed:
            return
        since = min(each.at for each in followed)
        refused = await in_thread(lambda: cluster.counts.refused(cluster.id, since=since))
        if not refused:
            return
        async with connect(cluster.access) as client:
            objects = await read_grants(client)
        for harm in find_harm(followed, refused, objects):
            names = await reopen_applied(
                self._client,
                project_namespace=str(key.namespace),
                cluster=key.name,
                subject=harm.followed.subject,
                why=harm.why,
                now=now,
            )
            for name in names:
                logger.warning("%s: advice %s is open again: %s", key, name, harm.why)
