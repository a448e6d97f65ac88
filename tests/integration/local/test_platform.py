"""A platform as a whole: started, stopped, killed, in other people's way, and out of space."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from lightkube import AsyncClient

from moorage.kube.client import connect
from moorage.kube.kinds import CONFIG_MAP, MACHINE_TYPE, NAMESPACE
from moorage.kube.objects import create, delete, get, list_objects, poll
from moorage.local.doctor import diagnose
from moorage.local.errors import NotRunningError, PlatformError, PortTakenError
from moorage.local.home import Home
from moorage.local.platform import down, up
from moorage.local.ports import LOOPBACK, Ports
from moorage.local.status import platform_status
from moorage.local.supervisor import Supervisor, platform_processes

pytestmark = pytest.mark.timeout(300)

UP = """
import asyncio, sys
from pathlib import Path
from moorage.local.home import Home
from moorage.local.platform import up
asyncio.run(up(Home(Path(sys.argv[1]))))
"""
SECONDS = 120.0
PROGRAMS = {
    "etcd",
    "management.kube-apiserver",
    "management.kube-controller-manager",
    "audit",
    "cluster-api",
    "metrics",
    "operator",
}

NewHome = Callable[[], AbstractContextManager[Home]]


@pytest.fixture(scope="module")
async def second(new_home: NewHome) -> AsyncIterator[Home]:
    """A platform that may be stopped and killed; two processes started it at once.

    Each test leaves it up.
    """
    with new_home() as home:
        starting = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", UP, str(home.root), stderr=asyncio.subprocess.PIPE
            )
            for _ in range(2)
        ]
        said = [(await process.communicate())[1].decode() for process in starting]
        assert [process.returncode for process in starting] == [0, 0], "\n".join(said)
        yield home


def pids(home: Home) -> dict[str, int | None]:
    statuses = Supervisor(home).statuses()
    return {name: status.pid for name, status in statuses.items()} | {"supervisor": Supervisor(home).pid}


def kill_everything(home: Home) -> None:
    """Kill -9 all processes of a platform at once, the supervisor first: it would start the others again."""
    supervisor = Supervisor(home).pid
    processes = sorted(platform_processes(home), key=lambda process: process.pid != supervisor)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=20)
    assert platform_processes(home) == []


async def remember_something(home: Home) -> str:
    name = f"kept-{secrets.token_hex(3)}"
    async with connect(home.admin_kubeconfig) as client:
        obj = {"metadata": {"name": name, "namespace": "default"}}
        assert await create(client, CONFIG_MAP, obj, field_manager="test")
    return name


async def remembers(home: Home, name: str) -> bool:
    async with connect(home.admin_kubeconfig) as client:
        return await get(client, CONFIG_MAP, name, "default") is not None


# ---- starting --------------------------------------------------------------------------------------------


async def test_two_who_start_it_at_once_start_it_once(second: Home) -> None:
    assert pids(second).keys() == {*PROGRAMS, "supervisor"}
    ours = [process for process in platform_processes(second) if process.ppid() == Supervisor(second).pid]
    assert len(ours) == len(PROGRAMS)
    assert len([p for p in platform_processes(second) if "supervisor.supervisord" in p.cmdline()]) == 1


async def test_starting_it_again_restarts_nothing(second: Home) -> None:
    before = pids(second)
    steps: list[str] = []
    await up(second, lambda step: steps.append(step.title))
    assert pids(second) == before
    assert len(steps) == 2 * len(set(steps)), "each step is told when it begins and when it is done"


async def test_platforms_live_side_by_side(platform: Home, second: Home) -> None:
    assert not set(Ports(platform).known().values()) & set(Ports(second).known().values())
    name = await remember_something(second)
    assert not await remembers(platform, name)


async def test_machine_types_are_made_once_and_belong_to_the_team_then(second: Home) -> None:
    async with connect(second.admin_kubeconfig) as client:
        names = {found["metadata"]["name"] for found in await list_objects(client, MACHINE_TYPE)}
        assert names
        gone = min(names)
        await delete(client, MACHINE_TYPE, gone)
    await up(second)
    async with connect(second.admin_kubeconfig) as client:
        assert {found["metadata"]["name"] for found in await list_objects(client, MACHINE_TYPE)} == names - {
            gone
        }


async def test_another_platform_is_not_reached_with_its_kubeconfig(platform: Home, second: Home) -> None:
    config = second.admin_kubeconfig.read_text()
    ours, theirs = (Ports(home).known()["management/kube-apiserver"] for home in (platform, second))
    stolen = second.run / "stolen.kubeconfig"
    stolen.write_text(config.replace(str(theirs), str(ours)))
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        async with connect(stolen) as client:
            await get(client, NAMESPACE, "default")
    stolen.unlink()


# ---- being killed ----------------------------------------------------------------------------------------


async def test_everything_killed_at_once_is_as_it_was_after_another_start(second: Home) -> None:
    name = await remember_something(second)
    ports, kubeconfig = Ports(second).known(), second.admin_kubeconfig.read_bytes()
    kill_everything(second)
    with pytest.raises(NotRunningError):
        Supervisor(second).statuses()
    await up(second)
    assert await remembers(second, name)
    assert Ports(second).known() == ports
    assert second.admin_kubeconfig.read_bytes() == kubeconfig


async def test_a_killed_supervisor_is_back_without_anybodys_doing(second: Home) -> None:
    name = await remember_something(second)
    killed = Supervisor(second).pid
    assert killed
    os.kill(killed, signal.SIGKILL)

    async def back() -> bool | None:
        if Supervisor(second).pid in (None, killed):
            return None
        healthy = {found.component for found in await platform_status(second) if found.healthy}
        return True if healthy >= PROGRAMS else None

    assert await poll(back, timeout_seconds=SECONDS, tolerate=(PlatformError,))
    assert await remembers(second, name)
    assert len([p for p in platform_processes(second) if "supervisor.supervisord" in p.cmdline()]) == 1
    await up(second)  # waits until whoever brought it back has finished


async def test_an_api_server_that_was_away_is_back_for_everybody(second: Home) -> None:
    killed = Supervisor(second).statuses()["management.kube-apiserver"].pid
    assert killed
    before = pids(second)
    os.kill(killed, signal.SIGKILL)

    async def back() -> bool | None:
        healthy = {found.component for found in await platform_status(second) if found.healthy}
        return True if healthy >= PROGRAMS and pids(second) != before else None

    assert await poll(back, timeout_seconds=SECONDS)


# ---- stopping --------------------------------------------------------------------------------------------


async def test_stopped_it_keeps_what_it_stores_and_says_that_it_is_stopped(second: Home) -> None:
    name = await remember_something(second)
    await down(second)
    assert platform_processes(second) == []
    assert {found.health for found in await platform_status(second)} == {"is not running"}
    findings = {found.check: found for found in await diagnose(second)}
    assert not findings["supervisor"].ok
    assert "moorage up" in findings["supervisor"].mend
    await down(second)
    await up(second)
    assert await remembers(second, name)


async def test_a_port_that_somebody_took_is_named_with_who_it_was(second: Home) -> None:
    await down(second)
    port = Ports(second).known()["etcd"]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((LOOPBACK, port))
        taken.listen()
        with pytest.raises(
            PortTakenError, match=f"port {port} of etcd is taken by process {os.getpid()} "
        ) as raised:
            await up(second)
        assert raised.value.hint
        assert platform_processes(second) == []
        findings = {found.check: found for found in await diagnose(second)}
        assert str(port) in findings["ports"].finding
    await up(second)
    assert {found.healthy for found in await platform_status(second)} == {True}


# ---- what it says about itself ---------------------------------------------------------------------------


async def test_it_says_what_runs_and_how_well(platform: Home, admin: AsyncClient) -> None:
    statuses = {
        found.component: found for found in await platform_status(platform) if found.part == "platform"
    }
    assert statuses.keys() == {*PROGRAMS, "supervisor"}
    assert {found.health for found in statuses.values()} == {"ready"}
    assert all(found.memory_bytes and found.uptime_seconds is not None for found in statuses.values())
    assert {found.component for found in statuses.values() if not found.version} == {"supervisor"}
    assert all(found.address for found in statuses.values())


async def test_a_doctor_finds_nothing_wrong_with_a_platform_that_is_up(platform: Home) -> None:
    # Memory, disk and limits are this machine's.
    about = ("tools", "state", "supervisor", "certificates", "components")
    findings = [found for found in await diagnose(platform) if found.check in about]
    assert {found.check for found in findings} == set(about)
    assert [found for found in findings if not found.ok] == []


async def test_everything_is_its_owners_alone(platform: Home, project: str) -> None:
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (platform.root, *platform.root.rglob("*"))}
    assert {str(path): oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


async def test_nothing_is_known_of_a_platform_that_never_was(home: Home) -> None:
    with pytest.raises(NotRunningError):
        await platform_status(home)
    await down(home)
    assert [found for found in await diagnose(home) if found.check == "components"] == []


# ---- no space --------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Home]:
    """A home on a disk of a few bytes."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        yield Home(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("size", ["16k", "64k", "8m"], ids=["for folders", "for keys", "for etcd"])
async def test_a_full_disk_is_named_as_such_before_long(home: Home, size: str) -> None:
    with small_disk(home.root / "disk", size) as small:
        started = time.monotonic()
        try:
            with pytest.raises(PlatformError, match=r"no space is left for .*/disk") as raised:
                await up(small)
            assert "MOORAGE_HOME" in (raised.value.hint or "")
            assert time.monotonic() - started < SECONDS
        finally:
            await down(small, delete=True)
        assert platform_processes(small) == []


# ---- the end: this test takes `second` away --------------------------------------------------------------


async def test_deleted_it_leaves_no_process_no_file_and_nobody_elses_file_is_touched(second: Home) -> None:
    theirs = second.root / "theirs"
    theirs.write_text("kept")
    await down(second, delete=True)
    assert platform_processes(second) == []
    assert [path.name for path in second.root.iterdir()] == ["theirs"]
    theirs.unlink()
    await down(second, delete=True)
    assert not second.root.exists()
    assert not [p for p in psutil.process_iter() if str(second.root) in " ".join(_words(p))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
