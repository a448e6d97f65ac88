"""User clusters' control planes: made, kept and removed.

Every function may be repeated, and killed at any moment.

What a control plane is follows from its declaration and its keys, which are the caller's (they are objects of
the management cluster). Here are only processes, files and ports, all of which can be made again.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from moorage.files import write_if_changed
from moorage.kube.client import connect
from moorage.local import auditing, controlplane, kubeconfig, manifests, metrics
from moorage.local.controlplane import API_SERVER, CONTROLLER_MANAGER, KWOK, SCHEDULER, ControlPlane
from moorage.local.errors import PlatformError, explained
from moorage.local.etcd import delete_prefix
from moorage.local.home import Home
from moorage.local.management import etcd_client, etcd_pki, management_issuer, management_pki
from moorage.local.material import ClusterKeys, TokenIssuer, component_users, write_material
from moorage.local.pki import Leaf, PkiFolder
from moorage.local.ports import LOOPBACK, Ports
from moorage.local.probe import Probe, ask
from moorage.local.supervisor import Supervisor, in_thread
from moorage.toolchain import locate

COMPONENTS = (API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK)

# Who makes a cluster and who removes it take turns: one would read certificates that the other is replacing.
_turns: defaultdict[tuple[Path, str], asyncio.Lock] = defaultdict(asyncio.Lock)

_ABOUT = "about.json"
_ADMIN = "admin"
_ADVISOR = "advisor"
_AUTO = "auto"
_INSTALLED = "installed"
_OBJECTS = "user-cluster.yaml"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an API server listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class UserClusterSpec:
    """What a user cluster's control plane is to be.

    Args:
        id: unique on the platform and for all time; safe as a file name.
        name: ``project/cluster``, for people.
        version: the minor that it serves, such as ``1.36``.
        audience: what a member's token must be meant for.
        namespace: the namespace of the project, whose members' tokens are accepted.
        kwok_config: the stages that nodes and pods go through, and what they are said to use.
    """

    id: str
    name: str
    version: str
    audience: str
    namespace: str
    kwok_config: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ControlPlaneState:
    """What has become of a control plane.

    Args:
        endpoint: where its API server listens, or will.
        ready: whether it serves, with the version that was asked for, and everything beside it is declared.
        reason: what it waits for, when it is not ready; for a person.
        kubeconfig: the platform's own access to it.
    """

    endpoint: Endpoint
    ready: bool
    reason: str
    kubeconfig: dict[str, Any]


async def reserve_endpoint(home: Home, cluster_id: str) -> Endpoint:
    """Return where a cluster's API server will listen: chosen once, and kept until it is removed."""
    ports = await in_thread(lambda: _ports(home, cluster_id))
    return Endpoint(LOOPBACK, ports[API_SERVER])


async def ensure_control_plane(home: Home, spec: UserClusterSpec, keys: ClusterKeys) -> ControlPlaneState:
    """Declare a control plane's processes and say how far they are.

    The API server comes first, and the others when it serves: with the version of the API server that they
    are to work with, also in an upgrade.

    Raises:
        NotRunningError: the platform's supervisor is not there.
        PlatformError: the disk is full.
    """
    async with _turns[home.root, spec.id]:
        return await _ensure(home, spec, keys)


async def _ensure(home: Home, spec: UserClusterSpec, keys: ClusterKeys) -> ControlPlaneState:
    plane = await in_thread(lambda: _prepare(home, spec, keys))
    supervisor = Supervisor(home)
    await in_thread(lambda: supervisor.put([controlplane.api_server(plane)]))
    said = await ask(Probe(f"{plane.server}/readyz?verbose", plane.pki.certificate("ca")))
    if said is not None:
        return _state(plane, keys, reason=f"the API server {said}")
    await _install(plane, keys)
    rest = [
        controlplane.controller_manager(plane),
        controlplane.scheduler(plane),
        controlplane.kwok(plane, spec.kwok_config),
    ]
    await in_thread(lambda: supervisor.put(rest))
    await in_thread(lambda: _scrape(home, plane, spec))
    await in_thread(lambda: _renew_kwok(supervisor, plane))
    return _state(plane, keys, reason="")


