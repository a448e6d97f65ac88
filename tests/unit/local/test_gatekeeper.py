"""Gatekeeper as a process of this machine: what it may not do there."""

from __future__ import annotations

from pathlib import Path

from moorage.local import manifests
from moorage.local.gatekeeper import GATE, GATEKEEPER, GATEKEEPER_USER, gate, gatekeeper, pod

PORTS = {GATEKEEPER: 1, "gatekeeper-health": 2, GATE: 3}


def flags(pod_uid: str = "1") -> list[str]:
    return list(program(pod_uid).argv[1:])


def program(pod_uid: str):
    return gatekeeper("x.gatekeeper", Path("/bin/gatekeeper"), Path("/k"), Path("/f"), PORTS, pod_uid=pod_uid)


def test_a_rule_that_a_tenant_writes_reaches_nothing_outside_of_it() -> None:
    given = flags()
    for builtin in ("http.send", "net.lookup_ip_addr", "opa.runtime"):
        assert f"--disable-opa-builtin={builtin}" in given
    assert "--enable-external-data=false" in given
    assert not [flag for flag in given if "violation-export" in flag]
    assert not [flag for flag in given if "mutation" in flag]


def test_everything_listens_on_loopback() -> None:
    given = flags()
    assert "--host=127.0.0.1" in given
    assert "--health-addr=127.0.0.1:2" in given
    # Its other exporter of metrics listens everywhere.
    assert "--metrics-backend=opentelemetry" in given


def test_another_pod_that_stands_for_it_starts_it_anew() -> None:
    assert program("1").environment != program("2").environment


def test_the_gate_is_where_the_api_server_asks() -> None:
    argv = gate("x.policy-gate", Path("/f"), PORTS).argv
    assert {"--listen=3", "--engine=1", "--health=2"} <= set(argv)


def test_the_pod_that_stands_for_it_is_never_scheduled() -> None:
    assert pod()["spec"]["schedulingGates"]


def test_its_role_is_for_its_own_kinds() -> None:
    objects = manifests.load("gatekeeper-rbac.yaml")
    [role] = [item for item in objects if item["kind"] == "ClusterRole"]
    writing = {
        group: set(rule["resources"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        if not set(rule["verbs"]) <= {"get", "list", "watch"}
    }
    assert {group for group in writing if not group.endswith(".gatekeeper.sh")} == {
        "",
        "apiextensions.k8s.io",
    }
    assert writing[""] == {"events"}
    assert not any(rule["apiGroups"] == ["*"] or "secrets" in rule["resources"] for rule in role["rules"])
    [binding] = [item for item in objects if item["kind"] == "ClusterRoleBinding"]
    assert [subject["name"] for subject in binding["subjects"]] == [GATEKEEPER_USER]
