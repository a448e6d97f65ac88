"""Reading what a user cluster grants, and which advice about it was followed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lightkube import AsyncClient

from moorage.advisors.permissions.model import Place, Rbac
from moorage.advisors.permissions.parsing import parse
from moorage.api.advice import ADVISOR_LABEL, Advice, AdviceState, ApplicationPhase
from moorage.api.meta import CLUSTER_LABEL
from moorage.kube.kinds import (
    ADVICE,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    Kind,
    Object,
)
from moorage.kube.objects import list_objects

PERMISSIONS: Final = "permissions"

_KINDS: Final = (ROLE, CLUSTER_ROLE, ROLE_BINDING, CLUSTER_ROLE_BINDING, SERVICE_ACCOUNT)
_OWN: Final = "moorage:"
_BINDINGS: Final = frozenset({ROLE_BINDING.kind, CLUSTER_ROLE_BINDING.kind})


@dataclass(frozen=True, slots=True)
class Followed:
    """An advice that was applied, and stands.

    Args:
        subject: whom it is about, as the finding says it.
        at: when it was applied.
        before: the objects as they were.
    """

    subject: str
    at: datetime
    before: tuple[Object, ...]


async def read_grants(client: AsyncClient) -> tuple[Object, ...]:
    """Return the roles, the bindings and the ServiceAccounts of a cluster."""

    async def of(kind: Kind) -> list[Object]:
        found = await list_objects(client, kind)
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **obj} for obj in found]

    lists = await asyncio.gather(*map(of, _KINDS))
    return tuple(obj for found in lists for obj in found)


def granted(objects: Iterable[Object], *, origin: str) -> Rbac:
    """Return what objects grant, without what the platform itself grants: it would put that back.

    Raises:
        RbacError: an object is not what its kind says.
    """
    return parse(((obj, Place()) for obj in objects if not _is_own(obj)), origin=origin, complete=True)


def as_before(objects: Iterable[Object], followed: Followed) -> list[Object]:
    """Return objects as they were before an advice was followed."""
    before = {_name(obj): obj for obj in followed.before}
    return [*(obj for obj in objects if _name(obj) not in before), *before.values()]


async def read_followed(client: AsyncClient, namespace: str, cluster: str) -> list[Followed]:
    """Return the advice about a cluster's permissions that was applied, and stands."""
    labels = {CLUSTER_LABEL: cluster, ADVISOR_LABEL: PERMISSIONS}
    found = []
    for obj in await list_objects(client, ADVICE, namespace, labels=labels):
        advice = Advice.parse(obj)
        status = advice.status
        if status is None or status.application is None or status.state is AdviceState.DISMISSED:
            continue
        application = status.application
        if application.phase is ApplicationPhase.APPLIED and not application.harm:
            images = [json.loads(step.before) for step in application.steps if step.before]
            found.append(Followed(advice.spec.subject, application.at, tuple(images)))
    return found


def _is_own(obj: Mapping[str, Any]) -> bool:
    return obj["kind"] in _BINDINGS and str(obj["metadata"]["name"]).startswith(_OWN)


def _name(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return str(obj["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"])
