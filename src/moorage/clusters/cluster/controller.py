"""The KubernetesCluster controller: observe, plan, act; nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from lightkube import AsyncClient

from moorage.api.meta import GROUP, PROVIDER_LABEL, project_namespace
from moorage.clusters.claims import Ledger
from moorage.clusters.cluster.act import act
from moorage.clusters.cluster.observe import CLUSTER_NAME_LABEL, observe
from moorage.clusters.cluster.plan import QUIET, ApplyCluster, plan_cluster
from moorage.clusters.cluster.status import READY, UP_TO_DATE
from moorage.kube.controller import Cache, Key, Result
from moorage.kube.events import EventPoster
from moorage.kube.kinds import (
    CAPI_CLUSTER,
    CLUSTER_CLASS,
    KUBERNETES_CLUSTER,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_TYPE,
    PROJECT,
    Kind,
    Object,
)

_EVENTS_FROM = f"{GROUP}/clusters"
_HELD_BY_PROJECT = frozenset({"QuotaExceeded", "NoProject"})


class ClusterController:
    """Makes clusters through Cluster API, keeps them as declared, and says how they are."""

    name = "clusters"
    primary = KUBERNETES_CLUSTER

    def __init__(
        self,
        client: AsyncClient,
        cache: Cache,
        ledger: Ledger,
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._client = client
        self._cache = cache
        self._ledger = ledger
        self._events = EventPoster(client, _EVENTS_FROM)
        self._clock = clock or (lambda: datetime.now(UTC))

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """What concerns a cluster: what was made for it, what it is made of, and its project's quota."""
        return {
            CAPI_CLUSTER: lambda obj: (Key.of(obj),),
            MACHINE_DEPLOYMENT: _of_cluster,
            MACHINE: _of_cluster,
            PROJECT: self._waiting_for_project,
            CLUSTER_CLASS: self._of_provider,
            MACHINE_TYPE: self._of_machine_type,
        }

    async def reconcile(self, key: Key) -> Result:
        """Bring one cluster a step further."""
        snapshot = observe(self._cache, self._ledger, key)
        if snapshot is None:
            return Result()
        plan = plan_cluster(snapshot, self._clock())
        for action in plan.actions:
            await act(self._client, self._cache, self._events, snapshot.declared, action)
            if isinstance(action, ApplyCluster):
                self._ledger.touch(key.namespace or "", key.name)
        if any(not isinstance(action, QUIET) for action in plan.actions):
            return Result(requeue_after_seconds=0)  # to say what came of it
        recheck = plan.recheck_after
        return Result(requeue_after_seconds=recheck.total_seconds() if recheck is not None else None)

    def _waiting_for_project(self, project: Object) -> Iterable[Key]:
        """Return the clusters that wait for their project: for room in its quota, or for itself.

        Not all of its clusters: a project's status changes with each of them.
        """
        namespace = project_namespace(project["metadata"]["name"])
        return [
            Key.of(obj)
            for obj in self._cache.list(KUBERNETES_CLUSTER, namespace)
            if _reasons(obj) & _HELD_BY_PROJECT
        ]

    def _of_provider(self, cluster_class: Object) -> Iterable[Key]:
        provider = (cluster_class["metadata"].get("labels") or {}).get(PROVIDER_LABEL)
        return [
            Key.of(obj)
            for obj in self._cache.list(KUBERNETES_CLUSTER)
            if provider is not None and obj["spec"].get("provider") == provider
        ]

    def _of_machine_type(self, machine_type: Object) -> Iterable[Key]:
        name = machine_type["metadata"]["name"]
        return [Key.of(obj) for obj in self._cache.list(KUBERNETES_CLUSTER) if name in _machine_types(obj)]


def _of_cluster(obj: Object) -> Iterable[Key]:
    metadata = obj["metadata"]
    name = (metadata.get("labels") or {}).get(CLUSTER_NAME_LABEL)
    return (Key(metadata["namespace"], name),) if name else ()


def _reasons(obj: Object) -> set[str]:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return {item["reason"] for item in conditions if item["type"] in (READY, UP_TO_DATE)}


def _machine_types(obj: Object) -> set[str | None]:
    spec = obj["spec"]
    pools = {pool.get("machineType") for pool in spec.get("nodePools") or ()}
    return {*pools, (spec.get("controlPlane") or {}).get("machineType")}
