"""The receiver of audit events as a process, and an API server that sends to it."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import httpx2
import yaml

from moorage.advisors.audit.counts import Counts
from moorage.advisors.evidence import engine
from moorage.kube.objects import poll
from moorage.local import kubeconfig
from moorage.local.pki import Leaf, PkiFolder

from ..kube.conftest import LOOPBACK, free_port
from .conftest import AuditedApiServer

CLUSTER = "web-0123456789"
READY_SECONDS = 30


class ReceiverProcess:
    """``python -m moorage.advisors.audit``, which a test may kill."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port, self.health_port = free_port(), free_port()
        self.clusters = root / "clusters"
        self.database = root / "evidence" / "evidence.db"
        self.pki = PkiFolder(root / "pki")
        self._authority = self.pki.authority("ca", "audit CA")
        self.pki.leaf("server", self._authority, Leaf("audit", hosts=(LOOPBACK,), client=False))
        self._process: subprocess.Popen[bytes] | None = None

    def admit(self, cluster: str) -> Path:
        """Let a cluster send; return the configuration for its API server."""
        (self.clusters / cluster).mkdir(parents=True, exist_ok=True)
        self.pki.leaf(cluster, self._authority, Leaf(cluster))
        server = f"https://{LOOPBACK}:{self.port}/clusters/{cluster}"
        path = self.root / f"{cluster}.kubeconfig"
        path.write_text(yaml.safe_dump(kubeconfig.by_files(server, self.pki, cluster)))
        return path

    def counts(self) -> Counts:
        return Counts(engine(self.database))

    def _spawn(self) -> None:
        with (self.root / "receiver.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "moorage.advisors.audit",
                    f"--port={self.port}",
                    f"--health-port={self.health_port}",
                    f"--cert-file={self.pki.certificate('server')}",
                    f"--key-file={self.pki.key('server')}",
                    f"--ca-file={self.pki.certificate('ca')}",
                    f"--clusters={self.clusters}",
                    f"--spool={self.root / 'evidence' / 'spool'}",
                    f"--database={self.database}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(os.environ),
            )

    async def start(self) -> None:
        self._spawn()

        async def ready() -> bool | None:
            async with httpx2.AsyncClient(trust_env=False) as client:
                found = await client.get(f"http://{LOOPBACK}:{self.health_port}/readyz")
            return True if found.status_code == 200 else None

        found = await poll(ready, timeout_seconds=READY_SECONDS, tolerate=(httpx2.HTTPError,))
        assert found, (self.root / "receiver.log").read_text()[-4000:]

    def kill(self) -> None:
        """Kill -9 it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        if self._process is not None:
            self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(20)
        self._process = None


class SendingApiServer(AuditedApiServer):
    """Writes its audit log, and sends the same to a receiver."""

    config_file: Path

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        if name == "kube-apiserver":
            arguments += (
                f"--audit-webhook-config-file={self.config_file}",
                "--audit-webhook-mode=batch",
                "--audit-webhook-batch-max-wait=200ms",
                "--audit-webhook-batch-max-size=50",
                "--audit-webhook-initial-backoff=2s",
                "--audit-webhook-truncate-enabled=true",
            )
        return super()._spawn(name, *arguments)


def context(pki: PkiFolder, name: str | None) -> ssl.SSLContext:
    """What a client needs that shows the certificate of a name, or none."""
    found = ssl.create_default_context(cafile=str(pki.certificate("ca")))
    if name is not None:
        found.load_cert_chain(str(pki.certificate(name)), str(pki.key(name)))
    return found
