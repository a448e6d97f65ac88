"""Members' access inside user clusters: who of a project may do what there, kept as the project says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from lightkube import AsyncClient

from moorage.api.conditions import ConditionStatus, condition, get_condition, set_condition
from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.meta import project_namespace, project_of
from moorage.api.project import Member, Project
from moorage.clusters.access import ACCESS_LABEL, user_cluster_bindings, user_cluster_roles
from moorage.clusters.derived import Apply, Derived, Step, difference
from moorage.errors import MoorageError
from moorage.kube.client import connect
from moorage.kube.clusters import platform_kubeconfig, serves
from moorage.kube.controller import Cache, Key, Result
from moorage.kube.kinds import (
    CAPI_CLUSTER,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    KUBERNETES_CLUSTER,
    PROJECT,
    Kind,
    Object,
)
from moorage.kube.objects import FAILED, apply, apply_status, delete, explain, list_objects

logger = logging.getLogger(__name__)

ACCESS_READY = "AccessReady"
FIELD_MANAGER = "moorage-access"

_TIMEOUT_SECONDS = 10.0
_RECHECK = timedelta(minutes=10)
"""An owner may do anything in a cluster, also remove what gives the others their roles."""
_SOON = Result(requeue_after_seconds=1.0)


@dataclass(frozen=True, slots=True)
class Entrance:
    """A user cluster that can be entered, and for whom.

    Args:
        declared: the KubernetesCluster.
        members: the members of its project.
        kubeconfig: the platform's own access to it.
    """

    declared: KubernetesCluster
    members: tuple[Member, ...]
    kubeconfig: dict[str, Any] = field(repr=False)

    @property
    def authority(self) -> str | None:
        """Who vouches for its API server: PEM, in base64."""
        for entry in self.kubeconfig.get("clusters") or ():
            authority: str | None = entry.get("cluster", {}).get("certificate-authority-data")
            return authority
        return None


@dataclass(frozen=True, slots=True)
class _Checked:
    """For whom a cluster was last seen to be open, and when."""

    uid: str | None
    members: tuple[Member, ...]
    at: datetime


class AccessController:
    """Keeps the roles of a project's members inside the project's clusters."""

    name = "access"
    primary = KUBERNETES_CLUSTER

    def __init__(
        self, client: AsyncClient, cache: Cache, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock or (lambda: datetime.now(UTC))
        self._checked: dict[Key, _Checked] = {}

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """Whether a cluster can be entered, and for whom."""
        return {CAPI_CLUSTER: lambda obj: (Key.of(obj),), PROJECT: self._of_members}

    async def reconcile(self, key: Key) -> Result:
        """Open one cluster to the members of its project, and to nobody else.

        Raises:
            MoorageError: the cluster cannot be entered now; its status says so.
        """
        obj = self._cache.get(KUBERNETES_CLUSTER, key.name, key.namespace)
        if obj is None or "deletionTimestamp" in obj["metadata"] or not serves(self._cache, key):
            self._checked.pop(key, None)
            return Result()
        declared = KubernetesCluster.parse(obj)
        members = self._members(key)
        now = self._clock()
        checked = self._checked.get(key)
        if checked is not None and (checked.uid, checked.members) == (declared.metadata.uid, members):
            due = checked.at + _RECHECK - now
            if due > timedelta():
                return Result(requeue_after_seconds=due.total_seconds())
        kubeconfig = await platform_kubeconfig(self._client, key)
        if kubeconfig is None:
            return _SOON
        entrance = Entrance(declared, members, kubeconfig)
        try:
            async with asyncio.timeout(2 * _TIMEOUT_SECONDS):
                await open_to_members(entrance)
        except (*FAILED, TimeoutError) as error:
            self._checked.pop(key, None)
            why = "it does not answer" if isinstance(error, TimeoutError) else explain(error)
            await self._say(entrance, ok=False, reason="ClusterUnreachable", message=why)
            raise MoorageError(f"cluster {key} cannot be entered: {why}") from error
        await self._say(entrance, ok=True, reason="Ready", message="")
        self._checked[key] = _Checked(declared.metadata.uid, members, now)
        return Result(requeue_after_seconds=_RECHECK.total_seconds())

    def _members(self, key: Key) -> tuple[Member, ...]:
        project = self._cache.get(PROJECT, project_of(key.namespace or "") or "")
        return _members_of(project) if project is not None else ()

    def _of_members(self, project: Object) -> Iterable[Key]:
        """Return the clusters that are open to other members than a project has."""
        members = _members_of(project)
        namespace = project_namespace(project["metadata"]["name"])
        keys = (Key.of(obj) for obj in self._cache.list(KUBERNETES_CLUSTER, namespace))
        return [key for key in keys if (seen := self._checked.get(key)) and seen.members != members]

    async def _say(self, entrance: Entrance, *, ok: bool, reason: str, message: str) -> None:
        declared, now = entrance.declared, self._clock()
        old = declared.status
        state = ConditionStatus.TRUE if ok else ConditionStatus.FALSE
        new = condition(
            ACCESS_READY, state, reason, message, now=now, observed_generation=declared.metadata.generation
        )
        before = get_condition(old.conditions, ACCESS_READY) if old is not None else None
        [placed] = set_condition([before] if before is not None else [], new, now)
        same = before is not None and _words(before) == _words(placed)
        if same and old is not None and old.ca_bundle == entrance.authority:
            return
        metadata = {"name": declared.metadata.name, "namespace": declared.metadata.namespace}
        status: Object = {"conditions": [placed.wire()]}
        if entrance.authority:
            status["caBundle"] = entrance.authority
        written = await apply_status(
            self._client,
            KUBERNETES_CLUSTER,
            {"metadata": metadata, "status": status},
            field_manager=FIELD_MANAGER,
        )
        self._cache.put(KUBERNETES_CLUSTER, written)


async def open_to_members(entrance: Entrance) -> None:
    """Bring the roles inside a cluster to what its project says."""
    async with connect(entrance.kubeconfig, timeout_seconds=_TIMEOUT_SECONDS) as client:
        observed = await _observe(client)
        for step in plan_access(entrance.members, observed):
            await _act(client, step)
            logger.info(
                "%s/%s: %s", entrance.declared.metadata.namespace, entrance.declared.metadata.name, step
            )


def plan_access(members: tuple[Member, ...], observed: Iterable[Derived]) -> list[Step]:
    """Decide what to change inside a cluster."""
    desired = [Derived(CLUSTER_ROLE, role) for role in user_cluster_roles()]
    desired += [Derived(CLUSTER_ROLE_BINDING, binding) for binding in user_cluster_bindings(members)]
    return difference(desired, observed)


async def _observe(client: AsyncClient) -> list[Derived]:
    labels = {ACCESS_LABEL: "members"}
    return [
        Derived(kind, obj)
        for kind in (CLUSTER_ROLE, CLUSTER_ROLE_BINDING)
        for obj in await list_objects(client, kind, labels=labels)
    ]


async def _act(client: AsyncClient, step: Step) -> None:
    derived = step.derived
    if isinstance(step, Apply):
        await apply(client, derived.kind, derived.object, field_manager=FIELD_MANAGER)
    else:
        await delete(client, derived.kind, derived.name, derived.namespace)


def _members_of(project: Object) -> tuple[Member, ...]:
    return tuple(Project.parse(project).spec.members)


def _words(said: Any) -> tuple[Any, ...]:
    return said.status, said.reason, said.message, said.observed_generation
