"""The management plane as programs: etcd, the management cluster, Cluster API, the operator."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from moorage import __version__
from moorage.files import private_folder, replace_file
from moorage.local import controlplane
from moorage.local.auditing import AUDIT, AUDIT_PORTS, receiver, receiver_probe, write_certificates
from moorage.local.controlplane import API_SERVER, CONTROLLER_MANAGER, ETCD, ControlPlane, EtcdClient
from moorage.local.home import Home
from moorage.local.material import PLATFORM_ADMINS, ClusterKeys, component_users, write_material
from moorage.local.metrics import (
    METRICS,
    METRICS_BINARY,
    store,
    store_probe,
    write_metrics_config,
)
from moorage.local.pki import Leaf, PkiFolder
from moorage.local.ports import LOOPBACK, Ports
from moorage.local.probe import Probe
from moorage.local.programs import Program

MANAGEMENT = "management"
CLUSTER_API = "cluster-api"
CLUSTER_API_BINARY = "cluster-api-core"
OPERATOR = "operator"
ADMIN = "admin"
BINARIES = (
    ETCD,
    API_SERVER,
    CONTROLLER_MANAGER,
    controlplane.SCHEDULER,
    controlplane.KWOK,
    CLUSTER_API_BINARY,
    METRICS_BINARY,
)
MANAGEMENT_PROGRAMS = (
    ETCD,
    f"{MANAGEMENT}.{API_SERVER}",
    f"{MANAGEMENT}.{CONTROLLER_MANAGER}",
    CLUSTER_API,
    OPERATOR,
    AUDIT,
    METRICS,
)

_ETCD_PEER = "etcd/peer"
_CLUSTER_API_HEALTH = "cluster-api/health"
_CLUSTER_API_METRICS = "cluster-api/metrics"
_OPERATOR_HEALTH = "operator/health"
_PORTS = (
    ETCD,
    _ETCD_PEER,
    f"{MANAGEMENT}/{API_SERVER}",
    f"{MANAGEMENT}/{CONTROLLER_MANAGER}",
    CLUSTER_API,
    _CLUSTER_API_HEALTH,
    _CLUSTER_API_METRICS,
    OPERATOR,
    _OPERATOR_HEALTH,
    *AUDIT_PORTS,
    METRICS,
)
_ADVICE_SETTINGS = {
    "advice-window": "MOORAGE_ADVICE_WINDOW",
    "advice-interval": "MOORAGE_ADVICE_INTERVAL",
    "auto-watch": "MOORAGE_AUTO_WATCH",
}
"""How advice is made and followed on this platform: from the environment of `moorage up`."""

_FEATURES = "ClusterTopology=true,MachineTaintPropagation=true,ReconcilerRateLimiting=false"
_SERVER_HOSTS = (LOOPBACK, "localhost")


@dataclass(frozen=True, slots=True)
class ManagementPlane:
    """Everything that the management plane's programs are made of."""

    home: Home
    plane: ControlPlane
    ports: Mapping[str, int]
    binaries: Mapping[str, Path]

    @property
    def webhook_server(self) -> str:
        """Where Cluster API's webhooks listen."""
        return f"https://{LOOPBACK}:{self.ports[CLUSTER_API]}"

    @property
    def operator_server(self) -> str:
        """Where the operator's webhooks listen."""
        return f"https://{LOOPBACK}:{self.ports[OPERATOR]}"

    def etcd(self) -> Program:
        """Return etcd."""
        return controlplane.etcd(
            self.home.etcd_data,
            etcd_pki(self.home),
            self.binaries[ETCD],
            client_port=self.ports[ETCD],
            peer_port=self.ports[_ETCD_PEER],
        )

    def api_server(self) -> Program:
        """Return the management cluster's API server."""
        return controlplane.api_server(self.plane)

    def controllers(self) -> list[Program]:
        """Return what works on the management cluster's objects, and what is told of user clusters."""
        return [
            receiver(self.home, self.ports),
            controlplane.controller_manager(self.plane),
            self._cluster_api(),
            store(self.home, self.ports, self.binaries),
            self._operator(),
        ]

    def _cluster_api(self) -> Program:
        pki = self.plane.pki
        flags = {
            "additional-sync-machine-labels": ".+",
            "diagnostics-address": f"{LOOPBACK}:{self.ports[_CLUSTER_API_METRICS]}",
            "feature-gates": _FEATURES,
            "health-addr": f"{LOOPBACK}:{self.ports[_CLUSTER_API_HEALTH]}",
            "kubeconfig": self.plane.kubeconfig(CLUSTER_API),
            "leader-elect": "false",
            "webhook-cert-dir": pki.path,
            "webhook-cert-name": f"{CLUSTER_API}.crt",
            "webhook-key-name": f"{CLUSTER_API}.key",
            "webhook-port": self.ports[CLUSTER_API],
        }
        argv = (
            str(self.binaries[CLUSTER_API_BINARY]),
            *(f"--{name}={value}" for name, value in flags.items()),
        )
        names = {"POD_NAMESPACE": "capi-system", "POD_NAME": "capi-controller-manager", "POD_UID": "local"}
        return Program(CLUSTER_API, argv, environment=names, settle_seconds=5, order=40)

    def _operator(self) -> Program:
        argv = (
            sys.executable,
            "-m",
            "moorage.operator",
            f"--kubeconfig={self.plane.kubeconfig(OPERATOR)}",
            f"--webhook-port={self.ports[OPERATOR]}",
            f"--health-port={self.ports[_OPERATOR_HEALTH]}",
            f"--cert-file={self.plane.pki.certificate(OPERATOR)}",
            f"--key-file={self.plane.pki.key(OPERATOR)}",
            f"--ca-file={self.plane.pki.certificate('ca')}",
            f"--home={self.home.root}",
            *(
                f"--{flag}={value}"
                for flag, name in _ADVICE_SETTINGS.items()
                if (value := os.environ.get(name))
            ),
        )
        # Another Moorage is another operator: the version makes the program a changed one.
        environment = {"PYTHONUNBUFFERED": "1", "MOORAGE_VERSION": __version__}
        for name in ("MOORAGE_TOOLS", "XDG_CACHE_HOME"):
            if value := os.environ.get(name):
                # It runs in another folder than whoever calls `moorage up`.
                environment[name] = str(Path(value).expanduser().absolute())
        return Program(OPERATOR, argv, environment=environment, settle_seconds=3, stop_seconds=20, order=50)


