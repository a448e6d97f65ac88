"""LocalMachines."""

from __future__ import annotations

import pytest

from moorage.providers.local.contract import parse_cluster, parse_machine
from moorage.providers.local.faults import Fault
from moorage.providers.local.machine.observe import observe, places
from moorage.providers.local.machine.placement import Place
from moorage.providers.local.machine.plan import (
    Correct,
    Decision,
    Register,
    Step,
    Vanish,
    node_shape,
    plan,
    plan_node,
    plan_status,
)
from moorage.providers.local.nodes import parse_node, registration

from .builders import NAMESPACE, NOW, cache_of, cluster, local_machine, machine, machine_template, said

HERE = Place("b", "10.64.1.1")


def facts(obj, *others):
    return observe(cache_of(obj, *others), obj)


def shape(obj=None):
    obj = obj or local_machine(provisioned=True)
    found = facts(obj, cluster(), machine())
    return node_shape(found, parse_cluster(cluster()), parse_machine(machine()), HERE, "amd64")


def found_node(fault=None):
    node = registration(shape(), fault)
    return parse_node({"metadata": {**node["metadata"], "uid": "u"}})


@pytest.mark.parametrize(
    ("obj", "others", "step", "reason"),
    [
        (local_machine(), [machine()], Step.NOTHING, ""),
        (local_machine(), [cluster()], Step.NOTHING, ""),
        (local_machine(), [cluster(provisioned=False), machine()], Step.WAIT, "WaitingForInfrastructure"),
        (local_machine(), [cluster(), machine(bootstrapped=False)], Step.WAIT, "WaitingForBootstrapData"),
        (local_machine(), [cluster(), machine()], Step.RUN, ""),
        (local_machine(provisioned=True), [cluster(), machine(bootstrapped=False)], Step.RUN, ""),
        (local_machine(fault="provider-error"), [cluster(), machine()], Step.FAIL, ""),
        (local_machine(fault="never-joins"), [cluster(), machine()], Step.RUN, ""),
        (local_machine(fault="meteor"), [cluster(), machine()], Step.RUN, ""),
        (local_machine(paused=True), [cluster(), machine()], Step.PAUSE, ""),
        (local_machine(), [cluster(paused=True), machine()], Step.PAUSE, ""),
        (local_machine(deleting=True), [cluster(), machine()], Step.REMOVE, ""),
        (local_machine(deleting=True), [], Step.REMOVE, ""),
        (local_machine(deleting=True, held=False), [cluster(), machine()], Step.NOTHING, ""),
        (local_machine(deleting=True), [cluster(paused=True), machine()], Step.PAUSE, ""),
    ],
)
def test_what_is_done_with_a_machine(obj, others, step, reason):
    decision = plan(facts(obj, *others))
    assert (decision.step, decision.reason) == (step, reason)


@pytest.mark.parametrize(
    ("obj", "next_fault", "step"),
    [
        (local_machine(), "never-joins", Step.TAKE_FAULT),
        (local_machine(), "never-joins@web-main-1", Step.TAKE_FAULT),
        (local_machine(), "never-joins@another", Step.RUN),
        (local_machine(fault="never-joins"), "never-joins@web-main-1", Step.TAKE_FAULT),
        (local_machine(fault="disk-pressure"), "never-joins", Step.RUN),
        (local_machine(provisioned=True), "never-joins", Step.RUN),
        (local_machine(), "meteor", Step.RUN),
        (local_machine(deleting=True), "never-joins", Step.REMOVE),
    ],
)
def test_who_takes_the_fault_that_waits_for_a_pools_next_machine(obj, next_fault, step):
    assert plan(facts(obj, cluster(), machine(), machine_template(next_fault))).step is step


@pytest.mark.parametrize(
    ("fault", "found", "leaving", "action"),
    [
        (None, None, False, Register),
        (None, None, True, type(None)),
        (None, "well", False, type(None)),
        (None, "well", True, type(None)),
        (None, Fault.KUBELET_STOPPED, False, Correct),
        (Fault.KUBELET_STOPPED, "well", False, Correct),
        (Fault.KUBELET_STOPPED, Fault.KUBELET_STOPPED, False, type(None)),
        (Fault.DISK_PRESSURE, "well", False, Correct),
        (Fault.NODE_GONE, "well", False, Vanish),
        (Fault.NODE_GONE, None, False, type(None)),
        (Fault.NEVER_JOINS, None, False, type(None)),
        (Fault.NEVER_JOINS, "well", False, type(None)),
        (Fault.PROVIDER_ERROR, "well", False, type(None)),
    ],
)
def test_what_is_done_with_a_machines_node(fault, found, leaving, action):
    node = None if found is None else found_node(None if found == "well" else found)
    assert type(plan_node(shape(), fault, node, leaving=leaving)) is action


