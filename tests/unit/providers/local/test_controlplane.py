"""LocalControlPlanes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moorage.api.versions import parse_version
from moorage.providers.local.controlplane.plan import (
    OFFERED,
    Decision,
    Outcome,
    Step,
    minor,
    observe,
    plan,
    plan_status,
)

from .builders import NOW, cache_of, cluster, control_plane, local_cluster, machine, said

SERVING = Outcome(serving=True)
STARTING = Outcome(serving=False, reason="WaitingForAPIServer", message="the API server does not listen")
RUN = Decision(Step.RUN)


def facts(obj, *others):
    return observe(cache_of(obj, *others), obj)


def status_of(obj, *others, decision=RUN, outcome=None):
    return plan_status(obj, facts(obj, *others), decision, outcome, NOW)


@pytest.mark.parametrize(
    ("obj", "others", "step", "reason"),
    [
        (control_plane(), [], Step.NOTHING, ""),
        (control_plane(), [cluster(endpoint=False)], Step.WAIT, "WaitingForInfrastructure"),
        (control_plane(), [cluster(endpoint=False), local_cluster()], Step.WAIT, "WaitingForInfrastructure"),
        (control_plane(), [cluster(endpoint=False), local_cluster(endpoint=True)], Step.RUN, ""),
        (control_plane(), [cluster(provisioned=False)], Step.RUN, ""),
        (control_plane(held=False), [cluster()], Step.RUN, ""),
        (control_plane(version="v1.33.0"), [cluster()], Step.WAIT, "VersionNotOffered"),
        (control_plane(version="latest"), [cluster()], Step.WAIT, "VersionNotOffered"),
        (control_plane(), [cluster(paused=True)], Step.PAUSE, ""),
        (control_plane(deleting=True), [cluster(), machine()], Step.WAIT, "WaitingForWorkersDeletion"),
        (control_plane(deleting=True), [cluster()], Step.REMOVE, ""),
        (control_plane(deleting=True), [], Step.REMOVE, ""),
        (control_plane(deleting=True, held=False), [cluster()], Step.NOTHING, ""),
        (control_plane(deleting=True), [cluster(paused=True)], Step.PAUSE, ""),
        (control_plane("web-second"), [cluster()], Step.NOTHING, ""),
        (control_plane("web-second", deleting=True), [cluster(), machine()], Step.LET_GO, ""),
        (control_plane("web-second", deleting=True), [cluster(deleting=True)], Step.LET_GO, ""),
        (control_plane("web-second", deleting=True, held=False), [cluster()], Step.NOTHING, ""),
    ],
)
def test_what_is_done_with_a_control_plane(obj, others, step, reason):
    decision = plan(facts(obj, *others))
    assert (decision.step, decision.reason) == (step, reason)


@pytest.mark.parametrize("tag", OFFERED)
def test_every_version_on_offer_can_be_emulated(tag):
    assert minor(tag) == parse_version(tag).minor_version


@pytest.mark.parametrize("version", ["v1.33.9", "v1.38.0", "v2.36.0", "", "latest"])
def test_no_other_version_can(version):
    assert minor(version) is None


def test_a_version_is_reported_when_it_is_served_and_not_before():
    new = control_plane()
    assert status_of(new, cluster(), outcome=STARTING).version is None
    assert status_of(new, cluster(), outcome=STARTING).initialization is None
    served = status_of(new, cluster(), outcome=SERVING)
    assert served.version == "v1.36.0"
    assert [item.version for item in served.versions] == ["v1.36.0"]
    assert served.initialization.control_plane_initialized
    assert served.external_managed_control_plane


def test_an_upgrade_reports_the_old_version_until_the_new_one_is_served():
    old = control_plane(version="v1.37.2", served="v1.36.0")
    during = status_of(old, cluster(), outcome=STARTING)
    assert during.version == "v1.36.0"
    assert during.initialization.control_plane_initialized
    assert said(during, "Available") == ("False", "Upgrading")
    assert said(during, "RollingOut") == ("True", "Upgrading")
    after = status_of(old, cluster(), outcome=SERVING)
    assert after.version == "v1.37.2"
    assert said(after, "Available") == ("True", "Available")
    assert said(after, "RollingOut") == ("False", "NotRollingOut")


def test_an_api_server_that_is_down_makes_the_control_plane_unavailable_and_nothing_else():
    down = status_of(control_plane(served="v1.36.0"), cluster(), outcome=STARTING)
    assert said(down, "Available") == ("False", "WaitingForAPIServer")
    assert said(down, "RollingOut") == ("False", "NotRollingOut")
    assert down.version == "v1.36.0"


def test_a_component_that_does_not_stay_up_is_named():
    outcome = Outcome(serving=True, failing={"kube-scheduler": "exited too quickly"})
    status = status_of(control_plane(), cluster(), outcome=outcome)
    assert said(status, "Available") == ("True", "Available")
    assert said(status, "ComponentsHealthy") == ("False", "ComponentsFailing")
    assert any("kube-scheduler: exited too quickly" in item.message for item in status.conditions)


def test_lost_keys_are_reported_and_say_nothing_about_the_api_server():
    available = [
        {
            "type": "Available",
            "status": "True",
            "reason": "Available",
            "lastTransitionTime": "2026-11-24T11:00:00Z",
        }
    ]
    obj = control_plane(served="v1.36.0", replicas=1, conditions=available)
    outcome = Outcome(serving=False, keys_lost="the cluster's keys are gone")
    status = status_of(obj, cluster(), outcome=outcome)
    assert said(status, "CertificatesAvailable") == ("False", "KeysUnavailable")
    assert said(status, "Available") == ("True", "Available")
    assert status.ready_replicas == 1


@pytest.mark.parametrize(
    ("served", "outcome", "counts"),
    [
        (None, STARTING, (0, 0, 0, 0)),
        (None, SERVING, (3, 3, 3, 3)),
        ("v1.35.0", STARTING, (3, 0, 0, 0)),
        ("v1.35.0", SERVING, (3, 3, 3, 3)),
        ("v1.36.0", STARTING, (3, 0, 0, 3)),
    ],
)
def test_declared_instances_are_counted_as_the_contract_wants(served, outcome, counts):
    status = status_of(control_plane(served=served, replicas=3), cluster(), outcome=outcome)
    found = (
        status.replicas,
        status.ready_replicas,
        status.available_replicas,
        status.up_to_date_replicas,
    )
    assert found == counts
    assert status.selector


def test_without_declared_instances_none_are_counted():
    status = status_of(control_plane(), cluster(), outcome=SERVING).wire()
    assert not {"replicas", "readyReplicas", "selector"} & status.keys()


def test_a_deletion_says_what_it_waits_for():
    obj = control_plane(deleting=True, served="v1.36.0")
    found = facts(obj, cluster(), machine("m1"), machine("m2"))
    decision = plan(found)
    assert decision.message == "2 machines of the cluster must go first"
    assert plan(replace(found, machines=1)).message == "1 machine of the cluster must go first"
    assert said(plan_status(obj, found, decision, None, NOW), "Deleting") == (
        "True",
        "WaitingForWorkersDeletion",
    )


def test_a_paused_control_plane_keeps_what_it_has_reported():
    obj = control_plane(served="v1.36.0")
    status = status_of(obj, cluster(paused=True), decision=Decision(Step.PAUSE))
    assert status.version == "v1.36.0"
    assert said(status, "Paused") == ("True", "Paused")
