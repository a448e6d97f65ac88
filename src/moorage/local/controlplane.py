"""A control plane as programs: which binaries run with which flags. Pure; nothing is read or started here.

The management cluster and every user cluster are made by the same functions, so that they are alike: TLS and
client certificates everywhere, the Node and RBAC authorizers, an audit log, Secrets encrypted at rest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from moorage.local.pki import PkiFolder
from moorage.local.ports import LOOPBACK
from moorage.local.programs import Program

API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"
ETCD = "etcd"

SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
POD_CIDR = "10.128.0.0/10"
_SPARE_POD_CIDR = "10.192.0.0/16"

KUBELET_SELECTOR = "local.moorage.dev/kubelet=running"

_CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,"
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,"
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
)


@dataclass(frozen=True, slots=True)
class EtcdClient:
    """How an API server reaches etcd."""

    endpoint: str
    pki: PkiFolder
    user: str


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """One cluster's control plane.

    Args:
        id: unique on the platform; begins the names of its programs.
        folder: its files: configuration, kubeconfigs, audit log.
        pki: its authorities, certificates and keys.
        ports: a port for each of its components, by the component's name.
        binaries: the executables, by name.
        etcd: where its objects are stored, below ``etcd_prefix``.
        emulated_version: the minor that it serves (``1.36``), when that is not the binaries' own.
        audit_webhook: where its audit events are sent, and as whom, beside the file that they are kept in.
    """

    id: str
    folder: Path
    pki: PkiFolder
    ports: Mapping[str, int]
    binaries: Mapping[str, Path]
    etcd: EtcdClient
    etcd_prefix: str
    emulated_version: str | None = None
    audit_webhook: Path | None = None

    @property
    def server(self) -> str:
        """The address of its API server."""
        return f"https://{LOOPBACK}:{self.ports[API_SERVER]}"

    def program(self, component: str) -> str:
        """The name of a component's program."""
        return f"{self.id}.{component}"

    def kubeconfig(self, component: str) -> Path:
        """Where a component's kubeconfig is."""
        return self.folder / f"{component}.kubeconfig"


def api_server(plane: ControlPlane) -> Program:
    """Return the API server."""
    pki, etcd = plane.pki, plane.etcd
    flags = {
        "advertise-address": LOOPBACK,
        "allow-privileged": "true",
        "audit-log-maxbackup": "3",
        "audit-log-maxsize": "50",
        "audit-log-path": plane.folder / "audit.log",
        "audit-policy-file": plane.folder / "audit-policy.yaml",
        "authentication-config": plane.folder / "authentication.yaml",
        "authorization-mode": "Node,RBAC",
        "bind-address": LOOPBACK,
        "client-ca-file": pki.certificate("ca"),
        "enable-admission-plugins": "NodeRestriction",
        "encryption-provider-config": plane.folder / "encryption.yaml",
        # The endpoints of the Service `kubernetes` would be a loopback address, which is not allowed.
        "endpoint-reconciler-type": "none",
        "etcd-cafile": etcd.pki.certificate("ca"),
        "etcd-certfile": etcd.pki.certificate(etcd.user),
        "etcd-keyfile": etcd.pki.key(etcd.user),
        "etcd-prefix": plane.etcd_prefix,
        "etcd-servers": etcd.endpoint,
        "event-ttl": "3h",
        "profiling": "false",
        "proxy-client-cert-file": pki.certificate("front-proxy-client"),
        "proxy-client-key-file": pki.key("front-proxy-client"),
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-client-ca-file": pki.certificate("front-proxy-ca"),
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "secure-port": plane.ports[API_SERVER],
        "service-account-issuer": plane.server,
        "service-account-key-file": pki.path / "service-account.pub",
        "service-account-signing-key-file": pki.key("service-account"),
        "service-cluster-ip-range": SERVICE_CIDR,
        "shutdown-delay-duration": "0s",
        "tls-cert-file": pki.certificate(API_SERVER),
        "tls-cipher-suites": _CIPHERS,
        "tls-min-version": "VersionTLS12",
        "tls-private-key-file": pki.key(API_SERVER),
        **_audit_webhook(plane),
        **_emulation(plane),
    }
    # Told to end, it waits a minute for its watchers to leave, who do not. What it has answered is in etcd.
    return _program(plane, API_SERVER, flags, settle_seconds=5, stop_seconds=2, order=20)


def controller_manager(plane: ControlPlane) -> Program:
    """Return Kubernetes' own controllers."""
    pki = plane.pki
    flags = {
        **_serving(plane, CONTROLLER_MANAGER),
        "allocate-node-cidrs": "true",
        "cluster-cidr": POD_CIDR,
        "cluster-signing-cert-file": pki.certificate("ca"),
        "cluster-signing-key-file": pki.key("ca"),
        "node-cidr-mask-size": "24",
        "root-ca-file": pki.certificate("ca"),
        "service-account-private-key-file": pki.key("service-account"),
        "service-cluster-ip-range": SERVICE_CIDR,
        "use-service-account-credentials": "true",
        **_emulation(plane),
    }
    return _program(plane, CONTROLLER_MANAGER, flags)


