"""LocalClusters."""

from __future__ import annotations

import pytest

from moorage.providers.local.cluster import Step, observe, plan, plan_status

from .builders import NOW, cache_of, cluster, control_plane, local_cluster, said


def facts(obj, *others):
    return observe(cache_of(obj, *others), obj)


SERVING = control_plane(served="v1.36.0")


@pytest.mark.parametrize(
    ("obj", "others", "step"),
    [
        (local_cluster(), [], Step.NOTHING),
        (local_cluster(), [cluster()], Step.RESERVE),
        (local_cluster(endpoint=True), [cluster()], Step.RESERVE),
        (local_cluster(held=True), [cluster()], Step.RESERVE),
        (local_cluster(held=True, endpoint=True), [cluster()], Step.WAIT),
        (local_cluster(held=True, endpoint=True), [cluster(), control_plane()], Step.WAIT),
        (local_cluster(held=True, endpoint=True), [cluster(), SERVING], Step.REPORT),
        (local_cluster(held=True, endpoint=True, provisioned=True), [cluster()], Step.REPORT),
        (local_cluster(), [cluster(paused=True)], Step.PAUSE),
        (
            local_cluster(held=True, annotations={"cluster.x-k8s.io/paused": ""}),
            [cluster()],
            Step.PAUSE,
        ),
        (local_cluster(labels={"cluster.x-k8s.io/managed-by": "x"}), [cluster()], Step.NOTHING),
        (local_cluster(held=True, deleting=True), [cluster()], Step.RELEASE),
        (local_cluster(held=True, deleting=True), [], Step.RELEASE),
        (local_cluster(deleting=True), [cluster()], Step.NOTHING),
        (local_cluster(held=True, deleting=True), [cluster(paused=True)], Step.PAUSE),
    ],
)
def test_what_is_done_with_a_local_cluster(obj, others, step):
    assert plan(facts(obj, *others)) is step


def nameless(**how):
    """A Cluster that has got nothing yet."""
    made = cluster(**how)
    made["spec"] = {"topology": {}}
    return made


@pytest.mark.parametrize(
    ("obj", "others", "step"),
    [
        (local_cluster("web-second"), [cluster()], Step.NOTHING),
        (local_cluster("web-second", held=True, endpoint=True), [cluster()], Step.NOTHING),
        (local_cluster("web-second", deleting=True), [cluster()], Step.NOTHING),
        (local_cluster("web-second", held=True, deleting=True), [cluster()], Step.LET_GO),
        (local_cluster("web-second", held=True, deleting=True), [cluster(deleting=True)], Step.LET_GO),
        (local_cluster(), [nameless()], Step.RESERVE),
        (local_cluster(held=True, deleting=True), [nameless()], Step.LET_GO),
        (local_cluster(held=True, deleting=True), [nameless(deleting=True)], Step.RELEASE),
    ],
)
def test_one_that_the_cluster_does_not_have_takes_nothing_with_it(obj, others, step):
    assert plan(facts(obj, *others)) is step


def test_another_providers_control_plane_is_not_waited_for():
    other = cluster()
    other["spec"]["controlPlaneRef"]["kind"] = "KubeadmControlPlane"
    assert plan(facts(local_cluster(held=True, endpoint=True), other)) is Step.REPORT


def test_zones_become_failure_domains():
    obj = local_cluster(held=True, endpoint=True)
    status = plan_status(obj, facts(obj, cluster(), SERVING), Step.REPORT, NOW)
    assert [domain.name for domain in status.failure_domains] == ["a", "b", "c"]
    assert status.initialization.provisioned
    assert said(status, "Ready") == ("True", "Provisioned")
    assert said(status, "Paused") == ("False", "NotPaused")
    assert status.observed_generation == 2


@pytest.mark.parametrize("step", [Step.RESERVE, Step.WAIT])
def test_nothing_is_provisioned_before_an_api_server_answers(step):
    obj = local_cluster()
    status = plan_status(obj, facts(obj, cluster()), step, NOW)
    assert status.initialization is None
    assert said(status, "Ready") == ("False", "WaitingForAPIServer")


def test_a_pause_takes_nothing_back():
    obj = local_cluster(held=True, endpoint=True, provisioned=True)
    status = plan_status(obj, facts(obj, cluster(paused=True)), Step.PAUSE, NOW)
    assert status.initialization.provisioned
    assert said(status, "Paused") == ("True", "Paused")
