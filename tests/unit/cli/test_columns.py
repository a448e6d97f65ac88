"""What tables show of objects."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from moorage.cli import _columns
from moorage.cli._output import Output, print_objects


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (133, "2m13s"),
        (600, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 61, "3h1m"),
        (9 * 3600 + 61, "9h"),
        (2 * 86400 + 3600, "2d1h"),
        (400 * 86400, "400d"),
    ],
)
def test_times_are_said_as_kubectl_does(seconds, said):
    assert _columns.span(seconds) == said


def test_an_age_is_since_the_creation():
    created = {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}
    assert _columns.age(created, datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)) == "30s"
    assert _columns.age({"metadata": {}}) == ""


def cluster(**parts):
    return {
        "metadata": {"name": "web", "namespace": "project-shop", **parts.pop("metadata", {})},
        "spec": {"version": "1.36", **parts.pop("spec", {})},
        **parts,
    }


def conditions(**statuses):
    return {
        "conditions": [
            {"type": type_, "status": status, "message": f"{type_} is awaited"}
            for type_, status in statuses.items()
        ]
    }


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (cluster(), ""),
        (cluster(status=conditions(Ready="True", UpToDate="True")), ""),
        (cluster(status=conditions(Ready="False", UpToDate="False")), "Ready is awaited"),
        (cluster(status=conditions(Ready="True", UpToDate="False")), "UpToDate is awaited"),
        (
            cluster(status=conditions(Ready="True", PoliciesReady="False")),
            "policies: PoliciesReady is awaited",
        ),
        (cluster(status=conditions(Ready="False", PoliciesReady="False")), "Ready is awaited"),
        (cluster(spec={"paused": True}), "paused"),
        (cluster(metadata={"deletionTimestamp": "now"}, spec={"paused": True}), "is being deleted"),
    ],
)
def test_the_state_is_what_is_not_as_declared(record, state):
    assert _columns.state(record) == state


def test_a_list_of_clusters_fits_a_terminal(capsys):
    record = cluster(
        metadata={"name": "a-cluster-of-24-chars-xx", "namespace": "project-payments"},
        status={
            **conditions(Ready="True", UpToDate="True"),
            "version": {"controlPlane": "1.36.0"},
            "nodes": {"summary": "200/200"},
        },
    )
    print_objects([record], Output.TABLE, columns=_columns.CLUSTERS_OF_ALL)
    for line in capsys.readouterr().out.splitlines():
        assert len(line) <= 80
