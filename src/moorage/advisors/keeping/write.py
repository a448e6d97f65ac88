"""Writing what was decided about the findings of a run, into the namespace of the cluster's project."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from lightkube import AsyncClient

from moorage.advisors.advice import Advice as Found
from moorage.advisors.keeping import life
from moorage.advisors.keeping.plan import (
    Create,
    LeaveOut,
    Move,
    Remove,
    Step,
    Update,
    plan_advice,
    plan_outgrown,
)
from moorage.advisors.keeping.written import Part
from moorage.api.advice import (
    ADVISOR_LABEL,
    Advice,
    AdviceSpec,
    AdviceState,
    AdviceStatus,
    ApplicationPhase,
)
from moorage.api.meta import CLUSTER_LABEL
from moorage.kube.kinds import ADVICE, KUBERNETES_CLUSTER, Object
from moorage.kube.objects import CONFLICT, FAILED, apply, get, is_status, list_objects, merge_patch
from moorage.kube.objects import delete as delete_object

logger = logging.getLogger(__name__)

FIELD_MANAGER: Final = "moorage-advisors"


class Store(Protocol):
    """Where goes what is too large for an object, and what is to outlast it."""

    def put(self, key: str, content: bytes, *, at: datetime) -> None:
        """Keep something; what was kept by this key before is replaced."""

    def tell(self, advice: str, told: Iterable[Mapping[str, Any]]) -> None:
        """Keep what became of an advice; what was told before is not kept twice."""

    def drop(self, prefix: str) -> int:
        """Remove what is kept by keys that begin so."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the findings of a run.

    Args:
        created: new advice.
        updated: advice that says something new.
        reopened: advice that was resolved, dismissed or applied, and is open again.
        resolved: advice that is found no more.
        removed: advice that had been resolved for long.
        unchanged: advice about which there is nothing to write.
        left_out: findings without an object: there are too many that are worse.
        contested: objects that somebody else was writing; the next run looks at them again.
    """

    created: int = 0
    updated: int = 0
    reopened: int = 0
    resolved: int = 0
    removed: int = 0
    unchanged: int = 0
    left_out: int = 0
    contested: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return bool(self.created or self.updated or self.reopened or self.resolved or self.removed)


async def keep(
    client: AsyncClient,
    *,
    project_namespace: str,
    cluster: str,
    advice: Found,
    now: datetime,
    store: Store | None = None,
    unjudged: Collection[str] = (),
) -> Kept:
    """Bring the Advice objects of one advisor about one cluster in line with what it has found.

    It may be repeated, and interrupted at any point: each object is written by itself, under the version that
    was looked at, so that a decision of somebody else is never overwritten.

    Args:
        client: of the management cluster.
        project_namespace: the namespace of the cluster's project.
        cluster: the cluster's name.
        advice: all that one run of the advisor has found in it.
        now: the time.
        store: for what is too large, and for the history; without one, what is too large is cut.
        unjudged: subjects about which the run could say nothing: their advice stays as it is.

    Raises:
        ApiError: the management cluster refuses.
    """
    labels = {CLUSTER_LABEL: cluster, ADVISOR_LABEL: advice.advisor}
    objects = await list_objects(client, ADVICE, project_namespace, labels=labels)
    existing = [Advice.parse(obj) for obj in objects]
    steps = plan_advice(existing, advice, cluster, now, stores=store is not None, unjudged=unjudged)
    owner: Object | None = None
    if any(isinstance(step, Create | Update) for step in steps):
        found = await get(client, KUBERNETES_CLUSTER, cluster, project_namespace)
        if found is None:
            return Kept()  # the cluster is gone, and its advice goes with it
        owner = _owner(found)
    writer = _Writer(client, project_namespace, owner, store, now)
    done = [step for step in steps if await writer.write(step)]
    if store is not None:
        await asyncio.to_thread(_tell, store, project_namespace, existing, steps)
    return _counted(steps, done, existing)


async def withdraw_outgrown(
    client: AsyncClient,
    *,
    project_namespace: str,
    cluster: str,
    advisor: str,
    window: timedelta,
    now: datetime,
) -> int:
    """Resolve open advice that was made with a shorter window than is asked for now; return how much.

    Args:
        client: of the management cluster.
        project_namespace: the namespace of the cluster's project.
        cluster: the cluster's name.
        advisor: whose advice.
        window: how long something must not have been used.
        now: the time.

    Raises:
        ApiError: the management cluster refuses.
    """
    labels = {CLUSTER_LABEL: cluster, ADVISOR_LABEL: advisor}
    objects = await list_objects(client, ADVICE, project_namespace, labels=labels)
    writer = _Writer(client, project_namespace, None, None, now)
    steps = plan_outgrown(map(Advice.parse, objects), window, now)
    return sum([await writer.write(step) for step in steps])


async def reopen_applied(
    client: AsyncClient,
    *,
    project_namespace: str,
    cluster: str,
    subject: str,
    why: str,
    now: datetime,
    advisor: str = "permissions",
) -> tuple[str, ...]:
    """Open again what was applied about a subject and did harm, and return the names of these.

    The advice stays open, with what went wrong, until its change is reverted or somebody dismisses it; that
    the advisor does not find it any more is no sign that all is well.

    Args:
        client: of the management cluster.
        project_namespace: the namespace of the cluster's project.
        cluster: the cluster's name.
        subject: whom the advice is about, as the finding says it.
        why: what went wrong: the request that is refused now.
        now: the time.
        advisor: whose advice.
    """
    labels = {CLUSTER_LABEL: cluster, ADVISOR_LABEL: advisor}
    reopened: list[str] = []
    for obj in await list_objects(client, ADVICE, project_namespace, labels=labels):
        item = Advice.parse(obj)
        status = item.status
        if item.spec.subject != subject or status is None or status.application is None:
            continue
        stands = status.application.phase is ApplicationPhase.APPLIED and not status.application.harm
        if not stands or status.state is AdviceState.DISMISSED:
            continue
        name = item.metadata.name
        after = life.harmed(status, why=why, now=now)
        if await _patch_status(client, name, project_namespace, after, item.metadata.resource_version):
            reopened.append(name)
    return tuple(reopened)


@dataclass(frozen=True, slots=True)
class _Writer:
    client: AsyncClient
    namespace: str
    owner: Object | None
    store: Store | None
    now: datetime

    async def write(self, step: Step) -> bool:
        """Carry out a step; say whether it was done, or somebody else was faster."""
        match step:
            case LeaveOut():
                return True
            case Create() | Update():
                await self._put(step.name, step.parts)
                version = await self._spec(step)
                if version is not None and isinstance(step, Create):
                    # Was somebody faster to decide about it, this is said already.
                    await _patch_status(self.client, step.name, self.namespace, step.status, version)
                return version is not None
            case Move():
                return await _patch_status(self.client, step.name, self.namespace, step.status, step.version)
            case Remove():
                await delete_object(self.client, ADVICE, step.name, self.namespace)
                if self.store is not None:
                    await asyncio.to_thread(self.store.drop, f"{self.namespace}/{step.name}/")
                return True

    async def _put(self, name: str, parts: Sequence[Part]) -> None:
        """Store what the object will point to, before it does."""
        store = self.store
        if store is None:
            return
        for part in parts:
            key = f"{self.namespace}/{part.stored(name).key}"
            await asyncio.to_thread(store.put, key, part.content, at=self.now)

    async def _spec(self, step: Create | Update) -> str | None:
        """Write what was found; return the object's new version, or nothing where it has moved on."""
        metadata: Object = {
            "name": step.name,
            "namespace": self.namespace,
            "labels": dict(step.labels),
        }
        if isinstance(step, Update) and step.version is not None:
            metadata["resourceVersion"] = step.version
        if self.owner is not None:
            # In an update, too: what one has applied once and leaves out is taken away.
            metadata["ownerReferences"] = [self.owner]
        content = {"metadata": metadata, "spec": _wire(step.spec)}
        try:
            written = await apply(self.client, ADVICE, content, field_manager=FIELD_MANAGER)
        except FAILED as error:
            if not is_status(error, CONFLICT):
                raise
            return None
        return str(written["metadata"]["resourceVersion"])


