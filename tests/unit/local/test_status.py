"""What is said of a platform by its files alone: nothing runs here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moorage.local import doctor
from moorage.local.doctor import Diagnosis, diagnose
from moorage.local.errors import NotRunningError
from moorage.local.home import Home
from moorage.local.management import BINARIES, management_pki, management_plane
from moorage.local.ports import Ports
from moorage.local.programs import Program, program_config
from moorage.local.status import platform_status
from moorage.local.usercluster import KnownCluster, known_cluster, known_clusters
from moorage.toolchain.errors import ToolNotInstalledError


def declare(home: Home, *names: str) -> None:
    for name in names:
        (home.programs / f"{name}.ini").write_text(program_config(Program(name, ("/bin/x",)), home.log(name)))


async def diagnoses(home: Home, check: str) -> list[Diagnosis]:
    return [found for found in await diagnose(home) if found.check == check]


async def test_a_platform_that_never_was_has_no_status(home: Home) -> None:
    with pytest.raises(NotRunningError):
        await platform_status(home)


async def test_a_stopped_platform_shows_what_does_not_run_by_cluster(home: Home) -> None:
    folder = home.clusters / "c1"
    folder.mkdir(mode=0o700)
    (folder / "about.json").write_text(json.dumps({"name": "project-shop/web", "version": "1.36"}))
    claimed = Ports(home).claim(["etcd", "clusters/c1/kube-apiserver", "clusters/c1/kwok"])
    declare(home, "etcd", "c1.kube-apiserver", "c1.kwok")
    found = {status.component: status for status in await platform_status(home)}
    missing = [
        "audit",
        "cluster-api",
        "management.kube-apiserver",
        "management.kube-controller-manager",
        "metrics",
        "operator",
    ]
    assert sorted(found) == sorted(["supervisor", "etcd", "c1.kube-apiserver", "c1.kwok", *missing])
    assert list(found)[-2:] == ["c1.kube-apiserver", "c1.kwok"]
    assert {status.health for status in found.values()} == {"is not running"}
    assert {status.healthy for status in found.values()} == {False}
    assert found["etcd"].part == "platform"
    assert found["c1.kwok"].part == "shop/web"
    assert found["c1.kube-apiserver"].version == "1.36"
    assert found["etcd"].address == f"127.0.0.1:{claimed['etcd']}"
    assert found["c1.kube-apiserver"].address == f"127.0.0.1:{claimed['clusters/c1/kube-apiserver']}"


async def test_clusters_are_known_by_their_folders_and_by_their_ports(home: Home) -> None:
    (home.clusters / "folder-only").mkdir()
    Ports(home).claim(["clusters/ports-only/kwok", "etcd"])
    assert await known_clusters(home) == ["folder-only", "ports-only"]


@pytest.mark.parametrize("content", [None, "", "{", "{}"])
def test_a_cluster_of_which_little_is_known_goes_by_its_id(home: Home, content: str | None) -> None:
    (home.clusters / "c1").mkdir()
    if content is not None:
        (home.clusters / "c1" / "about.json").write_text(content)
    assert known_cluster(home, "c1") == KnownCluster("c1", "c1", "")


async def test_missing_tools_are_named_with_the_command_that_gets_them(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locate(name: str) -> Path:
        if name == "etcd":
            raise ToolNotInstalledError("etcd is not installed")
        return Path("/bin") / name

    monkeypatch.setattr(doctor, "locate", locate)
    [missing] = await diagnoses(home, "tools")
    assert not missing.ok
    assert "etcd" in missing.finding
    assert missing.mend == "`moorage tools install`"


@pytest.mark.parametrize(
    ("used", "room"),
    [(128, "no more user clusters"), (118, "1 more user cluster"), (100, "2 more user clusters")],
)
async def test_the_room_for_clusters_is_told_as_a_person_would(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, used: int, room: str
) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("128")
    processes = iter([used])
    monkeypatch.setattr(doctor, "_INOTIFY_LIMIT", limit)
    monkeypatch.setattr(doctor, "_inotify_instances", lambda _: next(processes, 0))
    [inotify] = await diagnoses(home, "inotify")
    assert inotify.finding == f"{used} of 128 instances are used: room for {room}"


async def test_a_folder_that_others_may_enter_is_found(home: Home) -> None:
    home.root.chmod(0o755)
    [state] = await diagnoses(home, "state")
    assert not state.ok
    assert state.mend.startswith(f"`chmod 0700 {home.root}`")


async def test_nothing_is_changed_by_looking(home: Home) -> None:
    home.root.chmod(0o755)
    before = {path: path.stat().st_mode for path in (home.root, *home.root.rglob("*"))}
    await diagnose(home)
    assert {path: path.stat().st_mode for path in (home.root, *home.root.rglob("*"))} == before


async def test_damaged_files_are_found_and_do_not_end_the_examination(home: Home) -> None:
    management_plane(home, {name: Path("/bin") / name for name in BINARIES})
    damaged = management_pki(home).certificate("ca")
    damaged.write_text("damaged")
    home.ports.write_text("{")
    declare(home, "etcd")
    found = await diagnose(home)
    assert [item.finding for item in found if item.check == "certificates" and not item.ok] == [
        f"{damaged} is damaged"
    ]
    assert [item for item in found if item.check == "certificates" and item.ok], "the others were looked at"
    assert any("ports.json is damaged" in item.finding for item in found if not item.ok)


async def test_a_stopped_platform_is_said_to_be_stopped(home: Home) -> None:
    declare(home, "etcd")
    [supervisor] = await diagnoses(home, "supervisor")
    assert not supervisor.ok
    assert "moorage up" in supervisor.mend
