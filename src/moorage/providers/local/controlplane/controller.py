"""Carrying out what was decided about a control plane."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final

from moorage.kube.cache import Cache, Key
from moorage.kube.controller import Result
from moorage.kube.kinds import CAPI_CLUSTER, LOCAL_CLUSTER, LOCAL_CONTROL_PLANE, MACHINE, Kind, Object
from moorage.local.home import Home
from moorage.local.usercluster import (
    UserClusterSpec,
    api_server_waits,
    ensure_control_plane,
    failing_components,
    remove_control_plane,
)
from moorage.providers.local.contract import AVAILABLE, OwnerCluster, referred, siblings
from moorage.providers.local.controlplane.keys import (
    KeyHolder,
    KeysMissingError,
    KeyStore,
    KeysUnusableError,
)
from moorage.providers.local.controlplane.plan import (
    ControlPlaneFacts,
    Decision,
    Outcome,
    Step,
    minor,
    observe,
    plan,
    plan_status,
)
from moorage.providers.local.names import token_audience
from moorage.providers.local.users import UserClusters
from moorage.providers.local.writing import Writer, finalizer

STARTING_SECONDS: Final = 0.2
"""How often to look at an API server that is starting."""

STARTED_SLOWLY_SECONDS: Final = 3.0
_PATIENCE: Final = timedelta(seconds=30)

RESYNC_SECONDS: Final = 60.0
"""How often to look at one that serves."""


@dataclass(frozen=True, slots=True)
class _Declared:
    version: str
    at: datetime


class LocalControlPlaneController:
    """Keeps LocalControlPlanes."""

    name: Final = "local-control-plane"
    primary: Final = LOCAL_CONTROL_PLANE

    def __init__(
        self, writer: Writer, cache: Cache, home: Home, users: UserClusters, now: Callable[[], datetime]
    ) -> None:
        self._writer = writer
        self._cache = cache
        self._home = home
        self._users = users
        self._now = now
        self._keys = KeyStore(writer.client, now)
        self._declared: dict[str, _Declared] = {}

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """The Cluster or the LocalCluster has the address; Machines hold up the deletion."""
        return {
            CAPI_CLUSTER: lambda obj: referred(obj, "controlPlaneRef", kind=LOCAL_CONTROL_PLANE.kind),
            LOCAL_CLUSTER: lambda obj: [
                Key.of(plane)
                for plane in siblings(self._cache, LOCAL_CONTROL_PLANE, obj)
                if not (plane.get("status") or {}).get("version")
            ],
            MACHINE: lambda obj: [
                Key.of(plane)
                for plane in siblings(self._cache, LOCAL_CONTROL_PLANE, obj)
                if "deletionTimestamp" in plane["metadata"]
            ],
        }

    async def reconcile(self, key: Key) -> Result:
        """Bring one LocalControlPlane to what it declares."""
        obj = self._cache.get(LOCAL_CONTROL_PLANE, key.name, key.namespace)
        if obj is None:
            return Result()
        facts = observe(self._cache, obj)
        decision = plan(facts)
        outcome = None
        match decision.step, facts.cluster:
            case Step.NOTHING, _:
                return Result()
            case Step.REMOVE, cluster:
                await self._remove(obj, cluster)
                return Result()
            case Step.LET_GO, _:
                await self._writer.release(LOCAL_CONTROL_PLANE, obj)
                return Result()
            case Step.RUN, OwnerCluster() as cluster:
                held = finalizer(LOCAL_CONTROL_PLANE) in facts.owner.finalizers
                if not held and not await self._writer.hold(LOCAL_CONTROL_PLANE, obj):
                    return Result()
                outcome = await self._still_starting(facts, cluster) or await self._run(facts, cluster)
        now = self._now()
        await self._writer.status(LOCAL_CONTROL_PLANE, obj, plan_status(obj, facts, decision, outcome, now))
        return _next_look(obj, decision, outcome, now)

    async def _still_starting(self, facts: ControlPlaneFacts, cluster: OwnerCluster) -> Outcome | None:
        """Return that an API server is still starting, if it is one that was declared a moment ago."""
        declared = self._declared.get(facts.owner.uid)
        if declared is None or declared.version != facts.version or self._now() - declared.at > _PATIENCE:
            return None
        said = await api_server_waits(self._home, cluster.id)
        return _starting(said) if said else None

    async def _run(self, facts: ControlPlaneFacts, cluster: OwnerCluster) -> Outcome:
        owner = facts.owner
        holder = KeyHolder(str(owner.key.namespace), cluster.key.name, owner.key.name, owner.uid)
        try:
            keys = await self._keys.get(holder, served=facts.served_version is not None)
        except (KeysMissingError, KeysUnusableError) as error:
            return Outcome(serving=False, keys_lost=f"{error.message}; {error.hint}")
        spec = UserClusterSpec(
            id=cluster.id,
            name=f"{holder.namespace}/{holder.cluster}",
            version=str(minor(facts.version)),
            audience=token_audience(cluster.product_uid),
            namespace=holder.namespace,
            kwok_config=kwok_config(),
        )
        state = await ensure_control_plane(self._home, spec, keys)
        if not state.ready:
            self._declared[owner.uid] = _Declared(facts.version, self._now())
            return _starting(state.reason)
        self._declared.pop(owner.uid, None)
        await self._keys.publish(holder, state.kubeconfig)
        return Outcome(serving=True, failing=await failing_components(self._home, cluster.id))

    async def _remove(self, obj: Object, cluster: OwnerCluster | None) -> None:
        self._declared.pop(obj["metadata"]["uid"], None)
        self._keys.forget(obj["metadata"]["uid"])
        if cluster is not None:
            await self._users.forget(cluster.key)
            await remove_control_plane(self._home, cluster.id)
        await self._writer.release(LOCAL_CONTROL_PLANE, obj)


def _starting(why: str) -> Outcome:
    return Outcome(serving=False, reason="WaitingForAPIServer", message=why)


def kwok_config() -> tuple[Path, ...]:
    """Return the stages that nodes and Pods go through, and what containers are said to use."""
    folder = Path(str(files("moorage.providers.local")))
    return folder / "kwok.yaml", folder / "kwok-metrics.yaml"


def _next_look(obj: Object, decision: Decision, outcome: Outcome | None, now: datetime) -> Result:
    if decision.step is not Step.RUN or outcome is None:
        return Result()
    if outcome.serving or outcome.keys_lost:
        return Result(RESYNC_SECONDS)
    return Result(STARTING_SECONDS if _waited(obj, now) < _PATIENCE else STARTED_SLOWLY_SECONDS)


def _waited(obj: Object, now: datetime) -> timedelta:
    """Return how long a control plane has not been available."""
    for item in (obj.get("status") or {}).get("conditions") or ():
        if item["type"] == AVAILABLE and item["status"] == "False":
            return now - datetime.fromisoformat(item["lastTransitionTime"])
    return timedelta()
