"""Advice that the platform follows by itself: observe, plan, act; nothing else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from lightkube import AsyncClient

from moorage.advisors.automatic.act import Reach, act
from moorage.advisors.automatic.condition import ADVICE_AUTOMATIC, failing, said_of
from moorage.advisors.automatic.host import AutomaticHost
from moorage.advisors.automatic.model import Policy, Snapshot, Thing
from moorage.advisors.automatic.newcomers import Newcomers
from moorage.advisors.automatic.observe import (
    Told,
    opening_of,
    read_advice,
    read_lives,
    read_marked,
    read_namespaces,
)
from moorage.advisors.automatic.plan import Apply, Idle, Look, Step, plan
from moorage.advisors.automatic.proposals import Proposer
from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.meta import project_namespace, project_of
from moorage.errors import MoorageError
from moorage.kube.client import connect
from moorage.kube.clusters import Said, write_condition
from moorage.kube.controller import Cache, Key, Result
from moorage.kube.events import EventPoster, Occurrence
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, PROJECT, Kind, Object
from moorage.kube.objects import FAILED, explain

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 30.0
"""How often it is looked who is opted in."""

MARKED_SECONDS: Final = 300.0
"""How often it is looked which workloads are opted in by themselves: that takes four lists."""

TIMEOUT_SECONDS: Final = 120.0

_FIELD_MANAGER: Final = "moorage-automatic"
_EVENTS_FROM: Final = "moorage.dev/automatic"
_REFUSED_SECONDS: Final = 3600.0
_UNFIT_SECONDS: Final = 300.0
_SOON_SECONDS: Final = 1.0
_BUSY_SECONDS: Final = 10.0


@dataclass(slots=True)
class _Seen:
    """What this process remembers of a cluster; all of it may be lost.

    Args:
        uid: of the KubernetesCluster.
        busy: whether anything is in hand; true as long as nobody has looked.
        marked: the workloads that are opted in by themselves.
        marked_at: when that was looked up, in seconds that only grow.
        refused: workloads that are not tried again before a time.
    """

    uid: str
    busy: bool = True
    marked: frozenset[Thing] = frozenset()
    marked_at: float = -MARKED_SECONDS
    refused: dict[Thing, float] = field(default_factory=dict)


class AutomaticController:
    """Follows advice where the owner wants that, in the maintenance window, one at a time.

    Args:
        client: of the management cluster.
        cache: what is read of it.
        host: the clusters, and how they are entered.
        policy: how advice is followed.
        proposer: knows what new workloads need; ``None`` where nobody does.
        clock: the time.
    """

    name = "automatic"
    primary = KUBERNETES_CLUSTER

    def __init__(
        self,
        client: AsyncClient,
        cache: Cache,
        host: AutomaticHost,
        policy: Policy | None = None,
        *,
        proposer: Proposer | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._client = client
        self._cache = cache
        self._host = host
        self._policy = policy or Policy()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._seen: dict[Key, _Seen] = {}
        self._events = EventPoster(client, _EVENTS_FROM)
        self._newcomers = Newcomers(proposer, self._events) if proposer is not None else None

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """Whether a cluster can be entered, and what its project says."""
        return {CAPI_CLUSTER: lambda obj: (Key.of(obj),), PROJECT: self._of_project}

    async def reconcile(self, key: Key) -> Result:
        """Do the one thing that is to be done about a cluster's advice now."""
        obj = self._host.object(key)
        if obj is None:
            self._seen.pop(key, None)
            return Result()
        access = await self._host.access(key, obj)
        if access is None:
            return Result(LOOK_SECONDS)
        seen = self._known(key, obj)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), connect(access) as inside:
                return Result(await self._turn(key, obj, inside, seen))
        except TimeoutError as error:
            raise MoorageError(f"cluster {key} does not answer") from error

    async def _turn(self, key: Key, obj: Object, inside: AsyncClient, seen: _Seen) -> float:
        """Look who is opted in, and do one thing; return in how many seconds to look again."""
        namespaces = await read_namespaces(inside)
        if time.monotonic() - seen.marked_at >= MARKED_SECONDS:
            seen.marked, seen.marked_at = await read_marked(inside), time.monotonic()
        if not (namespaces or seen.marked or seen.busy):
            await self._say(obj, None)
            return LOOK_SECONDS
        if self._newcomers is not None and namespaces:
            await self._newcomers.provide(key, obj, inside, namespaces, self._clock())
        told = await read_advice(self._client, str(key.namespace), key.name)
        step = await self._step(key, obj, inside, seen, told, namespaces)
        seen.busy = not isinstance(step, Idle)
        if isinstance(step, Look):
            return min(max(self._policy.watch.total_seconds() / 20, _SOON_SECONDS), _BUSY_SECONDS)
        return _SOON_SECONDS if seen.busy else LOOK_SECONDS

    async def _step(
        self,
        key: Key,
        obj: Object,
        inside: AsyncClient,
        seen: _Seen,
        told: Told,
        namespaces: frozenset[str],
    ) -> Step:
        now, refused = self._clock(), _still(seen.refused)
        opening = opening_of(obj, self._cache.get(PROJECT, project_of(key.namespace or "") or ""), now)
        opted_in = (namespaces, seen.marked)
        lives = await read_lives(inside, told, opted_in, self._policy, refused=refused, now=now)
        step = plan(Snapshot(told.items, lives, opening, now, refused), self._policy)
        if isinstance(step, Idle):
            for thing, why in step.unfit:
                logger.debug("%s: %s is left alone: %s", key, thing, why)
                seen.refused[thing] = time.monotonic() + _UNFIT_SECONDS
        if isinstance(step, Idle | Look):
            quiet = isinstance(step, Idle) and not (namespaces or seen.marked)
            await self._say(obj, None if quiet else said_of(step, opening))
            return step
        seen.busy = True
        try:
            happened = await act(Reach(self._client, inside, self._policy, now), told, step, lives)
        except (*FAILED, MoorageError) as error:
            await self._failed(obj, told, step, seen, error)
            raise
        if happened is not None:
            logger.info("%s: %s", key, happened.note)
            await self._events.post(told.objects[step.name], [happened])
            await self._events.post(obj, [happened])
        return step

    async def _failed(self, obj: Object, told: Told, step: Step, seen: _Seen, error: Exception) -> None:
        """Tell that a step failed. What only begins is left for a while; what is begun is tried again."""
        why = error.message if isinstance(error, MoorageError) else explain(error)
        if isinstance(step, Apply):
            things = {item.thing for item in told.items if item.name == step.name and item.thing is not None}
            seen.refused |= dict.fromkeys(things, time.monotonic() + _REFUSED_SECONDS)
            note = f"{step.name} could not be applied by the platform: {why}"
            await self._events.post(
                told.objects[step.name], [Occurrence("AdviceNotApplied", note, warning=True)]
            )
        elif not isinstance(step, Idle):
            await self._say(obj, failing(f"advice {step.name}: {why}"))

    def _known(self, key: Key, obj: Object) -> _Seen:
        uid, seen = str(obj["metadata"]["uid"]), self._seen.get(key)
        if seen is None or seen.uid != uid:
            seen = self._seen[key] = _Seen(uid)
        return seen

    def _of_project(self, project: Object) -> Iterable[Key]:
        namespace = project_namespace(project["metadata"]["name"])
        return [Key.of(obj) for obj in self._cache.list(KUBERNETES_CLUSTER, namespace)]

    async def _say(self, obj: Object, said: Said | None) -> None:
        """Write the condition; where nobody is opted in, there is none."""
        await write_condition(
            self._client,
            self._cache,
            KubernetesCluster.parse(obj),
            ADVICE_AUTOMATIC,
            said,
            field_manager=_FIELD_MANAGER,
            now=self._clock(),
        )


def _still(refused: dict[Thing, float]) -> frozenset[Thing]:
    """Return the workloads that are still not tried again, and forget the others."""
    now = time.monotonic()
    for thing in [thing for thing, until in refused.items() if until <= now]:
        del refused[thing]
    return frozenset(refused)
