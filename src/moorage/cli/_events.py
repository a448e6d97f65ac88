"""What has happened to a cluster: events and changes of conditions, of it and of all that it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from moorage.cli._columns import since
from moorage.cli._output import Column
from moorage.clusters.cluster.wording import plain
from moorage.kube.kinds import (
    CAPI_CLUSTER,
    EVENT,
    KUBERNETES_CLUSTER,
    LOCAL_CLUSTER,
    LOCAL_CONTROL_PLANE,
    LOCAL_MACHINE,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    Kind,
)
from moorage.kube.objects import is_status, list_objects

if TYPE_CHECKING:
    from lightkube import AsyncClient

    from moorage.cli._names import ClusterRef

Object = dict[str, Any]
Entry = dict[str, str]

COLUMNS = (
    Column("Ago", lambda record: since(str(record["time"]))),
    Column("Object", lambda record: str(record["object"])),
    Column("What", lambda record: str(record["what"])),
    Column("Message", lambda record: str(record["message"])),
)

_CLUSTER_LABEL = "cluster.x-k8s.io/cluster-name"
_PARTS = (
    CAPI_CLUSTER,
    LOCAL_CLUSTER,
    LOCAL_CONTROL_PLANE,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    MACHINE,
    LOCAL_MACHINE,
)


async def cluster_history(client: AsyncClient, ref: ClusterRef, *, everything: bool) -> list[Entry]:
    """Return what is known to have happened, the newest last.

    Args:
        client: For the management cluster.
        ref: The cluster.
        everything: Also what tells a person nothing: conditions at rest, and those that others sum up.
    """
    lists = await asyncio.gather(
        *(_seen(client, kind, ref, {_CLUSTER_LABEL: ref.name}) for kind in _PARTS),
        _seen(client, EVENT, ref, {}),
        _seen(client, KUBERNETES_CLUSTER, ref, {}),
    )
    *parts, events, clusters = lists
    others = [item["metadata"]["name"] for item in clusters if item["metadata"]["name"] != ref.name]
    own = [item for item in clusters if item["metadata"]["name"] == ref.name]
    objects = [*own, *(item for kind in parts for item in kind)]
    about = [event for event in events if concerns(event, ref.name, others)]
    return history(objects, about, everything=everything)


def history(objects: Iterable[Object], events: Iterable[Object], *, everything: bool = False) -> list[Entry]:
    """Return what objects and events tell, in the order of time."""
    told = [entry for item in objects for entry in _transitions(item, everything=everything)]
    told += [_event(event) for event in events]
    unique = {tuple(entry.values()): entry for entry in told}
    return sorted(unique.values(), key=lambda entry: (entry["time"], entry["object"]))


def concerns(event: Object, cluster: str, others: Sequence[str]) -> bool:
    """Say whether an event is about a cluster or a part of it.

    The parts' names begin with the cluster's; where another cluster's does so too, the longer one is meant.
    """
    regarding = (event.get("regarding") or {}).get("name") or ""
    owners = [name for name in (cluster, *others) if regarding == name or regarding.startswith(f"{name}-")]
    return max(owners, key=len, default=None) == cluster


async def _seen(client: AsyncClient, kind: Kind, ref: ClusterRef, labels: dict[str, str]) -> list[Object]:
    """Return objects, with their kind; none where they may not be seen, or are not served."""
    try:
        found = await list_objects(client, kind, ref.namespace, labels=labels)
    except Exception as error:
        if is_status(error, HTTPStatus.FORBIDDEN) or is_status(error, HTTPStatus.NOT_FOUND):
            return []
        raise
    return [{**item, "kind": kind.kind, "metadata": item["metadata"]} for item in found]


def _transitions(item: Object, *, everything: bool) -> list[Entry]:
    kind, metadata = item["kind"], item["metadata"]
    name = _named(kind, metadata["name"])

    def entry(time: str, what: str, message: str = "") -> Entry:
        return {"time": time, "object": name, "what": what, "message": message}

    entries = []
    if (created := metadata.get("creationTimestamp")) and (everything or kind in _BORN):
        entries.append(entry(created, "created"))
    if deleted := metadata.get("deletionTimestamp"):
        entries.append(entry(deleted, "deletion asked for"))
    entries += [
        entry(
            condition["lastTransitionTime"],
            f"{condition['type']} is {condition['status']}",
            plain(condition.get("message") or "") or f"({condition.get('reason')})",
        )
        for condition in (item.get("status") or {}).get("conditions") or ()
        if everything or _is_telling(kind, condition)
    ]
    return entries


def _is_telling(kind: str, condition: Object) -> bool:
    """Say whether a condition tells a person something that no other does."""
    if condition["status"] == "Unknown" and not condition.get("message"):
        return False
    if kind == KUBERNETES_CLUSTER.kind:
        return True
    if condition["type"] in _AT_REST_WHEN_FALSE:
        return bool(condition["status"] != "False")
    return condition["type"] in _MILESTONES and condition.get("reason") != "NoReplicas"


_BORN = frozenset({KUBERNETES_CLUSTER.kind, MACHINE_DEPLOYMENT.kind, MACHINE.kind})
_AT_REST_WHEN_FALSE = frozenset(
    {"Paused", "Deleting", "Remediating", "RollingOut", "ScalingUp", "ScalingDown"}
)
_MILESTONES = frozenset(
    {
        "Available",
        "BootstrapConfigReady",
        "ControlPlaneInitialized",
        "HealthCheckSucceeded",
        "InfrastructureReady",
        "NodeReady",
        "OwnerRemediated",
        "Ready",
        "TopologyReconciled",
    }
)
"""Of Cluster API's many conditions, those by which an object gets on; the others sum these up."""


def _event(event: Object) -> Entry:
    regarding = event.get("regarding") or {}
    series = event.get("series") or {}
    time = (
        series.get("lastObservedTime")
        or event.get("eventTime")
        or event.get("deprecatedLastTimestamp")
        or event["metadata"]["creationTimestamp"]
    )
    count = series.get("count") or event.get("deprecatedCount") or 1
    return {
        "time": _to_the_second(str(time)),
        "object": _named(str(regarding.get("kind", "")), str(regarding.get("name", ""))),
        "what": str(event.get("reason", "")) + (f" (x{count})" if count > 1 else ""),
        "message": plain(str(event.get("note") or "")),
    }


def _named(kind: str, name: str) -> str:
    return f"{kind}/{name}"


def _to_the_second(time: str) -> str:
    """Return a time as conditions have it, so that both sort as text."""
    return time[:19] + "Z"
