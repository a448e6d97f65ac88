"""The policies of clusters: observe, plan, act; nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from lightkube import AsyncClient

from moorage.api.conditions import get_condition
from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.meta import project_namespace, project_of
from moorage.kube.clusters import Said, platform_kubeconfig, provider_name, serves, write_condition
from moorage.kube.controller import Cache, Key, Result
from moorage.kube.events import EventPoster
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, PROJECT, Kind, Object
from moorage.kube.objects import FAILED, UNREACHABLE, apply_status, delete, explain, is_passing
from moorage.policies.cluster import condition as saying
from moorage.policies.cluster.condition import POLICIES_READY
from moorage.policies.cluster.declared import Declared, declared
from moorage.policies.cluster.gatekeeper_kinds import FIELD_MANAGER, POLICY_REPORT
from moorage.policies.cluster.host import EngineHost, Place
from moorage.policies.cluster.sources import BundleMissingError, BundleUnsignedError, Sources
from moorage.policies.cluster.work import Progress, Work
from moorage.policies.model import LibraryError, PolicyError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 120.0
RECHECK_SECONDS: Final = 10.0
"""How often exceptions are read, and what somebody has changed by hand is put right."""

_EVENTS_FROM: Final = "moorage.dev/policies"
_SOON_SECONDS: Final = 0.5
_STARTING: Final = timedelta(seconds=90)


@dataclass(slots=True)
class _Seen:
    """What this process knows of one cluster."""

    uid: str
    declared: Declared
    work: Work = field(repr=False)
    waiting_since: datetime | None = None


class PoliciesController:
    """Keeps the policies of clusters as their projects and they themselves say."""

    name = "policies"
    primary = KUBERNETES_CLUSTER

    def __init__(
        self,
        client: AsyncClient,
        cache: Cache,
        hosts: Sequence[EngineHost],
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._client = client
        self._cache = cache
        self._hosts = hosts
        self._clock = clock or (lambda: datetime.now(UTC))
        self._sources = Sources(client, self._clock)
        self._seen: dict[Key, _Seen] = {}
        self._events = EventPoster(client, _EVENTS_FROM)
        self._told: dict[Key, str] = {}

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """Whether a cluster can be entered, and what its project declares."""
        return {CAPI_CLUSTER: lambda obj: (Key.of(obj),), PROJECT: self._of_project}

    async def reconcile(self, key: Key) -> Result:
        """Bring the policies of one cluster a step further."""
        obj = self._cache.get(KUBERNETES_CLUSTER, key.name, key.namespace)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            self._seen.pop(key, None)
            self._told.pop(key, None)
            return Result()
        wants = declared(self._project(key), obj)
        cluster = KubernetesCluster.parse(obj)
        had = get_condition(cluster.status.conditions, POLICIES_READY) if cluster.status else None
        if (wants is None and had is None) or not serves(self._cache, key) or cluster.spec.paused:
            return Result()
        place = await self._place(key)
        if place is None:
            return Result(_SOON_SECONDS)
        host = next((host for host in self._hosts if host.hosts(place)), None)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if wants is None:
                    return await self._leave(key, cluster, place, host)
                return await self._keep(key, cluster, wants, place, host)
        except (*FAILED, TimeoutError) as error:
            if not isinstance(error, (*UNREACHABLE, TimeoutError)) and is_passing(error):
                raise  # it answers, and takes up a new kind: a moment later all is well
            why = "it does not answer" if isinstance(error, TimeoutError) else explain(error)
            await self._say(cluster, Said(ok=False, reason=saying.CLUSTER_UNREACHABLE, message=why))
            raise

    async def _keep(
        self,
        key: Key,
        cluster: KubernetesCluster,
        wants: Declared,
        place: Place,
        host: EngineHost | None,
    ) -> Result:
        if host is None:
            message = f"clusters of provider {cluster.spec.provider} cannot have policies yet"
            await self._say(cluster, Said(ok=False, reason=saying.ENGINE_NOT_OFFERED, message=message))
            return Result()
        seen = self._of(key, cluster, wants)
        try:
            taken = await self._sources.take(wants.bundles)
            progress = await seen.work.further(place, host, wants, taken)
        except PolicyError as error:
            # What judged before goes on to: nothing in the cluster is touched.
            await self._say(cluster, _refused(error))
            return Result(RECHECK_SECONDS)
        await self._say(cluster, self._words(seen, progress))
        return Result(progress.again_seconds)

    async def _leave(
        self, key: Key, cluster: KubernetesCluster, place: Place, host: EngineHost | None
    ) -> Result:
        """Remove everything, and say nothing of policies any more."""
        if host is not None and not await Work.leave(place, host):
            return Result(_SOON_SECONDS)
        self._seen.pop(key, None)
        self._told.pop(key, None)
        await delete(self._client, POLICY_REPORT, key.name, key.namespace)
        metadata = {"name": cluster.metadata.name, "namespace": cluster.metadata.namespace}
        written = await apply_status(
            self._client,
            KUBERNETES_CLUSTER,
            {"metadata": metadata, "status": {}},
            field_manager=FIELD_MANAGER,
        )
        self._cache.put(KUBERNETES_CLUSTER, written)
        logger.info("%s: no policies any more", key)
        return Result()

    def _of(self, key: Key, cluster: KubernetesCluster, wants: Declared) -> _Seen:
        seen, uid = self._seen.get(key), str(cluster.metadata.uid)
        if seen is None or seen.uid != uid:
            work = Work(self._client, str(key), cluster.metadata.wire(), self._clock)
            seen = self._seen[key] = _Seen(uid, wants, work)
        seen.declared = wants
        return seen

    def _words(self, seen: _Seen, progress: Progress) -> Said:
        if progress.waits_for is None:
            seen.waiting_since = None
            return progress.said
        now = self._clock()
        seen.waiting_since = seen.waiting_since or now
        late = now - seen.waiting_since > _STARTING
        reason = saying.ENGINE_UNREACHABLE if late else saying.ENGINE_STARTING
        return replace(progress.said, reason=reason)

    def _project(self, key: Key) -> Object | None:
        return self._cache.get(PROJECT, project_of(key.namespace or "") or "")

    def _of_project(self, project: Object) -> Iterable[Key]:
        """Return the clusters of a project that have, or are to have, other policies than it says."""
        namespace = project_namespace(project["metadata"]["name"])
        found = []
        for obj in self._cache.list(KUBERNETES_CLUSTER, namespace):
            key = Key.of(obj)
            seen = self._seen.get(key)
            if declared(project, obj) != (seen.declared if seen else None):
                found.append(key)
        return found

    async def _place(self, key: Key) -> Place | None:
        kubeconfig = await platform_kubeconfig(self._client, key)
        return Place(str(key), provider_name(kubeconfig), kubeconfig) if kubeconfig is not None else None

    async def _say(self, cluster: KubernetesCluster, said: Said) -> None:
        written = await write_condition(
            self._client,
            self._cache,
            cluster,
            POLICIES_READY,
            said,
            field_manager=FIELD_MANAGER,
            now=self._clock(),
        )
        if written is None:
            return
        before = get_condition(cluster.status.conditions, POLICIES_READY) if cluster.status else None
        if before is None or before.reason != said.reason:
            logger.info("%s/%s: %s: %s", cluster.metadata.namespace, cluster.metadata.name, *_pair(said))
        await self._tell(written, said, before.reason if before is not None else "")

    async def _tell(self, cluster: Object, said: Said, before: str) -> None:
        """Post an Event when something else is said than was told last, by this process or another."""
        key = Key.of(cluster)
        told = self._told.setdefault(key, before if before not in saying.ON_THE_WAY else "")
        occurrence = saying.news(told, said)
        if occurrence is not None:
            self._told[key] = said.reason
            await self._events.post(cluster, [occurrence])


def _pair(said: Said) -> tuple[str, str]:
    return said.reason, said.message


def _refused(error: PolicyError) -> Said:
    reason = {
        BundleMissingError: saying.BUNDLE_MISSING,
        BundleUnsignedError: saying.BUNDLE_UNSIGNED,
        LibraryError: saying.BUNDLE_INVALID,
    }.get(type(error), saying.FLOOR_INVALID)
    # A floor's mistake is mended where it is declared: there nobody sees which sets there are.
    hint = f" ({error.hint})" if reason == saying.FLOOR_INVALID and error.hint else ""
    return Said(ok=False, reason=reason, message=f"{error.message}{hint}")
