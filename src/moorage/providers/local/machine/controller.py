"""Wiring: which changes concern a machine, and in which order things are done for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from moorage.kube.cache import Cache, Key
from moorage.kube.controller import Result
from moorage.kube.kinds import CAPI_CLUSTER, LOCAL_MACHINE, LOCAL_MACHINE_TEMPLATE, MACHINE, Kind, Object
from moorage.kube.objects import FAILED, explain
from moorage.providers.local.contract import OwnerCluster, OwnerMachine, referred, waiting
from moorage.providers.local.machine.act import keep_node, remove_node, take_pool_fault
from moorage.providers.local.machine.observe import is_provisioned, observe, places
from moorage.providers.local.machine.placement import Place, Placements
from moorage.providers.local.machine.plan import (
    Decision,
    MachineFacts,
    Step,
    node_shape,
    plan,
    plan_status,
)
from moorage.providers.local.names import REGION, provider_id
from moorage.providers.local.users import NoKubeconfigError, UserClusters
from moorage.providers.local.writing import Writer, finalizer


class LocalMachineController:
    """Keeps LocalMachines."""

    name: Final = "local-machine"
    primary: Final = LOCAL_MACHINE

    def __init__(
        self,
        writer: Writer,
        cache: Cache,
        users: UserClusters,
        now: Callable[[], datetime],
        architecture: str,
    ) -> None:
        self._writer = writer
        self._cache = cache
        self._users = users
        self._now = now
        self._architecture = architecture
        self._placements = Placements()

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """The Machine says how its Node is; the Cluster, when it can be made; a pool may hold a fault."""
        return {
            MACHINE: lambda obj: referred(obj, "infrastructureRef", kind=LOCAL_MACHINE.kind),
            CAPI_CLUSTER: lambda obj: waiting(self._cache, LOCAL_MACHINE, obj, is_provisioned),
            LOCAL_MACHINE_TEMPLATE: lambda _: (),
        }

    async def reconcile(self, key: Key) -> Result:
        """Bring one LocalMachine to what it declares."""
        obj = self._cache.get(LOCAL_MACHINE, key.name, key.namespace)
        if obj is None:
            return Result()
        facts = observe(self._cache, obj)
        decision = plan(facts)
        match decision.step, facts.cluster, facts.machine:
            case Step.NOTHING, _, _:
                pass
            case Step.TAKE_FAULT, _, _:
                if facts.pool_fault is not None:
                    await take_pool_fault(self._writer, obj, facts.pool_fault)
            case Step.REMOVE, _, _:
                await self._remove(obj, facts)
            case Step.RUN, OwnerCluster() as cluster, OwnerMachine() as machine:
                await self._run(obj, facts, decision, cluster, machine)
            case _:
                await self._report(obj, facts, decision, facts.place)
        return Result()

    async def _run(
        self,
        obj: Object,
        facts: MachineFacts,
        decision: Decision,
        cluster: OwnerCluster,
        machine: OwnerMachine,
    ) -> None:
        place = facts.place or self._place(facts, cluster, machine)
        identity = provider_id(cluster.id, machine.name)
        held = finalizer(LOCAL_MACHINE) in facts.owner.finalizers and facts.provider_id == identity
        if not held and not await self._writer.hold(LOCAL_MACHINE, obj, spec={"providerID": identity}):
            return
        # Cluster API looks for the Node only after this.
        if not facts.provisioned and not await self._report(obj, facts, decision, place):
            return
        if facts.node_in_doubt:
            await keep_node(
                self._users,
                cluster,
                node_shape(facts, cluster, machine, place, self._architecture),
                facts.fault,
                leaving=machine.deleting,
                first=not facts.provisioned,
            )
        if facts.provisioned:
            await self._report(obj, facts, decision, place)

    def _place(self, facts: MachineFacts, cluster: OwnerCluster, machine: OwnerMachine) -> Place:
        return self._placements.place(
            cluster.id,
            facts.owner.uid,
            cluster.zones or (REGION,),
            machine.failure_domain or facts.zone,
            places(self._cache, cluster.key.namespace, cluster.key.name),
        )

    async def _remove(self, obj: Object, facts: MachineFacts) -> None:
        cluster = facts.cluster
        # With its cluster, the Node goes in any case.
        if cluster is not None and cluster.control_plane_initialized and not cluster.deleting:
            name = facts.machine.name if facts.machine else facts.owner.key.name
            try:
                await remove_node(self._users, cluster, name)
            except (*FAILED, NoKubeconfigError) as error:
                why = Decision(Step.REMOVE, message=f"its node is still there: {explain(error)}")
                await self._report(obj, facts, why, facts.place)
                raise
        if cluster is not None:
            self._placements.forget(cluster.id, facts.owner.uid)
        await self._writer.release(LOCAL_MACHINE, obj)

    async def _report(
        self, obj: Object, facts: MachineFacts, decision: Decision, place: Place | None
    ) -> bool:
        status = plan_status(obj, facts, decision, place, self._now())
        return await self._writer.status(LOCAL_MACHINE, obj, status)