async def _patch_status(
    client: AsyncClient, name: str, namespace: str, status: AdviceStatus, version: str | None
) -> bool:
    patch: Object = {"status": status_patch(status)}
    if version is not None:
        patch["metadata"] = {"resourceVersion": version}
    try:
        done = await merge_patch(
            client, ADVICE, name, namespace, patch, field_manager=FIELD_MANAGER, status=True
        )
    except FAILED as error:
        if not is_status(error, CONFLICT):
            raise
        return False
    return done is not None


def status_patch(status: AdviceStatus) -> Object:
    """Return a status as a merge patch: what is not there any more is taken away."""
    told: Object = status.model_dump(mode="json", by_alias=True)
    return {key: _in_list(value) for key, value in told.items()}


def _in_list(value: Any, *, inside: bool = False) -> Any:
    """Return a value without what is null in lists: these are not merged but replaced."""
    if isinstance(value, list):
        return [_in_list(item, inside=True) for item in value]
    if isinstance(value, dict):
        return {
            key: _in_list(item, inside=inside)
            for key, item in value.items()
            if item is not None or not inside
        }
    return value


def _wire(spec: AdviceSpec) -> Object:
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def _owner(cluster: Object) -> Object:
    return {
        "apiVersion": KUBERNETES_CLUSTER.api_version,
        "kind": KUBERNETES_CLUSTER.kind,
        "name": cluster["metadata"]["name"],
        "uid": cluster["metadata"]["uid"],
    }


def _tell(store: Store, namespace: str, existing: Sequence[Advice], steps: Sequence[Step]) -> None:
    """Hand on what became of advice, also by people: the objects keep only the last of it."""
    statuses = {item.metadata.name: item.status for item in existing if item.status is not None}
    statuses |= {step.name: step.status for step in steps if isinstance(step, Create | Move)}
    for name, status in sorted(statuses.items()):
        told = [happening.model_dump() for happening in status.history]
        if told:
            store.tell(f"{namespace}/{name}", told)


def _counted(steps: Sequence[Step], done: Sequence[Step], existing: Sequence[Advice]) -> Kept:
    moves = [step for step in done if isinstance(step, Move)]
    touched = {step.name for step in steps}
    return Kept(
        created=sum(isinstance(step, Create) for step in done),
        updated=sum(isinstance(step, Update) for step in done),
        reopened=sum(
            move.status.state is AdviceState.OPEN and move.before is not AdviceState.OPEN for move in moves
        ),
        resolved=sum(move.status.state is AdviceState.RESOLVED for move in moves),
        removed=sum(isinstance(step, Remove) for step in done),
        unchanged=sum(item.metadata.name not in touched for item in existing),
        left_out=sum(isinstance(step, LeaveOut) for step in done),
        contested=len(steps) - len(done),
    )