def scheduler(plane: ControlPlane) -> Program:
    """Return the scheduler."""
    return _program(plane, SCHEDULER, {**_serving(plane, SCHEDULER), **_emulation(plane)})


def kwok(plane: ControlPlane, config: Iterable[Path]) -> Program:
    """Return kwok, which plays the kubelets of the nodes that are labelled for it, by these files."""
    pki = plane.pki
    flags = {
        # For Pods of a node that has no range of its own yet.
        "cidr": _SPARE_POD_CIDR,
        "kubeconfig": plane.kubeconfig(KWOK),
        # By label, not by annotation: when the label goes, kwok lets go of the node.
        "manage-nodes-with-label-selector": KUBELET_SELECTOR,
        "node-ip": LOOPBACK,
        "node-lease-duration-seconds": "40",
        "server-address": f"{LOOPBACK}:{plane.ports[KWOK]}",
        "tls-cert-file": pki.certificate(KWOK),
        "tls-private-key-file": pki.key(KWOK),
        # It warns of every node without a Pod, seven times, whenever it is asked for metrics.
        "v": "ERROR",
    }
    program = _program(plane, KWOK, flags)
    starter = (
        sys.executable,
        "-I",
        "-S",
        str(Path(__file__).with_name("kubelets.py")),
        f"--server={plane.server}",
        f"--authority={pki.certificate('ca')}",
        f"--certificate={pki.certificate(KWOK)}",
        f"--key={pki.key(KWOK)}",
        "--",
    )
    files = (f"--config={path}" for path in config)
    return replace(program, argv=(*starter, *program.argv, *files))


def etcd(data: Path, pki: PkiFolder, binary: Path, *, client_port: int, peer_port: int) -> Program:
    """Return the etcd that all API servers of a platform share, each below a prefix of its own."""
    flags = {
        "advertise-client-urls": f"https://{LOOPBACK}:{client_port}",
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": "10m",
        "cert-file": pki.certificate("server"),
        "client-cert-auth": "true",
        "data-dir": data,
        "initial-advertise-peer-urls": f"https://{LOOPBACK}:{peer_port}",
        "initial-cluster": f"moorage=https://{LOOPBACK}:{peer_port}",
        "key-file": pki.key("server"),
        "listen-client-urls": f"https://{LOOPBACK}:{client_port}",
        "listen-peer-urls": f"https://{LOOPBACK}:{peer_port}",
        "log-level": "warn",
        "name": "moorage",
        "peer-cert-file": pki.certificate("server"),
        "peer-client-cert-auth": "true",
        "peer-key-file": pki.key("server"),
        "peer-trusted-ca-file": pki.certificate("ca"),
        "quota-backend-bytes": 8 * 1024**3,
        "snapshot-count": 10000,
        "trusted-ca-file": pki.certificate("ca"),
    }
    return Program(ETCD, _argv(binary, flags), settle_seconds=2, stop_seconds=15, order=10)


def _serving(plane: ControlPlane, component: str) -> dict[str, object]:
    """Flags that the controller manager and the scheduler have in common."""
    pki, kubeconfig = plane.pki, plane.kubeconfig(component)
    return {
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": LOOPBACK,
        # Whom to believe is read from the cluster (extension-apiserver-authentication): a file would be
        # watched, and on most Linux systems a user may have 128 inotify instances in all.
        "kubeconfig": kubeconfig,
        # One process each, kept by the supervisor: an election would only cost writes.
        "leader-elect": "false",
        "profiling": "false",
        "secure-port": plane.ports[component],
        "tls-cert-file": pki.certificate(component),
        "tls-private-key-file": pki.key(component),
    }


def _audit_webhook(plane: ControlPlane) -> dict[str, object]:
    """Flags by which audit events are sent: soon, in lists, and again for a minute when nobody takes them."""
    if plane.audit_webhook is None:
        return {}
    return {
        "audit-webhook-batch-buffer-size": 20_000,
        "audit-webhook-batch-max-size": 400,
        "audit-webhook-batch-max-wait": "2s",
        "audit-webhook-config-file": plane.audit_webhook,
        # Five attempts, each after half as long again: 80 s in all.
        "audit-webhook-initial-backoff": "10s",
        "audit-webhook-mode": "batch",
        "audit-webhook-truncate-enabled": "true",
        "audit-webhook-truncate-max-batch-size": 10 * 1024**2,
        # Bodies are not needed; events without one are far smaller than this.
        "audit-webhook-truncate-max-event-size": 100 * 1024,
        "audit-webhook-version": "audit.k8s.io/v1",
    }


def _emulation(plane: ControlPlane) -> dict[str, object]:
    return {"emulated-version": plane.emulated_version} if plane.emulated_version else {}


def _program(
    plane: ControlPlane,
    component: str,
    flags: Mapping[str, object],
    *,
    settle_seconds: int = 2,
    stop_seconds: int = 10,
    order: int = 30,
) -> Program:
    return Program(
        plane.program(component),
        _argv(plane.binaries[component], flags),
        settle_seconds=settle_seconds,
        stop_seconds=stop_seconds,
        order=order,
    )


def _argv(binary: Path, flags: Mapping[str, object]) -> tuple[str, ...]:
    return (str(binary), *(f"--{name}={value}" for name, value in sorted(flags.items())))
