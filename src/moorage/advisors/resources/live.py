"""Reading workloads, pods and what surrounds them from a live cluster, with an advisor's own rights."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import httpx2
from lightkube import AsyncClient

from moorage.advisors.resources.cluster import ClusterError, parse, setting_of
from moorage.advisors.resources.model import Running, Workload, World
from moorage.advisors.resources.owners import Owners
from moorage.advisors.resources.savings import Fleet
from moorage.api.quantities import InvalidQuantityError, parse_cpu, parse_memory, parse_quantity
from moorage.kube.kinds import DEPLOYMENT, NODE, POD, Kind, Object
from moorage.kube.objects import NOT_FOUND, is_status

_REPLICA_SET: Final = Kind("apps", "v1", "ReplicaSet", "replicasets")
_JOB: Final = Kind("batch", "v1", "Job", "jobs")
_VPA: Final = Kind("autoscaling.k8s.io", "v1", "VerticalPodAutoscaler", "verticalpodautoscalers")
_WORKLOADS: Final = (
    DEPLOYMENT,
    Kind("apps", "v1", "StatefulSet", "statefulsets"),
    Kind("apps", "v1", "DaemonSet", "daemonsets"),
    Kind("batch", "v1", "CronJob", "cronjobs"),
    _REPLICA_SET,
    _JOB,
)
_AROUND: Final = (
    Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind("", "v1", "LimitRange", "limitranges"),
    Kind("", "v1", "ResourceQuota", "resourcequotas"),
    _VPA,
)
_PASSED: Final = frozenset({_REPLICA_SET, _JOB})
_PAGE: Final = 500
_ENDED: Final = frozenset({"Succeeded", "Failed"})

PodName = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class _Pod:
    """What is kept of a pod: all that ten thousand say would be much."""

    name: PodName
    owner: Workload | None
    node: str
    containers: Mapping[str, Running]


async def read_live(client: AsyncClient, *, origin: str) -> tuple[World, Fleet]:
    """Return what surrounds the workloads of a cluster, its pods among it, and its nodes.

    Raises:
        ClusterError: an object is not what its kind says.
        ApiError: the cluster refuses.
    """
    try:
        # One kind after the other: the API server has others to serve, and what made a pod is read after it.
        pods = [_pod(obj) async for obj in _each(client, POD)]
        objects: list[Object] = []
        made: dict[Workload, Workload | None] = {}
        for kind in _WORKLOADS:
            async for obj in _each(client, kind):
                owner = _owner(obj)
                made[Workload(_namespace(obj), kind.kind, obj["metadata"]["name"])] = owner
                # What is made for each rollout or run says nothing that what makes it does not.
                if owner is None or kind not in _PASSED:
                    objects.append(obj)
        for kind in _AROUND:
            objects += [obj async for obj in _each(client, kind)]
        world = parse(objects, origin=origin)
        nodes = [_capacity(obj) async for obj in _each(client, NODE)]
    except (InvalidQuantityError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ClusterError(f"{origin}: an object in it cannot be read: {error}") from error
    owners = Owners(made, {pod.name: pod.owner for pod in pods})
    world = replace(
        world,
        managed_by=owners.managed_by(),
        running={(*pod.name, name): told for pod in pods for name, told in pod.containers.items()},
        owner_of=owners.of,
    )
    asked = {pod.name: _asked(pod) for pod in pods if pod.node}
    return world, Fleet(tuple(sorted(nodes)), asked)


async def _each(client: AsyncClient, kind: Kind) -> AsyncIterator[Object]:
    where: dict[str, Any] = {"namespace": "*"} if kind.namespaced else {}
    try:
        async for obj in client.list(kind.resource, chunk_size=_PAGE, **where):
            yield {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
    except httpx2.HTTPStatusError as error:
        if kind is not _VPA or not is_status(error, NOT_FOUND):
            raise


def _namespace(obj: Object) -> str:
    return str(obj["metadata"].get("namespace", ""))


def _owner(obj: Object) -> Workload | None:
    """Return what controls an object."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return Workload(_namespace(obj), str(reference["kind"]), str(reference["name"]))
    return None


def _pod(obj: Object) -> _Pod:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    states = {each["name"]: each for each in status.get("containerStatuses") or ()}
    made = _time(metadata["creationTimestamp"])
    containers = {
        each["name"]: _running(each, states.get(each["name"], {}), made, before=before)
        for before, those in ((True, spec.get("initContainers")), (False, spec["containers"]))
        for each in those or ()
    }
    node = "" if status.get("phase") in _ENDED else str(spec.get("nodeName") or "")
    return _Pod((_namespace(obj), metadata["name"]), _owner(obj), node, containers)


def _running(container: Mapping[str, Any], state: Mapping[str, Any], made: float, *, before: bool) -> Running:
    # One that has not started again says how it ended in its state, one that has in its last.
    last = (state.get("state") or {}).get("terminated") or (state.get("lastState") or {}).get("terminated")
    ended = (last or {}).get("finishedAt")
    return Running(
        setting=setting_of(container.get("resources") or {}),
        image=str(container.get("image") or ""),
        before=before,
        restarts=int(state.get("restartCount") or 0),
        made=made,
        ended=_time(ended) if ended else None,
        killed=(last or {}).get("reason") == "OOMKilled",
    )


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _capacity(obj: Object) -> tuple[float, float, float]:
    free = (obj.get("status") or {}).get("allocatable") or {}
    return (
        parse_cpu(free.get("cpu", "0")) / 1000,
        float(parse_memory(free.get("memory", "0"))),
        float(parse_quantity(free.get("pods", "110"))),
    )


def _asked(pod: _Pod) -> tuple[float, float]:
    settings = [told.setting for told in pod.containers.values() if not told.before]
    return (
        sum(each.cpu_request or 0.0 for each in settings),
        sum(each.memory_request or 0.0 for each in settings),
    )
