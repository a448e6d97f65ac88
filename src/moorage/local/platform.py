"""Starting and stopping the embedded platform."""

from __future__ import annotations

import asyncio
import shutil
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import httpx2
import psutil
from filelock import FileLock, Timeout
from lightkube import AsyncClient

from moorage import __version__
from moorage.files import PRIVATE_FILE, replace_file, write_if_changed
from moorage.kube.client import connect
from moorage.kube.kinds import MACHINE_TYPE, NAMESPACE, Kind, Object
from moorage.kube.objects import is_status, list_objects, poll
from moorage.local import kubeconfig, manifests
from moorage.local.auditing import AUDIT
from moorage.local.controlplane import API_SERVER, CONTROLLER_MANAGER, ETCD
from moorage.local.errors import PlatformError, PortTakenError, explained
from moorage.local.home import Home
from moorage.local.management import (
    ADMIN,
    BINARIES,
    CLUSTER_API,
    OPERATOR,
    ManagementPlane,
    management_plane,
    management_probes,
)
from moorage.local.metrics import METRICS
from moorage.local.pki import Leaf, issue
from moorage.local.ports import port_is_free
from moorage.local.readiness import READY_SECONDS, wait_until_ready
from moorage.local.supervisor import Supervisor, in_thread, platform_processes
from moorage.toolchain import Progress, ensure

