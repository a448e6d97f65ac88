"""Gatekeeper beside a user cluster's control plane: a process of the platform, with few rights.

Two programs: Gatekeeper itself, and the gate before it, where the cluster's API server asks. Every function
may be repeated, and killed at any moment. Whether a cluster has policies is for the caller to decide; what is
left here goes with the control plane.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from moorage.files import private_folder, write_if_changed
from moorage.kube.kinds import Object
from moorage.local import kubeconfig
from moorage.local.controlplane import API_SERVER
from moorage.local.errors import PlatformError, explained
from moorage.local.home import Home
from moorage.local.pki import Leaf, PkiFolder
from moorage.local.ports import LOOPBACK, Ports
from moorage.local.probe import Probe, ask
from moorage.local.programs import Program
from moorage.local.supervisor import Supervisor, in_thread
from moorage.toolchain import locate

GATEKEEPER = "gatekeeper"
GATE = "policy-gate"
GATEKEEPER_USER = "moorage:gatekeeper"
GATEKEEPER_NAMESPACE = "gatekeeper-system"

AUDIT_SECONDS = 60
_HEALTH = "gatekeeper-health"
_PORTS = (GATEKEEPER, _HEALTH, GATE)
_CERTIFICATE = "tls"  # as Gatekeeper wants it
_AUDIT = "audit.json"
_PIPE = "log.pipe"
_HOSTS = (LOOPBACK, "localhost")
# Whoever owns a user cluster may write templates, and Gatekeeper is a process of this machine: nothing of a
# rule may reach out of it.
_FORBIDDEN_BUILTINS = ("http.send", "net.lookup_ip_addr", "opa.runtime")


@dataclass(frozen=True, slots=True)
class GatekeeperState:
    """What has become of a cluster's Gatekeeper.

    Args:
        server: where the API server is to ask: ``https://host:port``.
        authority: who vouches for it (PEM).
        waits_for: why it does not judge yet; ``None`` when it does.
    """

    server: str
    authority: bytes = field(repr=False)
    waits_for: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """How often a constraint was violated by objects of one kind in one namespace."""

    constraint_kind: str
    constraint: str
    action: str
    namespace: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Example:
    """One object that violates a constraint."""

    constraint_kind: str
    constraint: str
    namespace: str
    kind: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit has found.

    Args:
        at: when it began.
        found: counts, of everything.
        examples: some objects of each constraint.
    """

    at: datetime
    found: tuple[Found, ...]
    examples: tuple[Example, ...]


def pod() -> Object:
    """Return the Pod that stands for the process in its cluster, and runs nowhere.

    Gatekeeper makes its Pod the owner of what it writes about its own state; what an owner that there is not
    has is removed by Kubernetes.
    """
    annotation = "Stands for a process beside the control plane, which owns its status by it."
    return {
        "metadata": {
            "name": GATEKEEPER,
            "namespace": GATEKEEPER_NAMESPACE,
            "annotations": {"kubernetes.io/description": annotation},
        },
        "spec": {
            "schedulingGates": [{"name": "local.moorage.dev/runs-beside-the-control-plane"}],
            "serviceAccountName": GATEKEEPER,
            "automountServiceAccountToken": False,
            "containers": [{"name": GATEKEEPER, "image": GATEKEEPER}],
        },
    }


async def ensure_gatekeeper(home: Home, cluster_id: str, pod_uid: str) -> GatekeeperState:
    """Declare the programs of a cluster's Gatekeeper and say whether it judges.

    Args:
        home: the platform's.
        cluster_id: which cluster.
        pod_uid: of the Pod that stands for it; another one makes it start anew.

    Raises:
        NotRunningError: the platform's supervisor is not there.
        PlatformError: the cluster has no control plane here, or the disk is full.
    """
    programs, state = await in_thread(lambda: _prepare(home, cluster_id, pod_uid))
    supervisor = Supervisor(home)
    await in_thread(lambda: supervisor.put(programs))
    said = await ask(ready_probe(home, cluster_id))
    return GatekeeperState(
        state.server, state.authority, f"the policy engine {said}" if said is not None else None
    )


async def remove_gatekeeper(home: Home, cluster_id: str) -> None:
    """End a cluster's Gatekeeper and remove what it had beside the cluster."""
    supervisor = Supervisor(home)
    names = [f"{cluster_id}.{name}" for name in (GATE, GATEKEEPER)]
    declared = await in_thread(supervisor.declared)
    if any(name in declared for name in names):
        await in_thread(lambda: supervisor.remove(names))
    await in_thread(lambda: _remove_files(home, cluster_id))


def last_audit(home: Home, cluster_id: str) -> Audit | None:
    """Return what the last audit of a cluster has found; ``None`` before there was one."""
    try:
        return parse_audit(json.loads((_folder(home, cluster_id) / _AUDIT).read_text()))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None  # the next audit writes it anew


def parse_audit(content: Mapping[str, Any]) -> Audit:
    """Read what the gate has written down.

    Raises:
        ValueError, KeyError, TypeError: it has not written this.
    """
    return Audit(
        at=datetime.fromisoformat(content["audit"]),
        found=tuple(
            Found(
                item["constraintKind"],
                item["constraint"],
                item["action"],
                item["namespace"],
                item["kind"],
                int(item["count"]),
            )
            for item in content["counts"]
        ),
        examples=tuple(
            Example(
                item["constraintKind"],
                item["constraint"],
                item["namespace"],
                item["kind"],
                item["name"],
                item["message"],
            )
            for item in content["examples"]
        ),
    )


