"""Declaring clusters, waiting for what becomes of them, and entering them as somebody."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from lightkube import AsyncClient
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.models.authorization_v1 import ResourceAttributes, SelfSubjectAccessReviewSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.authorization_v1 import SelfSubjectAccessReview
from lightkube.resources.core_v1 import ServiceAccountToken

from moorage.api.meta import project_namespace
from moorage.clusters.kubeconfig import Kubeconfig
from moorage.clusters.names import member_account, token_audience
from moorage.kube.client import connect
from moorage.kube.kinds import KUBERNETES_CLUSTER, SECRET, Kind, Object
from moorage.kube.objects import apply, get, merge_patch, poll
from moorage.local import kubeconfig
from moorage.local.home import Home

READY_SECONDS = 240
SOON_SECONDS = 60
MANAGER = "test"


def pool(name: str = "main", replicas: int | None = 1, **more: Any) -> Object:
    declared = {"name": name, "machineType": "small", **more}
    return declared if replicas is None else {**declared, "replicas": replicas}


async def declare(admin: AsyncClient, project: str, name: str = "web", *pools: Object, **spec: Any) -> Object:
    """Declare a cluster, as `kubectl apply --server-side` does."""
    namespace = project_namespace(project)
    declared = {"version": "1.36", "provider": "local", "nodePools": list(pools), **spec}
    metadata = {"name": name, "namespace": namespace}
    return await apply(
        admin, KUBERNETES_CLUSTER, {"metadata": metadata, "spec": declared}, field_manager=MANAGER
    )


async def patch(admin: AsyncClient, project: str, name: str, spec: Object) -> Object | None:
    return await merge_patch(
        admin, KUBERNETES_CLUSTER, name, project_namespace(project), {"spec": spec}, field_manager=MANAGER
    )


async def see(admin: AsyncClient, project: str, name: str = "web") -> Object | None:
    return await get(admin, KUBERNETES_CLUSTER, name, project_namespace(project))


def condition(obj: Object | None, name: str) -> Object:
    conditions = ((obj or {}).get("status") or {}).get("conditions") or ()
    return next((item for item in conditions if item["type"] == name), {})


def is_current(obj: Object) -> bool:
    """Say whether a status is about what is declared now."""
    return bool((obj.get("status") or {}).get("observedGeneration") == obj["metadata"]["generation"])


def settled(obj: Object) -> bool:
    """Say whether a cluster is ready and as it is declared."""
    return is_current(obj) and all(
        condition(obj, name).get("status") == "True" for name in ("Ready", "UpToDate", "AccessReady")
    )


async def until(
    admin: AsyncClient,
    project: str,
    name: str,
    expected: Callable[[Object], bool],
    *,
    timeout_seconds: float = READY_SECONDS,
) -> Object:
    """Wait until a cluster is as expected, and return it."""

    async def look() -> Object | None:
        found = await see(admin, project, name)
        return found if found is not None and expected(found) else None

    found = await poll(look, timeout_seconds=timeout_seconds)
    assert found is not None, f"cluster {name} is not as expected: {await see(admin, project, name)}"
    return found


async def until_gone(admin: AsyncClient, kind: Kind, name: str, namespace: str | None = None) -> None:
    async def look() -> bool | None:
        return True if await get(admin, kind, name, namespace) is None else None

    assert await poll(look, timeout_seconds=READY_SECONDS), f"{kind} {name} does not go"


@asynccontextmanager
async def inside(admin: AsyncClient, project: str, name: str = "web") -> AsyncIterator[AsyncClient]:
    """Enter a cluster as the platform does."""
    async with connect(await admin_kubeconfig(admin, project, name)) as client:
        yield client


async def admin_kubeconfig(admin: AsyncClient, project: str, name: str) -> Kubeconfig:
    secret = await get(admin, SECRET, f"{name}-kubeconfig", project_namespace(project))
    assert secret is not None
    found: Kubeconfig = yaml.safe_load(b64decode(secret["data"]["value"]))
    return found


async def token_for(
    client: AsyncClient, project: str, user: str, *, cluster_uid: str | None = None, seconds: int = 3600
) -> str:
    """Ask for a member's token: for the management cluster, or for a user cluster."""
    audiences = [token_audience(cluster_uid)] if cluster_uid is not None else []
    answer = await client.create(
        ServiceAccountToken(
            metadata=ObjectMeta(), spec=TokenRequestSpec(audiences=audiences, expirationSeconds=seconds)
        ),
        member_account(user),
        namespace=project_namespace(project),
    )
    assert answer.status is not None
    return answer.status.token


async def may(client: AsyncClient, verb: str, resource: str, namespace: str = "", name: str = "") -> bool:
    """Ask an API server whether one may do something there; ``resource`` is RESOURCE.GROUP/SUBRESOURCE."""
    what, _, subresource = resource.partition("/")
    plural, _, group = what.partition(".")
    attributes = ResourceAttributes(
        verb=verb, group=group, resource=plural, subresource=subresource, namespace=namespace, name=name
    )
    review = SelfSubjectAccessReview(spec=SelfSubjectAccessReviewSpec(resourceAttributes=attributes))
    answer = await client.create(review)
    assert answer.status is not None
    return answer.status.allowed


def with_token(config: Kubeconfig, token: str) -> Kubeconfig:
    """The same server, entered with a token and nothing else."""
    [entry] = config["clusters"]
    cluster = dict(entry["cluster"])
    if path := cluster.pop("certificate-authority", None):
        cluster["certificate-authority-data"] = b64encode(Path(path).read_bytes()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "me", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
        "current-context": "it",
    }


@asynccontextmanager
async def as_member(
    platform: Home, admin: AsyncClient, project: str, user: str
) -> AsyncIterator[AsyncClient]:
    """Be a member in the management cluster."""
    token = await token_for(admin, project, user)
    async with connect(with_token(kubeconfig.load(platform.admin_kubeconfig), token)) as client:
        yield client
