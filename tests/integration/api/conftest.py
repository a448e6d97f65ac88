"""An API server that serves our kinds."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest
from lightkube import AsyncClient

from moorage.api.crd import custom_resource_definitions
from moorage.kube.kinds import CRD, Object
from moorage.kube.objects import apply, get, poll
from moorage.toolchain import ensure

ESTABLISHED_SECONDS = 60


def _bare() -> ModuleType:
    """The bare API server of the tests of `moorage.kube`."""
    path = Path(__file__).parents[1] / "kube" / "conftest.py"
    spec = importlib.util.spec_from_file_location("bare_api_server", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
async def api_client() -> AsyncIterator[AsyncClient]:
    """A client of an API server that has our CRDs, all of them established."""
    binaries = await ensure(["etcd", "kube-apiserver"])
    with tempfile.TemporaryDirectory(prefix="moorage-api-") as folder:
        server = _bare().BareApiServer(Path(folder), binaries)
        try:
            server.start_etcd()
            await server.start()
            async with server.client() as client:
                for definition in custom_resource_definitions():
                    await apply(client, CRD, definition, field_manager="test")
                    await established(client, definition["metadata"]["name"])
                yield client
        finally:
            server.stop()


async def established(client: AsyncClient, name: str) -> None:
    async def look() -> Object | None:
        found = await get(client, CRD, name) or {}
        conditions = found.get("status", {}).get("conditions") or ()
        return (
            found if any(c["type"] == "Established" and c["status"] == "True" for c in conditions) else None
        )

    assert await poll(look, timeout_seconds=ESTABLISHED_SECONDS), f"{name} is not established"
