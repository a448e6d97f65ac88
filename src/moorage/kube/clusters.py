"""A user cluster as the management cluster knows it: whether it serves, how it is entered, what is said.

Several controllers look after the same KubernetesCluster, each with a condition of its own.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml
from lightkube import AsyncClient

from moorage.api.conditions import condition, get_condition, set_condition
from moorage.api.kubernetescluster import KubernetesCluster
from moorage.kube.cache import Cache, Key
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, SECRET, Object
from moorage.kube.objects import apply_status, get


@dataclass(frozen=True, slots=True)
class Said:
    """What a condition says. It must not change while nothing does."""

    ok: bool
    reason: str
    message: str = ""


def serves(cache: Cache, key: Key) -> bool:
    """Say whether the control plane of a cluster is available, as Cluster API sees it."""
    cluster = cache.get(CAPI_CLUSTER, key.name, key.namespace)
    conditions = ((cluster or {}).get("status") or {}).get("conditions") or ()
    return any(c["type"] == "ControlPlaneAvailable" and c["status"] == "True" for c in conditions)


async def platform_kubeconfig(client: AsyncClient, key: Key) -> dict[str, Any] | None:
    """Return the platform's own access to a cluster; ``None`` while there is none.

    It is in the Secret that Cluster API's contract names.
    """
    secret = await get(client, SECRET, f"{key.name}-kubeconfig", key.namespace)
    value = ((secret or {}).get("data") or {}).get("value")
    if not value:
        return None
    kubeconfig: dict[str, Any] = yaml.safe_load(b64decode(value))
    return kubeconfig


def provider_name(kubeconfig: dict[str, Any] | None) -> str:
    """Return what its provider calls a cluster, by the access to it; empty where it is not told."""
    [entry, *_] = (kubeconfig or {}).get("clusters") or [{}]
    return str(entry.get("name", ""))


async def write_condition(
    client: AsyncClient,
    cache: Cache,
    cluster: KubernetesCluster,
    type_: str,
    said: Said | None,
    *,
    field_manager: str,
    now: datetime,
) -> Object | None:
    """Write one condition of a cluster, if it says anything new; return what was written.

    Args:
        client: of the management cluster.
        cache: is told, so that nobody reads what was before.
        cluster: as it was read.
        type_: the condition, which is the only one that the field manager has.
        said: what it says; ``None`` takes it away.
        field_manager: in whose name.
        now: the time.
    """
    before = get_condition(cluster.status.conditions, type_) if cluster.status else None
    conditions: list[Object] = []
    if said is not None:
        generation = cluster.metadata.generation
        new = condition(type_, said.ok, said.reason, said.message, now=now, observed_generation=generation)
        [placed] = set_condition([before] if before is not None else [], new, now)
        if placed == before:
            return None
        conditions = [placed.wire()]
    elif before is None:
        return None
    metadata = {"name": cluster.metadata.name, "namespace": cluster.metadata.namespace}
    content = {"metadata": metadata, "status": {"conditions": conditions}}
    written = await apply_status(client, KUBERNETES_CLUSTER, content, field_manager=field_manager)
    cache.put(KUBERNETES_CLUSTER, written)
    return written
