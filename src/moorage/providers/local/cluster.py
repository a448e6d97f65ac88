"""LocalCluster: the infrastructure of a cluster: an address for its API server, and zones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final

from moorage.api.local import FailureDomain, LocalClusterStatus, Provisioned
from moorage.kube.cache import Cache, Key
from moorage.kube.controller import Result
from moorage.kube.kinds import CAPI_CLUSTER, LOCAL_CLUSTER, LOCAL_CONTROL_PLANE, Kind, Object
from moorage.local.home import Home
from moorage.local.usercluster import remove_control_plane, reserve_endpoint
from moorage.providers.local.contract import (
    PAUSED,
    READY,
    Owner,
    OwnerCluster,
    endpoint_of,
    is_named,
    parse_cluster,
    parse_owner,
    referred,
    siblings,
)
from moorage.providers.local.reporting import Report
from moorage.providers.local.writing import Writer, finalizer


class Step(Enum):
    """What is to be done with a LocalCluster."""

    NOTHING = auto()
    PAUSE = auto()
    RESERVE = auto()
    WAIT = auto()
    REPORT = auto()
    RELEASE = auto()
    LET_GO = auto()


@dataclass(frozen=True, slots=True)
class LocalClusterFacts:
    """A LocalCluster and the Cluster that it belongs to.

    Args:
        owner: what it says about itself.
        cluster: the Cluster.
        zones: that its machines can be in.
        endpoint: the address that is reserved.
        provisioned: whether it has been made.
        answered: whether an API server has answered at the address.
        named: whether the Cluster refers to it (`is_named`).
    """

    owner: Owner
    cluster: OwnerCluster | None
    zones: tuple[str, ...]
    endpoint: tuple[str, int] | None
    provisioned: bool
    answered: bool
    named: bool | None = None


def observe(cache: Cache, obj: Object) -> LocalClusterFacts:
    """Read a LocalCluster and what it depends on."""
    owner = parse_owner(obj)
    cluster = cache.get(CAPI_CLUSTER, owner.cluster_name, owner.key.namespace) if owner.cluster_name else None
    planes = siblings(cache, LOCAL_CONTROL_PLANE, obj)
    return LocalClusterFacts(
        owner=owner,
        cluster=parse_cluster(cluster) if cluster else None,
        zones=tuple((obj.get("spec") or {}).get("zones") or ()),
        endpoint=endpoint_of(obj),
        provisioned=_initialized(obj, "provisioned"),
        answered=any(_initialized(plane, "controlPlaneInitialized") for plane in planes),
        named=is_named(cluster, "infrastructureRef", obj),
    )


def plan(facts: LocalClusterFacts) -> Step:
    """Decide what is to be done.

    A LocalCluster without a Cluster waits for it; one that is on its way out without a Cluster never had one,
    or not any more, and there is nothing to release.

    One that is not the Cluster's has nothing: what goes with it must not take what is the other's.

    It counts as provisioned when an API server answers at its address: there is no load balancer before it
    that could. Cluster API then reaches the cluster at its first attempt; a second one would be 30 s later.
    """
    owner, cluster = facts.owner, facts.cluster
    held = finalizer(LOCAL_CLUSTER) in owner.finalizers
    belongs = cluster is not None and facts.named is not False
    if owner.externally_managed or not (held if owner.deleting else belongs):
        return Step.NOTHING
    if owner.paused or (cluster is not None and cluster.paused):
        return Step.PAUSE
    if owner.deleting:
        in_use = cluster is not None and not cluster.deleting
        return Step.LET_GO if facts.named is False or (in_use and facts.named is None) else Step.RELEASE
    if facts.endpoint is None or not held:
        return Step.RESERVE
    if facts.provisioned or facts.answered or (cluster is not None and not cluster.local_control_plane):
        return Step.REPORT
    return Step.WAIT


def plan_status(obj: Object, facts: LocalClusterFacts, step: Step, now: datetime) -> LocalClusterStatus:
    """Say how far a LocalCluster is."""
    report = Report(facts.owner.generation, now)
    provisioned = facts.provisioned or step is Step.REPORT
    if step is Step.PAUSE:
        found = [report.true(PAUSED, "Paused")]
    elif provisioned:
        found = [report.true(READY, "Provisioned"), report.false(PAUSED, "NotPaused")]
    else:
        why = "no API server answers at the cluster's address yet"
        found = [report.false(READY, "WaitingForAPIServer", why), report.false(PAUSED, "NotPaused")]
    return LocalClusterStatus(
        observed_generation=facts.owner.generation,
        initialization=Provisioned(provisioned=True) if provisioned else None,
        failure_domains=[FailureDomain(name=zone, control_plane=True) for zone in facts.zones] or None,
        conditions=report.merged(obj, found),
    )


class LocalClusterController:
    """Keeps LocalClusters."""

    name: Final = "local-cluster"
    primary: Final = LOCAL_CLUSTER

    def __init__(self, writer: Writer, cache: Cache, home: Home, now: Callable[[], datetime]) -> None:
        self._writer = writer
        self._cache = cache
        self._home = home
        self._now = now
        self._ids: dict[Key, str] = {}

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """The Cluster decides whether it is paused; the control plane says when its API server answers."""
        return {
            CAPI_CLUSTER: lambda obj: referred(obj, "infrastructureRef", kind=LOCAL_CLUSTER.kind),
            LOCAL_CONTROL_PLANE: lambda obj: [
                Key.of(sibling)
                for sibling in siblings(self._cache, LOCAL_CLUSTER, obj)
                if not _initialized(sibling, "provisioned")
            ],
        }

    async def reconcile(self, key: Key) -> Result:
        """Bring one LocalCluster to what it declares."""
        obj = self._cache.get(LOCAL_CLUSTER, key.name, key.namespace)
        if obj is None:
            await self._forget(key)
            return Result()
        facts = observe(self._cache, obj)
        step = plan(facts)
        if facts.named is False or step is Step.LET_GO:
            self._ids.pop(key, None)
        elif facts.cluster is not None:
            self._ids[key] = facts.cluster.id
        match step, facts.cluster:
            case Step.RESERVE, OwnerCluster() as cluster:
                if not await self._reserve(obj, cluster):
                    return Result()
            case Step.RELEASE, _:
                await self._forget(key)
                await self._writer.release(LOCAL_CLUSTER, obj)
                return Result()
            case Step.LET_GO, _:
                await self._writer.release(LOCAL_CLUSTER, obj)
                return Result()
            case Step.NOTHING, _:
                return Result()
        await self._writer.status(LOCAL_CLUSTER, obj, plan_status(obj, facts, step, self._now()))
        return Result()

    async def _reserve(self, obj: Object, cluster: OwnerCluster) -> bool:
        if not await self._writer.hold(LOCAL_CLUSTER, obj):
            return False
        # From here on there may be something to clean up, and the finalizer sees to it.
        endpoint = await reserve_endpoint(self._home, cluster.id)
        spec = {"controlPlaneEndpoint": {"host": endpoint.host, "port": endpoint.port}}
        return await self._writer.hold(LOCAL_CLUSTER, obj, spec=spec)

    async def _forget(self, key: Key) -> None:
        """Clean up behind a LocalCluster even when somebody has taken its finalizer away."""
        cluster = self._ids.get(key)
        if cluster is not None:
            await remove_control_plane(self._home, cluster)
            del self._ids[key]


def _initialized(obj: Object, what: str) -> bool:
    return bool(((obj.get("status") or {}).get("initialization") or {}).get(what))