def test_a_machine_that_runs_is_provisioned_and_says_where_it_is():
    obj = local_machine()
    found = facts(obj, cluster(), machine())
    status = plan_status(obj, found, Decision(Step.RUN), HERE, NOW)
    assert status.initialization.provisioned
    assert status.failure_domain == "b"
    assert [(item.type, item.address) for item in status.addresses] == [
        ("InternalIP", "10.64.1.1"),
        ("Hostname", "web-main-1"),
    ]
    assert said(status, "Ready") == ("True", "Running")
    assert said(status, "FaultInjected") is None


def test_a_machine_that_waits_says_for_what():
    obj = local_machine()
    decision = Decision(Step.WAIT, "WaitingForBootstrapData", "it is not known yet how the machine joins")
    status = plan_status(obj, facts(obj, cluster(), machine()), decision, None, NOW)
    assert status.initialization is None
    assert said(status, "Ready") == ("False", "WaitingForBootstrapData")


def test_a_machine_that_cannot_be_made_is_not_provisioned():
    obj = local_machine(fault="provider-error")
    status = plan_status(obj, facts(obj, cluster(), machine()), Decision(Step.FAIL), None, NOW)
    assert status.initialization is None
    assert said(status, "Ready") == ("False", "ProviderError")
    assert said(status, "FaultInjected") == ("True", "ProviderError")


@pytest.mark.parametrize(
    ("fault", "ready"),
    [
        ("kubelet-stopped", ("True", "Running")),
        ("disk-pressure", ("True", "Running")),
        ("never-joins", ("True", "Running")),
        ("node-gone", ("False", "NodeGone")),
    ],
)
def test_the_provider_reports_what_a_cloud_would_know_of_a_fault(fault, ready):
    obj = local_machine(provisioned=True, fault=fault)
    status = plan_status(obj, facts(obj, cluster(), machine()), Decision(Step.RUN), HERE, NOW)
    assert said(status, "Ready") == ready
    assert status.initialization.provisioned
    assert said(status, "FaultInjected")[0] == "True"


def test_a_fault_that_is_over_is_not_spoken_of_any_more():
    before = [
        {
            "type": "FaultInjected",
            "status": "True",
            "reason": "NodeGone",
            "lastTransitionTime": "2026-11-24T11:00:00Z",
        }
    ]
    obj = local_machine(provisioned=True, conditions=before)
    found = facts(obj, cluster(), machine(node_ready=True))
    assert found.node_in_doubt
    assert said(plan_status(obj, found, Decision(Step.RUN), HERE, NOW), "FaultInjected") is None


def test_an_unknown_fault_is_pointed_out():
    obj = local_machine(fault="meteor")
    found = facts(obj, cluster(), machine())
    status = plan_status(obj, found, plan(found), HERE, NOW)
    assert said(status, "FaultInjected") == ("False", "UnknownFault")
    assert said(status, "Ready") == ("True", "Running")


@pytest.mark.parametrize(
    ("obj", "node_ready", "in_doubt"),
    [
        (local_machine(provisioned=True), True, False),
        (local_machine(provisioned=True), False, True),
        (local_machine(provisioned=True, fault="disk-pressure"), True, True),
    ],
)
def test_a_node_is_looked_at_only_when_there_is_a_reason(obj, node_ready, in_doubt):
    assert facts(obj, cluster(), machine(node_ready=node_ready)).node_in_doubt is in_doubt


def test_the_places_of_a_clusters_machines_are_known_by_their_uids():
    cache = cache_of(
        local_machine("made", provisioned=True, zone="c", address="10.64.9.9"), local_machine("open")
    )
    assert places(cache, NAMESPACE, "web") == {"uid-made": Place("c", "10.64.9.9")}
