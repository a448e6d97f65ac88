"""The Project controller: observe, plan, act; nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lightkube import AsyncClient

from moorage.api.meta import project_of
from moorage.clusters.claims import Ledger
from moorage.clusters.project.act import act
from moorage.clusters.project.observe import observe, read_rights
from moorage.clusters.project.plan import QUIET, plan_project
from moorage.clusters.project.snapshot import Snapshot
from moorage.kube.controller import Cache, Key, Result
from moorage.kube.kinds import (
    CAPI_CLUSTER,
    KUBERNETES_CLUSTER,
    MACHINE_TYPE,
    NAMESPACE,
    PROJECT,
    Kind,
    Object,
)

_RECHECK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Checked:
    """Of which declaration the rights were last seen to be right, in which namespace, and when."""

    uid: str | None
    generation: int | None
    namespace: str
    at: datetime


class ProjectController:
    """Makes a project's namespace, gives its members their rights, and counts what it uses."""

    name = "projects"
    primary = PROJECT

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
        self._clock = clock or (lambda: datetime.now(UTC))
        self._checked: dict[str, _Checked] = {}

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """What concerns a project: its namespace, and what its clusters ask for and have."""
        return {
            NAMESPACE: lambda obj: _of_namespace(obj["metadata"]["name"]),
            KUBERNETES_CLUSTER: self._of_cluster,
            CAPI_CLUSTER: self._of_cluster,
            MACHINE_TYPE: lambda _: [Key.of(project) for project in self._cache.list(PROJECT)],
        }

    async def reconcile(self, key: Key) -> Result:
        """Bring one project a step further."""
        now = self._clock()
        snapshot = observe(self._cache, self._ledger, key.name)
        if snapshot is None:
            self._checked.pop(key.name, None)
            return Result()
        due = self._due(snapshot, now)
        if due is None:
            rights = await read_rights(
                self._client, snapshot.declared, namespaced=snapshot.namespace is not None
            )
            snapshot = observe(self._cache, self._ledger, key.name, rights) or snapshot
        actions = plan_project(snapshot, now)
        for action in actions:
            await act(self._client, self._cache, snapshot.declared, action)
        if snapshot.rights is not None and snapshot.namespace is not None and not snapshot.deleting:
            metadata, namespace = snapshot.declared.metadata, snapshot.namespace["metadata"]["uid"]
            self._checked[key.name] = _Checked(metadata.uid, metadata.generation, namespace, now)
        if any(not isinstance(action, QUIET) for action in actions):
            return Result(requeue_after_seconds=0)  # to say that it is done
        left = due if due is not None else _RECHECK
        return Result(requeue_after_seconds=left.total_seconds())

    def _of_cluster(self, obj: Object) -> Iterable[Key]:
        """Return the project of a cluster that has changed; what it claims is read when it is needed."""
        metadata = obj["metadata"]
        self._ledger.touch(metadata["namespace"], metadata["name"])
        return _of_namespace(metadata["namespace"])

    def _due(self, snapshot: Snapshot, now: datetime) -> timedelta | None:
        """Return when the rights have to be looked at again; ``None`` is now."""
        checked, metadata = self._checked.get(snapshot.name), snapshot.declared.metadata
        if checked is None or snapshot.namespace is None or snapshot.deleting:
            return None
        seen = (checked.uid, checked.generation, checked.namespace)
        if seen != (metadata.uid, metadata.generation, snapshot.namespace["metadata"]["uid"]):
            return None
        left = checked.at + _RECHECK - now
        return left if left > timedelta() else None


def _of_namespace(namespace: str) -> Iterable[Key]:
    project = project_of(namespace)
    return (Key(None, project),) if project else ()
