"""Carrying out what was planned for one cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from lightkube import AsyncClient

from moorage.kube.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, VALIDATING_WEBHOOK, Kind, Object
from moorage.kube.objects import FAILED, NOT_FOUND, apply, delete, get, is_status
from moorage.local.gatekeeper import GATEKEEPER_USER
from moorage.policies.cluster import steps, webhooks
from moorage.policies.cluster.gatekeeper_kinds import (
    EXPANSION,
    FIELD_MANAGER,
    SYNC_SET_KIND,
    TEMPLATE,
    constraint_kind,
)
from moorage.policies.cluster.observe import READING_ROLE, managed_templates
from moorage.policies.cluster.plan import Memory, remember
from moorage.policies.cluster.wanted import ConstraintKey, sync_set
from moorage.policies.compiling import MANAGED_BY_LABEL, MANAGER

Clock = Callable[[], datetime]

_AT_ONCE: Final = 8


async def act(client: AsyncClient, due: Sequence[steps.Step], memory: Memory, clock: Clock) -> Memory:
    """Carry out steps, and return the memory with what they have come to. Each may be repeated.

    Steps of one kind next to each other are carried out side by side, those of another kind after them.
    """
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(step: steps.Step) -> Object | None:
        async with room:
            return await _act(client, step)

    for _, alike in groupby(due, key=type):
        group = list(alike)
        # All are awaited, also when one fails: what was written is to be remembered.
        done = await asyncio.gather(*map(one, group), return_exceptions=True)
        for step, written in zip(group, done, strict=True):
            if written is not None and not isinstance(written, BaseException):
                memory = remember(memory, step, written, clock())
        if failed := [item for item in done if isinstance(item, BaseException)]:
            raise Interrupted(memory) from failed[0]
    return memory


class Interrupted(Exception):  # noqa: N818 - what has failed is its cause
    """Not all steps were carried out.

    Args:
        memory: with those that were.
    """

    def __init__(self, memory: Memory) -> None:
        super().__init__("not all steps were carried out")
        self.memory = memory


async def _act(client: AsyncClient, step: steps.Step) -> Object | None:
    """Carry out one step; return what is to be remembered of it."""
    match step:
        case steps.ApplyReading(rules):
            await _apply_reading(client, rules)
        case steps.ApplySyncSet(inventory):
            await _apply(client, SYNC_SET_KIND, sync_set(inventory))
        case steps.ApplyTemplate(_, content):
            return await _apply(client, TEMPLATE, content)
        case steps.ApplyExpansion(_, content):
            return await _apply(client, EXPANSION, content)
        case steps.ApplyConstraint(key, content):
            return await _apply_constraint(client, key, content)
        case steps.ApplyWebhooks(configuration):
            await _apply(client, VALIDATING_WEBHOOK, configuration)
        case steps.RemoveConstraint(key):
            return await _remove_constraint(client, key)
        case steps.RemoveTemplate(name):
            await delete(client, TEMPLATE, name)
        case steps.RemoveExpansion(name):
            await delete(client, EXPANSION, name)
    return None


async def dismantle(client: AsyncClient) -> bool:
    """Remove all that was made for policies, and say whether it is gone.

    First the API server stops asking; then go templates, whose constraints the engine removes. It is to run
    until this is over. What people have declared (exceptions) is left to them.
    """
    await delete(client, VALIDATING_WEBHOOK, webhooks.NAME)
    left = await managed_templates(client)
    for name in left:
        await delete(client, TEMPLATE, name)
    return not left


async def _apply(client: AsyncClient, kind: Kind, content: Object) -> Object:
    return await apply(client, kind, content, field_manager=FIELD_MANAGER)


async def _apply_constraint(client: AsyncClient, key: ConstraintKey, content: Object) -> Object | None:
    """Write a constraint; ``None`` when its kind is not served yet, which the engine sees to."""
    try:
        return await _apply(client, constraint_kind(key.kind), content)
    except FAILED as error:
        if is_status(error, NOT_FOUND):
            return None
        raise


async def _remove_constraint(client: AsyncClient, key: ConstraintKey) -> Object | None:
    """Remove a constraint of ours; return one that is not, and stays."""
    kind = constraint_kind(key.kind)
    found = await get(client, kind, key.name)
    if found is None:
        return None
    if (found["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) != MANAGER:
        return found
    await delete(client, kind, key.name)
    return None


async def _apply_reading(client: AsyncClient, rules: list[Object]) -> None:
    metadata = {"name": READING_ROLE, "labels": {MANAGED_BY_LABEL: MANAGER}}
    group = "rbac.authorization.k8s.io"
    await _apply(client, CLUSTER_ROLE, {"metadata": metadata, "rules": rules})
    binding = {
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": READING_ROLE},
        "subjects": [{"apiGroup": group, "kind": "User", "name": GATEKEEPER_USER}],
    }
    await _apply(client, CLUSTER_ROLE_BINDING, binding)
