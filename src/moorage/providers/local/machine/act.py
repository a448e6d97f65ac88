"""Carrying out what was decided about a machine."""

from __future__ import annotations

from moorage.api.local import FAULT_ANNOTATION
from moorage.api.meta import LOCAL_PROVIDER_MANAGER
from moorage.kube.cache import Key
from moorage.kube.kinds import LOCAL_MACHINE, LOCAL_MACHINE_TEMPLATE, NODE, Object
from moorage.kube.objects import create, delete, get, merge_patch
from moorage.providers.local.contract import OwnerCluster
from moorage.providers.local.faults import Fault
from moorage.providers.local.machine.plan import (
    Correct,
    PoolFault,
    Register,
    Vanish,
    plan_node,
)
from moorage.providers.local.names import NEXT_FAULT_ANNOTATION
from moorage.providers.local.nodes import NodeShape, parse_node
from moorage.providers.local.users import UserClusters
from moorage.providers.local.writing import Writer


async def keep_node(
    users: UserClusters,
    cluster: OwnerCluster,
    shape: NodeShape,
    fault: Fault | None,
    *,
    leaving: bool,
    first: bool,
) -> None:
    """Bring a running machine's Node to what it should be.

    Args:
        users: reaches the cluster.
        cluster: where the Node is.
        shape: what the Node is to be.
        fault: what is wrong with the machine.
        leaving: whether the machine is about to go.
        first: whether the Node cannot be there yet, so that nobody needs to look.
    """
    async with users.reach(cluster.key) as client:
        node = None if first else await get(client, NODE, shape.name)
        found = parse_node(node) if node else None
        match plan_node(shape, fault, found, leaving=leaving):
            case Register(node=wanted):
                await create(client, NODE, wanted, field_manager=LOCAL_PROVIDER_MANAGER)
            case Correct(patch=patch):
                await merge_patch(client, NODE, shape.name, None, patch, field_manager=LOCAL_PROVIDER_MANAGER)
            case Vanish():
                await delete(client, NODE, shape.name)
            case None:
                pass


async def remove_node(users: UserClusters, cluster: OwnerCluster, name: str) -> None:
    """Take a machine's Node away with the machine."""
    async with users.reach(cluster.key) as client:
        await delete(client, NODE, name)


async def take_pool_fault(writer: Writer, obj: Object, waiting: PoolFault) -> None:
    """Take the fault that waits for the pool's next machine: this machine alone gets it.

    It is claimed, taken and crossed off in three writes, each of which may be the last one before a crash.
    The first and the last are refused when the template has changed: then it is all looked at again.
    """
    client, key = writer.client, Key.of(obj)
    version = waiting.version
    if waiting.taker is None:
        claim = {NEXT_FAULT_ANNOTATION: f"{waiting.fault}@{key.name}"}
        patch = {"metadata": {"annotations": claim, "resourceVersion": version}}
        claimed = await merge_patch(
            client,
            LOCAL_MACHINE_TEMPLATE,
            waiting.template,
            key.namespace,
            patch,
            field_manager=LOCAL_PROVIDER_MANAGER,
        )
        if claimed is None:
            return
        version = claimed["metadata"]["resourceVersion"]
    await merge_patch(
        client,
        LOCAL_MACHINE,
        key.name,
        key.namespace,
        {"metadata": {"annotations": {FAULT_ANNOTATION: waiting.fault}}},
        field_manager=LOCAL_PROVIDER_MANAGER,
    )
    crossed_off = {"metadata": {"annotations": {NEXT_FAULT_ANNOTATION: None}, "resourceVersion": version}}
    await merge_patch(
        client,
        LOCAL_MACHINE_TEMPLATE,
        waiting.template,
        key.namespace,
        crossed_off,
        field_manager=LOCAL_PROVIDER_MANAGER,
    )
