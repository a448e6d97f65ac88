"""One running platform for all integration tests; each test takes a project of its own in it."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from lightkube import AsyncClient

from moorage.api.meta import project_namespace
from moorage.kube.client import connect
from moorage.kube.kinds import KUBERNETES_CLUSTER, PROJECT
from moorage.kube.objects import create, delete, get, list_objects, poll
from moorage.local.home import Home
from moorage.local.platform import down, up
from moorage.local.supervisor import in_thread
from moorage.toolchain import ensure

READY_SECONDS = 60
DELETION_SECONDS = 120
KUBECTL_SECONDS = 60

NewHome = Callable[[], AbstractContextManager[Home]]
Kubectl = Callable[..., Coroutine[None, None, "subprocess.CompletedProcess[str]"]]


@pytest.fixture(scope="session")
async def platform(new_home: NewHome) -> AsyncIterator[Home]:
    """A platform that is up, for the whole session. Tests that stop or break one take one of their own."""
    with new_home() as home:
        try:
            await up(home)
            yield home
        finally:
            await down(home, delete=True)


@pytest.fixture
async def admin(platform: Home) -> AsyncIterator[AsyncClient]:
    """The platform team's client of the management cluster."""
    async with connect(platform.admin_kubeconfig) as client:
        yield client


@pytest.fixture
async def project(admin: AsyncClient, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The name of a project that is ready and the test's own; it goes with all its clusters."""
    words = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    name = f"{words[:24].strip('-')}-{secrets.token_hex(3)}"
    await create(admin, PROJECT, {"metadata": {"name": name}}, field_manager="test")
    try:
        assert await poll(lambda: _ready(admin, name), timeout_seconds=READY_SECONDS), (
            f"project {name} is not ready: {await get(admin, PROJECT, name)}"
        )
        yield name
    finally:
        await _remove(admin, name)


@pytest.fixture(scope="session")
async def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """`await kubectl(kubeconfig, "get", "nodes")`: run the real kubectl.

    It must succeed unless `check=False` is given. The answer has `stdout`, `stderr` and `returncode`.
    """
    binary = (await ensure(["kubectl"]))["kubectl"]
    cache = tmp_path_factory.mktemp("kubectl-cache")

    async def run(
        kubeconfig: Path, *args: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        def work() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [binary, f"--kubeconfig={kubeconfig}", *args],
                input=stdin or "",
                capture_output=True,
                text=True,
                timeout=KUBECTL_SECONDS,
                check=False,
                env={**os.environ, "KUBECACHEDIR": str(cache)},
            )

        done = await in_thread(work)
        assert not check or done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr or done.stdout}"
        return done

    return run


async def _ready(admin: AsyncClient, name: str) -> bool | None:
    found = await get(admin, PROJECT, name) or {}
    conditions = found.get("status", {}).get("conditions") or ()
    return True if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) else None


async def _remove(admin: AsyncClient, name: str) -> None:
    namespace = project_namespace(name)

    async def no_clusters() -> bool | None:
        return None if await list_objects(admin, KUBERNETES_CLUSTER, namespace=namespace) else True

    for cluster in await list_objects(admin, KUBERNETES_CLUSTER, namespace=namespace):
        await delete(admin, KUBERNETES_CLUSTER, cluster["metadata"]["name"], namespace)
    assert await poll(no_clusters, timeout_seconds=DELETION_SECONDS), f"clusters of {name} do not go"
    # Kubernetes takes its time (5 s and more) to empty a namespace; nobody has to wait for it.
    await delete(admin, PROJECT, name)
