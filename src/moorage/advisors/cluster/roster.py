"""The clusters that can be advised on: which they are, how they are entered, how far their events are."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lightkube import AsyncClient

from moorage.advisors.audit.counts import Counts, Signal
from moorage.advisors.cluster.host import AdviceHost
from moorage.advisors.evidence import EvidenceStore
from moorage.kube.clusters import platform_kubeconfig, provider_name, serves
from moorage.kube.controller import Cache, Key
from moorage.kube.kinds import KUBERNETES_CLUSTER, Object
from moorage.local.supervisor import in_thread

_FRESH_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Member:
    """A cluster that can be advised on.

    Args:
        key: of its KubernetesCluster.
        obj: the KubernetesCluster.
        id: what its provider calls it.
        access: the advisors' own kubeconfig of it.
        counts: where its audit events are counted.
        store: where evidence goes.
        signal: how far its events are; ``None`` when none has come in.
    """

    key: Key
    obj: Object
    id: str
    access: Path | dict[str, Any] = field(repr=False)
    counts: Counts = field(repr=False)
    store: EvidenceStore = field(repr=False)
    signal: Signal | None


class Roster:
    """Knows the clusters; one for all who advise on them, so that each thing is asked for once."""

    def __init__(self, client: AsyncClient, cache: Cache, host: AdviceHost) -> None:
        self._client = client
        self._cache = cache
        self._host = host
        self._ids: dict[Key, tuple[str, str]] = {}
        self._signals: dict[str, Signal] = {}
        self._signals_at = -_FRESH_SECONDS
        self._asking = asyncio.Lock()

    def object(self, key: Key) -> Object | None:
        """Return a cluster's object, unless it is gone or going, paused, or does not serve yet."""
        obj = self._cache.get(KUBERNETES_CLUSTER, key.name, key.namespace)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            self._ids.pop(key, None)
            return None
        paused = (obj.get("spec") or {}).get("paused")
        return obj if serves(self._cache, key) and not paused else None

    async def find(self, key: Key, obj: Object) -> Member | None:
        """Return what is known of a cluster; ``None`` when it is no cluster of this host, or not known yet.

        Raises:
            ApiError: the management cluster does not say what its provider calls it.
            DatabaseError: the database cannot be used.
        """
        name = await self._id(key, obj)
        access = self._host.access(name) if name else None
        if access is None:
            return None
        counts, store = await self._host.open()
        signal = (await self._fresh_signals(counts)).get(name)
        return Member(key, obj, name, access, counts, store, signal)

    async def _fresh_signals(self, counts: Counts) -> dict[str, Signal]:
        """Return how far all clusters are: asked for once for all of them."""
        async with self._asking:
            if time.monotonic() - self._signals_at >= _FRESH_SECONDS:
                self._signals = await in_thread(counts.signals)
                self._signals_at = time.monotonic()
        return self._signals

    async def _id(self, key: Key, obj: Object) -> str:
        """Return what its provider calls a cluster; empty while it is not told."""
        uid, known = str(obj["metadata"]["uid"]), self._ids.get(key)
        if known is not None and known[0] == uid:
            return known[1]
        name = provider_name(await platform_kubeconfig(self._client, key))
        if name:
            self._ids[key] = (uid, name)
        return name
