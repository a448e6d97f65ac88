"""What has happened to a cluster."""

from __future__ import annotations

import pytest

from moorage.cli._events import History, concerns, history, recent


def event(name, *, kind="Machine", reason="Created", note="", at="2026-01-01T00:00:05.123456Z", **more):
    return {
        "metadata": {"name": f"{name}.1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "regarding": {"kind": kind, "name": name},
        "reason": reason,
        "note": note,
        "eventTime": at,
        **more,
    }


@pytest.mark.parametrize(
    ("regarding", "meant"),
    [("web", True), ("web-workers-x7k2p", True), ("web-2", False), ("web-2-workers", False), ("shop", False)],
)
def test_of_two_clusters_the_longer_name_is_meant(regarding, meant):
    assert concerns(event(regarding), "web", ["web-2", "other"]) is meant


def test_events_and_conditions_are_told_in_the_order_of_time():
    cluster = {
        "kind": "KubernetesCluster",
        "metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:01Z"},
        "status": {
            "conditions": [
                {
                    "type": "Ready",
                    "status": "False",
                    "reason": "NodesMissing",
                    "message": "0 of 3 nodes are ready",
                    "lastTransitionTime": "2026-01-01T00:00:09Z",
                }
            ]
        },
    }
    told = history([cluster], [event("web-abc", reason="Drained", note="drained the node")])
    assert [(entry["object"], entry["what"], entry["message"]) for entry in told] == [
        ("KubernetesCluster/web", "created", ""),
        ("Machine/web-abc", "Drained", "drained the node"),
        ("KubernetesCluster/web", "Ready is False", "0 of 3 nodes are ready"),
    ]


def test_a_repeated_event_is_counted_once():
    series = {"count": 4, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}
    (entry,) = history([], [event("web", reason="Failed", series=series)])
    assert entry["what"] == "Failed (x4)"
    assert entry["time"] == "2026-01-01T00:01:00Z"


def test_what_nobody_knows_anything_about_is_not_told():
    machine = {
        "kind": "Machine",
        "metadata": {"name": "web-abc"},
        "status": {"conditions": [{"type": "X", "status": "Unknown", "lastTransitionTime": "2026-01-01"}]},
    }
    assert history([machine], []) == []


def part(kind, *conditions):
    return {
        "kind": kind,
        "metadata": {"name": "web-abc", "creationTimestamp": "2026-01-01T00:00:01Z"},
        "status": {
            "conditions": [
                {
                    "type": type_,
                    "status": status,
                    "reason": reason,
                    "message": message,
                    "lastTransitionTime": "2026-01-01T00:00:02Z",
                }
                for type_, status, reason, message in conditions
            ]
        },
    }


@pytest.mark.parametrize(
    ("condition", "telling"),
    [
        (("Paused", "False", "NotPaused", ""), False),
        (("Paused", "True", "Paused", "Cluster spec.paused is set"), True),
        (("ScalingUp", "True", "ScalingUp", "Scaling up from 0 to 3 replicas"), True),
        (("NodeReady", "True", "NodeReady", ""), True),
        (("MachinesReady", "True", "Ready", ""), False),
        (("Available", "True", "NoReplicas", ""), False),
    ],
)
def test_conditions_at_rest_are_told_only_when_everything_is_asked_for(condition, telling):
    machine = part("Machine", condition)
    told = {entry["what"] for entry in history([machine], [])}
    assert (f"{condition[0]} is {condition[1]}" in told) is telling
    everything = {entry["what"] for entry in history([machine], [], everything=True)}
    assert everything == {"created", f"{condition[0]} is {condition[1]}"}


def test_a_list_of_problems_is_told_in_one_line():
    available = ("Available", "False", "NotAvailable", "* Workers:\n  * pool: 0 of 3\n* Access: none")
    (_, entry) = history([part("Machine", available)], [])
    assert entry["message"] == "Workers: pool: 0 of 3; Access: none"


CONFLICT = (
    'Operation cannot be fulfilled on localmachines.local.moorage.dev "web-abc": '
    "the object has been modified; please apply your changes to the latest version and try again"
)


def test_of_a_long_history_the_newest_is_told_and_the_rest_is_counted():
    events = [
        event("web", reason=f"R{second:02}", at=f"2026-01-01T00:00:{second:02}Z") for second in range(40)
    ]
    told = recent([], events, newest=30)
    assert [entry["what"] for entry in told.entries] == [f"R{second:02}" for second in range(10, 40)]
    assert told.left_out == "left out: 10 older; see --all"


def test_two_controllers_that_wrote_at_once_are_nothing_to_tell():
    cluster = part("Machine", ("Ready", "True", "Ready", ""), ("Paused", "False", "NotPaused", ""))
    events = [
        event("web-abc", reason="FailedUpdate", note=CONFLICT),
        event("web-abc", reason="FailedUpdate", note="the disk is full"),
    ]
    told = recent([cluster], events)
    assert [entry["message"] for entry in told.entries if entry["what"] == "FailedUpdate"] == [
        "the disk is full"
    ]
    assert told.left_out == "left out: 1 race of controllers, 1 condition at rest; see --all"


def test_where_all_is_told_nothing_is_said_of_the_rest():
    assert recent([], [event("web")]).left_out == ""
    assert History(()).left_out == ""


def test_what_is_told_of_the_cluster_itself_is_not_crowded_out_by_its_many_machines():
    own = event("web", kind="KubernetesCluster", reason="UpgradeStarted", at="2026-01-01T00:00:00Z")
    parts = [
        event("web-abc", reason=f"R{second:02}", at=f"2026-01-01T00:01:{second:02}Z") for second in range(50)
    ]
    told = recent([], [own, *parts], newest=30)
    assert [entry["what"] for entry in told.entries] == ["UpgradeStarted", *(f"R{n}" for n in range(21, 50))]
    assert told.older == 21

    many = [
        event("web", kind="KubernetesCluster", reason=f"K{second:02}", at=f"2026-01-01T00:00:{second:02}Z")
        for second in range(40)
    ]
    told = recent([], [*many, *parts], newest=30)
    assert [entry["what"][0] for entry in told.entries] == ["K"] * 15 + ["R"] * 15
    assert len(recent([], [*many, *parts[:3]], newest=30).entries) == 30
    assert len(recent([], many, newest=30).entries) == 30
