"""What a person watches while a cluster comes to be what is declared."""

from __future__ import annotations

import io

import pytest

from moorage.api.kubernetescluster import KubernetesCluster
from moorage.cli._live import Board, Row, State
from moorage.cli._wait import cluster_rows, is_settled

NOW = "2026-01-01T00:00:00Z"


def cluster(  # noqa: PLR0913 - one parameter a fact
    *,
    ready=3,
    up_to_date=3,
    total=3,
    replicas=3,
    generation=2,
    observed=2,
    not_true=(),
    pools=None,
    desired="1.36.0",
    control_plane="1.36.0",
    nodes="1.36.0",
):
    def condition(type_):
        return {
            "type": type_,
            "status": "False" if type_ in not_true else "True",
            "reason": "Because",
            "message": f"{type_} is awaited" if type_ in not_true else "",
            "lastTransitionTime": NOW,
        }

    pool = {
        "name": "workers",
        "desired": replicas,
        "ready": ready,
        "total": total,
        "upToDate": up_to_date,
        "version": nodes,
    }
    return KubernetesCluster.parse(
        {
            "metadata": {"name": "web", "namespace": "project-shop", "generation": generation},
            "spec": {
                "version": "1.36",
                "nodePools": [{"name": "workers", "machineType": "small", "replicas": replicas}],
            },
            "status": {
                "observedGeneration": observed,
                "version": {
                    "desired": desired,
                    "controlPlane": control_plane,
                    "nodes": {"min": nodes, "max": nodes},
                },
                "nodePools": [pool] if pools is None else pools,
                "conditions": [
                    condition(type_)
                    for type_ in ("Ready", "ControlPlaneReady", "NodesReady", "UpToDate", "AccessReady")
                ],
            },
        }
    )


def test_a_cluster_that_is_what_is_declared_is_settled():
    assert is_settled(cluster())


@pytest.mark.parametrize(
    "wanting",
    [
        {"observed": 1},
        {"not_true": ("Ready",)},
        {"not_true": ("UpToDate",)},
        {"not_true": ("AccessReady",)},
        {"ready": 2},
        {"ready": 3, "replicas": 5},
        {"pools": []},
    ],
)
def test_a_cluster_that_is_not_yet_is_waited_for(wanting):
    assert not is_settled(cluster(**wanting))


def test_a_pool_that_is_still_going_away_is_waited_for():
    gone = [
        {"name": "workers", "desired": 3, "ready": 3, "total": 3, "upToDate": 3},
        {"name": "old", "desired": 0, "ready": 1, "total": 1, "upToDate": 0},
    ]
    shrinking = cluster(pools=gone)
    assert not is_settled(shrinking)
    assert Row("pool old", "1 nodes left", indent=1) in cluster_rows(shrinking)


def test_a_cluster_without_status_is_waited_for():
    bare = KubernetesCluster.parse({"metadata": {"name": "web"}, "spec": {"version": "1.36"}})
    assert not is_settled(bare)
    assert all(row.state is State.WAITING for row in cluster_rows(bare))


def test_each_row_says_why_it_is_waited_for():
    rows = {row.name: row for row in cluster_rows(cluster(ready=1, not_true=("Ready", "NodesReady")))}
    assert rows["control plane"].state is State.DONE
    assert rows["nodes"] == Row("nodes", "NodesReady is awaited")
    assert rows["pool workers"] == Row("pool workers", "1 of 3 ready", indent=1)


def test_what_a_status_says_of_an_earlier_declaration_is_not_shown():
    assert {row.state for row in cluster_rows(cluster(observed=1))} == {State.WAITING}


def test_an_upgrade_that_has_just_begun_is_done_with_nothing():
    begun = cluster(desired="1.37.2", not_true=("UpToDate",))
    rows = {row.name: row for row in cluster_rows(begun)}
    assert rows["control plane"] == Row("control plane", "1.36.0, on the way to 1.37.2")
    assert rows["nodes"] == Row("nodes", "1.36.0, on the way to 1.37.2")
    assert rows["pool workers"] == Row("pool workers", "3 of 3 ready, still at 1.36.0", indent=1)
    assert rows["up to date"].state is State.WAITING


def test_the_control_plane_of_an_upgrade_is_done_before_the_nodes():
    rows = {row.name: row for row in cluster_rows(cluster(desired="1.37.2", control_plane="1.37.2"))}
    assert rows["control plane"].state is State.DONE
    assert rows["nodes"].state is State.WAITING
    assert rows["pool workers"].state is State.WAITING


def test_nodes_that_are_to_be_replaced_are_counted():
    rows = {row.name: row for row in cluster_rows(cluster(ready=3, up_to_date=1, total=4))}
    assert rows["pool workers"] == Row("pool workers", "3 of 3 ready, 3 to be replaced", indent=1)


def test_a_pool_is_not_done_while_an_old_node_is_there():
    rows = {row.name: row for row in cluster_rows(cluster(ready=3, up_to_date=3, total=4))}
    assert rows["pool workers"] == Row("pool workers", "3 of 3 ready, 1 to be replaced", indent=1)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_without_a_terminal_each_change_is_a_line():
    stream, clock = io.StringIO(), Clock()
    with Board("Creating", stream=stream, clock=clock) as board:
        board.show(Row("nodes", "0 of 3"))
        clock.now += 1.5
        board.show(Row("nodes", "0 of 3"))
        board.show(Row("nodes", "3 of 3", State.DONE))
    assert stream.getvalue().splitlines() == [
        "Creating",
        "[   0.0 s] nodes: 0 of 3",
        "[   1.5 s] nodes: 3 of 3 (1.5 s)",
    ]


def test_a_row_that_is_only_worded_anew_is_a_line_now_and_then():
    stream, clock = io.StringIO(), Clock()
    with Board(stream=stream, clock=clock) as board:
        for text in ("0 of 9", "1 of 9", "2 of 9"):
            board.show(Row("nodes", text))
            clock.now += 0.5
        clock.now += 1
        board.show(Row("nodes", "2 of 9"))
        board.show(Row("nodes", "9 of 9", State.DONE))
    assert [line.partition("] ")[2] for line in stream.getvalue().splitlines()] == [
        "nodes: 0 of 9",
        "nodes: 2 of 9",
        "nodes: 9 of 9 (2.5 s)",
    ]


def test_an_error_marks_what_was_not_done():
    stream, clock = io.StringIO(), Clock()

    def fail_in_the_middle():
        with Board(stream=stream, clock=clock) as board:
            board.show(Row("etcd", state=State.DONE))
            board.show(Row("api server"))
            clock.now += 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_in_the_middle()
    assert stream.getvalue().splitlines()[-1] == "[   2.0 s] api server: not done (2.0 s)"
