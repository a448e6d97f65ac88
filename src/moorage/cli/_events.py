"""What has happened to a cluster: events and changes of conditions, of it and of all that it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from moorage.cli._columns import since
from moorage.cli._output import Column
from moorage.clusters.cluster.wording import count, plain
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

NEWEST = 30
"""How many entries a person is shown who does not ask for all."""

_OF_THE_CLUSTER = f"{KUBERNETES_CLUSTER.kind}/"
_CLUSTER_LABEL = "cluster.x-k8s.io/cluster-name"
_RACES = (
    "the object has been modified; please apply your changes to the latest version",
    "no new finalizers can be added if the object is being deleted",
)
"""What a controller is told that wrote to an object just after another one. It looks again at once."""
_PARTS = (
    CAPI_CLUSTER,
    LOCAL_CLUSTER,
    LOCAL_CONTROL_PLANE,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    MACHINE,
    LOCAL_MACHINE,
)


@dataclass(frozen=True, slots=True)
class History:
    """What has happened, and how much of it is not told.

    Args:
        entries: What is told, the newest last.
        older: How many entries came before these.
        races: How many events only say that a controller was slower than another, and looked again.
        at_rest: How many conditions are at rest, or summed up by others.
    """

    entries: tuple[Entry, ...]
    older: int = 0
    races: int = 0
    at_rest: int = 0

    @property
    def left_out(self) -> str:
        """Say in a line what is not told; nothing where all is."""
        said = (
            f"{self.older} older" if self.older else "",
            f"{count(self.races, 'race')} of controllers" if self.races else "",
            f"{count(self.at_rest, 'condition')} at rest" if self.at_rest else "",
        )
        told = ", ".join(filter(None, said))
        return f"left out: {told}; see --all" if told else ""


async def cluster_history(client: AsyncClient, ref: ClusterRef, *, everything: bool) -> History:
    """Return what is known to have happened to a cluster and to all that it is made of.

    Args:
        client: For the management cluster.
        ref: The cluster.
        everything: Whether all is told, or what is `recent`.
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
    if everything:
        return History(tuple(history(objects, about, everything=True)))
    return recent(objects, about)


def recent(objects: Sequence[Object], events: Sequence[Object], *, newest: int = NEWEST) -> History:
    """Return the newest of what tells a person something, and how much else there is.

    Up to half of it is about the cluster itself, which has few entries beside those of its many parts.
    """
    told = history(objects, [event for event in events if not _is_race(event)])
    with_races = history(objects, events)
    everything = history(objects, events, everything=True)
    own = [entry for entry in told if entry["object"].startswith(_OF_THE_CLUSTER)]
    parts = [entry for entry in told if not entry["object"].startswith(_OF_THE_CLUSTER)]
    room = max(newest - len(parts), newest // 2)
    own = own[-room:]
    shown = [*own, *parts[len(own) - newest :]]
    return History(
        entries=tuple(sorted(shown, key=_by_time)),
        older=len(told) - len(shown),
        races=len(with_races) - len(told),
        at_rest=len(everything) - len(with_races),
    )


def history(objects: Iterable[Object], events: Iterable[Object], *, everything: bool = False) -> list[Entry]:
    """Return what objects and events tell, in the order of time.

    Args:
        objects: The cluster and its parts.
        events: What is about them.
        everything: Also what tells a person nothing: conditions at rest, and those that others sum up.
    """
    told = [entry for item in objects for entry in _transitions(item, everything=everything)]
    told += [_event(event) for event in events]
    unique = {tuple(entry.values()): entry for entry in told}
    return sorted(unique.values(), key=_by_time)


def _by_time(entry: Entry) -> tuple[str, str]:
    return entry["time"], entry["object"]


def concerns(event: Object, cluster: str, others: Sequence[str]) -> bool:
    """Say whether an event is about a cluster or a part of it.

    The parts' names begin with the cluster's; where another cluster's does so too, the longer one is meant.
    """
    regarding = (event.get("regarding") or {}).get("name") or ""
    owners = [name for name in (cluster, *others) if regarding == name or regarding.startswith(f"{name}-")]
    return max(owners, key=len, default=None) == cluster


def _is_race(event: Object) -> bool:
    return any(words in str(event.get("note") or "") for words in _RACES)


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
