"""Which clusters there are, and how the platform enters one to follow advice."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from moorage.advisors.cluster.roster import Roster
from moorage.kube.controller import Key
from moorage.kube.kinds import Object
from moorage.local.home import Home
from moorage.local.usercluster import automatic_kubeconfig


class AutomaticHost(Protocol):
    """Knows some clusters."""

    def object(self, key: Key) -> Object | None:
        """Return a cluster's object, unless it is gone or going, paused, or does not serve yet."""

    async def access(self, key: Key, obj: Object) -> Path | dict[str, Any] | None:
        """Return the kubeconfig of ``moorage:auto``; ``None`` when the cluster is not one of these.

        Raises:
            ApiError: the management cluster does not say what its provider calls it.
        """


class LocalAutomaticHost:
    """Clusters of the embedded platform."""

    def __init__(self, home: Home, roster: Roster) -> None:
        self._home = home
        self._roster = roster

    def object(self, key: Key) -> Object | None:
        """Return a cluster's object, as the advisors know it."""
        return self._roster.object(key)

    async def access(self, key: Key, obj: Object) -> Path | dict[str, Any] | None:
        """Return the kubeconfig that the platform has written beside the control plane."""
        member = await self._roster.find(key, obj)
        if member is None:
            return None
        path = automatic_kubeconfig(self._home, member.id)
        return path if path.exists() else None