async def api_server_waits(home: Home, cluster_id: str) -> str | None:
    """Return why the API server of a control plane that is declared does not serve; ``None`` when it does.

    It is a cheap question for whoever waits: nothing else is looked at.
    """
    ports = await in_thread(lambda: _ports(home, cluster_id))
    authority = PkiFolder(home.clusters / cluster_id / "pki").certificate("ca")
    said = await ask(Probe(f"https://{LOOPBACK}:{ports[API_SERVER]}/readyz", authority))
    return None if said is None else f"the API server {said}"


async def failing_components(home: Home, cluster_id: str) -> dict[str, str]:
    """Return which components of a cluster do not stay up, with the supervisor's words."""
    statuses = await in_thread(Supervisor(home).statuses)
    found = {}
    for component in COMPONENTS:
        status = statuses.get(f"{cluster_id}.{component}")
        if status is not None and not status.running:
            found[component] = status.detail or status.state.lower()
    return found


async def remove_control_plane(home: Home, cluster_id: str) -> None:
    """End a cluster's processes and remove all that it had: files, ports, and what it stored in etcd.

    Raises:
        NotRunningError: the platform's supervisor is not there.
        httpx2.HTTPError: etcd does not answer.
    """
    if cluster_id in ("", ".", "..") or "/" in cluster_id:  # would reach further than one cluster
        msg = f"{cluster_id!r} is not the id of a cluster"
        raise ValueError(msg)
    async with _turns[home.root, cluster_id]:
        await _remove(home, cluster_id)


async def _remove(home: Home, cluster_id: str) -> None:
    # First: whoever is asked while it ends does not answer.
    await in_thread(lambda: metrics.leave(home, cluster_id))
    supervisor = Supervisor(home)
    # By its declaration, not by the list above: an older Moorage may have run other components.
    names = await in_thread(lambda: supervisor.declared(f"{cluster_id}."))
    await in_thread(lambda: supervisor.remove({*names, *(f"{cluster_id}.{name}" for name in COMPONENTS)}))
    client = await in_thread(lambda: etcd_client(home, cluster_id))
    await delete_prefix(client, _etcd_prefix(cluster_id))
    await in_thread(lambda: _remove_files(home, cluster_id))


@dataclass(frozen=True, slots=True)
class KnownCluster:
    """What the platform's own files say of a user cluster.

    Args:
        id: the cluster's.
        name: ``namespace/cluster``, for people; its id while it has none yet.
        version: the minor that it serves.
    """

    id: str
    name: str
    version: str


def advisor_kubeconfig(home: Home, cluster_id: str) -> Path:
    """Return where the advisors' access to a cluster is: they read who may do what, and nothing else."""
    return home.clusters / cluster_id / f"{_ADVISOR}.kubeconfig"


def automatic_kubeconfig(home: Home, cluster_id: str) -> Path:
    """Return where the access is by which the platform follows advice where an owner wants that."""
    return home.clusters / cluster_id / f"{_AUTO}.kubeconfig"


def known_cluster(home: Home, cluster_id: str) -> KnownCluster:
    """Return what is known of a cluster without asking anybody."""
    try:
        about = json.loads((home.clusters / cluster_id / _ABOUT).read_text())
    except (OSError, ValueError):
        about = {}
    return KnownCluster(cluster_id, about.get("name", cluster_id), about.get("version", ""))


async def known_clusters(home: Home) -> list[str]:
    """Return the ids of all clusters of which there is anything left."""

    def look() -> list[str]:
        folders = {path.name for path in home.clusters.iterdir()} if home.clusters.exists() else set()
        ports = {name.split("/")[1] for name in Ports(home).known() if name.startswith("clusters/")}
        return sorted(folders | ports)

    return await in_thread(look)


