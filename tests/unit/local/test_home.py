"""The folder of a platform."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from moorage.local.errors import NotRunningError, PlatformError, PortTakenError, explained
from moorage.local.home import Home


def test_it_is_where_the_environment_says(tmp_path: Path) -> None:
    assert Home.from_environment({"MOORAGE_HOME": str(tmp_path)}).root == tmp_path.resolve()


def test_it_is_the_users_state_folder_when_the_environment_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for environ in ({}, {"MOORAGE_HOME": ""}):
        assert Home.from_environment(environ).root == tmp_path / "moorage" / "platform"


def test_one_home_has_one_name_however_it_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to("home")
    monkeypatch.chdir(tmp_path)
    names = ("home", "./home/", "home/../home", "link", str(tmp_path / "home"))
    assert {Home.from_environment({"MOORAGE_HOME": name}).root for name in names} == {
        (tmp_path / "home").resolve()
    }


def test_its_folders_are_the_owners_alone_also_when_they_were_not(home: Home) -> None:
    home.root.chmod(0o755)
    home.create()
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in home.root.iterdir()}
    assert modes == {True: 0o700, False: 0o600}


def test_a_folder_with_other_things_in_it_is_nobodys_home(home: Home) -> None:
    root = home.root / "work"
    root.mkdir(parents=True)
    (root / "logs").mkdir()
    with pytest.raises(PlatformError, match="has other things in it") as raised:
        Home(root).create()
    assert "empty or not there yet" in (raised.value.hint or "")
    assert [path.name for path in root.iterdir()] == ["logs"]


def test_an_empty_folder_may_become_a_home(home: Home) -> None:
    (home.root / "work").mkdir(parents=True)
    assert Home(home.root / "work").create().marker.exists()


def test_a_path_that_no_socket_can_have_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    root = tmp_path / ("x" * 100)
    with pytest.raises(PlatformError, match="too long a path") as raised:
        Home(root).create()
    assert "MOORAGE_HOME" in (raised.value.hint or "")
    assert not root.exists()


def test_a_path_is_measured_in_bytes(home: Home) -> None:
    room = 95 - len(os.fsencode(home.root / "run" / "supervisor.sock")) - 1
    assert Home(home.root / ("x" * room)).create().socket
    with pytest.raises(PlatformError, match="too long a path"):
        Home(home.root / ("ü" * room)).create()


@pytest.mark.parametrize("name", ["a*b", "a?b", "[a]", 'a"b', "a\nb", "a ;b", "a #b", "100%"])
def test_a_path_that_the_supervisor_would_read_as_another_is_refused(home: Home, name: str) -> None:
    with pytest.raises(PlatformError, match="cannot be told"):
        Home(home.root / name).create()


def test_a_file_in_its_place_is_an_error_not_a_traceback(home: Home) -> None:
    place = home.root / "file"
    place.write_text("")
    with pytest.raises(PlatformError, match="cannot be written"):
        Home(place).create()


@pytest.mark.parametrize(
    ("number", "says", "hint"),
    [
        (errno.ENOSPC, "no space is left for /some/where", "free some"),
        (errno.EDQUOT, "no space is left for /some/where", "free some"),
        (errno.EACCES, "/some/file cannot be written", "MOORAGE_HOME"),
        (errno.EPERM, "/some/file cannot be written", "MOORAGE_HOME"),
        (errno.EROFS, "/some/file cannot be written", "MOORAGE_HOME"),
    ],
)
def test_what_a_disk_refuses_is_said_for_a_person(number: int, says: str, hint: str) -> None:
    with pytest.raises(PlatformError, match=says) as raised, explained(Path("/some/where")):
        raise OSError(number, os.strerror(number), "/some/file")
    assert hint in (raised.value.hint or "")


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(OSError, match="Input/output") as raised, explained(Path("/some/where")):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert not isinstance(raised.value, PlatformError)


def test_errors_say_what_to_do() -> None:
    assert "moorage up" in str(NotRunningError(Path("/x")))
    assert issubclass(PortTakenError, PlatformError)
