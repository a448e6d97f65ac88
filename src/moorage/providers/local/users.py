"""Clients of user clusters' API servers, each made once and kept."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import yaml
from lightkube import AsyncClient

from moorage.errors import MoorageError
from moorage.kube.cache import Key
from moorage.kube.client import connect
from moorage.kube.kinds import SECRET
from moorage.kube.objects import FAILED, UNREACHABLE, get, is_status

_UNAUTHORIZED: Final = 401
_TIMEOUT_SECONDS: Final = 10.0


class NoKubeconfigError(MoorageError):
    """A cluster whose kubeconfig is not there."""


@dataclass(frozen=True, slots=True)
class _Connection:
    kubeconfig: str
    client: AsyncClient


class UserClusters:
    """Reaches user clusters by the kubeconfig Secrets that control plane providers keep."""

    def __init__(self, client: AsyncClient) -> None:
        self._management = client
        self._connections: dict[Key, _Connection] = {}
        self._making: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def reach(self, cluster: Key) -> AsyncIterator[AsyncClient]:
        """Lend the client of a Cluster's API server.

        When it fails to reach it, the next one follows the Secret, which may have changed.

        Raises:
            NoKubeconfigError: there is no kubeconfig (yet).
        """
        connection = await self._connect(cluster)
        try:
            yield connection.client
        except FAILED as error:
            if isinstance(error, UNREACHABLE) or is_status(error, _UNAUTHORIZED):
                await self._review(cluster, connection)
            raise

    async def forget(self, cluster: Key) -> None:
        """Close the client of a Cluster that is gone."""
        connection = self._connections.pop(cluster, None)
        self._making.pop(cluster, None)
        if connection is not None:
            await connection.client.close()

    async def close(self) -> None:
        """Close all clients."""
        for cluster in list(self._connections):
            await self.forget(cluster)

    async def _connect(self, cluster: Key) -> _Connection:
        async with self._making[cluster]:
            if cluster not in self._connections:
                text = await self._kubeconfig(cluster)
                client = connect(yaml.safe_load(text), timeout_seconds=_TIMEOUT_SECONDS)
                self._connections[cluster] = _Connection(text, client)
            return self._connections[cluster]

    async def _review(self, cluster: Key, connection: _Connection) -> None:
        if await self._kubeconfig(cluster) != connection.kubeconfig:
            if self._connections.get(cluster) is connection:
                del self._connections[cluster]
            await connection.client.close()

    async def _kubeconfig(self, cluster: Key) -> str:
        name = f"{cluster.name}-kubeconfig"
        secret = await get(self._management, SECRET, name, cluster.namespace)
        text = ((secret or {}).get("data") or {}).get("value")
        if not text:
            raise NoKubeconfigError(f"cluster {cluster}: Secret {name} is not there, or empty")
        return b64decode(text).decode()
