"""Reading what a cluster has of policies: a few lists of small objects, none of constraints by kind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from lightkube import AsyncClient

from moorage.kube.kinds import CLUSTER_ROLE, NAMESPACE, VALIDATING_WEBHOOK, Kind, Object
from moorage.kube.objects import FAILED, NOT_FOUND, get, is_status, list_objects
from moorage.local.gatekeeper import GATEKEEPER_USER
from moorage.policies.cluster import webhooks
from moorage.policies.cluster.gatekeeper_kinds import (
    CONSTRAINT_STATUS,
    ENGINE_NAMESPACE,
    EXPANSION,
    POLICY_EXCEPTION,
    SYNC_SET_KIND,
    TEMPLATE,
    TEMPLATE_STATUS,
)
from moorage.policies.cluster.plan import Observed, Report
from moorage.policies.cluster.wanted import SYNC_SET, ConstraintKey, Wanted
from moorage.policies.compiling import MANAGED_BY_LABEL, MANAGER, POLICY_LABEL
from moorage.policies.model import GroupVersionKind

READING_ROLE = f"{GATEKEEPER_USER}-reads"

_TEMPLATE_NAME = "internal.gatekeeper.sh/constrainttemplate-name"
_CONSTRAINT_NAME = "internal.gatekeeper.sh/constraint-name"
_CONSTRAINT_KIND = "internal.gatekeeper.sh/constraint-kind"
_OURS = {MANAGED_BY_LABEL: MANAGER}


async def observe(client: AsyncClient, wanted: Wanted) -> Observed:
    """Return what a cluster has. What the engine says of a run before this one is in it, too."""
    async with asyncio.TaskGroup() as group:
        templates = group.create_task(_list(client, TEMPLATE_STATUS, ENGINE_NAMESPACE))
        constraints = group.create_task(_list(client, CONSTRAINT_STATUS, ENGINE_NAMESPACE))
        expansions = group.create_task(_list(client, EXPANSION, labels=_OURS))
        hooks = group.create_task(get(client, VALIDATING_WEBHOOK, webhooks.NAME))
        role = group.create_task(get(client, CLUSTER_ROLE, READING_ROLE))
        kept = group.create_task(_get(client, SYNC_SET_KIND, SYNC_SET))
    reports = {_label(item, _TEMPLATE_NAME): _template_report(item) for item in templates.result()}
    found_hooks, found_role, sync = hooks.result(), role.result(), kept.result()
    return Observed(
        templates=reports,
        constraints={
            ConstraintKey(_label(item, _CONSTRAINT_KIND), _label(item, _CONSTRAINT_NAME)): _constraint_report(
                item
            )
            for item in constraints.result()
        },
        expansions={
            str(item["metadata"]["name"]): (item["metadata"]["uid"], item["metadata"].get("generation", 0))
            for item in expansions.result()
        },
        managed=await managed_templates(client) if set(reports) - set(wanted.templates) else {},
        webhooks=found_hooks.get("webhooks") or [] if found_hooks is not None else None,
        inventory=_inventory(sync) if sync is not None else None,
        reading=found_role.get("rules") or [] if found_role is not None else None,
    )


async def managed_templates(client: AsyncClient) -> dict[str, str]:
    """Return which templates are ours, and the policy of each."""
    return {
        str(item["metadata"]["name"]): str(item["metadata"]["labels"].get(POLICY_LABEL, ""))
        for item in await _list(client, TEMPLATE, labels=_OURS)
        if "deletionTimestamp" not in item["metadata"]
    }


async def policy_exceptions(client: AsyncClient) -> list[Object]:
    """Return the exceptions that people have declared."""
    return await _list(client, POLICY_EXCEPTION)


async def namespace_labels(client: AsyncClient) -> dict[str, dict[str, str]]:
    """Return the labels of each namespace."""
    return {
        str(item["metadata"]["name"]): dict(item["metadata"].get("labels") or {})
        for item in await _list(client, NAMESPACE)
    }


async def _list(
    client: AsyncClient, kind: Kind, namespace: str | None = None, *, labels: dict[str, str] | None = None
) -> list[Object]:
    """Return the objects of a kind; none when it is not served yet."""
    try:
        return await list_objects(client, kind, namespace, labels=labels)
    except FAILED as error:
        if is_status(error, NOT_FOUND):
            return []
        raise


async def _get(client: AsyncClient, kind: Kind, name: str) -> Object | None:
    return await get(client, kind, name)


def _template_report(item: Object) -> Report:
    status = item.get("status") or {}
    errors = _errors(status)
    return Report(status.get("templateUID", ""), status.get("observedGeneration", 0), not errors, errors)


def _constraint_report(item: Object) -> Report:
    status = item.get("status") or {}
    errors = _errors(status)
    judges = bool(status.get("enforced")) and not errors
    return Report(status.get("constraintUID", ""), status.get("observedGeneration", 0), judges, errors)


def _errors(status: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_error(error) for error in status.get("errors") or ())


def _error(error: Mapping[str, Any]) -> str:
    message, location = str(error.get("message", "")), error.get("location")
    return f"{location}: {message}" if location else message


def _label(item: Object, name: str) -> str:
    return str((item["metadata"].get("labels") or {}).get(name, ""))


def _inventory(sync: Object) -> frozenset[GroupVersionKind]:
    kinds = (sync.get("spec") or {}).get("gvks") or ()
    return frozenset(GroupVersionKind(kind["group"], kind["version"], kind["kind"]) for kind in kinds)
