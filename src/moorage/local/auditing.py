"""Where the audit events of user clusters go: one receiver for all of them, beside the operator.

Its authority is its own. Each API server has a certificate that names its cluster, by which it can send that
cluster's events and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from moorage import __version__
from moorage.files import private_folder, write_if_changed
from moorage.local import kubeconfig
from moorage.local.home import Home
from moorage.local.pki import Leaf, PkiFolder
from moorage.local.ports import LOOPBACK, Ports
from moorage.local.probe import Probe
from moorage.local.programs import Program

AUDIT: Final = "audit"
AUDIT_HEALTH: Final = "audit/health"
AUDIT_PORTS: Final = (AUDIT, AUDIT_HEALTH)

_AUTHORITY: Final = "Moorage audit CA"
_SERVER: Final = "server"
_HOSTS: Final = (LOOPBACK, "localhost")


def audit_pki(home: Home) -> PkiFolder:
    """Return where the receiver's authority and certificates are."""
    return PkiFolder(home.pki / AUDIT)


def write_certificates(home: Home) -> None:
    """Write the receiver's authority and its certificate, where they are missing or about to expire."""
    pki = audit_pki(home)
    pki.leaf(_SERVER, pki.authority("ca", _AUTHORITY), Leaf("audit", hosts=_HOSTS, client=False))


def receiver(home: Home, ports: Mapping[str, int]) -> Program:
    """Return the receiver. Pure."""
    pki = audit_pki(home)
    argv = (
        sys.executable,
        "-m",
        "moorage.advisors.audit",
        f"--port={ports[AUDIT]}",
        f"--health-port={ports[AUDIT_HEALTH]}",
        f"--cert-file={pki.certificate(_SERVER)}",
        f"--key-file={pki.key(_SERVER)}",
        f"--ca-file={pki.certificate('ca')}",
        f"--clusters={home.clusters}",
        f"--spool={home.spool}",
        f"--database={home.evidence_database}",
    )
    environment = {"PYTHONUNBUFFERED": "1", "MOORAGE_VERSION": __version__}
    # Before the API servers of user clusters, and there until they have ended.
    return Program(AUDIT, argv, environment=environment, settle_seconds=2, stop_seconds=10, order=15)


def receiver_probe(ports: Mapping[str, int]) -> Probe:
    """Return where the receiver says how it is."""
    return Probe(f"http://{LOOPBACK}:{ports[AUDIT_HEALTH]}/readyz")


def webhook_config(home: Home, cluster_id: str, folder: Path) -> Path:
    """Write where a cluster's API server sends its events, and as whom; return the file.

    Certificates are named by their files: one that is renewed is picked up without a restart.
    """
    pki = audit_pki(home)
    pki.leaf(cluster_id, pki.authority("ca", _AUTHORITY), Leaf(cluster_id))
    port = Ports(home).claim([AUDIT])[AUDIT]
    server = f"https://{LOOPBACK}:{port}/clusters/{cluster_id}"
    path = private_folder(folder) / "audit-webhook.kubeconfig"
    write_if_changed(path, kubeconfig.render(kubeconfig.by_files(server, pki, cluster_id)))
    return path


def forget(home: Home, cluster_id: str) -> None:
    """Remove the certificate of a cluster that goes."""
    pki = audit_pki(home)
    pki.certificate(cluster_id).unlink(missing_ok=True)
    pki.key(cluster_id).unlink(missing_ok=True)
