"""Reading a machine and what it depends on."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.kube.cache import Cache
from moorage.kube.kinds import CAPI_CLUSTER, LOCAL_MACHINE, LOCAL_MACHINE_TEMPLATE, MACHINE, Object
from moorage.providers.local.contract import (
    CLONED_FROM_ANNOTATION,
    CLUSTER_NAME_LABEL,
    condition_status,
    fault_of,
    next_fault_of,
    owner_name,
    parse_cluster,
    parse_machine,
    parse_owner,
)
from moorage.providers.local.faults import Fault
from moorage.providers.local.machine.placement import Place
from moorage.providers.local.machine.plan import FAULT_INJECTED, MachineFacts, PoolFault

_FAULTS = {fault.value: fault for fault in Fault}


def observe(cache: Cache, obj: Object) -> MachineFacts:
    """Read a LocalMachine and what it depends on."""
    owner = parse_owner(obj)
    namespace, machine_name = owner.key.namespace, owner_name(obj, "Machine")
    cluster = cache.get(CAPI_CLUSTER, owner.cluster_name, namespace) if owner.cluster_name else None
    machine = cache.get(MACHINE, machine_name, namespace) if machine_name else None
    spec, wanted = obj["spec"], fault_of(obj)
    provisioned = is_provisioned(obj)
    return MachineFacts(
        owner=owner,
        cluster=parse_cluster(cluster) if cluster else None,
        machine=parse_machine(machine) if machine else None,
        machine_type=spec.get("machineType"),
        cpu=str(spec["cpu"]),
        memory=str(spec["memory"]),
        zone=spec.get("zone"),
        provider_id=spec.get("providerID"),
        provisioned=provisioned,
        reported_fault=condition_status(obj, FAULT_INJECTED) is not None,
        place=_place(obj),
        fault=_FAULTS.get(wanted or ""),
        unknown_fault=wanted if wanted and wanted not in _FAULTS else None,
        pool_fault=None if provisioned else _pool_fault(cache, obj),
    )


def places(cache: Cache, namespace: str | None, cluster: str) -> Mapping[str, Place]:
    """Return where the machines of a Cluster are, by their uids."""
    found = {}
    for obj in cache.list(LOCAL_MACHINE, namespace, {CLUSTER_NAME_LABEL: cluster}):
        place = _place(obj)
        if place is not None:
            found[obj["metadata"]["uid"]] = place
    return found


def is_provisioned(obj: Object) -> bool:
    """Say whether a LocalMachine has been made."""
    return bool(((obj.get("status") or {}).get("initialization") or {}).get("provisioned"))


def _place(obj: Object) -> Place | None:
    status = obj.get("status") or {}
    zone = status.get("failureDomain")
    for item in status.get("addresses") or ():
        if item["type"] == "InternalIP" and zone:
            return Place(zone, item["address"])
    return None


def _pool_fault(cache: Cache, obj: Object) -> PoolFault | None:
    metadata = obj["metadata"]
    name = (metadata.get("annotations") or {}).get(CLONED_FROM_ANNOTATION)
    template = cache.get(LOCAL_MACHINE_TEMPLATE, name, metadata["namespace"]) if name else None
    text = next_fault_of(template) if template else None
    if template is None or text is None:
        return None
    fault, _, taker = text.partition("@")
    if fault not in _FAULTS:
        return None
    return PoolFault(str(name), template["metadata"]["resourceVersion"], fault, taker or None)
