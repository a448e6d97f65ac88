"""A bare API server that writes an audit log."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from lightkube import AsyncClient

from ..kube.conftest import started
from .advice import PeopledApiServer

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitManagedFields": True,
    "rules": [{"level": "Metadata"}],
}


class AuditedApiServer(PeopledApiServer):
    """`audit_log` is what it writes."""

    @property
    def audit_log(self) -> Path:
        return self.root / "audit.log"

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        if name == "kube-apiserver":
            policy = self.root / "policy.yaml"
            policy.write_text(yaml.safe_dump(POLICY))
            arguments += (f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}")
        return super()._spawn(name, *arguments)


@pytest.fixture(scope="session")
async def audited() -> AsyncIterator[AuditedApiServer]:
    """One for all tests here."""
    async with started(AuditedApiServer) as server:
        yield server


@pytest.fixture
async def client(audited: AuditedApiServer) -> AsyncIterator[AsyncClient]:
    async with audited.client() as client:
        yield client
