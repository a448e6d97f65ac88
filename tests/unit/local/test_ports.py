"""Ports: chosen once, never twice, and remembered."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from moorage.local import ports as module
from moorage.local.errors import PlatformError
from moorage.local.home import Home
from moorage.local.ports import LOOPBACK, Ports, port_is_free

NewHome = Callable[[], AbstractContextManager[Home]]
CLAIM = """
import sys
from pathlib import Path
from moorage.local.home import Home
from moorage.local.ports import Ports
ports = Ports(Home(Path(sys.argv[1])))
for number in range(10):
    ports.claim([f"shared/{number}", f"{sys.argv[2]}/{number}"])
"""


def test_a_name_keeps_its_port(home: Home) -> None:
    first = Ports(home).claim(["a", "b"])
    assert Ports(home).claim(["b", "a", "c"]).items() >= first.items()
    assert Ports(home).known().keys() == {"a", "b", "c"}


def test_many_processes_at_once_never_get_the_same_port(home: Home) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", CLAIM, str(home.root), f"own{number}"]) for number in range(8)
    ]
    assert [worker.wait(timeout=60) for worker in workers] == [0] * 8
    known = Ports(home).known()
    assert len(known) == 90
    assert len(set(known.values())) == 90


def test_a_port_that_somebody_has_is_not_chosen(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not port_is_free(port)
        monkeypatch.setenv(module.PORTS, f"{port}-{port}")
        with pytest.raises(PlatformError, match="no free port"):
            Ports(home).claim(["a"])
    assert port_is_free(port)
    assert Ports(home).claim(["a"]) == {"a": port}
    with pytest.raises(PlatformError, match="no free port"):
        Ports(home).claim(["b"])


def test_a_range_that_is_named_is_chosen_from(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Ports(home).claim(["a"])
    monkeypatch.setenv(module.PORTS, "40000-40009")
    claimed = Ports(home).claim(["a", *"bcd"])
    assert claimed["a"] == before["a"]
    assert {claimed[name] for name in "bcd"} <= set(range(40000, 40010))
    with pytest.raises(PlatformError, match="no free port") as raised:
        Ports(home).claim(map(str, range(8)))
    assert "40000-40009" in (raised.value.hint or "")
    assert Ports(home).known() == claimed


@pytest.mark.parametrize(
    "named", ["x", "20000", "20000-", "9-8", "0-9", "1-65536", "-1-2", "1-2-3", " 1-2", "1 - 2"]
)
def test_a_range_that_is_none_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv(module.PORTS, named)
    with pytest.raises(PlatformError, match=f"MOORAGE_PORTS={named} is no range of ports") as raised:
        Ports(home).claim(["a"])
    assert "MOORAGE_PORTS=20000-25999" in (raised.value.hint or "")


def test_release_forgets_a_name_and_what_is_below_it_and_nothing_that_begins_alike(home: Home) -> None:
    ports = Ports(home)
    ports.claim(["clusters/a/api", "clusters/a/kwok", "clusters/ab/api", "clusters/a", "etcd"])
    ports.release("clusters/a")
    assert ports.known().keys() == {"clusters/ab/api", "etcd"}
    ports.release("never-known")
    assert ports.known().keys() == {"clusters/ab/api", "etcd"}


@pytest.mark.parametrize("content", ["{", "[]", '{"etcd": "x"}', '{"etcd": null}', "\\x00", "7"])
def test_a_damaged_file_is_an_error_that_says_what_to_do(home: Home, content: str) -> None:
    home.ports.write_text(content)
    with pytest.raises(PlatformError, match=r"ports\.json is damaged") as raised:
        Ports(home).claim(["etcd"])
    assert "down --delete" in (raised.value.hint or "")
    assert home.ports.read_text() == content


def test_two_homes_have_ports_of_their_own(home: Home, new_home: NewHome) -> None:
    Ports(home).claim(["etcd"])
    with new_home() as other:
        assert Ports(other).known() == {}


def test_its_files_are_the_owners_alone(home: Home) -> None:
    Ports(home).claim(["etcd"])
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home.ports, home.run / "ports.lock")} == {0o600}
