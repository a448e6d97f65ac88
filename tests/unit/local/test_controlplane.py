"""A control plane's programs: what must be on every command line, and what never."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

import pytest

from moorage.local import controlplane
from moorage.local.controlplane import (
    API_SERVER,
    CONTROLLER_MANAGER,
    KWOK,
    SCHEDULER,
    ControlPlane,
    EtcdClient,
)
from moorage.local.home import Home
from moorage.local.management import BINARIES, ManagementPlane, management_plane
from moorage.local.pki import PkiFolder
from moorage.local.programs import Program

PORTS = {API_SERVER: 20001, CONTROLLER_MANAGER: 20002, SCHEDULER: 20003, KWOK: 20004}
ETCD = EtcdClient("https://127.0.0.1:20000", PkiFolder(Path("/etcd-pki")), "c1")
PLANE = ControlPlane(
    id="c1",
    folder=Path("/c1"),
    pki=PkiFolder(Path("/c1/pki")),
    ports=PORTS,
    binaries={name: Path("/bin") / name for name in PORTS},
    etcd=ETCD,
    etcd_prefix="/clusters/c1",
    emulated_version="1.36",
)


def user_programs() -> list[Program]:
    return [
        controlplane.api_server(PLANE),
        controlplane.controller_manager(PLANE),
        controlplane.scheduler(PLANE),
        controlplane.kwok(PLANE, [Path("/kwok.yaml"), Path("/kwok-metrics.yaml")]),
        controlplane.etcd(
            Path("/data"), PkiFolder(Path("/etcd-pki")), Path("/bin/etcd"), client_port=1, peer_port=2
        ),
    ]


PROGRAMS = {program.name: program for program in user_programs()}


def flags(program: Program) -> dict[str, str]:
    return dict(word[2:].split("=", 1) for word in program.argv if word.startswith("--") and "=" in word)


@pytest.mark.parametrize("name", PROGRAMS)
def test_whatever_listens_does_so_on_this_machine_only(name: str) -> None:
    given = flags(PROGRAMS[name])
    listening = {
        flag: value
        for flag, value in given.items()
        if flag.startswith(("listen-", "advertise-", "initial-advertise-"))
        or flag in ("bind-address", "server-address", "node-ip", "health-addr", "diagnostics-address")
    }
    assert listening
    assert {flag for flag, value in listening.items() if "127.0.0.1" not in value} == set()
    assert not any("0.0.0.0" in value or "[::]" in value for value in given.values())  # noqa: S104


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_served_without_tls(name: str) -> None:
    given = flags(PROGRAMS[name])
    assert not [flag for flag in given if "insecure" in flag]
    assert not [value for value in given.values() if value.startswith("http://")]
    assert given.get("profiling", "false") == "false"


@pytest.mark.parametrize("name", [API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK])
def test_each_has_a_port_and_a_certificate_of_its_own(name: str) -> None:
    given = flags(PROGRAMS[f"c1.{name}"])
    assert str(PORTS[name]) in (given.get("secure-port") or given["server-address"])
    assert given["tls-cert-file"] == f"/c1/pki/{name}.crt"
    assert given["tls-private-key-file"] == f"/c1/pki/{name}.key"


def test_the_api_server_asks_who_you_are_and_what_you_may_do() -> None:
    given = flags(PROGRAMS[f"c1.{API_SERVER}"])
    assert given["authorization-mode"] == "Node,RBAC"
    assert "NodeRestriction" in given["enable-admission-plugins"]
    assert {
        "audit-policy-file",
        "audit-log-path",
        "encryption-provider-config",
        "authentication-config",
    } <= set(given)
    assert not {
        "token-auth-file",
        "anonymous-auth",
        "basic-auth-file",
        "authorization-webhook-config-file",
    } & set(given)


def test_the_api_server_stores_below_its_prefix_with_a_certificate_of_its_own() -> None:
    given = flags(PROGRAMS[f"c1.{API_SERVER}"])
    assert given["etcd-prefix"] == "/clusters/c1"
    assert given["etcd-servers"] == ETCD.endpoint
    assert (given["etcd-certfile"], given["etcd-keyfile"]) == ("/etcd-pki/c1.crt", "/etcd-pki/c1.key")


def test_etcd_wants_a_certificate_of_everybody() -> None:
    given = flags(PROGRAMS["etcd"])
    assert given["client-cert-auth"] == given["peer-client-cert-auth"] == "true"
    assert given["trusted-ca-file"] == given["peer-trusted-ca-file"] == "/etcd-pki/ca.crt"


@pytest.mark.parametrize("name", [API_SERVER, CONTROLLER_MANAGER, SCHEDULER])
def test_all_of_them_emulate_the_minor_that_was_asked_for(name: str) -> None:
    assert flags(PROGRAMS[f"c1.{name}"])["emulated-version"] == "1.36"


def test_what_others_depend_on_is_started_first() -> None:
    order = {name: program.order for name, program in PROGRAMS.items()}
    assert (
        order["etcd"] < order[f"c1.{API_SERVER}"] < min(order[f"c1.{n}"] for n in (CONTROLLER_MANAGER, KWOK))
    )


def test_kwok_is_given_every_file_about_what_it_plays() -> None:
    config = [word for word in PROGRAMS[f"c1.{KWOK}"].argv if word.startswith("--config=")]
    assert config == ["--config=/kwok.yaml", "--config=/kwok-metrics.yaml"]


def test_the_same_declaration_is_the_same_command() -> None:
    assert user_programs() == user_programs()


@pytest.fixture
def management(home: Home, monkeypatch: pytest.MonkeyPatch) -> ManagementPlane:
    monkeypatch.setenv("MOORAGE_TOOLS", "relative")
    return management_plane(home, {name: Path("/bin") / name for name in BINARIES})


def management_programs(management: ManagementPlane) -> list[Program]:
    return [management.etcd(), management.api_server(), *management.controllers()]


def test_no_secret_is_on_a_command_line_or_in_an_environment(management: ManagementPlane) -> None:
    home = management.home
    encryption_key = b64encode((home.management / "encryption.key").read_bytes()).decode()
    for program in management_programs(management):
        for text in (*program.argv, *program.environment.values()):
            assert "PRIVATE KEY" not in text
            assert encryption_key not in text
            assert "password" not in text.replace(
                f"-httpAuth.password=file://{home.pki}/metrics/password", ""
            )
            assert "token" not in text.lower()


def test_everything_of_the_management_plane_listens_on_a_port_of_its_own(management: ManagementPlane) -> None:
    assert len(set(management.ports.values())) == len(management.ports)
    words = " ".join(word for program in management_programs(management) for word in program.argv)
    assert [name for name, port in management.ports.items() if str(port) not in words] == []


def test_making_the_management_plane_again_changes_nothing(management: ManagementPlane) -> None:
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in management.home.root.rglob("*") if path.is_file()}

    before = content()
    again = management_plane(management.home, management.binaries)
    assert management_programs(again) == management_programs(management)
    assert content() == before


def test_the_operator_finds_tools_from_wherever_it_runs(management: ManagementPlane) -> None:
    operator = management.controllers()[-1]
    assert operator.environment["MOORAGE_TOOLS"] == os.path.abspath("relative")  # noqa: PTH100 - as it is


def test_whatever_the_platform_writes_is_the_owners_alone(management: ManagementPlane) -> None:
    modes = {path: path.stat().st_mode & 0o077 for path in management.home.root.rglob("*")}
    assert {path for path, others in modes.items() if others} == set()
