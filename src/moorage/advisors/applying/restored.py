"""What taking an advice back has made again: it is as old as what it replaces.

The API server says of such an object that it is new, and what is new is not judged. But nobody has given this
right just now: the platform has put back what was there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lightkube import AsyncClient

from moorage.advisors.applying.images import same
from moorage.advisors.applying.record import FIELD_MANAGER
from moorage.api.advice import ADVISOR_LABEL, Advice, ApplicationPhase
from moorage.api.meta import CLUSTER_LABEL
from moorage.kube.kinds import ADVICE, Object
from moorage.kube.objects import list_objects

_Name = tuple[str, str, str]


async def read_restored(
    client: AsyncClient, namespace: str, cluster: str, *, advisor: str = "permissions"
) -> list[Object]:
    """Return the objects as they were which advice about a cluster has changed and put back.

    Args:
        client: of the management cluster.
        namespace: of the cluster's project.
        cluster: its name.
        advisor: whose advice.

    Raises:
        ApiError: the management cluster refuses.
    """
    labels = {CLUSTER_LABEL: cluster, ADVISOR_LABEL: advisor}
    objects = await list_objects(client, ADVICE, namespace, labels=labels)
    return restored(map(Advice.parse, objects))


def restored(advices: Iterable[Advice]) -> list[Object]:
    """Return the objects as they were which advice has changed and put back. Pure."""
    applications = [item.status.application for item in advices if item.status is not None]
    return [
        json.loads(step.before)
        for application in applications
        if application is not None and application.phase is ApplicationPhase.REVERTED
        for step in application.steps
        if step.before
    ]


def with_age(objects: Sequence[Object], before: Iterable[Object]) -> list[Object]:
    """Return objects of a cluster; those that were made again have the age of what they replace. Pure.

    What counts as made again was made by us, and is the same to people as what an advice has written down:
    what somebody makes anew is new, also under an old name.
    """
    found: dict[_Name, list[Object]] = {}
    for each in before:
        found.setdefault(_name(each), []).append(each)
    return [_aged(obj, found.get(_name(obj), ())) for obj in objects]


def _aged(obj: Object, before: Iterable[Object]) -> Object:
    metadata = obj["metadata"]
    ages = [
        each["metadata"]["creationTimestamp"]
        for each in before
        if each["metadata"].get("creationTimestamp") and same(_told(obj), _told(each))
    ]
    if not ages or not _is_ours(metadata):
        return obj
    # Times of the API server are of one form, in which the earlier one is the smaller.
    created = min(str(age) for age in (*ages, metadata["creationTimestamp"]))
    return {**obj, "metadata": {**metadata, "creationTimestamp": created}}


def _is_ours(metadata: Mapping[str, Any]) -> bool:
    """Say whether an object was made by us: whoever makes one is the first who writes its fields."""
    writers = [each for each in metadata.get("managedFields") or () if not each.get("subresource")]
    first = min(writers, key=lambda each: str(each.get("time", "")), default=None)
    return first is not None and first.get("manager") == FIELD_MANAGER


def _told(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in {"apiVersion", "kind"}}


def _name(obj: Mapping[str, Any]) -> _Name:
    metadata = obj["metadata"]
    return str(obj["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"])
