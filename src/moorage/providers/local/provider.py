"""The provider as a whole: its controllers, for the operator to run."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lightkube import AsyncClient

from moorage.kube.cache import Cache
from moorage.kube.controller import Controller
from moorage.local.home import Home
from moorage.providers.local.bootstrap import LocalBootstrapConfigController
from moorage.providers.local.cluster import LocalClusterController
from moorage.providers.local.controlplane.controller import LocalControlPlaneController
from moorage.providers.local.machine.controller import LocalMachineController
from moorage.providers.local.templates import LocalMachineTemplateController
from moorage.providers.local.users import UserClusters
from moorage.providers.local.writing import Writer

_GO_ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class LocalProvider:
    """The local provider's controllers, and the connections that they share."""

    controllers: Sequence[Controller]
    users: UserClusters

    async def close(self) -> None:
        """Close the connections to user clusters."""
        await self.users.close()


def local_provider(
    client: AsyncClient, cache: Cache, home: Home, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> LocalProvider:
    """Return the local provider.

    Args:
        client: of the management cluster.
        cache: of its objects, which the operator fills.
        home: the platform on which the user clusters run.
        now: the clock.
    """
    writer, users, architecture = Writer(client), UserClusters(client), go_architecture()
    return LocalProvider(
        controllers=(
            LocalClusterController(writer, cache, home, now),
            LocalControlPlaneController(writer, cache, home, users, now),
            LocalBootstrapConfigController(writer, cache, now),
            LocalMachineController(writer, cache, users, now, architecture),
            LocalMachineTemplateController(writer, cache, architecture),
        ),
        users=users,
    )


def go_architecture() -> str:
    """Return this machine's architecture as Go and Kubernetes name it."""
    machine = platform.machine()
    return _GO_ARCHITECTURES.get(machine, machine)
