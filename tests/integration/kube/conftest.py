"""A bare API server, whose processes a test may kill."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TypeVar

import pytest
import yaml
from lightkube import AsyncClient

from moorage.kube.client import connect
from moorage.kube.kinds import NAMESPACE
from moorage.kube.objects import create, get, poll
from moorage.local.pki import KeyPair, Leaf, PkiFolder, new_signing_key, public_key
from moorage.toolchain import ensure

LOOPBACK = "127.0.0.1"
READY_SECONDS = 60


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


class BareApiServer:
    """etcd and API servers, without anything else; `kubeconfig` is an administrator's."""

    def __init__(self, root: Path, binaries: dict[str, Path]) -> None:
        self.root = root
        self.kubeconfig = root / "kubeconfig"
        self.port = free_port()
        self._binaries = binaries
        self._etcd_port = free_port()
        self._etcd: subprocess.Popen[bytes] | None = None
        self._servers: dict[int, subprocess.Popen[bytes]] = {}
        self._pki = PkiFolder(root / "pki")
        authority = self._pki.authority("ca", "bare-ca")
        self._pki.leaf("server", authority, Leaf("kube-apiserver", hosts=(LOOPBACK,)))
        self._admin = self._pki.leaf("admin", authority, Leaf("admin", ("system:masters",)))
        self._pki.save("sa", KeyPair(b"", new_signing_key()))
        self._pki.certificate("sa").write_bytes(public_key(self._pki.key("sa").read_bytes()))
        self.kubeconfig.write_text(yaml.safe_dump(self.config(self.port)))

    def config(self, port: int) -> dict[str, object]:
        cluster = {"server": f"https://{LOOPBACK}:{port}", "certificate-authority": "pki/ca.crt"}
        user = {"client-certificate": "pki/admin.crt", "client-key": "pki/admin.key"}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "bare",
            "clusters": [{"name": "bare", "cluster": cluster}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "bare", "context": {"cluster": "bare", "user": "admin"}}],
        }

    def client(self, port: int | None = None) -> AsyncClient:
        kubeconfig = self.root / f"kubeconfig-{port or self.port}"
        kubeconfig.write_text(yaml.safe_dump(self.config(port or self.port)))
        return connect(kubeconfig)

    def start_etcd(self) -> None:
        client, peer = f"http://{LOOPBACK}:{self._etcd_port}", f"http://{LOOPBACK}:{free_port()}"
        self._etcd = self._spawn(
            "etcd",
            f"--data-dir={self.root / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )

    async def start(self, port: int | None = None) -> None:
        """Start an API server, on its own port or (a second way in) on another; wait until it is ready."""
        port = port or self.port
        self._servers[port] = self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://{LOOPBACK}:{self._etcd_port}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={port}",
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--client-ca-file={self._pki.certificate('ca')}",
            f"--tls-cert-file={self._pki.certificate('server')}",
            f"--tls-private-key-file={self._pki.key('server')}",
            "--service-account-issuer=https://bare.test",
            f"--service-account-key-file={self._pki.certificate('sa')}",
            f"--service-account-signing-key-file={self._pki.key('sa')}",
        )
        async with self.client(port) as client:

            async def default_namespace() -> object:
                return await get(client, NAMESPACE, "default")

            found = await poll(default_namespace, timeout_seconds=READY_SECONDS, tolerate=(Exception,))
            assert found, (self.root / "kube-apiserver.log").read_text()[-4000:]

    def kill(self, port: int | None = None) -> None:
        """Kill -9 an API server."""
        server = self._servers.pop(port or self.port)
        server.send_signal(signal.SIGKILL)
        server.wait()

    def stop(self) -> None:
        for port in list(self._servers):
            self.kill(port)
        if self._etcd:
            self._etcd.kill()
            self._etcd.wait()

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.root / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [self._binaries[name], *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.root,
                env={"PATH": os.environ["PATH"], "GOGC": "50"},
            )


Server = TypeVar("Server", bound=BareApiServer)


@asynccontextmanager
async def started(kind: type[Server]) -> AsyncIterator[Server]:
    """Start an API server and its etcd; nothing of them is left afterwards."""
    binaries = await ensure(["etcd", "kube-apiserver"])
    with tempfile.TemporaryDirectory(prefix="moorage-bare-") as folder:
        server = kind(Path(folder), binaries)
        try:
            server.start_etcd()
            await server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
async def bare() -> AsyncIterator[BareApiServer]:
    """One for all tests here; a test that kills the API server starts it again."""
    async with started(BareApiServer) as server:
        yield server


@pytest.fixture
async def client(bare: BareApiServer) -> AsyncIterator[AsyncClient]:
    async with bare.client() as client:
        yield client


@pytest.fixture
async def namespace(client: AsyncClient, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-") + f"-{secrets.token_hex(3)}"
    await create(client, NAMESPACE, {"metadata": {"name": name}}, field_manager="test")
    return name
