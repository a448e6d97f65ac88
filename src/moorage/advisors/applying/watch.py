"""Watching what a change does to the workloads it concerns: none may be worse off than before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lightkube import AsyncClient

from moorage.advisors.applying.plan import Step
from moorage.kube.kinds import DEPLOYMENT, Kind, Object
from moorage.kube.objects import FORBIDDEN, get, is_status, list_objects

STATEFUL_SET: Final = Kind("apps", "v1", "StatefulSet", "statefulsets")
DAEMON_SET: Final = Kind("apps", "v1", "DaemonSet", "daemonsets")
_WORKLOADS: Final = {kind.kind: kind for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)}
_SECONDS_BETWEEN: Final = 1.0
_ACCOUNT: Final = "ServiceAccount"


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """A workload that a change concerns."""

    namespace: str
    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Health:
    """How a workload is.

    Args:
        wanted: how many pods it is to have.
        ready: how many are ready.
        settled: whether its controller has acted on what is declared now, and all pods are of it.
    """

    wanted: int
    ready: int
    settled: bool

    @property
    def well(self) -> bool:
        """Whether all that is wanted is there."""
        return self.settled and self.ready >= self.wanted


def health_of(obj: Mapping[str, Any]) -> Health:
    """Read how a workload is."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    seen = int(status.get("observedGeneration") or 0) >= int(obj["metadata"].get("generation") or 0)
    if "desiredNumberScheduled" in status:  # a DaemonSet
        wanted, ready = int(status["desiredNumberScheduled"]), int(status.get("numberReady") or 0)
        updated = int(status.get("updatedNumberScheduled") or 0)
    else:
        replicas = spec.get("replicas")
        wanted = 1 if replicas is None else int(replicas)
        ready = int(status.get("readyReplicas") or 0)
        updated = int(status.get("updatedReplicas") or 0)
    return Health(wanted, ready, settled=seen and updated >= wanted)


async def concerned(client: AsyncClient, steps: Sequence[Step], subject: str) -> dict[Workload, Health]:
    """Return the workloads that a change concerns, as they are now.

    These are the objects of the change that are workloads, and those that run as the ServiceAccount that the
    advice is about. What this person may not see is not watched.
    """
    found: dict[Workload, Health] = {}
    for step in steps:
        kind = _WORKLOADS.get(str(step.object.get("kind")))
        if kind is None or step.object.get("apiVersion") != kind.api_version:
            continue
        metadata = step.object["metadata"]
        workload = Workload(metadata["namespace"], kind, metadata["name"])
        if (obj := await get(client, kind, workload.name, workload.namespace)) is not None:
            found[workload] = health_of(obj)
    what, _, name = subject.partition(" ")
    namespace, slash, account = name.partition("/")
    if what == _ACCOUNT and slash:
        found |= await _running_as(client, namespace, account)
    return dict(sorted(found.items()))


async def worse(client: AsyncClient, before: Mapping[Workload, Health], *, seconds: float) -> tuple[str, ...]:
    """Watch workloads for a while, and say which are worse off in the end; empty when none is.

    It is over before the time is when every workload is well, and was for a fifth of the time.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    well_since: float | None = None
    while True:
        now = {workload: await _look(client, workload) for workload in before}
        bad = tuple(_worse(before[workload], now[workload], workload) for workload in before)
        told = tuple(each for each in bad if each)
        well_since = None if told else (well_since if well_since is not None else loop.time())
        if well_since is not None and loop.time() - well_since >= seconds / 5:
            return ()
        if loop.time() - begun >= seconds:
            return told
        await asyncio.sleep(min(_SECONDS_BETWEEN, seconds / 10))


def _worse(before: Health, now: Health | None, workload: Workload) -> str:
    if now is None:
        return f"{workload} is gone"
    if now.well or (now.ready >= before.ready and now.settled):
        return ""
    if now.ready >= min(before.ready, now.wanted) and not before.well:
        return ""  # it was no better before
    why = "" if now.settled else ", and its controller is not done with the change"
    return f"{workload}: {now.ready} of {now.wanted} pods are ready{why}; before, {before.ready} were"


async def _look(client: AsyncClient, workload: Workload) -> Health | None:
    obj = await get(client, workload.kind, workload.name, workload.namespace)
    return health_of(obj) if obj is not None else None


async def _running_as(client: AsyncClient, namespace: str, account: str) -> dict[Workload, Health]:
    found: dict[Workload, Health] = {}
    for kind in _WORKLOADS.values():
        for obj in await _readable(client, kind, namespace):
            pod = obj["spec"].get("template", {}).get("spec") or {}
            if (pod.get("serviceAccountName") or "default") == account:
                found[Workload(namespace, kind, obj["metadata"]["name"])] = health_of(obj)
    return found


async def _readable(client: AsyncClient, kind: Kind, namespace: str) -> Iterable[Object]:
    try:
        return await list_objects(client, kind, namespace)
    except Exception as error:
        if is_status(error, FORBIDDEN):
            return ()
        raise
