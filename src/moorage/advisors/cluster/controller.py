"""Advice about clusters: whose turn it is, what is kept, what is said; each advisor looks by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from lightkube import AsyncClient

from moorage.advisors.cluster import condition as saying
from moorage.advisors.cluster.condition import ADVICE_READY, said_of
from moorage.advisors.cluster.roster import Member, Roster
from moorage.advisors.cluster.timing import LOOK_SECONDS, Made, Tempo, is_due, request_of, rest, window_of
from moorage.advisors.cluster.topic import Found, Silent, Situation, Topic
from moorage.advisors.keeping import Kept, keep
from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.meta import project_namespace, project_of
from moorage.errors import MoorageError
from moorage.kube.clusters import Said, write_condition
from moorage.kube.controller import Cache, Key, Result
from moorage.kube.events import EventPoster, Occurrence
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, PROJECT, Kind, Object
from moorage.kube.objects import FAILED, explain

logger = logging.getLogger(__name__)

_FIELD_MANAGER: Final = "moorage-advisors"
_EVENTS_FROM: Final = "moorage.dev/advice"
_AGAIN: Final = timedelta(seconds=30)
_SETTLING: Final = timedelta(seconds=15)
"""How long a cluster that has just begun to serve is left alone: its nodes are joining."""


@dataclass(slots=True)
class _Seen:
    """What this process knows of one cluster."""

    id: str
    since: datetime
    made: dict[str, Made] = field(default_factory=dict)
    outcomes: dict[str, Found | Silent] = field(default_factory=dict)


class AdviceController:
    """Keeps the advice about clusters in line with what is seen of them.

    Args:
        client: of the management cluster.
        cache: what is read of it.
        roster: the clusters that can be advised on.
        topics: the advisors, in the order in which they look and are told of.
        tempo: how advice is made where nobody says otherwise.
        clock: the time.
    """

    name = "advice"
    primary = KUBERNETES_CLUSTER

    def __init__(
        self,
        client: AsyncClient,
        cache: Cache,
        roster: Roster,
        topics: Sequence[Topic],
        tempo: Tempo | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._client = client
        self._cache = cache
        self._roster = roster
        self._topics = tuple(topics)
        self._tempo = tempo or Tempo()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._seen: dict[Key, _Seen] = {}
        self._events = EventPoster(client, _EVENTS_FROM)

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """Whether a cluster can be entered, and what its project says."""
        return {CAPI_CLUSTER: lambda obj: (Key.of(obj),), PROJECT: self._of_project}

    async def reconcile(self, key: Key) -> Result:
        """Let each advisor look whose turn it is, keep what it finds, and say so."""
        obj = self._roster.object(key)
        if obj is None:
            self._seen.pop(key, None)
            return Result()
        cluster = await self._roster.find(key, obj)
        if cluster is None:
            return Result(LOOK_SECONDS)
        seen, now = self._known(cluster), self._clock()
        if (settled := seen.since + _SETTLING) > now:
            return Result((settled - now).total_seconds())
        window = window_of(self._cache.get(PROJECT, project_of(key.namespace or "") or ""), obj, self._tempo)
        looked = [await self._turn(topic, cluster, seen, window) for topic in self._topics]
        if any(looked):
            # In the order of the advisors, not of their turns.
            outcomes = {topic.advisor: seen.outcomes[topic.advisor] for topic in self._topics}
            await self._say(obj, said_of(outcomes, window))
        return Result(rest(seen.made.values(), now=self._clock()))

    async def _turn(self, topic: Topic, cluster: Member, seen: _Seen, window: timedelta) -> bool:
        """Let an advisor look, if it is its turn, and say whether it was."""
        now = self._clock()
        situation = Situation(
            cluster.key,
            cluster.id,
            cluster.obj,
            cluster.access,
            cluster.counts,
            cluster.signal,
            window,
            now,
        )
        stirred, request = topic.stirred(situation), request_of(cluster.obj)
        made = seen.made.get(topic.advisor)
        if not is_due(made, stirred, request, window, interval=topic.interval, now=now):
            return False
        outcome, again = await self._outcome(topic, cluster, situation)
        seen.outcomes[topic.advisor] = outcome
        seen.made[topic.advisor] = Made(now, stirred, request, window, again)
        return True

    async def _outcome(
        self, topic: Topic, cluster: Member, situation: Situation
    ) -> tuple[Found | Silent, datetime | None]:
        """Return what an advisor has to say, and keep it; a failure is told, and holds up nobody else."""
        try:
            outcome = await topic.look(situation)
            if isinstance(outcome, Found):
                await self._keep(topic, cluster, outcome)
        except (*FAILED, TimeoutError, MoorageError) as error:
            failure = _failure(error)
            logger.warning(
                "%s: %s: %s (again in %.0f s)",
                cluster.key,
                topic.advisor,
                failure.message,
                _AGAIN.total_seconds(),
            )
            return failure, situation.now + _AGAIN
        return outcome, outcome.until

    async def _keep(self, topic: Topic, cluster: Member, found: Found) -> None:
        key = cluster.key
        kept = await keep(
            self._client,
            project_namespace=str(key.namespace),
            cluster=key.name,
            advice=found.advice,
            now=self._clock(),
            store=cluster.store,
            unjudged=found.unjudged,
        )
        if kept.changed:
            logger.info(
                "%s: %s: %d found, %d new, %d open again, %d resolved",
                key,
                topic.advisor,
                len(found.advice.findings),
                kept.created,
                kept.reopened,
                kept.resolved,
            )
        await self._tell(topic, cluster.obj, kept)

    def _known(self, cluster: Member) -> _Seen:
        seen = self._seen.get(cluster.key)
        if seen is None or seen.id != cluster.id:
            seen = self._seen[cluster.key] = _Seen(cluster.id, self._clock())
        return seen

    def _of_project(self, project: Object) -> Iterable[Key]:
        namespace = project_namespace(project["metadata"]["name"])
        return [Key.of(obj) for obj in self._cache.list(KUBERNETES_CLUSTER, namespace)]

    async def _say(self, obj: Object, said: Said) -> None:
        await write_condition(
            self._client,
            self._cache,
            KubernetesCluster.parse(obj),
            ADVICE_READY,
            said,
            field_manager=_FIELD_MANAGER,
            now=self._clock(),
        )

    async def _tell(self, topic: Topic, obj: Object, kept: Kept) -> None:
        """Post an Event when there is something new to decide on."""
        if not (new := kept.created + kept.reopened):
            return
        what = "1 piece of advice" if new == 1 else f"{new} pieces of advice"
        note = f"{topic.advisor}: {what} to decide on: see `moorage advice list`"
        await self._events.post(obj, [Occurrence("AdviceFound", note)])


def _failure(error: BaseException) -> Silent:
    if isinstance(error, TimeoutError):
        return Silent(saying.UNREACHABLE, "the cluster does not answer")
    if isinstance(error, MoorageError):
        return Silent(saying.FAILED, error.message)
    return Silent(saying.UNREACHABLE, explain(error))
