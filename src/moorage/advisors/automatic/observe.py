"""Reading what a decision rests on: a few small lists, and each workload concerned by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lightkube import AsyncClient

from moorage.advisors.applying.images import plain
from moorage.advisors.applying.plan import Step
from moorage.advisors.applying.watch import DAEMON_SET, STATEFUL_SET
from moorage.advisors.automatic.choosing import shortlist
from moorage.advisors.automatic.health import condition_of
from moorage.advisors.automatic.model import (
    ADVISOR,
    OPT_IN,
    Item,
    Live,
    Opening,
    Policy,
    Thing,
    amounts_of,
    item_of,
)
from moorage.advisors.automatic.plan import SHORTLIST, in_hand, thing_of
from moorage.api.advice import ADVISOR_LABEL, Advice
from moorage.api.meta import CLUSTER_LABEL
from moorage.api.settings import MaintenanceWindow
from moorage.api.windows import UnknownTimeZoneError, next_opening, open_until
from moorage.kube.kinds import ADVICE, DEPLOYMENT, NAMESPACE, POD, Kind, Object
from moorage.kube.objects import get, list_objects

CRON_JOB: Final = Kind("batch", "v1", "CronJob", "cronjobs")
WORKLOADS: Final = {kind.kind: kind for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, CRON_JOB)}

_WANTED: Final = {OPT_IN: "true"}


@dataclass(frozen=True, slots=True)
class Told:
    """The advice about a cluster.

    Args:
        objects: the objects, by name.
        items: what matters of them.
    """

    objects: Mapping[str, Object]
    items: tuple[Item, ...]

    def advice(self, name: str) -> Advice:
        """Return one of it."""
        return Advice.parse(self.objects[name])


async def read_namespaces(inside: AsyncClient) -> frozenset[str]:
    """Return the namespaces of a cluster that are opted in."""
    found = await list_objects(inside, NAMESPACE, labels=_WANTED)
    return frozenset(str(obj["metadata"]["name"]) for obj in found)


async def read_marked(inside: AsyncClient) -> frozenset[Thing]:
    """Return the workloads of a cluster that are opted in by themselves."""

    async def of(kind: Kind) -> list[Thing]:
        found = await list_objects(inside, kind, labels=_WANTED)
        return [
            Thing(str(obj["metadata"]["namespace"]), kind.kind, str(obj["metadata"]["name"])) for obj in found
        ]

    lists = await asyncio.gather(*map(of, WORKLOADS.values()))
    return frozenset(thing for found in lists for thing in found)


async def read_advice(management: AsyncClient, namespace: str, cluster: str) -> Told:
    """Return the advice about a cluster's resources, whatever became of it."""
    labels = {CLUSTER_LABEL: cluster, ADVISOR_LABEL: ADVISOR}
    objects = {
        str(obj["metadata"]["name"]): {"apiVersion": ADVICE.api_version, "kind": ADVICE.kind, **obj}
        for obj in await list_objects(management, ADVICE, namespace, labels=labels)
    }
    return Told(objects, tuple(item_of(Advice.parse(obj)) for obj in objects.values()))


async def read_lives(
    inside: AsyncClient,
    told: Told,
    opted_in: tuple[frozenset[str], frozenset[Thing]],
    policy: Policy,
    *,
    refused: frozenset[Thing],
    now: datetime,
) -> dict[Thing, Live]:
    """Return the workloads that a decision is about: those in hand, or else some that could be next."""
    begun = {item.name: thing for item in in_hand(told.items) if (thing := thing_of(item)) is not None}
    namespaces, marked = opted_in
    since = dict.fromkeys(begun.values(), now)
    for item in in_hand(told.items):
        if item.done is not None and item.name in begun:
            since[begun[item.name]] = item.done.at
    if not begun:
        candidates = [
            item.thing
            for item in shortlist(told.items, policy, refused)
            if item.thing is not None and (item.thing.namespace in namespaces or item.thing in marked)
        ]
        since = dict.fromkeys(candidates[:SHORTLIST], now - policy.watch)
    lives: dict[Thing, Live] = {}
    for thing, moment in since.items():
        names = [name for name, about in begun.items() if about == thing]
        steps = {name: _step(told.advice(name)) for name in names}
        live = await _read(inside, thing, moment, {name: step for name, step in steps.items() if step})
        if live is not None:
            lives[thing] = live
    return lives


def opening_of(cluster: Object, project: Object | None, now: datetime) -> Opening:
    """Return how it is with the maintenance window of a cluster, or else of its project."""
    defaults = ((project or {}).get("spec") or {}).get("defaults") or {}
    told = (cluster.get("spec") or {}).get("maintenanceWindow") or defaults.get("maintenanceWindow")
    if not told:
        return Opening(declared=False)
    window = MaintenanceWindow.model_validate(told)
    try:
        return Opening(declared=True, until=open_until(window, now), opens=next_opening(window, now))
    except UnknownTimeZoneError:
        return Opening(declared=True)


def is_opted_in(workload: Mapping[str, Any], namespace: Mapping[str, Any]) -> bool:
    """Say whether a workload is opted in: by its own label, or where it has none by its namespace's."""
    own = (workload["metadata"].get("labels") or {}).get(OPT_IN)
    return str(own if own is not None else (namespace["metadata"].get("labels") or {}).get(OPT_IN)) == "true"


async def _read(inside: AsyncClient, thing: Thing, since: datetime, steps: Mapping[str, Step]) -> Live | None:
    kind = WORKLOADS[thing.kind]
    obj = plain(await get(inside, kind, thing.name, thing.namespace))
    namespace = await get(inside, NAMESPACE, thing.namespace)
    if obj is None or namespace is None:
        return None
    obj = {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
    labels = ((obj.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    pods = await list_objects(inside, POD, thing.namespace, labels=labels) if labels else []
    return Live(
        opted_in=is_opted_in(obj, namespace),
        amounts=amounts_of(obj),
        condition=condition_of(obj, pods, since),
        held=_held(obj),
        positions={name: step.images.position(obj) for name, step in steps.items()},
    )


def _held(obj: Object) -> str:
    """Say why a workload is not touched, whatever its owner wants: what is done could not be watched."""
    spec, metadata = obj.get("spec") or {}, obj["metadata"]
    strategy = spec.get("updateStrategy") or {}
    makers = [each for each in metadata.get("ownerReferences") or () if each.get("controller")]
    if metadata.get("deletionTimestamp"):
        return "it is being deleted"
    if makers:
        return f"{makers[0]['kind']} {makers[0]['name']} makes it, and would put back what it makes"
    if spec.get("paused"):
        return "its rollouts are paused"
    if strategy.get("type") == "OnDelete" or (strategy.get("rollingUpdate") or {}).get("partition"):
        return "its pods are not replaced when it changes"
    return ""


def _step(advice: Advice) -> Step | None:
    application = advice.status.application if advice.status is not None else None
    return Step.read(application.steps[0]) if application is not None and application.steps else None
