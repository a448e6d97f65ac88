"""One user cluster on the session's platform, for all tests of the local provider."""

from __future__ import annotations

import secrets
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from lightkube import AsyncClient

from moorage.api.meta import project_namespace
from moorage.kube.client import connect
from moorage.kube.kinds import (
    CAPI_CLUSTER,
    KUBERNETES_CLUSTER,
    LOCAL_MACHINE,
    MACHINE,
    NODE,
    PROJECT,
    SECRET,
    Kind,
    Object,
)
from moorage.kube.objects import create, delete, get, list_objects, merge_patch, poll
from moorage.local.home import Home
from moorage.providers.local.contract import parse_cluster
from moorage.providers.local.injection import Cluster

MANAGER = "test"
READY_SECONDS = 240.0
SOON_SECONDS = 60.0
CLUSTER = "web"
POOL = "main"


@dataclass(frozen=True)
class UserCluster:
    """A cluster of the local provider, from outside and from inside."""

    management: AsyncClient
    inside: AsyncClient
    namespace: str
    id: str

    @property
    def target(self) -> Cluster:
        return Cluster(self.namespace, CLUSTER)

    async def scale(self, nodes: int) -> None:
        pools = [{"name": POOL, "machineType": "small", "replicas": nodes}]
        await merge_patch(
            self.management,
            KUBERNETES_CLUSTER,
            CLUSTER,
            self.namespace,
            {"spec": {"nodePools": pools}},
            field_manager=MANAGER,
        )

    async def machines(self) -> list[Object]:
        return await list_objects(self.management, MACHINE, self.namespace)

    async def local_machines(self) -> list[Object]:
        return await list_objects(self.management, LOCAL_MACHINE, self.namespace)

    async def nodes(self) -> list[Object]:
        return await list_objects(self.inside, NODE)

    async def node(self, name: str) -> Object | None:
        return await get(self.inside, NODE, name)

    async def ready_nodes(self, count: int) -> list[Object]:
        """Wait until there are so many nodes, all of them ready, initialized, and none on its way out."""

        async def look() -> list[Object] | None:
            nodes = await self.nodes()
            settled = all(
                status_of(node, "Ready") == "True" and not taints_of(node) & UNSETTLED for node in nodes
            )
            return nodes if settled and len(nodes) == count else None

        found = await poll(look, timeout_seconds=READY_SECONDS)
        assert found is not None, [(n["metadata"]["name"], taints_of(n)) for n in await self.nodes()]
        return found


UNSETTLED = frozenset(
    {
        "node.cluster.x-k8s.io/uninitialized",
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
        "node.kubernetes.io/disk-pressure",
    }
)


def status_of(obj: Object | None, type_: str) -> str | None:
    for item in ((obj or {}).get("status") or {}).get("conditions") or ():
        if item["type"] == type_:
            return str(item["status"])
    return None


def reason_of(obj: Object | None, type_: str) -> str | None:
    for item in ((obj or {}).get("status") or {}).get("conditions") or ():
        if item["type"] == type_:
            return str(item["reason"])
    return None


def taints_of(node: Object) -> set[str]:
    return {taint["key"] for taint in node["spec"].get("taints") or ()}


async def eventually(
    look: Callable[[], Awaitable[Any]], *, timeout_seconds: float = SOON_SECONDS, what: str = ""
) -> Any:
    """Wait until a look finds something true, and return it."""

    async def found() -> Any:
        return await look() or None

    value = await poll(found, timeout_seconds=timeout_seconds, interval_seconds=0.2)
    assert value is not None, what or "it did not come to be"
    return value


async def gone(client: AsyncClient, kind: Kind, name: str, namespace: str | None = None) -> bool:
    return await get(client, kind, name, namespace) is None


@pytest.fixture(scope="module")
async def management(platform: Home) -> AsyncIterator[AsyncClient]:
    """The platform team's client of the management cluster."""
    async with connect(platform.admin_kubeconfig) as client:
        yield client


@pytest.fixture(scope="module")
async def namespace(management: AsyncClient) -> AsyncIterator[str]:
    """The namespace of a project that these tests have to themselves."""
    name = f"provider-{secrets.token_hex(3)}"
    await create(management, PROJECT, {"metadata": {"name": name}}, field_manager=MANAGER)

    async def look() -> bool:
        return status_of(await get(management, PROJECT, name), "Ready") == "True"

    await eventually(look, what=f"project {name} is not ready")
    try:
        yield project_namespace(name)
    finally:
        for cluster in await list_objects(management, KUBERNETES_CLUSTER, project_namespace(name)):
            await remove(management, project_namespace(name), cluster["metadata"]["name"])
        await delete(management, PROJECT, name)


@pytest.fixture(scope="module")
async def cluster(management: AsyncClient, namespace: str) -> AsyncIterator[UserCluster]:
    """A cluster of three nodes. Each test leaves it as it has found it."""
    made = await declare(management, namespace, CLUSTER, nodes=3)
    await ready(management, namespace, CLUSTER)
    secret = await get(management, SECRET, f"{CLUSTER}-kubeconfig", namespace)
    assert secret is not None
    config = yaml.safe_load(b64decode(secret["data"]["value"]))
    async with connect(config) as inside:
        found = UserCluster(management, inside, namespace, parse_cluster(made).id)
        await found.ready_nodes(3)
        yield found


async def declare(management: AsyncClient, namespace: str, name: str, *, nodes: int) -> Object:
    """Declare a cluster and return Cluster API's, which is at its beginning."""
    pools = [{"name": POOL, "machineType": "small", "replicas": nodes}]
    declared = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"version": "1.36", "nodePools": pools},
    }
    assert await create(management, KUBERNETES_CLUSTER, declared, field_manager=MANAGER)
    made: Object = await eventually(lambda: get(management, CAPI_CLUSTER, name, namespace))
    return made


async def ready(management: AsyncClient, namespace: str, name: str) -> None:
    """Wait until a cluster is ready."""

    async def look() -> bool:
        return status_of(await get(management, KUBERNETES_CLUSTER, name, namespace), "Ready") == "True"

    await eventually(look, timeout_seconds=READY_SECONDS, what=f"cluster {name} is not ready")


async def remove(management: AsyncClient, namespace: str, name: str) -> None:
    """Delete a cluster and wait until it is gone."""
    await delete(management, KUBERNETES_CLUSTER, name, namespace)
    await eventually(
        lambda: gone(management, KUBERNETES_CLUSTER, name, namespace),
        timeout_seconds=READY_SECONDS,
        what=f"cluster {name} does not go",
    )
