"""Injecting faults: what `moorage local fault` does. kubectl can do the same, by the annotations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lightkube import AsyncClient

from moorage.api.local import FAULT_ANNOTATION
from moorage.errors import MoorageError
from moorage.kube.kinds import (
    LOCAL_MACHINE,
    LOCAL_MACHINE_TEMPLATE,
    MACHINE,
    MACHINE_DEPLOYMENT,
    Kind,
    Object,
)
from moorage.kube.objects import get, list_objects, merge_patch
from moorage.providers.local.contract import (
    CLUSTER_NAME_LABEL,
    fault_of,
    next_fault_of,
    referred,
)
from moorage.providers.local.faults import Fault
from moorage.providers.local.names import NEXT_FAULT_ANNOTATION

_POOL_LABEL = "topology.cluster.x-k8s.io/deployment-name"


class NoSuchMachineError(MoorageError):
    """A machine or a pool that is not there, or cannot have the fault."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Whose machines are meant.

    Args:
        namespace: of the cluster.
        name: of the cluster.
    """

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace.removeprefix('project-')}/{self.name}"


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that a machine has, or that waits for a pool's next machine.

    Args:
        cluster: the cluster's name.
        pool: the pool's name.
        machine: the machine's name; ``None`` for the pool's next one.
        fault: what was asked for, known or not.
    """

    cluster: str
    pool: str
    machine: str | None
    fault: str


async def injected_faults(client: AsyncClient, namespace: str, cluster: str | None = None) -> list[Injected]:
    """Return the faults of a cluster, or (``None``) of all in a namespace."""
    labels = {CLUSTER_NAME_LABEL: cluster} if cluster else None
    machines = await list_objects(client, LOCAL_MACHINE, namespace, labels=labels)
    templates = await list_objects(client, LOCAL_MACHINE_TEMPLATE, namespace, labels=labels)
    found = [
        Injected(_label(obj, CLUSTER_NAME_LABEL), _label(obj, _POOL_LABEL), obj["metadata"]["name"], fault)
        for obj in machines
        if (fault := fault_of(obj))
    ]
    found += [
        Injected(_label(obj, CLUSTER_NAME_LABEL), _label(obj, _POOL_LABEL), None, fault.partition("@")[0])
        for obj in templates
        if (fault := next_fault_of(obj))
    ]
    return sorted(found, key=lambda item: (item.cluster, item.pool, item.machine or ""))


async def inject(
    client: AsyncClient, cluster: Cluster, machine: str, fault: Fault, *, field_manager: str
) -> None:
    """Give a machine a fault, in place of the one that it may have.

    Raises:
        NoSuchMachineError: the machine is not there, or has joined and so cannot fail to.
    """
    obj = await _machine(client, cluster, machine)
    if fault is Fault.NEVER_JOINS and await _has_joined(client, obj):
        raise NoSuchMachineError(
            f"machine {machine} has joined {cluster} already",
            hint=f"inject {fault} with --pool: the pool's next machine gets it",
        )
    await _annotate(client, LOCAL_MACHINE, obj, {FAULT_ANNOTATION: fault.value}, field_manager)


async def inject_next(
    client: AsyncClient, cluster: Cluster, pool: str, fault: Fault, *, field_manager: str
) -> None:
    """Hold a fault ready for the next machine of a pool.

    Raises:
        NoSuchMachineError: there is no such pool.
    """
    template = await _template(client, cluster, pool)
    await _annotate(
        client, LOCAL_MACHINE_TEMPLATE, template, {NEXT_FAULT_ANNOTATION: fault.value}, field_manager
    )


async def clear(
    client: AsyncClient, cluster: Cluster, *, machine: str | None = None, field_manager: str
) -> list[Injected]:
    """Take the fault of a machine away, or (``None``) all faults of a cluster; return what there was.

    Raises:
        NoSuchMachineError: the machine is not there.
    """
    if machine is not None:
        await _machine(client, cluster, machine)
    found = await injected_faults(client, cluster.namespace, cluster.name)
    cleared = [item for item in found if machine in (None, item.machine)]
    named = {item.machine for item in cleared if item.machine}
    for obj in await _of(client, LOCAL_MACHINE, cluster):
        if obj["metadata"]["name"] in named:
            await _annotate(client, LOCAL_MACHINE, obj, {FAULT_ANNOTATION: None}, field_manager)
    if machine is None:
        for obj in await _of(client, LOCAL_MACHINE_TEMPLATE, cluster):
            if next_fault_of(obj):
                await _annotate(
                    client, LOCAL_MACHINE_TEMPLATE, obj, {NEXT_FAULT_ANNOTATION: None}, field_manager
                )
    return cleared


async def _machine(client: AsyncClient, cluster: Cluster, name: str) -> Object:
    found = await _of(client, LOCAL_MACHINE, cluster)
    for obj in found:
        if obj["metadata"]["name"] == name:
            return obj
    raise NoSuchMachineError(
        f"cluster {cluster} has no machine {name} of provider local",
        hint=_known("its machines are", (obj["metadata"]["name"] for obj in found)),
    )


async def _template(client: AsyncClient, cluster: Cluster, pool: str) -> Object:
    deployments = await _of(client, MACHINE_DEPLOYMENT, cluster)
    for deployment in deployments:
        if _label(deployment, _POOL_LABEL) != pool:
            continue
        machine = {"metadata": deployment["metadata"], "spec": deployment["spec"]["template"]["spec"]}
        for key in referred(machine, "infrastructureRef", kind=LOCAL_MACHINE_TEMPLATE.kind):
            template = await get(client, LOCAL_MACHINE_TEMPLATE, key.name, key.namespace)
            if template is not None:
                return template
    raise NoSuchMachineError(
        f"cluster {cluster} has no pool {pool} of provider local",
        hint=_known("its pools are", (_label(obj, _POOL_LABEL) for obj in deployments)),
    )


async def _has_joined(client: AsyncClient, local_machine: Object) -> bool:
    metadata = local_machine["metadata"]
    machine = await get(client, MACHINE, metadata["name"], metadata["namespace"])
    return bool(((machine or {}).get("status") or {}).get("nodeRef"))


async def _of(client: AsyncClient, kind: Kind, cluster: Cluster) -> list[Object]:
    return await list_objects(client, kind, cluster.namespace, labels={CLUSTER_NAME_LABEL: cluster.name})


async def _annotate(
    client: AsyncClient, kind: Kind, obj: Object, annotations: dict[str, str | None], field_manager: str
) -> None:
    metadata = obj["metadata"]
    await merge_patch(
        client,
        kind,
        metadata["name"],
        metadata["namespace"],
        {"metadata": {"annotations": annotations}},
        field_manager=field_manager,
    )


def _label(obj: Object, name: str) -> str:
    return str((obj["metadata"].get("labels") or {}).get(name, ""))


def _known(words: str, names: Iterable[str]) -> str:
    listed = sorted(name for name in names if name)
    return f"{words} {', '.join(listed)}" if listed else f"{words} none yet"
