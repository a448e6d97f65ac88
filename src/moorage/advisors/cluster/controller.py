"""Advice about clusters: observe, plan, keep; nothing else."""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml
from lightkube import AsyncClient

from moorage.advisors.advice import Advice
from moorage.advisors.audit.counts import Counts, Signal
from moorage.advisors.cluster import condition as saying
from moorage.advisors.cluster.condition import ADVICE_READY, Said
from moorage.advisors.cluster.harm import find_harm
from moorage.advisors.cluster.host import AdviceHost
from moorage.advisors.cluster.observe import granted, read_followed, read_grants
from moorage.advisors.cluster.timing import CALM, Made, Tempo, is_due, not_yet, request_of, window_of
from moorage.advisors.evidence import EvidenceStore
from moorage.advisors.keeping import Kept, keep, reopen_applied
from moorage.advisors.permissions.plan import Wanted, plan
from moorage.api.conditions import ConditionStatus, condition, get_condition, set_condition
from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.meta import project_namespace, project_of
from moorage.kube.client import connect
from moorage.kube.controller import Cache, Key, Result
from moorage.kube.events import EventPoster, Occurrence
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, PROJECT, SECRET, Kind, Object
from moorage.kube.objects import FAILED, apply_status, explain, get
from moorage.local.supervisor import in_thread

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 3.0
"""How often it is looked whether somebody was refused something, or grants have changed."""

TIMEOUT_SECONDS: Final = 120.0

_FIELD_MANAGER: Final = "moorage-advisors"
_EVENTS_FROM: Final = "moorage.dev/advice"
_FRESH_SECONDS: Final = 1.0
_YOUNG_SECONDS: Final = 30.0
_SILENCE: Final = timedelta(minutes=2)


@dataclass(slots=True)
class _Seen:
    """What this process knows of one cluster."""

    uid: str
    id: str
    since: datetime
    made: Made | None = None
    denials: int = -1
    harm_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Open:
    """A cluster that can be advised on."""

    key: Key
    seen: _Seen
    access: Path | dict[str, Any]
    counts: Counts
    store: EvidenceStore