def management_probes(home: Home, ports: Mapping[str, int]) -> dict[str, Probe]:
    """Return where each component of the management plane says how it is, by its program's name.

    Raises:
        KeyError: the platform was never started: there are no ports yet.
    """
    authority, pki = management_pki(home).certificate("ca"), etcd_pki(home)
    api, controllers = f"{MANAGEMENT}/{API_SERVER}", f"{MANAGEMENT}/{CONTROLLER_MANAGER}"
    return {
        ETCD: Probe(f"{_etcd_endpoint(ports)}/readyz", pki.certificate("ca"), (pki, MANAGEMENT)),
        f"{MANAGEMENT}.{API_SERVER}": Probe(f"https://{LOOPBACK}:{ports[api]}/readyz?verbose", authority),
        f"{MANAGEMENT}.{CONTROLLER_MANAGER}": Probe(
            f"https://{LOOPBACK}:{ports[controllers]}/healthz", authority
        ),
        CLUSTER_API: Probe(f"http://{LOOPBACK}:{ports[_CLUSTER_API_HEALTH]}/readyz"),
        OPERATOR: Probe(f"http://{LOOPBACK}:{ports[_OPERATOR_HEALTH]}/readyz"),
        AUDIT: receiver_probe(ports),
        METRICS: store_probe(home, ports),
    }


def etcd_pki(home: Home) -> PkiFolder:
    """Return where etcd's authority and certificates are."""
    return PkiFolder(home.pki / "etcd")


def management_pki(home: Home) -> PkiFolder:
    """Return where the management cluster's authorities and certificates are."""
    return PkiFolder(home.pki / MANAGEMENT)


def etcd_client(home: Home, user: str) -> EtcdClient:
    """Return how an API server reaches etcd, with a certificate of its own."""
    pki = etcd_pki(home)
    pki.leaf(user, pki.authority("ca", "Moorage etcd CA"), Leaf(user))
    return EtcdClient(_etcd_endpoint(Ports(home).claim([ETCD])), pki, user)


def management_issuer(home: Home) -> str:
    """Return who issues the management cluster's ServiceAccount tokens."""
    name = f"{MANAGEMENT}/{API_SERVER}"
    return f"https://{LOOPBACK}:{Ports(home).claim([name])[name]}"


def management_plane(home: Home, binaries: Mapping[str, Path]) -> ManagementPlane:
    """Choose what is to be chosen, write what the programs read, and return the plane."""
    ports = Ports(home).claim(_PORTS)
    authority = etcd_pki(home).authority("ca", "Moorage etcd CA")
    # etcd shows its certificate to itself, too: as a peer, and from its JSON gateway.
    etcd_pki(home).leaf("server", authority, Leaf("etcd", hosts=_SERVER_HOSTS))
    write_certificates(home)
    write_metrics_config(home)
    plane = ControlPlane(
        id=MANAGEMENT,
        folder=home.management,
        pki=management_pki(home),
        ports={name: ports[f"{MANAGEMENT}/{name}"] for name in (API_SERVER, CONTROLLER_MANAGER)},
        binaries=binaries,
        etcd=etcd_client(home, MANAGEMENT),
        etcd_prefix=f"/{MANAGEMENT}",
    )
    users = component_users([CONTROLLER_MANAGER]) | {
        CLUSTER_API: Leaf("moorage:cluster-api", hosts=_SERVER_HOSTS),
        OPERATOR: Leaf("moorage:operator", hosts=_SERVER_HOSTS),
        ADMIN: Leaf("moorage-admin", (PLATFORM_ADMINS,)),
    }
    private_folder(home.management)
    write_material(
        plane,
        _keys(management_pki(home), home.management),
        users,
        public_paths=("/.well-known/openid-configuration", "/openid/v1/jwks"),
    )
    return ManagementPlane(home, plane, ports, binaries)


def _etcd_endpoint(ports: Mapping[str, int]) -> str:
    return f"https://{LOOPBACK}:{ports[ETCD]}"


def _keys(pki: PkiFolder, folder: Path) -> ClusterKeys:
    """Return the management cluster's keys: what is kept of them, and new ones for what is not."""
    keys = ClusterKeys.generate("Moorage management")
    if (authority := pki.load("ca")) is not None:
        keys = replace(keys, authority=authority)
    if (front_proxy := pki.load("front-proxy-ca")) is not None:
        keys = replace(keys, front_proxy_authority=front_proxy)
    if pki.key("service-account").exists():
        keys = replace(keys, service_account_key=pki.key("service-account").read_bytes())
    encryption_key = folder / "encryption.key"
    if not encryption_key.exists():
        replace_file(encryption_key, keys.encryption_key)
    return replace(keys, encryption_key=encryption_key.read_bytes())
