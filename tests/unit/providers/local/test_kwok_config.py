"""What kwok is given fits together. What it does is tested with real API servers."""

from __future__ import annotations

import re

import pytest
import yaml

from moorage.providers.local.controlplane.controller import kwok_config
from moorage.providers.local.faults import Fault

DOCUMENTS = [document for path in kwok_config() for document in yaml.safe_load_all(path.read_text())]
STAGES = {obj["metadata"]["name"]: obj["spec"] for obj in DOCUMENTS if obj["kind"] == "Stage"}
USAGE = [obj["spec"] for obj in DOCUMENTS if obj["kind"] == "ClusterResourceUsage"]
METRICS = [obj["spec"] for obj in DOCUMENTS if obj["kind"] == "Metric"]


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_is_of_a_node_or_a_pod_and_does_something(name):
    stage = STAGES[name]
    assert stage["resourceRef"]["kind"] == name.partition("-")[0].capitalize()
    assert stage["selector"]["matchExpressions"]
    assert stage["steps"]


@pytest.mark.parametrize("name", STAGES)
def test_statuses_are_merged_not_replaced(name):
    for step in STAGES[name]["steps"]:
        if "patch" in step:
            assert (step["patch"]["type"], step["patch"]["subresource"]) == ("strategic", "status")


@pytest.mark.parametrize(
    "name", [name for name in STAGES if name.startswith("pod-") and name != "pod-delete"]
)
def test_a_pod_on_its_way_out_goes_no_other_way(name):
    assert {"jq": {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}} in STAGES[name][
        "selector"
    ]["matchExpressions"]


def test_only_stages_that_may_wait_have_no_weight():
    assert {name for name, stage in STAGES.items() if stage["weight"] == 0} == {
        "node-heartbeat",
        "pod-keep-address",
    }


def test_nodes_cost_nothing_while_nothing_happens():
    assert STAGES["node-heartbeat"]["delay"]["durationMilliseconds"] >= 300_000


def test_an_address_is_kept_before_a_new_one_is_given():
    assert "delay" not in STAGES["pod-keep-address"]
    assert STAGES["pod-create"]["delay"]["durationMilliseconds"] >= 100


def test_the_pressure_on_a_disk_is_the_fault_that_the_provider_writes():
    stage = STAGES["node-status"]
    assert stage["steps"][0]["patch"]["template"].count(f'"{Fault.DISK_PRESSURE}"') == 1
    selector = stage["selector"]["matchExpressions"][0]["jq"]["key"]
    assert re.findall(r'"local.moorage.dev/fault"\] == "([^"]+)"', selector) == [Fault.DISK_PRESSURE]


def test_kwok_is_given_nothing_else():
    assert len(DOCUMENTS) == len(STAGES) + len(USAGE) + len(METRICS)


def test_what_a_container_uses_is_said_once_and_for_all_containers():
    (usage,) = USAGE
    (of_all,) = usage["usages"]
    assert "selector" not in usage
    assert "containers" not in of_all
    for resource, expression in of_all["usage"].items():
        text = expression["expression"]
        # What is said of one container goes before what is said of all, and that before what is requested.
        order = [
            f'"kwok.x-k8s.io/usage-{resource}." + container.name in',
            f'"kwok.x-k8s.io/usage-{resource}" in',
            f'"{resource}" in container.resources.requests',
        ]
        assert sorted(order, key=text.index) == order


def test_a_node_is_asked_at_one_address():
    # kwok keeps what it tells of a node by the name of the node alone: two addresses would take turns.
    (metric,) = METRICS
    assert metric["path"].count("{nodeName}") == 1


def test_no_series_is_told_twice():
    (metric,) = METRICS
    told = [
        (each["name"], *(label["value"] for label in each.get("labels", ()) if label["name"] == "resource"))
        for each in metric["metrics"]
    ]
    assert len(set(told)) == len(told)


def test_whatever_is_told_of_a_container_says_whose_and_whether_it_runs():
    (metric,) = METRICS
    of_containers = [each for each in metric["metrics"] if each["dimension"] == "container"]
    assert of_containers
    for each in of_containers:
        assert {"namespace", "pod", "container", "phase"} <= {label["name"] for label in each["labels"]}
