"""A machine's Node, and what puts it right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moorage.providers.local.faults import Fault
from moorage.providers.local.nodes import (
    NodeFacts,
    NodeShape,
    allocatable,
    correction,
    parse_node,
    registration,
)

SHAPE = NodeShape(
    name="web-main-1",
    machine_uid="1b4e28ba-2fa1-11d2-883f-0016d3cca427",
    provider_id="local:///web-1/web-main-1",
    machine_type="small",
    cpu="2",
    memory="4Gi",
    zone="b",
    address="10.64.1.1",
    kubelet_version="v1.36.0",
    architecture="arm64",
)


def as_found(node, *, labels=None, annotations=None):
    found = parse_node({"metadata": {**node["metadata"], "uid": "u"}})
    return NodeFacts("u", {**found.labels, **(labels or {})}, {**found.annotations, **(annotations or {})})


def test_a_node_is_as_large_as_its_machine_type_and_says_where_it_is():
    node = registration(SHAPE, None)
    assert node["spec"]["providerID"] == "local:///web-1/web-main-1"
    assert node["status"]["capacity"] == {
        "cpu": "2",
        "memory": "4Gi",
        "pods": "110",
        "ephemeral-storage": "100Gi",
    }
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.0"
    assert node["status"]["addresses"][0] == {"type": "InternalIP", "address": "10.64.1.1"}
    assert {
        "kubernetes.io/arch": "arm64",
        "kubernetes.io/hostname": "web-main-1",
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": "small",
        "topology.kubernetes.io/region": "local",
        "topology.kubernetes.io/zone": "b",
    }.items() <= node["metadata"]["labels"].items()


def test_no_pod_comes_before_cluster_api_has_seen_the_node():
    taints = registration(SHAPE, None)["spec"]["taints"]
    assert taints == [{"key": "node.cluster.x-k8s.io/uninitialized", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("memory", "left"),
    [("4Gi", "3996Mi"), ("1Gi", "924Mi"), ("128Mi", "28Mi"), ("50Mi", "0"), ("4000000000", "3803850Ki")],
)
def test_pods_get_what_the_kubelet_does_not_keep_back(memory, left):
    assert allocatable("2", memory)["memory"] == left


def test_the_hardware_is_another_one_for_another_machine_and_the_same_for_the_same():
    ids = [
        registration(replace(SHAPE, machine_uid=uid), None)["status"]["nodeInfo"] for uid in ("a", "b", "a")
    ]
    assert ids[0] == ids[2]
    assert ids[0]["machineID"] != ids[1]["machineID"]
    assert len({ids[0]["bootID"], ids[0]["systemUUID"], ids[0]["machineID"]}) == 3


def test_a_node_without_a_machine_type_has_no_instance_type():
    labels = registration(replace(SHAPE, machine_type=None), None)["metadata"]["labels"]
    assert "node.kubernetes.io/instance-type" not in labels


@pytest.mark.parametrize("fault", [None, *Fault])
def test_a_node_as_it_registers_needs_no_correction(fault):
    assert correction(SHAPE, fault, as_found(registration(SHAPE, fault))) is None


def test_what_others_have_put_on_a_node_stays():
    found = as_found(registration(SHAPE, None), labels={"tier": "front"}, annotations={"mine": "x"})
    assert correction(SHAPE, None, found) is None


def test_labels_that_somebody_changed_are_put_back():
    found = as_found(registration(SHAPE, None), labels={"topology.kubernetes.io/zone": "moon"})
    assert correction(SHAPE, None, found) == {"metadata": {"labels": {"topology.kubernetes.io/zone": "b"}}}


def test_a_kubelet_stops_by_losing_its_label_and_starts_by_getting_it_back():
    running, stopped = registration(SHAPE, None), registration(SHAPE, Fault.KUBELET_STOPPED)
    assert correction(SHAPE, Fault.KUBELET_STOPPED, as_found(running)) == {
        "metadata": {"labels": {"local.moorage.dev/kubelet": None}}
    }
    assert correction(SHAPE, None, as_found(stopped)) == {
        "metadata": {"labels": {"local.moorage.dev/kubelet": "running"}}
    }


def test_disk_pressure_comes_and_goes_with_an_annotation():
    well, pressed = registration(SHAPE, None), registration(SHAPE, Fault.DISK_PRESSURE)
    assert correction(SHAPE, Fault.DISK_PRESSURE, as_found(well)) == {
        "metadata": {"annotations": {"local.moorage.dev/fault": "disk-pressure"}}
    }
    assert correction(SHAPE, None, as_found(pressed)) == {
        "metadata": {"annotations": {"local.moorage.dev/fault": None}}
    }
