"""Carrying out what was planned for one project."""

from __future__ import annotations

import asyncio
import logging

from lightkube import AsyncClient

from moorage.api.meta import PROJECT_FINALIZER, PROJECTS_MANAGER
from moorage.api.project import Project
from moorage.clusters.derived import Apply, Derived
from moorage.clusters.project import plan
from moorage.kube.controller import Cache
from moorage.kube.kinds import NAMESPACE, PROJECT
from moorage.kube.objects import FAILED, FORBIDDEN, apply, apply_status, delete, is_status, set_finalizer

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 5.0
_INTERVAL_SECONDS = 0.05


async def act(client: AsyncClient, cache: Cache, declared: Project, action: plan.Action) -> None:
    """Carry out one action. Each may be repeated; what was written is put into the cache at once."""
    name = declared.metadata.name
    match action:
        case plan.WriteStatus(status):
            written = await apply_status(
                client,
                PROJECT,
                {"metadata": {"name": name}, "status": status.wire()},
                field_manager=PROJECTS_MANAGER,
            )
            cache.put(PROJECT, written)
            return
        case plan.HoldObject():
            await _set_finalizer(client, cache, declared, present=True)
        case plan.LetGo():
            await _set_finalizer(client, cache, declared, present=False)
        case plan.ApplyNamespace(namespace):
            applied = await apply(client, NAMESPACE, namespace, field_manager=PROJECTS_MANAGER)
            cache.put(NAMESPACE, applied)
        case plan.DeleteNamespace():
            await delete(client, NAMESPACE, declared.namespace)
        case plan.Change(step):
            if isinstance(step, Apply):
                await _apply_patiently(client, step.derived)
            else:
                await delete(client, step.derived.kind, step.derived.name, step.derived.namespace)
            logger.info("project %s: %s", name, step)
            return
    logger.info("project %s: %s", name, action)


async def _apply_patiently(client: AsyncClient, derived: Derived) -> None:
    """Write an object. In a new namespace the operator's own rights take a moment to be known to all."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while True:
        try:
            await apply(client, derived.kind, derived.object, field_manager=PROJECTS_MANAGER)
        except FAILED as error:
            if not is_status(error, FORBIDDEN) or asyncio.get_running_loop().time() >= deadline:
                raise
            await asyncio.sleep(_INTERVAL_SECONDS)
        else:
            return


async def _set_finalizer(client: AsyncClient, cache: Cache, declared: Project, *, present: bool) -> None:
    changed = await set_finalizer(
        client,
        PROJECT,
        {"metadata": declared.metadata.wire()},
        PROJECT_FINALIZER,
        present=present,
        field_manager=PROJECTS_MANAGER,
    )
    if changed is not None:
        cache.put(PROJECT, changed)
