"""What is said about a cluster."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.api.kubernetescluster import KubernetesClusterStatus
from moorage.api.versions import parse_version
from moorage.clusters.cluster.plan import WriteStatus, plan_cluster
from moorage.clusters.cluster.snapshot import Snapshot
from moorage.clusters.cluster.status import Outlook, roll_up
from moorage.clusters.cluster.wording import age, next_step, plain, sentence, some

from .builders import EARLIER, NOW, WELL, cluster, machine, made_as, pool, pool_view, seen, settled, snapshot


def status(found: Snapshot) -> KubernetesClusterStatus:
    [written] = [a.status for a in plan_cluster(found, NOW).actions if isinstance(a, WriteStatus)]
    return written


def condition(found: Snapshot, name: str) -> tuple[str, str, str]:
    [item] = [item for item in status(found).conditions if item.type == name]
    return item.status.value, item.reason, item.message


def test_a_cluster_that_is_well_says_so_in_all_conditions_and_numbers() -> None:
    found = status(settled())

    assert [(item.type, item.status.value) for item in found.conditions] == [
        ("Ready", "True"),
        ("ControlPlaneReady", "True"),
        ("NodesReady", "True"),
        ("UpToDate", "True"),
    ]
    assert found.wire()["nodes"] == {"desired": 3, "ready": 3, "summary": "3/3"}
    assert found.wire()["endpoint"] == {"host": "127.0.0.1", "port": 6443}
    assert found.wire()["version"] == {
        "desired": "1.36.1",
        "controlPlane": "1.36.1",
        "nodes": {"min": "1.36.1", "max": "1.36.1"},
    }
    assert found.observed_generation == 1


def test_a_cluster_that_is_being_made_says_what_it_waits_for() -> None:
    found = snapshot()

    assert condition(found, "Ready") == ("False", "Creating", "the cluster is being made")
    assert condition(found, "NodesReady")[1] == "WaitingForControlPlane"
    assert status(found).wire()["nodes"]["summary"] == "0/3"


def test_a_control_plane_that_starts_says_what_its_provider_says() -> None:
    starting = {
        **WELL,
        "ControlPlaneAvailable": seen("False", "NotAvailable", "* the API server does not listen"),
    }
    found = settled(made=made_as(snapshot(), initialized=False, conditions=starting), machines=(), pools=())

    message = "the control plane is starting: the API server does not listen"
    assert condition(found, "ControlPlaneReady") == ("False", "Starting", message)
    assert condition(found, "Ready") == ("False", "Starting", message)
    assert condition(found, "NodesReady")[1] == "WaitingForControlPlane"


@pytest.mark.parametrize(("said", "state"), [("False", "False"), ("Unknown", "Unknown")])
def test_a_control_plane_that_was_there_and_is_not_is_unavailable(said: str, state: str) -> None:
    gone = {**WELL, "ControlPlaneAvailable": seen(said, "X", "connection refused")}
    found = settled(made=made_as(snapshot(), conditions=gone))

    message = "the control plane is not available: connection refused"
    assert condition(found, "ControlPlaneReady") == (state, "Unavailable", message)
    assert condition(found, "Ready") == (state, "Unavailable", message)


def test_a_node_that_does_not_join_is_named_with_the_reason_and_since_when() -> None:
    late = machine(
        "web-main-abc",
        joined=False,
        kubelet=None,
        created=NOW - timedelta(minutes=4, seconds=20),
        conditions={
            "Ready": seen("False"),
            "BootstrapConfigReady": seen(),
            "InfrastructureReady": seen("False", "Broken", "* the hypervisor is full"),
        },
    )
    found = settled(pools=(pool_view(ready=2),), machines=(machine("a"), machine("b"), late))

    assert condition(found, "NodesReady") == (
        "False",
        "NodesJoining",
        "2 of 3 nodes are ready in pool main; web-main-abc has not joined for 3m: the hypervisor is full",
    )
    assert condition(found, "Ready")[1] == "NodesJoining"
    assert plan_cluster(found, NOW).recheck_after == timedelta(seconds=40), "then it is five minutes"


def test_a_node_that_was_well_is_named_with_what_is_wrong() -> None:
    ill = machine(
        "web-main-abc",
        conditions={
            "Ready": seen("False", since=NOW - timedelta(minutes=12)),
            "NodeHealthy": seen("Unknown", "X", "* Node.Ready: Kubelet stopped posting node status."),
        },
    )
    found = settled(pools=(pool_view(ready=2),), machines=(machine("a"), machine("b"), ill))

    assert condition(found, "NodesReady") == (
        "False",
        "NodesNotReady",
        (
            "2 of 3 nodes are ready in pool main; "
            "web-main-abc is not ready for 10m: Node.Ready: Kubelet stopped posting node status."
        ),
    )


def test_of_many_nodes_that_are_missing_the_longest_are_named_and_the_rest_counted() -> None:
    missing = tuple(
        machine(f"n{number}", joined=False, created=NOW - timedelta(hours=number), conditions={})
        for number in range(8)
    )
    found = settled(cluster("web", pool("main", 8)), pools=(pool_view("main", 8, ready=0),), machines=missing)

    _, _, message = condition(found, "NodesReady")
    assert message.startswith("0 of 8 nodes are ready in pool main; n7 has not joined for 6h; n6 ")
    assert message.endswith("; and 5 more")
    assert "n3" not in message


def test_a_cluster_without_pools_is_ready_without_nodes() -> None:
    found = settled(cluster("web"))

    assert condition(found, "NodesReady") == ("True", "NoNodes", "the cluster has no node pools")
    assert condition(found, "Ready")[0] == "True"


def test_a_pool_that_grows_is_not_ready_before_the_new_nodes_are_also_when_nobody_else_knows_yet() -> None:
    grown = replace(settled(), declared=cluster("web", pool("main", 5)))

    assert condition(grown, "NodesReady")[2] == "3 of 5 nodes are ready in pool main"
    assert condition(grown, "UpToDate")[1] == "Updating"


def test_an_autoscaled_pool_wants_what_the_autoscaler_wants() -> None:
    declared = cluster("web", pool("main", None, min=1, max=9))
    found = settled(declared, pools=(pool_view("main", 4),))

    assert status(found).wire()["nodePools"] == [
        {"name": "main", "desired": 4, "total": 4, "ready": 4, "upToDate": 4}
    ]


def test_a_pool_that_is_being_removed_is_listed_while_it_has_machines() -> None:
    found = settled(cluster("web", pool()), pools=(pool_view(), pool_view("old", 2, deleting=True)))

    assert [(item.name, item.desired, item.total) for item in status(found).node_pools] == [
        ("main", 3, 3),
        ("old", 0, 2),
    ]
    assert condition(found, "UpToDate") == ("False", "Updating", "pool old is being removed")
    assert condition(found, "NodesReady")[0] == "True"


class TestUpToDate:
    @pytest.mark.parametrize(
        ("pools", "message"),
        [
            ((), "pool main is being made"),
            ((pool_view(settled=False),), "pool main is being changed"),
            ((pool_view(up_to_date=1),), "1 of 3 nodes in pool main up to date"),
            ((pool_view(total=2),), "pool main grows from 2 to 3 nodes"),
            ((pool_view(wanted=3, total=5, up_to_date=5),), "pool main shrinks from 5 to 3 nodes"),
            ((pool_view(deleting=True),), "pool main is being removed, and will be made again"),
        ],
    )
    def test_says_what_is_still_to_be_done(self, pools: tuple[object, ...], message: str) -> None:
        assert condition(settled(pools=pools), "UpToDate") == ("False", "Updating", message)

    def test_waits_until_cluster_api_has_seen_the_newest_declaration(self) -> None:
        found = settled(made=made_as(snapshot(), generation=2))

        assert condition(found, "UpToDate")[:2] == ("False", "Updating")

    def test_repeats_what_cluster_api_cannot_do(self) -> None:
        failed = {**WELL, "TopologyReconciled": seen("False", "ReconcileFailed", "no such variable")}
        found = settled(made=made_as(snapshot(), conditions=failed))

        assert condition(found, "UpToDate") == ("False", "TopologyFailed", "no such variable")

    def test_does_not_call_it_a_failure_that_two_wrote_at_once(self) -> None:
        message = (
            "Operation cannot be fulfilled on x: the object has been modified; please apply your changes"
        )
        failed = {**WELL, "TopologyReconciled": seen("False", "ReconcileFailed", message)}
        found = settled(made=made_as(snapshot(), conditions=failed))

        assert condition(found, "UpToDate")[1] == "Updating"

    def test_says_how_far_an_upgrade_is(self) -> None:
        declared = cluster("web", pool(), version="1.37")
        old, new = parse_version("1.36.1"), parse_version("1.37.2")
        upgrading = {**WELL, "TopologyReconciled": seen("False", "ClusterUpgrading", "x")}
        made = made_as(snapshot(declared), conditions=upgrading, control_plane=old)
        first = settled(declared, made=made)

        assert condition(first, "UpToDate") == (
            "False",
            "Upgrading",
            "the control plane goes from 1.36.1 to 1.37.2, then the nodes",
        )

        rolling = replace(
            first,
            made=replace(made, control_plane=new),
            machines=(machine("a", kubelet=new), machine("b"), machine("c")),
        )
        assert condition(rolling, "UpToDate")[1:] == (
            "Upgrading",
            "1 node runs 1.37.2, 2 are still to be replaced",
        )

        last = replace(rolling, machines=tuple(machine(name, kubelet=new) for name in "abc"))
        assert condition(last, "UpToDate") == (
            "False",
            "Upgrading",
            "every node runs 1.37.2; the upgrade is being finished",
        ), "until Cluster API says it is done"

    def test_says_which_pool_is_upgraded_and_which_wait(self) -> None:
        declared = cluster("web", pool("a", 2), pool("b", 1), pool("c", 0), version="1.37")
        old, new = parse_version("1.36.1"), parse_version("1.37.2")
        message = "Cluster is upgrading to v1.37.2\n  * MachineDeployments web-b, web-c pending upgrade"
        upgrading = {**WELL, "TopologyReconciled": seen("False", "ClusterUpgrading", message)}
        found = settled(
            declared,
            made=made_as(snapshot(declared), conditions=upgrading, control_plane=new),
            pools=(
                pool_view("a", 2, version=new),
                pool_view("b", 1, version=old),
                pool_view("c", 0, version=old),
            ),
            machines=(machine("a1", "a", kubelet=new), machine("a2", "a"), machine("b1", "b")),
        )

        assert condition(found, "UpToDate") == (
            "False",
            "Upgrading",
            "pool a goes to 1.37.2: 1 node still to be replaced; pools b, c wait for their turn",
        )
        assert [pool.version for pool in status(found).node_pools] == ["1.36.1", "1.36.1", None]

        next_one = replace(
            found,
            pools=(pool_view("a", 2, version=new), pool_view("b", 1, version=new), found.pools[2]),
            machines=(machine("a1", "a", kubelet=new), machine("a2", "a", kubelet=new), machine("b1", "b")),
        )
        assert condition(next_one, "UpToDate")[2] == (
            "pool b goes to 1.37.2: 1 node still to be replaced; pool c waits for its turn"
        )

    def test_does_not_wait_for_a_pool_that_is_going_anyway(self) -> None:
        going = pool_view("old", 0, total=1, deleting=True)
        found = settled(cluster("web", pool()), pools=(pool_view(), going))
        stale = replace(
            found, machines=(*found.machines, machine("o", "old", kubelet=parse_version("1.35.0")))
        )

        assert condition(stale, "UpToDate")[2] == "pool old is being removed"


def test_a_node_that_cannot_be_drained_is_named_where_a_pool_shrinks_or_is_replaced() -> None:
    leaving = machine(
        "web-main-x",
        deleting=True,
        conditions={
            "Deleting": seen(
                "True",
                "DrainingNode",
                "Drain not completed yet (started at 2026-11-24):\n* Pod shop/db-0: cannot evict pod",
                since=NOW - timedelta(minutes=5),
            )
        },
    )
    found = settled(pools=(pool_view(total=4, up_to_date=4),), machines=(*map(machine, "abc"), leaving))

    assert condition(found, "UpToDate")[2] == (
        "pool main shrinks from 4 to 3 nodes; "
        "web-main-x is being drained for 5m: Pod shop/db-0: cannot evict pod"
    )
    assert plan_cluster(found, NOW).recheck_after == timedelta(minutes=5)


class TestDeletion:
    def going(self, *machines: object, **conditions: object) -> Snapshot:
        declared = cluster("web", pool(), deleting=True)
        made = made_as(snapshot(), deleting=True, conditions={**WELL, **conditions})
        return settled(declared, made=made, machines=machines)

    def test_names_the_nodes_that_hold_it_up_and_why(self) -> None:
        draining = machine(
            "web-main-a",
            deleting=True,
            conditions={
                "Deleting": seen(
                    "True",
                    "DrainingNode",
                    "Drain not completed yet (started at 2026-11-24T11:50:00Z):\n"
                    "* Pod shop/db-0: cannot evict pod as it would violate the pod's disruption budget.",
                    since=NOW - timedelta(minutes=10),
                )
            },
        )
        quick = machine("web-main-b", deleting=True, conditions={"Deleting": seen("True", "DeletingNode")})
        found = self.going(draining, quick)

        expected = (
            "2 nodes to go; web-main-a is being drained for 10m: Pod shop/db-0: "
            "cannot evict pod as it would violate the pod's disruption budget."
        )
        assert condition(found, "Deleting") == ("True", "Blocked", expected)
        assert condition(found, "Ready") == ("False", "Deleting", expected)
        assert plan_cluster(found, NOW).recheck_after == timedelta(minutes=5)

    def test_names_the_hook_that_somebody_has_to_take_away(self) -> None:
        message = "Waiting for pre-terminate hooks to succeed (hooks: pre-terminate.delete.hook/backup)"
        waiting = machine(
            "a",
            deleting=True,
            conditions={"Deleting": seen("True", "WaitingForPreTerminateHook", message, since=NOW)},
        )

        assert condition(self.going(waiting), "Deleting")[2] == (
            "1 node to go; a waits for a hook before it is taken down: pre-terminate.delete.hook/backup"
        )

    def test_then_says_what_cluster_api_waits_for(self) -> None:
        found = self.going(
            Deleting=seen(
                "True", "WaitingForControlPlaneDeletion", "Waiting for LocalControlPlane to be deleted"
            )
        )

        assert condition(found, "Deleting") == (
            "True",
            "WaitingForControlPlaneDeletion",
            "the control plane is being removed",
        )
        internal = seen("True", "InternalError", "Please check controller logs for errors")
        assert condition(self.going(Deleting=internal), "Deleting")[2] == (
            "Please check controller logs for errors"
        ), "what we have no words for is passed on"


def test_a_condition_keeps_the_time_of_its_change() -> None:
    first, _ = roll_up(settled(), Outlook(parse_version("1.36.1"), handed_over=True, followed=True), EARLIER)
    again = settled(cluster("web", pool("main", 4), status=first.wire()))
    later = {item.type: item for item in status(again).conditions}

    assert later["ControlPlaneReady"].last_transition_time == EARLIER
    assert later["UpToDate"].last_transition_time == EARLIER

    broken = replace(again, machines=(), pools=(pool_view(ready=0),))
    now = {item.type: item for item in status(broken).conditions}
    assert now["NodesReady"].last_transition_time == NOW
    assert now["ControlPlaneReady"].last_transition_time == EARLIER


class TestWording:
    @pytest.mark.parametrize(
        ("passed", "said", "changes_after"),
        [
            (timedelta(seconds=59), "", timedelta(seconds=1)),
            (timedelta(seconds=60), "1m", timedelta(seconds=60)),
            (timedelta(minutes=4), "3m", timedelta(minutes=1)),
            (timedelta(minutes=59), "45m", timedelta(minutes=1)),
            (timedelta(hours=2), "2h", timedelta(hours=1)),
            (timedelta(hours=47), "1d", timedelta(hours=1)),
            (timedelta(days=90), "30d", None),
        ],
    )
    def test_an_age_is_told_in_steps(
        self, passed: timedelta, said: str, changes_after: timedelta | None
    ) -> None:
        assert age(NOW - passed, NOW) == said
        assert next_step(NOW - passed, NOW) == changes_after

    @given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=60)))
    def test_an_age_says_the_same_until_its_next_step_and_then_something_else(
        self, passed: timedelta
    ) -> None:
        since, step = NOW - passed, next_step(NOW - passed, NOW)
        assert step is None or step > timedelta()
        if step is not None:
            assert age(since, NOW) == age(since, NOW + step - timedelta(microseconds=1))
            assert age(since, NOW) != age(since, NOW + step)

    def test_a_list_of_problems_becomes_one_line(self) -> None:
        message = "* NodeHealthy:\n  * Node.Ready: Kubelet stopped\n  * Node.DiskPressure: full\n* Other"

        assert plain(message) == "NodeHealthy: Node.Ready: Kubelet stopped; Node.DiskPressure: full; Other"

    @given(st.text(max_size=3000))
    def test_no_message_is_long_or_has_lines(self, text: str) -> None:
        assert len(plain(text)) <= 1000
        assert "\n" not in plain(text)

    def test_some_of_many(self) -> None:
        assert some(["a"]) == "a"
        assert some(["a", "b", "c"]) == "a, b, c"
        assert some(list("abcdef")) == "a, b, c and 3 more"
        assert sentence(["a", "", "b"]) == "a; b"
