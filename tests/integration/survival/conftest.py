"""A platform that is killed again and again, and a cluster whose nodes and Pods must outlive that."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager

import pytest

from moorage.api.meta import project_namespace
from moorage.kube.client import connect
from moorage.kube.kinds import CAPI_CLUSTER, DEPLOYMENT, PROJECT
from moorage.kube.objects import apply, create, get, poll
from moorage.local.home import Home
from moorage.local.platform import down, up
from moorage.providers.local.contract import parse_cluster

from ..clusters.helpers import MANAGER, SOON_SECONDS, admin_kubeconfig, declare, pool, settled, until
from .helpers import UserCluster, has_condition

NewHome = Callable[[], AbstractContextManager[Home]]


@pytest.fixture(scope="session")
async def platform(new_home: NewHome) -> AsyncIterator[Home]:
    """A platform that may be killed, in the place of the one that others share. Each test leaves it up."""
    with new_home() as home:
        await up(home)
        yield home
        await down(home, delete=True)
        assert not home.root.exists()


@pytest.fixture(scope="session")
async def web(platform: Home) -> UserCluster:
    """A cluster of one node on which two Pods run, for all tests here; it goes with the platform."""
    project = f"lasting-{secrets.token_hex(3)}"
    async with connect(platform.admin_kubeconfig) as admin:
        await create(admin, PROJECT, {"metadata": {"name": project}}, field_manager=MANAGER)

        async def ready() -> bool | None:
            return has_condition(await get(admin, PROJECT, project), "Ready") or None

        assert await poll(ready, timeout_seconds=SOON_SECONDS)
        await declare(admin, project, "web", pool("main", 1))
        await until(admin, project, "web", settled)
        made = await get(admin, CAPI_CLUSTER, "web", project_namespace(project))
        assert made is not None
        config = await admin_kubeconfig(admin, project, "web")
    cluster = UserCluster(project, "web", parse_cluster(made).id, config)
    labels = {"app": "lasting"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "it", "image": "it"}]}}
    deployment = {
        "metadata": {"name": "lasting", "namespace": "default"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }
    async with connect(config) as inside:
        await apply(inside, DEPLOYMENT, deployment, field_manager=MANAGER)
    await cluster.until_well(pods=2)
    return cluster
