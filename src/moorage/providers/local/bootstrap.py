"""LocalBootstrapConfig: a Secret that says how a machine joins its cluster."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final

import yaml

from moorage.api.local import BootstrapInitialization, LocalBootstrapConfigStatus
from moorage.api.meta import LOCAL_API_VERSION, LOCAL_PROVIDER_MANAGER
from moorage.kube.cache import Cache, Key
from moorage.kube.controller import Result
from moorage.kube.kinds import CAPI_CLUSTER, LOCAL_BOOTSTRAP_CONFIG, MACHINE, SECRET, Kind, Object
from moorage.kube.objects import create, get
from moorage.providers.local.contract import (
    CLUSTER_NAME_LABEL,
    PAUSED,
    READY,
    SECRET_TYPE,
    UNINITIALIZED_TAINT,
    Owner,
    OwnerCluster,
    OwnerMachine,
    owner_name,
    parse_cluster,
    parse_machine,
    parse_owner,
    referred,
    waiting,
)
from moorage.providers.local.controlplane.keys import KeysMissingError
from moorage.providers.local.reporting import Report
from moorage.providers.local.writing import Writer


class Step(Enum):
    """What is to be done with a LocalBootstrapConfig."""

    NOTHING = auto()
    PAUSE = auto()
    WAIT = auto()
    CREATE = auto()
    REPORT = auto()


@dataclass(frozen=True, slots=True)
class BootstrapFacts:
    """A LocalBootstrapConfig, the Machine it is for, and their Cluster."""

    owner: Owner
    cluster: OwnerCluster | None
    machine: OwnerMachine | None
    secret: str | None


def observe(cache: Cache, obj: Object) -> BootstrapFacts:
    """Read a LocalBootstrapConfig and what it depends on."""
    owner = parse_owner(obj)
    namespace, machine_name = owner.key.namespace, owner_name(obj, "Machine")
    cluster = cache.get(CAPI_CLUSTER, owner.cluster_name, namespace) if owner.cluster_name else None
    machine = cache.get(MACHINE, machine_name, namespace) if machine_name else None
    return BootstrapFacts(
        owner=owner,
        cluster=parse_cluster(cluster) if cluster else None,
        machine=parse_machine(machine) if machine else None,
        secret=(obj.get("status") or {}).get("dataSecretName"),
    )


def plan(facts: BootstrapFacts) -> Step:
    """Decide what is to be done. What a machine has joined with is not changed afterwards."""
    owner, cluster = facts.owner, facts.cluster
    if owner.deleting or cluster is None or facts.machine is None:
        return Step.NOTHING
    if owner.paused or cluster.paused:
        return Step.PAUSE
    if facts.secret is not None:
        return Step.REPORT
    if cluster.endpoint is None or not cluster.control_plane_initialized:
        return Step.WAIT
    return Step.CREATE


def plan_status(
    obj: Object, facts: BootstrapFacts, step: Step, secret: str | None, now: datetime
) -> LocalBootstrapConfigStatus:
    """Say how far a LocalBootstrapConfig is."""
    report = Report(facts.owner.generation, now)
    match step:
        case Step.PAUSE:
            found = [report.true(PAUSED, "Paused")]
        case Step.WAIT:
            why = "there is no API server to join yet"
            found = [report.false(READY, "WaitingForControlPlane", why), report.false(PAUSED, "NotPaused")]
        case _:
            found = [report.true(READY, "DataSecretAvailable"), report.false(PAUSED, "NotPaused")]
    return LocalBootstrapConfigStatus(
        observed_generation=facts.owner.generation,
        initialization=BootstrapInitialization(data_secret_created=True) if secret else None,
        data_secret_name=secret,
        conditions=report.merged(obj, found),
    )


def join_document(cluster: OwnerCluster, machine: OwnerMachine, authority: bytes) -> str:
    """Return what a machine is told when it starts: whom to join, as what. There is no secret in it."""
    host, port = cluster.endpoint or ("", 0)
    text: str = yaml.safe_dump(
        {
            "apiVersion": LOCAL_API_VERSION,
            "kind": "Join",
            "cluster": cluster.id,
            "server": f"https://{host}:{port}",
            "certificateAuthorityData": b64encode(authority).decode(),
            "node": {
                "name": machine.name,
                "kubeletVersion": machine.version,
                "taints": [{"key": UNINITIALIZED_TAINT, "effect": "NoSchedule"}],
            },
        },
        sort_keys=False,
    )
    return text


def data_secret(obj: Object, facts: BootstrapFacts, document: str) -> Object:
    """Return the Secret with the document: named as its config, which owns it."""
    owner = facts.owner
    return {
        "metadata": {
            "name": owner.key.name,
            "namespace": owner.key.namespace,
            "labels": {CLUSTER_NAME_LABEL: owner.cluster_name},
            "ownerReferences": [
                {
                    "apiVersion": obj["apiVersion"],
                    "kind": obj["kind"],
                    "name": owner.key.name,
                    "uid": owner.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "type": SECRET_TYPE,
        "data": {"value": b64encode(document.encode()).decode()},
    }


class LocalBootstrapConfigController:
    """Keeps LocalBootstrapConfigs."""

    name: Final = "local-bootstrap"
    primary: Final = LOCAL_BOOTSTRAP_CONFIG

    def __init__(self, writer: Writer, cache: Cache, now: Callable[[], datetime]) -> None:
        self._writer = writer
        self._cache = cache
        self._now = now

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """The Machine is what it is for; the Cluster says when there is something to join."""
        return {
            MACHINE: lambda obj: referred(obj, "bootstrap", "configRef", kind=LOCAL_BOOTSTRAP_CONFIG.kind),
            CAPI_CLUSTER: lambda obj: waiting(self._cache, LOCAL_BOOTSTRAP_CONFIG, obj, _created),
        }

    async def reconcile(self, key: Key) -> Result:
        """Bring one LocalBootstrapConfig to what it declares."""
        obj = self._cache.get(LOCAL_BOOTSTRAP_CONFIG, key.name, key.namespace)
        if obj is None:
            return Result()
        facts = observe(self._cache, obj)
        step = plan(facts)
        if step is Step.NOTHING:
            return Result()
        secret = facts.secret
        if step is Step.CREATE and facts.cluster is not None and facts.machine is not None:
            secret = await self._create(obj, facts, facts.cluster, facts.machine)
        status = plan_status(obj, facts, step, secret, self._now())
        await self._writer.status(LOCAL_BOOTSTRAP_CONFIG, obj, status)
        return Result()

    async def _create(
        self, obj: Object, facts: BootstrapFacts, cluster: OwnerCluster, machine: OwnerMachine
    ) -> str:
        client = self._writer.client
        name, namespace = f"{cluster.key.name}-ca", str(cluster.key.namespace)
        authority = await get(client, SECRET, name, namespace)
        certificate = b64decode(((authority or {}).get("data") or {}).get("tls.crt") or "")
        if not certificate:
            raise KeysMissingError(
                f"cluster {cluster.key}: Secret {name} has no certificate", hint="restore it from a backup"
            )
        secret = data_secret(obj, facts, join_document(cluster, machine, certificate))
        await create(client, SECRET, secret, field_manager=LOCAL_PROVIDER_MANAGER)
        return facts.owner.key.name


def _created(obj: Object) -> bool:
    return bool((obj.get("status") or {}).get("dataSecretName"))
