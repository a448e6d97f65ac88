"""A real API server for a moment: of an older minor too, with every API switched on; it leaves nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Final

import httpx2

from moorage.advisors.apis.versions import Version, shown
from moorage.errors import MoorageError
from moorage.local.pki import KeyPair, Leaf, PkiFolder, new_signing_key, public_key
from moorage.toolchain import locate

PROGRAMS: Final = ("etcd", "kube-apiserver")
MINORS_BACK: Final = 3
"""How many minors before its own an API server serves as they were."""

_NOT_NEEDED: Final = (
    "NamespaceLifecycle", "Priority", "RuntimeClass", "ServiceAccount", "StorageObjectInUseProtection",
)  # fmt: skip
_LOOPBACK: Final = "127.0.0.1"
_READY_SECONDS: Final = 90.0
_POLL_SECONDS: Final = 0.1
_ANSWER_SECONDS: Final = 30.0
_END_SECONDS: Final = 10.0
_LAST_BYTES: Final = 1500


class ScratchError(MoorageError):
    """The API server does not start."""


@asynccontextmanager
async def api_server(minor: Version | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client of an API server that is gone afterwards, with all that it kept.

    Args:
        minor: the version of Kubernetes that it serves; its own without.

    Raises:
        ScratchError: it does not start, or not in time.
    """
    binaries = {name: locate(name) for name in PROGRAMS}
    with tempfile.TemporaryDirectory(prefix="moorage-apis-") as folder:
        root = Path(folder)
        started: list[subprocess.Popen[bytes]] = []
        try:
            port = _free_port()
            pki = _pki(root)
            started.append(_start(root, "etcd", binaries["etcd"], _etcd_flags(root)))
            flags = _server_flags(root, pki, port, minor)
            started.append(_start(root, "kube-apiserver", binaries["kube-apiserver"], flags))
            async with _client(pki, port) as client:
                await _await_ready(client, started[-1], root)
                yield client
        finally:
            for process in reversed(started):
                await asyncio.to_thread(_end, process)


def _etcd_flags(root: Path) -> Mapping[str, object]:
    # Sockets in a private folder: nobody else on the machine reaches what is kept for the moment.
    client, peer = f"unix://{root / 'e.sock'}", f"unix://{root / 'p.sock'}"
    return {
        "advertise-client-urls": client,
        "data-dir": root / "etcd",
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "listen-client-urls": client,
        "listen-peer-urls": peer,
        "log-level": "error",
        "unsafe-no-fsync": "true",
    }


def _server_flags(root: Path, pki: PkiFolder, port: int, minor: Version | None) -> Mapping[str, object]:
    return {
        "authorization-mode": "RBAC",
        "bind-address": _LOOPBACK,
        "client-ca-file": pki.certificate("ca"),
        # What objects need of one another is not there, nor is it needed to convert them.
        "disable-admission-plugins": ",".join(_NOT_NEEDED),
        "endpoint-reconciler-type": "none",
        "etcd-servers": f"unix://{root / 'e.sock'}",
        "runtime-config": "api/all=true",
        "secure-port": port,
        "service-account-issuer": f"https://{_LOOPBACK}:{port}",
        "service-account-key-file": pki.certificate("sa"),
        "service-account-signing-key-file": pki.key("sa"),
        "service-cluster-ip-range": "10.96.0.0/16",
        "shutdown-delay-duration": "0s",
        "tls-cert-file": pki.certificate("server"),
        "tls-private-key-file": pki.key("server"),
        **({"emulated-version": shown(minor)} if minor else {}),
    }


def _pki(root: Path) -> PkiFolder:
    pki = PkiFolder(root / "pki")
    authority = pki.authority("ca", "moorage-scratch")
    pki.leaf("server", authority, Leaf("kube-apiserver", hosts=(_LOOPBACK,)))
    pki.leaf("admin", authority, Leaf("admin", ("system:masters",)))
    pki.save("sa", KeyPair(b"", new_signing_key()))
    pki.certificate("sa").write_bytes(public_key(pki.key("sa").read_bytes()))
    return pki


def _client(pki: PkiFolder, port: int) -> httpx2.AsyncClient:
    context = ssl.create_default_context(cafile=str(pki.certificate("ca")))
    context.load_cert_chain(str(pki.certificate("admin")), str(pki.key("admin")))
    return httpx2.AsyncClient(
        base_url=f"https://{_LOOPBACK}:{port}", verify=context, timeout=_ANSWER_SECONDS, trust_env=False
    )


def _start(root: Path, name: str, binary: Path, flags: Mapping[str, object]) -> subprocess.Popen[bytes]:
    arguments = [str(binary), *(f"--{flag}={value}" for flag, value in sorted(flags.items()))]
    with (root / f"{name}.log").open("ab") as log:
        try:
            return subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=root,
                env={"PATH": os.environ.get("PATH", "")},
            )
        except OSError as error:
            raise ScratchError(f"{binary} cannot be run: {error.strerror or error}") from error


async def _await_ready(client: httpx2.AsyncClient, process: subprocess.Popen[bytes], root: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(httpx2.HTTPError):
            if (await client.get("/readyz")).is_success:
                return
        await asyncio.sleep(_POLL_SECONDS)
    said = (root / "kube-apiserver.log").read_bytes()[-_LAST_BYTES:].decode("utf-8", "replace").split("\n")
    raise ScratchError(
        f"the API server for conversions does not start: {' '.join(said[-3:]).strip()}",
        hint="without --convert, only what is the same in both versions is converted",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])
