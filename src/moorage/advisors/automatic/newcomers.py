"""Requests for new workloads that ask for nothing: from their own history, or from their siblings.

This does not wait for the maintenance window: what has just been made is not yet relied upon. What has run
for a while is left to advice, and what anybody has set is never changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lightkube import AsyncClient

from moorage.advisors.automatic.model import KINDS, OPT_IN, SET_BY, Thing, containers_of
from moorage.advisors.automatic.observe import WORKLOADS
from moorage.advisors.automatic.proposals import Proposer
from moorage.advisors.resources.wire import Newcomer, Proposed, Source
from moorage.errors import MoorageError
from moorage.kube.controller import Key
from moorage.kube.events import EventPoster, Occurrence
from moorage.kube.kinds import Kind, Object
from moorage.kube.objects import CONFLICT, FAILED, apply, is_status, list_objects

logger = logging.getLogger(__name__)

YOUNG: Final = timedelta(minutes=15)
"""How long a workload is new: it may be declared in several steps, and the platform may have been away."""

PROPOSE_SECONDS: Final = 60.0

FIELD_MANAGER: Final = "moorage-newcomers"
_COUNTED: Final = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class Provision:
    """What is written into a new workload.

    Args:
        thing: which one.
        object: the fields to apply, under the version that was looked at.
        source: where they come from.
    """

    thing: Thing
    object: Object
    source: Source


class Newcomers:
    """Gives new workloads requests."""

    def __init__(self, proposer: Proposer, events: EventPoster) -> None:
        self._proposer = proposer
        self._events = events

    async def provide(
        self, key: Key, obj: Object, inside: AsyncClient, namespaces: frozenset[str], now: datetime
    ) -> None:
        """Set the requests of new workloads in namespaces that are opted in.

        Args:
            key: of the cluster.
            obj: its KubernetesCluster, for Events.
            inside: a client of it.
            namespaces: those that are opted in.
            now: the time.

        Raises:
            ApiError: the API server refuses, or does not answer.
        """
        workloads = await _read(inside, namespaces)
        asked = newcomers_of(workloads.values(), now)
        if not asked:
            return
        try:
            async with asyncio.timeout(PROPOSE_SECONDS):
                proposed = await self._proposer.propose(key, asked)
        except (*FAILED, MoorageError, TimeoutError) as error:
            logger.debug("%s: what new workloads need is not known: %s", key, error)
            return
        logger.debug("%s: %d containers ask for nothing, %d proposals", key, len(asked), len(proposed))
        for provision in provisions(workloads, proposed):
            if await _provide(inside, provision):
                note = f"{provision.thing} asked for nothing; its requests are from its {provision.source}"
                logger.info("%s: %s", key, note)
                await self._events.post(obj, [Occurrence("RequestsSet", note)])


def newcomers_of(workloads: Iterable[Mapping[str, Any]], now: datetime) -> list[Newcomer]:
    """Return the containers that ask for nothing, of new workloads that nobody has taken out."""
    return [
        _newcomer(Thing.of(obj), container)
        for obj in sorted(workloads, key=Thing.of)
        if _is_new(obj, now)
        for container in containers_of(obj)
        if not _asks(container)
    ]


def provisions(workloads: Mapping[Thing, Mapping[str, Any]], proposed: Sequence[Proposed]) -> list[Provision]:
    """Return what to write: only requests, and only of containers that ask for nothing."""
    by_thing: dict[Thing, list[Proposed]] = {}
    for each in proposed:
        about = each.newcomer
        by_thing.setdefault(Thing(about.namespace, about.kind, about.name), []).append(each)
    found = []
    for thing, of_it in sorted(by_thing.items()):
        obj = workloads.get(thing)
        silent = {str(each["name"]) for each in containers_of(obj) if not _asks(each)} if obj else set()
        heard = [each for each in of_it if each.newcomer.container in silent and _requests(each)]
        if obj is not None and heard:
            # Of several sources, the one that knows less.
            source = max((each.source for each in heard), key=list(Source).index)
            found.append(Provision(thing, _fields(thing, obj, heard, source), source))
    return found


def _newcomer(thing: Thing, container: Mapping[str, Any]) -> Newcomer:
    name, image = str(container["name"]), str(container.get("image", ""))
    return Newcomer(thing.namespace, thing.kind, thing.name, name, image)


def _is_new(obj: Mapping[str, Any], now: datetime) -> bool:
    metadata = obj["metadata"]
    out = str((metadata.get("labels") or {}).get(OPT_IN, "true")) != "true"
    made = any(each.get("controller") for each in metadata.get("ownerReferences") or ())
    done = SET_BY in (metadata.get("annotations") or {})
    young = now - datetime.fromisoformat(metadata["creationTimestamp"]) <= YOUNG
    return young and not (out or made or done or metadata.get("deletionTimestamp"))


def _asks(container: Mapping[str, Any]) -> bool:
    """Say whether a container asks for anything, or is limited: then it asks for its limit."""
    resources = container.get("resources") or {}
    return any(what in (resources.get(group) or {}) for group in ("requests", "limits") for what in _COUNTED)


def _requests(proposed: Proposed) -> dict[str, str]:
    told = {"cpu": proposed.cpu, "memory": proposed.memory}
    return {what: quantity for what, quantity in told.items() if quantity}


def _fields(thing: Thing, obj: Mapping[str, Any], proposed: Sequence[Proposed], source: Source) -> Object:
    containers = [
        {"name": each.newcomer.container, "resources": {"requests": _requests(each)}}
        for each in sorted(proposed, key=lambda each: each.newcomer.container)
    ]
    spec: dict[str, Any] = {"template": {"spec": {"containers": containers}}}
    if thing.kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    return {
        "metadata": {
            "name": thing.name,
            "namespace": thing.namespace,
            "resourceVersion": obj["metadata"]["resourceVersion"],
            "annotations": {SET_BY: source.value},
        },
        "spec": spec,
    }


async def _read(inside: AsyncClient, namespaces: frozenset[str]) -> dict[Thing, Object]:
    async def of(kind: Kind, namespace: str) -> list[Object]:
        found = await list_objects(inside, kind, namespace)
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **obj} for obj in found]

    kinds = [WORKLOADS[kind] for kind in sorted(KINDS)]
    lists = await asyncio.gather(*(of(kind, name) for name in sorted(namespaces) for kind in kinds))
    return {Thing.of(obj): obj for found in lists for obj in found}


async def _provide(inside: AsyncClient, provision: Provision) -> bool:
    """Write it, unless somebody has written meanwhile, or has these fields already."""
    try:
        await apply(
            inside,
            WORKLOADS[provision.thing.kind],
            provision.object,
            field_manager=FIELD_MANAGER,
            force=False,
        )
    except Exception as error:
        if is_status(error, CONFLICT):
            return False
        raise
    return True
