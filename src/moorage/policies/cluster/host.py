"""Where the engine of a cluster runs.

On the embedded platform Gatekeeper is a process beside the cluster's control plane. Elsewhere it is to be an
add-on inside the cluster, which is another implementation of the same three promises; there is none yet, and
a cluster of such a provider says so in its condition.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from lightkube import AsyncClient

from moorage.errors import MoorageError
from moorage.kube.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CRD,
    NAMESPACE,
    POD,
    SERVICE_ACCOUNT,
    Kind,
    Object,
)
from moorage.kube.objects import create, delete, get
from moorage.local import manifests
from moorage.local.gatekeeper import (
    GATEKEEPER,
    GATEKEEPER_NAMESPACE,
    Audit,
    ensure_gatekeeper,
    last_audit,
    pod,
    remove_gatekeeper,
)
from moorage.local.home import Home
from moorage.local.supervisor import in_thread
from moorage.policies.cluster.gatekeeper_kinds import FIELD_MANAGER
from moorage.policies.cluster.webhooks import Engine
from moorage.toolchain import ensure, locate
from moorage.toolchain.errors import ToolNotInstalledError

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 600.0
"""How often it is looked whether Gatekeeper's kinds and roles are still there."""

_TOOLS = (GATEKEEPER, "gator")
_CRDS = "gatekeeper-crds.yaml"
_RBAC = "gatekeeper-rbac.yaml"
_KINDS: dict[str, Kind] = {kind.kind: kind for kind in (CRD, NAMESPACE, CLUSTER_ROLE, CLUSTER_ROLE_BINDING)}


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster that can be entered.

    Args:
        name: ``namespace/cluster``, for people.
        id: what its provider calls it.
        kubeconfig: the platform's own access to it.
    """

    name: str
    id: str
    kubeconfig: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class EngineState:
    """How far an engine is.

    Args:
        engine: where it answers; ``None`` while that is not known.
        waits_for: why it does not judge yet; ``None`` when it does.
    """

    engine: Engine | None
    waits_for: str | None


class EngineHost(Protocol):
    """Runs the engines of some clusters. Every method may be repeated."""

    def hosts(self, place: Place) -> bool:
        """Say whether this is the one for a cluster."""

    async def ensure(self, place: Place, client: AsyncClient) -> EngineState:
        """Bring the engine of a cluster, its kinds and its rights into being, and say how far it is."""

    async def remove(self, place: Place, client: AsyncClient) -> None:
        """Remove the engine of a cluster, and everything of it in the cluster."""

    async def audit(self, place: Place) -> Audit | None:
        """Return what the engine's last audit has found; ``None`` before there was one."""


class LocalEngineHost:
    """Gatekeeper as a process of the embedded platform."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._getting: asyncio.Task[Any] | None = None
        self._installed: dict[str, float] = {}

    def hosts(self, place: Place) -> bool:
        """Say whether the cluster's control plane is one of this platform."""
        return bool(place.id) and (self._home.clusters / place.id).is_dir()

    async def ensure(self, place: Place, client: AsyncClient) -> EngineState:
        """Install Gatekeeper's kinds and roles, and keep its processes."""
        if (waits_for := self._binary()) is not None:
            return EngineState(None, waits_for)
        now = time.monotonic()
        if now - self._installed.get(place.id, -RECHECK_SECONDS) >= RECHECK_SECONDS:
            await _install(client)
            self._installed[place.id] = now
        state = await ensure_gatekeeper(self._home, place.id, await _pod(client))
        return EngineState(Engine(state.server, state.authority), state.waits_for)

    async def remove(self, place: Place, client: AsyncClient) -> None:
        """End the processes, and remove Gatekeeper's kinds and roles."""
        self._installed.pop(place.id, None)
        await remove_gatekeeper(self._home, place.id)
        for obj in reversed([*manifests.load(_CRDS), *manifests.load(_RBAC)]):
            await delete(client, _KINDS[obj["kind"]], obj["metadata"]["name"])

    async def audit(self, place: Place) -> Audit | None:
        """Read what the gate has counted."""
        return await in_thread(lambda: last_audit(self._home, place.id))

    def _binary(self) -> str | None:
        """Say what Gatekeeper's binary waits for. To get it can take minutes."""
        try:
            for name in _TOOLS:
                locate(name)
        except ToolNotInstalledError:
            if self._getting is not None and self._getting.done():
                failure, self._getting = self._getting.exception(), None
                if failure is not None:
                    if not isinstance(failure, MoorageError):
                        raise failure from None
                    return f"Gatekeeper cannot be had: {failure.message}"
            if self._getting is None:
                self._getting = asyncio.create_task(ensure(_TOOLS), name="gatekeeper")
            return "Gatekeeper is being installed"
        return None


async def _pod(client: AsyncClient) -> str:
    """Return the uid of the Pod that stands for the process, made when there is none."""
    if (found := await get(client, POD, GATEKEEPER, GATEKEEPER_NAMESPACE)) is None:
        account = {"metadata": {"name": GATEKEEPER, "namespace": GATEKEEPER_NAMESPACE}}
        await create(client, SERVICE_ACCOUNT, account, field_manager=FIELD_MANAGER)
        # None when somebody else has made it in this moment: the next look finds it.
        found = await create(client, POD, pod(), field_manager=FIELD_MANAGER) or {}
    return str(found.get("metadata", {}).get("uid", ""))


async def _install(client: AsyncClient) -> None:
    objects: list[Object] = [*manifests.load(_RBAC), *manifests.load(_CRDS)]
    digest = hashlib.sha256(repr(objects).encode()).hexdigest()[:16]
    written = await manifests.install(client, objects, digest=digest)
    if written:
        logger.info("installed Gatekeeper's kinds and roles: %d objects", written)