def _prepare(home: Home, spec: UserClusterSpec, keys: ClusterKeys) -> ControlPlane:
    with explained(home.root):
        plane = ControlPlane(
            id=spec.id,
            folder=home.clusters / spec.id,
            pki=PkiFolder(home.clusters / spec.id / "pki"),
            ports=_ports(home, spec.id),
            binaries={name: locate(name) for name in COMPONENTS},
            etcd=etcd_client(home, spec.id),
            etcd_prefix=_etcd_prefix(spec.id),
            emulated_version=spec.version,
            audit_webhook=auditing.webhook_config(home, spec.id, home.clusters / spec.id),
        )
        users = component_users([CONTROLLER_MANAGER, SCHEDULER, KWOK]) | {
            _ADMIN: Leaf("kubernetes-admin", ("system:masters",)),
            _ADVISOR: Leaf("moorage:advisor"),
            _AUTO: Leaf("moorage:auto"),
        }
        issuer = TokenIssuer(
            url=management_issuer(home),
            authority=management_pki(home).certificate("ca").read_bytes(),
            audience=spec.audience,
            namespace=spec.namespace,
        )
        write_material(plane, keys, users, issuer=issuer)
        about = {"name": spec.name, "version": spec.version}
        write_if_changed(plane.folder / _ABOUT, json.dumps(about) + "\n")
    return plane


def _renew_kwok(supervisor: Supervisor, plane: ControlPlane) -> None:
    """Start kwok anew after its API server was.

    What kwok was just writing when the connection broke is lost: it does not try again, and nothing would
    tell it of that Pod a second time. When it starts, it looks at all of them.
    """
    statuses = supervisor.statuses()
    kwok, api_server = (statuses.get(plane.program(name)) for name in (KWOK, API_SERVER))
    if kwok and api_server and (kwok.started or 0.0) < (api_server.started or 0.0):
        supervisor.restart(kwok.name)


def _scrape(home: Home, plane: ControlPlane, spec: UserClusterSpec) -> None:
    """Have the cluster's metrics kept, now that there is somebody to ask."""
    namespace, _, name = spec.name.partition("/")
    cluster = metrics.ScrapedCluster(
        id=spec.id,
        project=namespace.removeprefix("project-"),
        name=name,
        server=f"https://{LOOPBACK}:{plane.ports[KWOK]}",
        authority=plane.pki.certificate("ca"),
    )
    with explained(home.root):
        metrics.scrape(home, cluster)


async def _install(plane: ControlPlane, keys: ClusterKeys) -> None:
    """Bring in what the platform's own components may do in the cluster; once for each content of it."""
    objects = manifests.load(_OBJECTS)
    digest = sha256(repr(objects).encode()).hexdigest()[:16]
    marker = plane.folder / _INSTALLED
    if marker.exists() and marker.read_text() == digest:
        return
    async with connect(_admin(plane, keys)) as client:
        await manifests.install(client, objects, digest=digest)
    write_if_changed(marker, digest)


def _state(plane: ControlPlane, keys: ClusterKeys, *, reason: str) -> ControlPlaneState:
    return ControlPlaneState(
        endpoint=Endpoint(LOOPBACK, plane.ports[API_SERVER]),
        ready=not reason,
        reason=reason,
        kubeconfig=_admin(plane, keys),
    )


def _admin(plane: ControlPlane, keys: ClusterKeys) -> dict[str, Any]:
    pair = plane.pki.load(_ADMIN)
    if pair is None:
        raise PlatformError(f"{plane.pki.path} is damaged: no {_ADMIN}.crt", hint="it is made again")
    return kubeconfig.self_contained(
        plane.server, keys.authority.certificate, pair, "kubernetes-admin", cluster=plane.id
    )


def _ports(home: Home, cluster_id: str) -> Mapping[str, int]:
    names = {component: f"clusters/{cluster_id}/{component}" for component in COMPONENTS}
    claimed = Ports(home).claim(names.values())
    return {component: claimed[name] for component, name in names.items()}


def _etcd_prefix(cluster_id: str) -> str:
    return f"/clusters/{cluster_id}"


def _remove_files(home: Home, cluster_id: str) -> None:
    pki = etcd_pki(home)
    pki.certificate(cluster_id).unlink(missing_ok=True)
    pki.key(cluster_id).unlink(missing_ok=True)
    auditing.forget(home, cluster_id)
    Ports(home).release(f"clusters/{cluster_id}")
    shutil.rmtree(home.clusters / cluster_id, ignore_errors=True)
    # The receiver takes nothing of the cluster any more, and removes what it has counted.
    shutil.rmtree(home.spool / cluster_id, ignore_errors=True)
