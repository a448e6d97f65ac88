"""The operator, with user clusters that have no processes of their own: all stand for one that is real.

Replaced is what makes and removes a user cluster's processes, files and ports, and nothing else. Keys,
Secrets, kubeconfigs, statuses and the members' roles are made as always; every kubeconfig leads to the API
server of the cluster that is real. A kubeconfig that the environment names says where that is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import yaml

from moorage.local.home import Home
from moorage.local.material import ClusterKeys
from moorage.local.usercluster import ControlPlaneState, Endpoint, UserClusterSpec
from moorage.operator.main import main
from moorage.providers.local import cluster
from moorage.providers.local.controlplane import controller

ANCHOR = "MOORAGE_BENCH_ANCHOR"
"""Names the kubeconfig of the cluster that is real."""


class Stub:
    """Stands in for ``moorage.local.usercluster``.

    Args:
        kubeconfig: the platform's access to the cluster that is real.
    """

    def __init__(self, kubeconfig: dict[str, Any]) -> None:
        server = urlsplit(kubeconfig["clusters"][0]["cluster"]["server"])
        self._kubeconfig = kubeconfig
        self._endpoint = Endpoint(str(server.hostname), int(server.port or 443))

    async def reserve_endpoint(self, _home: Home, _cluster_id: str) -> Endpoint:
        """Return where the real API server listens."""
        return self._endpoint

    async def ensure_control_plane(
        self, _home: Home, _spec: UserClusterSpec, _keys: ClusterKeys
    ) -> ControlPlaneState:
        """Say that all is there: at once, which no real one is."""
        return ControlPlaneState(self._endpoint, ready=True, reason="", kubeconfig=self._kubeconfig)

    async def failing_components(self, _home: Home, _cluster_id: str) -> dict[str, str]:
        """Return that none fails."""
        return {}

    async def remove_control_plane(self, _home: Home, _cluster_id: str) -> None:
        """Remove nothing."""

    def replace(self, module: ModuleType, *names: str) -> None:
        """Take the place of functions that a module uses.

        Raises:
            AttributeError: it does not use them any more, so that this would replace nothing.
        """
        for name in names:
            getattr(module, name)
            setattr(module, name, getattr(self, name))


if __name__ == "__main__":
    stub = Stub(yaml.safe_load(Path(os.environ[ANCHOR]).read_text()))
    stub.replace(cluster, "reserve_endpoint", "remove_control_plane")
    stub.replace(controller, "ensure_control_plane", "failing_components", "remove_control_plane")
    sys.exit(main())
