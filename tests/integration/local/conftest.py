"""User clusters' control planes as the local provider makes them, but without Cluster API in between."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from lightkube import AsyncClient

from moorage.kube.client import connect
from moorage.local.home import Home
from moorage.local.material import ClusterKeys
from moorage.local.usercluster import ControlPlaneState, UserClusterSpec, ensure_control_plane
from moorage.providers.local.controlplane.controller import kwok_config

READY_SECONDS = 90.0


@dataclass
class ControlPlaneOnTrial:
    """One user cluster's declaration, and what has become of it."""

    home: Home
    spec: UserClusterSpec
    keys: ClusterKeys = field(default_factory=lambda: ClusterKeys.generate("trial"))
    state: ControlPlaneState | None = None

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def server(self) -> str:
        assert self.state
        return f"https://{self.state.endpoint.host}:{self.state.endpoint.port}"

    async def ensure(self, *, version: str | None = None) -> None:
        """Do what a controller does: ask for it until it is ready."""
        if version:
            self.spec = replace(self.spec, version=version)
        deadline = time.monotonic() + READY_SECONDS
        while not (state := await ensure_control_plane(self.home, self.spec, self.keys)).ready:
            assert time.monotonic() < deadline, f"{self.id} is not ready: {state.reason}"
            await asyncio.sleep(0.1)
        self.state = state

    def client(self) -> AsyncClient:
        assert self.state
        return connect(self.state.kubeconfig)


Declare = Callable[[str], ControlPlaneOnTrial]


@pytest.fixture(scope="session")
def declare(platform: Home) -> Declare:
    """`declare("1.36")`: a user cluster's control plane that nothing was done for yet."""

    def make(version: str) -> ControlPlaneOnTrial:
        cluster_id = f"trial-{secrets.token_hex(3)}"
        return ControlPlaneOnTrial(
            platform,
            UserClusterSpec(
                id=cluster_id,
                name=f"project-trial/{cluster_id}",
                version=version,
                audience=f"https://moorage.dev/clusters/{cluster_id}",
                namespace="project-trial",
                kwok_config=kwok_config(),
            ),
        )

    return make
