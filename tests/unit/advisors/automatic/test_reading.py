"""What is read of objects: advice, workloads, pods, new workloads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from moorage.advisors.automatic.choosing import shortlist
from moorage.advisors.automatic.condition import said_of
from moorage.advisors.automatic.health import Condition, condition_of
from moorage.advisors.automatic.model import OPT_IN, SET_BY, Thing, amounts_of, amounts_set, item_of
from moorage.advisors.automatic.newcomers import YOUNG, newcomers_of, provisions
from moorage.advisors.automatic.observe import is_opted_in, opening_of
from moorage.advisors.automatic.plan import Idle
from moorage.advisors.resources.wire import Newcomer, Proposed, Source
from moorage.api.advice import Advice
from moorage.api.quantities import parse_quantity

from .builders import NO_WINDOW, NOW, POLICY, thing

SETS = {"requests": {"cpu": "250m"}}


def deployment(*containers: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", **metadata},
        "spec": {"template": {"spec": {"containers": list(containers)}}},
    }


def cron_job(*containers: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    made = deployment(*containers, **metadata)
    return {**made, "kind": "CronJob", "spec": {"jobTemplate": {"spec": made["spec"]}}}


def advice(*changed: dict[str, Any], action: str = "apply", **spec: Any) -> Advice:
    told = {
        "advisor": "resources",
        "cluster": "web",
        "subject": "Deployment shop/web, container app",
        "code": "cpu-request-large",
        "severity": "medium",
        "confidence": 90,
        "summary": "It asks for too much.",
        "evidence": {"now": {"requests.cpu": "2"}},
        "change": [{"action": action, "object": each} for each in changed],
        **spec,
    }
    return Advice.parse({"metadata": {"name": "web-1", "namespace": "project-shop"}, "spec": told})


APP = {"name": "app", "resources": SETS}


@pytest.mark.parametrize("make", [deployment, cron_job])
def test_a_change_of_resources_is_read(make: Any) -> None:
    found = item_of(advice(make(APP)))
    assert found.thing == Thing("shop", make()["kind"], "web")
    assert found.amounts == {(found.thing, "app", "requests.cpu"): parse_quantity("250m")}
    assert (found.container, found.seen) == ("app", {"requests.cpu": 2})


@pytest.mark.parametrize(
    "changed",
    [
        [{**deployment(APP), "kind": "Job"}],
        [deployment({**APP, "image": "app:2"})],
        [deployment(APP, labels={"a": "b"})],
        [{**deployment(APP), "spec": {**deployment(APP)["spec"], "replicas": 3}}],
        [deployment({"name": "app", "resources": {"requests": {"cpu": "lots"}}})],
        [deployment()],
        [deployment(APP), deployment(APP, name="api")],
        [],
    ],
)
def test_a_change_of_anything_else_is_not_followed(changed: list[dict[str, Any]]) -> None:
    assert item_of(advice(*changed)).thing is None


def test_what_is_deleted_is_not_followed() -> None:
    assert item_of(advice(deployment(APP), action="delete")).thing is None


def test_an_advice_that_does_not_say_what_it_saw_is_not_followed() -> None:
    assert item_of(advice(deployment(APP), evidence={})).seen is None
    assert item_of(advice(deployment(APP), evidence={"now": {"requests": "none"}})).seen == {}


def test_amounts_are_compared_as_numbers() -> None:
    one = amounts_of(deployment({"name": "app", "resources": {"requests": {"cpu": "0.25", "memory": "1Gi"}}}))
    other = amounts_set(
        deployment({"name": "app", "resources": {"requests": {"cpu": "250m", "memory": "1024Mi"}}})
    )
    assert one == other


@pytest.mark.parametrize(
    ("own", "namespace", "wanted"),
    [
        (None, None, False),
        (None, "true", True),
        ("false", "true", False),
        ("true", None, True),
        ("true", "false", True),
        ("yes", "true", False),
        (None, "True", False),
    ],
)
def test_whose_will_counts(own: str | None, namespace: str | None, wanted: bool) -> None:
    def labelled(value: str | None) -> dict[str, Any]:
        return {"metadata": {"labels": {OPT_IN: value} if value is not None else {}}}

    assert is_opted_in(labelled(own), labelled(namespace)) is wanted


def pod(state: dict[str, Any], last: dict[str, Any] | None = None, restarts: int = 0, **metadata: Any) -> Any:
    container = {"name": "app", "state": state, "lastState": last or {}, "restartCount": restarts}
    return {"metadata": metadata, "status": {"containerStatuses": [container]}}


def ended(minutes_ago: int, code: int = 137, reason: str = "OOMKilled") -> dict[str, Any]:
    at = (NOW - timedelta(minutes=minutes_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": at}}


@pytest.mark.parametrize(
    ("pods", "failing", "oom_killed"),
    [
        ([pod({"running": {}})], 0, 0),
        ([pod({"running": {}}, ended(1), 1)], 1, 1),
        ([pod({"running": {}}, ended(11), 1)], 0, 0),
        ([pod({"running": {}}, ended(1, 1, "Error"), 4)], 1, 0),
        ([pod({"waiting": {"reason": "CrashLoopBackOff"}}, ended(30, 1, "Error"), 9)], 1, 0),
        ([pod(ended(1))], 1, 1),
        ([pod(ended(1, 0, "Completed"))], 0, 0),
        # A pod of before the change, that has been told to end.
        ([pod(ended(1, 143, "Error"), deletionTimestamp="2026-11-22T03:00:00Z")], 0, 0),
    ],
)
def test_containers_that_fail_are_counted(pods: list[Any], failing: int, oom_killed: int) -> None:
    found = condition_of(deployment() | {"status": {}}, pods, NOW - timedelta(minutes=10))
    assert (found.failing, found.oom_killed) == (failing, oom_killed)
    assert isinstance(found, Condition)


def test_the_window_is_the_clusters_or_else_its_projects() -> None:
    window = {"days": ["Sunday"], "start": "03:00"}
    project = {"spec": {"defaults": {"maintenanceWindow": window}}}
    own = {"spec": {"maintenanceWindow": {**window, "start": "05:00"}}}
    assert opening_of({"spec": {}}, None, NOW) == NO_WINDOW
    assert opening_of({"spec": {}}, project, NOW).until == NOW + timedelta(hours=4)
    assert opening_of(own, project, NOW).until is None
    assert opening_of(own, project, NOW).opens == NOW + timedelta(hours=2)


def test_it_is_said_when_the_window_opens() -> None:
    own = {"spec": {"maintenanceWindow": {"days": ["Sunday"], "start": "05:00"}}}
    said = said_of(Idle(waiting=True), opening_of(own, None, NOW))
    assert (said.reason, said.message) == (
        "WaitingForWindow",
        "there is advice to apply; the maintenance window opens 2026-11-22 05:00 UTC",
    )


def made(minutes_ago: int = 1, **metadata: Any) -> dict[str, Any]:
    at = (NOW - timedelta(minutes=minutes_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    bare = [{"name": "app", "image": "app:1"}, {"name": "log", "image": "log:1", "resources": SETS}]
    return deployment(*bare, creationTimestamp=at, resourceVersion="7", **metadata)


@pytest.mark.parametrize(
    ("obj", "asked"),
    [
        (made(), True),
        (made(int(YOUNG.total_seconds() // 60) + 1), False),
        (made(labels={OPT_IN: "false"}), False),
        (made(annotations={SET_BY: "history"}), False),
        (made(ownerReferences=[{"kind": "Web", "name": "web", "controller": True}]), False),
        (made(deletionTimestamp="2026-11-22T03:00:00Z"), False),
    ],
)
def test_only_new_workloads_that_ask_for_nothing_are_given_requests(obj: Any, asked: bool) -> None:
    found = newcomers_of([obj], NOW)
    assert found == ([Newcomer("shop", "Deployment", "web", "app", "app:1")] if asked else [])


def test_only_requests_are_written_under_the_version_that_was_seen_and_only_where_there_are_none() -> None:
    newcomer = Newcomer("shop", "Deployment", "web", "app", "app:1")
    answers = [
        Proposed(newcomer, "300m", "", Source.HISTORY),
        Proposed(Newcomer("shop", "Deployment", "web", "log", "log:1"), "1", "1Gi", Source.SIBLINGS),
        Proposed(Newcomer("shop", "Deployment", "gone", "app", "app:1"), "1", "1Gi", Source.SIBLINGS),
    ]
    [found] = provisions({thing(): made()}, answers)
    assert found.object["metadata"] == {
        "name": "web",
        "namespace": "shop",
        "resourceVersion": "7",
        "annotations": {SET_BY: "history"},
    }
    containers = [{"name": "app", "resources": {"requests": {"cpu": "300m"}}}]
    assert found.object["spec"] == {"template": {"spec": {"containers": containers}}}


def test_of_a_workload_one_advice_is_looked_at() -> None:
    found = item_of(advice(deployment(APP)))
    assert shortlist([found, found], POLICY, frozenset()) == [found]