_LOCK_SECONDS = 600.0
_POLL_SECONDS = 0.1
_RECOVERY_DELAYS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_BOOTSTRAP_LIFETIME = timedelta(hours=1)
_NOT_SERVED_YET = (404, 429, 503)
_NAMESPACES = ("capi-system", "moorage-system")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of starting or stopping: told once when it begins, and once when it is done."""

    title: str
    seconds: float | None = None

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self.seconds is not None


Report = Callable[[Step], None]


async def up(home: Home, report: Report = lambda _: None, progress: Progress | None = None) -> None:
    """Start the platform and return when all of it is ready; what is there already is left as it is.

    It may be called at any time, also after everything was killed: what runs is what is declared.

    Raises:
        PlatformError: something does not come up; the message says what and where to look.
        ToolchainError: a binary cannot be had.
    """
    home.create()
    async with _exclusive(home):
        with explained(home.root):
            replace_file(home.wanted, "up\n")
        await _start(home, report, progress)


async def recover(home: Home) -> bool:
    """Start the platform again, unless it was stopped on purpose; say whether it was started.

    What fails is tried again for a while: the new supervisor may be killed too, before anybody runs who would
    call for help again.

    Raises:
        MoorageError: as `up` does.
    """
    for delay in (*_RECOVERY_DELAYS_SECONDS, None):
        if not home.wanted.exists():
            break
        async with _exclusive(home):
            if not home.wanted.exists():
                break
            try:
                await _start(home, lambda _: None, None)
            except PlatformError:
                if delay is None:
                    raise
            else:
                return True
        await asyncio.sleep(delay or 0.0)
    return False


async def down(home: Home, report: Report = lambda _: None, *, delete: bool = False) -> None:
    """Stop every process of the platform, and with ``delete`` remove all that it keeps."""
    if not home.root.exists():
        return
    home.create()
    async with _exclusive(home):
        home.wanted.unlink(missing_ok=True)
        async with _step(report, "Processes"):
            await in_thread(lambda: Supervisor(home).stop(last=(AUDIT, ETCD)))
        if not delete:
            return
        async with _step(report, "State"):
            with explained(home.root):
                await in_thread(lambda: _remove_state(home))


async def _start(home: Home, report: Report, progress: Progress | None) -> None:
    async with _step(report, "Tools"):
        binaries = await ensure(BINARIES, progress=progress)
    supervisor = Supervisor(home)
    async with _step(report, "Certificates and keys"):
        with explained(home.root):
            management = management_plane(home, binaries)
            await in_thread(lambda: _check_ports(home, management))
    async with _step(report, "Supervisor"):
        if not await in_thread(supervisor.start):
            await in_thread(supervisor.hurry)
    async with _step(report, "etcd and the management API server"):
        await in_thread(lambda: supervisor.put([management.etcd(), management.api_server()]))
        await _ready(management, [ETCD, management.plane.program(API_SERVER)])
    async with _administrator(management) as client:
        async with _step(report, "Custom resources and permissions"):
            await _install(client, management)
        async with _step(report, "Controllers: Kubernetes, Cluster API, Moorage"):
            await in_thread(lambda: supervisor.put(management.controllers()))
            await _ready(
                management,
                [management.plane.program(CONTROLLER_MANAGER), CLUSTER_API, OPERATOR, AUDIT, METRICS],
            )
    admin = kubeconfig.load(management.plane.kubeconfig(ADMIN))
    write_if_changed(home.admin_kubeconfig, kubeconfig.render(admin))


def _remove_state(home: Home) -> None:
    # Only what is the platform's: MOORAGE_HOME may be a folder that has other things in it.
    for path in (
        home.clusters,
        home.etcd_data,
        home.evidence,
        home.management,
        home.metrics,
        home.pki,
        home.programs,
        home.logs,
        home.ports,
        home.admin_kubeconfig,
        home.supervisor_config,
    ):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    shutil.rmtree(home.run, ignore_errors=True)
    home.marker.unlink(missing_ok=True)
    try:
        home.root.rmdir()
    except OSError:
        return


def _check_ports(home: Home, management: ManagementPlane) -> None:
    """Refuse to start beside somebody who listens on a port of ours.

    Raises:
        PortTakenError: a port is taken; the message says by whom, as far as that can be seen.
    """
    taken = {name: port for name, port in sorted(management.ports.items()) if not port_is_free(port)}
    if not taken:
        return
    ours = {process.pid for process in platform_processes(home)}
    listeners = _listeners()
    for name, port in taken.items():
        listener = listeners.get(port)
        if listener in ours or (listener is None and ours):
            continue
        raise PortTakenError(
            f"port {port} of {name} is taken{_by_whom(listener)}",
            hint="end that process; if it must stay, `moorage down --delete` and a new `moorage up` "
            "choose other ports",
        )


def _listeners() -> dict[int, int]:
    """Return who listens on which port, as far as this user may see it."""
    try:
        return {
            connection.laddr.port: connection.pid
            for connection in psutil.net_connections("tcp4")
            if connection.status == psutil.CONN_LISTEN and connection.pid and connection.laddr
        }
    except psutil.Error:
        return {}


def _by_whom(pid: int | None) -> str:
    try:
        return f" by process {pid} ({psutil.Process(pid).name()})" if pid else ""
    except psutil.Error:
        return ""


@asynccontextmanager
async def _exclusive(home: Home) -> AsyncIterator[None]:
    lock = FileLock(home.lock, mode=PRIVATE_FILE)

    async def acquire() -> bool | None:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        return True

    # Not in a thread: whoever interrupts the waiting would still wait for the thread.
    if not await poll(acquire, timeout_seconds=_LOCK_SECONDS):
        raise PlatformError(
            f"another `moorage up` or `down` is at work on {home.root}", hint="wait for it, or end it"
        )
    try:
        home.create()  # once more: a `down --delete` may have held the lock
        yield
    finally:
        lock.release(force=True)


@asynccontextmanager
async def _step(report: Report, title: str) -> AsyncIterator[None]:
    report(Step(title))
    started = time.monotonic()
    yield
    report(Step(title, time.monotonic() - started))


async def _ready(management: ManagementPlane, components: Iterable[str]) -> None:
    probes = management_probes(management.home, management.ports)
    await wait_until_ready(management.home, probes, components)


@asynccontextmanager
async def _administrator(management: ManagementPlane) -> AsyncIterator[AsyncClient]:
    """Yield a client that may do everything, by a certificate that exists in memory for some minutes."""
    authority = management.plane.pki.load("ca")
    if authority is None:
        raise PlatformError(f"{management.plane.pki.path} has no authority", hint="`moorage up` makes one")
    pair = issue(authority, Leaf("moorage-bootstrap", ("system:masters",)), lifetime=_BOOTSTRAP_LIFETIME)
    config = kubeconfig.self_contained(
        management.plane.server, authority.certificate, pair, "moorage-bootstrap", cluster="moorage"
    )
    async with connect(config) as client:
        yield client


async def _install(client: AsyncClient, management: ManagementPlane) -> None:
    authority = b64encode(management.plane.pki.certificate("ca").read_bytes()).decode()
    crds = [*manifests.load("cluster-api-crds.yaml"), *manifests.load_folder("api", "crds")]
    rest = [
        *(
            manifests.webhooks_by_url(obj, management.webhook_server, authority)
            for obj in manifests.load("cluster-api-webhooks.yaml")
        ),
        *manifests.load("cluster-api-rbac.yaml"),
        *manifests.load("embedded.yaml"),
        *manifests.load_folder("deploy"),
    ]
    digest = sha256(f"{__version__}{crds}{rest}".encode()).hexdigest()[:16]
    names = [{"apiVersion": "v1", "kind": NAMESPACE.kind, "metadata": {"name": name}} for name in _NAMESPACES]
    await manifests.install(client, names, digest=digest)
    await asyncio.gather(
        manifests.install(client, crds, digest=digest), manifests.install(client, rest, digest=digest)
    )
    await _served(client, crds)
    if not await _listed(client, MACHINE_TYPE):
        await manifests.install(client, manifests.load("machine-types.yaml"), digest=digest)


async def _listed(client: AsyncClient, kind: Kind) -> list[Object]:
    """Return all objects of a kind whose CRD is new: "established" comes a moment before it is served."""

    async def look() -> list[Object] | None:
        try:
            return await list_objects(client, kind)
        except httpx2.HTTPStatusError as error:
            if any(is_status(error, code) for code in _NOT_SERVED_YET):
                return None
            raise

    found = await poll(look, timeout_seconds=READY_SECONDS, interval_seconds=_POLL_SECONDS)
    if found is None:
        raise PlatformError(
            f"the management API server does not serve {kind}",
            hint=f"`moorage logs management.{API_SERVER}` shows why",
        )
    return found


async def _served(client: AsyncClient, crds: list[Object]) -> None:
    for crd in crds:
        name = crd["metadata"]["name"]

        async def look(name: str = name) -> bool | None:
            return True if await manifests.established(client, name) else None

        if not await poll(look, timeout_seconds=READY_SECONDS, interval_seconds=_POLL_SECONDS):
            raise PlatformError(
                f"the management API server does not serve {name}",
                hint=f"`moorage logs management.{API_SERVER}` shows why",
            )