class AdviceController:
    """Keeps the advice about clusters in line with what their events and their grants show."""

    name = "advice"
    primary = KUBERNETES_CLUSTER

    def __init__(
        self,
        client: AsyncClient,
        cache: Cache,
        host: AdviceHost,
        tempo: Tempo | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._client = client
        self._cache = cache
        self._host = host
        self._tempo = tempo or Tempo()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._seen: dict[Key, _Seen] = {}
        self._events = EventPoster(client, _EVENTS_FROM)
        self._signals: dict[str, Signal] = {}
        self._signals_at = -_FRESH_SECONDS
        self._asking = asyncio.Lock()

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """Whether a cluster can be entered, and what its project says."""
        return {CAPI_CLUSTER: lambda obj: (Key.of(obj),), PROJECT: self._of_project}

    async def reconcile(self, key: Key) -> Result:
        """Look whether there is to be new advice about a cluster, or advice did harm."""
        obj = self._cache.get(KUBERNETES_CLUSTER, key.name, key.namespace)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            self._seen.pop(key, None)
            return Result()
        if not self._serves(key) or (obj.get("spec") or {}).get("paused"):
            return Result()
        seen = await self._known(key, obj)
        if seen is None:
            return Result(LOOK_SECONDS)
        access = self._host.access(seen.id)
        if access is None:
            return Result()
        counts, store = await self._host.open()
        signal = (await self._fresh_signals(counts)).get(seen.id)
        return await self._look(obj, _Open(key, seen, access, counts, store), signal)

    async def _look(self, obj: Object, cluster: _Open, signal: Signal | None) -> Result:
        key, seen, now = cluster.key, cluster.seen, self._clock()
        if signal is None:
            if now - seen.since > _SILENCE:
                await self._say(obj, saying.silent())
            return Result(LOOK_SECONDS)
        window = window_of(self._cache.get(PROJECT, project_of(key.namespace or "") or ""), obj, self._tempo)
        created = datetime.fromisoformat(obj["metadata"]["creationTimestamp"])
        young = not_yet(signal, created, window, now)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._watch_for_harm(cluster, signal)
                if young is not None:
                    await self._say(obj, saying.collecting(young, window))
                    rest = (young.until - now).total_seconds()
                    return Result(min(_YOUNG_SECONDS, max(rest, LOOK_SECONDS)))
                if is_due(seen.made, signal, request_of(obj), window, tempo=self._tempo, now=now):
                    await self._renew(obj, cluster, window)
                    seen.made = Made(now, signal, request_of(obj), window)
        except (*FAILED, TimeoutError) as error:
            why = "it does not answer" if isinstance(error, TimeoutError) else explain(error)
            await self._say(obj, Said(ok=False, reason=saying.CLUSTER_UNREACHABLE, message=why))
            raise
        return Result(LOOK_SECONDS)

    async def _renew(self, obj: Object, cluster: _Open, window: timedelta) -> None:
        """Make advice, keep it, and say so; nothing is kept when not all is known."""
        since = self._clock() - window
        if await in_thread(lambda: cluster.counts.left_out(cluster.seen.id, since=since)):
            await self._say(obj, saying.too_much())
            return
        found, kept = await self._advise(cluster, window)
        await self._say(obj, saying.current(found, window))
        await self._tell(obj, kept)

    async def _advise(self, cluster: _Open, window: timedelta) -> tuple[Advice, Kept]:
        key = cluster.key
        async with connect(cluster.access) as client:
            objects = await read_grants(client)
        now = self._clock()

        def work() -> Advice:
            usage = cluster.counts.usage(cluster.seen.id, since=now - window)
            rbac = granted(objects, origin=f"cluster {key}")
            return plan(usage, rbac, Wanted(window=window), now=now)

        found = await in_thread(work)
        kept = await keep(
            self._client,
            project_namespace=str(key.namespace),
            cluster=key.name,
            advice=found,
            now=now,
            store=cluster.store,
        )
        if kept.changed:
            logger.info(
                "%s: permissions: %d found, %d new, %d open again, %d resolved",
                key,
                len(found.findings),
                kept.created,
                kept.reopened,
                kept.resolved,
            )
        return found, kept

    async def _watch_for_harm(self, cluster: _Open, signal: Signal) -> None:
        """Open advice again after which somebody is refused what it took away."""
        key, seen, now = cluster.key, cluster.seen, self._clock()
        if signal.denials == seen.denials or (seen.harm_at is not None and now - seen.harm_at < CALM):
            return
        seen.harm_at = now
        followed = await read_followed(self._client, str(key.namespace), key.name)
        if followed:
            since = min(each.at for each in followed)
            refused = await in_thread(lambda: cluster.counts.refused(seen.id, since=since))
            if refused:
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
        seen.denials = signal.denials

    async def _fresh_signals(self, counts: Counts) -> dict[str, Signal]:
        """Return how far all clusters are: asked for once for all of them."""
        async with self._asking:
            if time.monotonic() - self._signals_at >= _FRESH_SECONDS:
                self._signals = await in_thread(counts.signals)
                self._signals_at = time.monotonic()
        return self._signals

    async def _known(self, key: Key, obj: Object) -> _Seen | None:
        uid, seen = str(obj["metadata"]["uid"]), self._seen.get(key)
        if seen is None or seen.uid != uid:
            name = await self._id(key)
            if not name:
                return None
            seen = self._seen[key] = _Seen(uid, name, self._clock())
        return seen

    async def _id(self, key: Key) -> str:
        """Return what its provider calls a cluster; empty while it is not told."""
        secret = await get(self._client, SECRET, f"{key.name}-kubeconfig", key.namespace)
        value = ((secret or {}).get("data") or {}).get("value")
        if not value:
            return ""
        [entry, *_] = yaml.safe_load(b64decode(value)).get("clusters") or [{}]
        return str(entry.get("name", ""))

    def _of_project(self, project: Object) -> Iterable[Key]:
        namespace = project_namespace(project["metadata"]["name"])
        return [Key.of(obj) for obj in self._cache.list(KUBERNETES_CLUSTER, namespace)]

    def _serves(self, key: Key) -> bool:
        cluster = self._cache.get(CAPI_CLUSTER, key.name, key.namespace)
        conditions = ((cluster or {}).get("status") or {}).get("conditions") or ()
        return any(c["type"] == "ControlPlaneAvailable" and c["status"] == "True" for c in conditions)

    async def _say(self, obj: Object, said: Said) -> None:
        cluster, now = KubernetesCluster.parse(obj), self._clock()
        state = ConditionStatus.TRUE if said.ok else ConditionStatus.FALSE
        generation = cluster.metadata.generation
        new = condition(
            ADVICE_READY, state, said.reason, said.message, now=now, observed_generation=generation
        )
        before = get_condition(cluster.status.conditions, ADVICE_READY) if cluster.status else None
        [placed] = set_condition([before] if before is not None else [], new, now)
        if before == placed:
            return
        metadata = {"name": cluster.metadata.name, "namespace": cluster.metadata.namespace}
        written = await apply_status(
            self._client,
            KUBERNETES_CLUSTER,
            {"metadata": metadata, "status": {"conditions": [placed.wire()]}},
            field_manager=_FIELD_MANAGER,
        )
        self._cache.put(KUBERNETES_CLUSTER, written)

    async def _tell(self, obj: Object, kept: Kept) -> None:
        """Post an Event when there is something new to decide on."""
        if not (new := kept.created + kept.reopened):
            return
        what = "1 piece of advice" if new == 1 else f"{new} pieces of advice"
        note = f"permissions: {what} to decide on: see `moorage advice list`"
        await self._events.post(obj, [Occurrence("AdviceFound", note)])