def gatekeeper(
    name: str,
    binary: Path,
    config: Path,
    folder: Path,
    ports: Mapping[str, int],
    *,
    pod_uid: str,
) -> Program:
    """Return Gatekeeper. Pure."""
    flags = [
        ("api-cache-dir", folder / "audit-cache"),
        ("audit-chunk-size", 500),
        ("audit-interval", AUDIT_SECONDS),
        ("audit-match-kind-only", "true"),
        ("cert-dir", folder / "certificates"),
        # Examples for `kubectl describe`; all are counted by the gate, out of the log.
        ("constraint-violations-limit", 20),
        ("default-create-vap-binding-for-constraints", "false"),
        ("default-create-vap-for-templates", "false"),
        ("disable-cert-rotation", "true"),
        *(("disable-opa-builtin", builtin) for builtin in _FORBIDDEN_BUILTINS),
        ("enable-external-data", "false"),
        ("health-addr", f"{LOOPBACK}:{ports[_HEALTH]}"),
        ("host", LOOPBACK),
        ("kubeconfig", config),
        ("log-file", folder / _PIPE),
        # Its Prometheus endpoint would listen on every address of the machine. This one sends, and has
        # nothing to say for a year.
        ("metrics-backend", "opentelemetry"),
        ("otlp-endpoint", f"{LOOPBACK}:1"),
        ("otlp-metric-interval", "8760h"),
        *(("operation", operation) for operation in ("audit", "generate", "status", "webhook")),
        ("port", ports[GATEKEEPER]),
        # What fails so often is disregarded, and it calls itself ready without it. The pauses double from
        # 5 ms: a conflict on a busy machine has five seconds to pass, and a template that never compiles
        # holds it up no longer than that.
        ("readiness-retries", 10),
        ("shutdown-delay", 0),
    ]
    return Program(
        name,
        (str(binary), *(f"--{flag}={value}" for flag, value in flags)),
        environment={
            "POD_NAME": GATEKEEPER,
            "POD_NAMESPACE": GATEKEEPER_NAMESPACE,
            "MOORAGE_POD_UID": pod_uid,  # read by nobody; it makes the program a changed one
        },
        settle_seconds=5,
        stop_seconds=5,
        order=31,
    )


def gate(name: str, folder: Path, ports: Mapping[str, int]) -> Program:
    """Return the gate before Gatekeeper. Pure."""
    argv = (
        sys.executable,
        "-I",
        "-S",
        str(Path(__file__).with_name("gate.py")),
        f"--listen={ports[GATE]}",
        f"--engine={ports[GATEKEEPER]}",
        f"--health={ports[_HEALTH]}",
        f"--pipe={folder / _PIPE}",
        f"--audit={folder / _AUDIT}",
    )
    return Program(name, argv, settle_seconds=1, stop_seconds=2, order=30)


def _prepare(home: Home, cluster_id: str, pod_uid: str) -> tuple[list[Program], GatekeeperState]:
    cluster = home.clusters / cluster_id
    pki, folder = PkiFolder(cluster / "pki"), _folder(home, cluster_id)
    authority = pki.load("ca")
    known = Ports(home).known()
    if authority is None or f"clusters/{cluster_id}/{API_SERVER}" not in known:
        raise PlatformError(
            f"cluster {cluster_id} has no control plane on this platform", hint="it is made first"
        )
    with explained(home.root):
        ports = _ports(home, cluster_id)
        private_folder(folder)
        private_folder(folder / "audit-cache")
        PkiFolder(folder / "certificates").leaf(
            _CERTIFICATE, authority, Leaf(GATEKEEPER, hosts=_HOSTS, client=False)
        )
        pki.leaf(GATEKEEPER, authority, Leaf(GATEKEEPER_USER))
        server = f"https://{LOOPBACK}:{known[f'clusters/{cluster_id}/{API_SERVER}']}"
        config = cluster / f"{GATEKEEPER}.kubeconfig"
        write_if_changed(config, kubeconfig.render(kubeconfig.by_files(server, pki, GATEKEEPER)))
        _make_pipe(folder / _PIPE)
    programs = [
        gate(f"{cluster_id}.{GATE}", folder, ports),
        gatekeeper(
            f"{cluster_id}.{GATEKEEPER}",
            locate(GATEKEEPER),
            config,
            folder,
            ports,
            pod_uid=pod_uid,
        ),
    ]
    return programs, GatekeeperState(f"https://{LOOPBACK}:{ports[GATE]}", authority.certificate, None)


def _make_pipe(path: Path) -> None:
    """Make the pipe that the log goes through: Gatekeeper would make a file of that name."""
    if path.exists():
        if stat.S_ISFIFO(path.stat().st_mode):
            return
        path.unlink()
    os.mkfifo(path, 0o600)


def ready_probe(home: Home, cluster_id: str) -> Probe:
    """Return where a cluster's Gatekeeper says how it is."""
    return Probe(f"http://{LOOPBACK}:{_ports(home, cluster_id)[_HEALTH]}/readyz")


def _ports(home: Home, cluster_id: str) -> dict[str, int]:
    names = {name: f"clusters/{cluster_id}/{name}" for name in _PORTS}
    claimed = Ports(home).claim(names.values())
    return {name: claimed[full] for name, full in names.items()}


def _folder(home: Home, cluster_id: str) -> Path:
    return home.clusters / cluster_id / GATEKEEPER


def _remove_files(home: Home, cluster_id: str) -> None:
    pki = PkiFolder(home.clusters / cluster_id / "pki")
    for path in (
        pki.certificate(GATEKEEPER),
        pki.key(GATEKEEPER),
        home.clusters / cluster_id / f"{GATEKEEPER}.kubeconfig",
    ):
        path.unlink(missing_ok=True)
    shutil.rmtree(_folder(home, cluster_id), ignore_errors=True)
    for name in _PORTS:
        Ports(home).release(f"clusters/{cluster_id}/{name}")
