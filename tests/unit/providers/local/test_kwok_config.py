"""The stages that kwok is given fit together. What they do is tested with real API servers."""

from __future__ import annotations

import re

import pytest
import yaml

from moorage.providers.local.controlplane.controller import kwok_config
from moorage.providers.local.faults import Fault

STAGES = {stage["metadata"]["name"]: stage["spec"] for stage in yaml.safe_load_all(kwok_config().read_text())}


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
