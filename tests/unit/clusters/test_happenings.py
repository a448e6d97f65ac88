"""What is told of a cluster as Events: what happens, and not that somebody looked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from moorage.api.kubernetescluster import KubernetesClusterStatus
from moorage.api.versions import parse_version
from moorage.clusters.cluster.happenings import happenings
from moorage.clusters.cluster.plan import WriteStatus, plan_cluster
from moorage.clusters.cluster.snapshot import Snapshot

from .builders import NOW, WELL, cluster, machine, made_as, pool, pool_view, seen, settled, snapshot

OLD, NEW = parse_version("1.36.1"), parse_version("1.37.2")


def status(found: Snapshot) -> KubernetesClusterStatus:
    [written] = [a.status for a in plan_cluster(found, NOW).actions if isinstance(a, WriteStatus)]
    return written


def told(before: Snapshot | None, now: Snapshot) -> list[tuple[str, str, bool]]:
    old = status(before) if before is not None else None
    return [(item.reason, item.note, item.warning) for item in happenings(old, status(now))]


def after(before: Snapshot, now: Snapshot) -> list[str]:
    return [reason for reason, _, _ in told(before, now)]


def test_a_cluster_that_is_made_says_so_step_by_step() -> None:
    declared = snapshot()
    assert told(None, declared) == [("Created", "the cluster is being made, with Kubernetes 1.36.1", False)]

    serving = settled(pools=(pool_view(ready=0, total=0),), machines=())
    assert told(declared, serving) == [("ControlPlaneReady", "the API server serves", False)]
    assert told(serving, settled()) == [("Ready", "the cluster is ready: 3/3 nodes", False)]


def test_looking_again_tells_nothing() -> None:
    for found in (snapshot(), settled(), settled(machines=())):
        assert told(found, found) == []


def upgrading(control_plane: Any, *kubelets: Any) -> Snapshot:
    declared = cluster("web", pool(), version="1.37")
    conditions = {**WELL, "TopologyReconciled": seen("False", "ClusterUpgrading", "x")}
    machines = tuple(machine(f"m{number}", kubelet=kubelet) for number, kubelet in enumerate(kubelets))
    made = made_as(snapshot(declared), conditions=conditions, control_plane=control_plane)
    return settled(declared, made=made, machines=machines)


def test_an_upgrade_begins_once_and_ends_once() -> None:
    steps = [
        settled(),
        upgrading(OLD, OLD, OLD, OLD),
        upgrading(NEW, OLD, OLD, OLD),
        upgrading(NEW, NEW, OLD, OLD),
        upgrading(NEW, NEW, NEW, None),
        upgrading(NEW, NEW, NEW, NEW),
        settled(cluster("web", pool(), version="1.37"), machines=(machine("m", kubelet=NEW),)),
    ]
    said = [item for before, now in pairwise(steps) for item in told(before, now)]
    assert said == [
        ("UpgradeStarted", "from Kubernetes 1.36.1 to 1.37.2", False),
        ("UpgradeFinished", "the control plane and every node run Kubernetes 1.37.2", False),
    ]


def test_pools_that_come_go_and_change_their_size_are_told_together() -> None:
    before = settled(cluster("web", pool("a", 1), pool("b", 2), pool("c", 3)))
    now = settled(cluster("web", pool("a", 4), pool("b", 1), pool("d", 1)))
    assert [item for item in told(before, now) if item[0].startswith("Pool")] == [
        ("PoolAdded", "pool d, of 1 node", False),
        ("PoolRemoved", "pool c", False),
        ("PoolScaled", "pool a goes from 1 to 4 nodes; pool b goes from 2 to 1 node", False),
    ]


def test_nodes_that_are_on_their_way_are_no_warning() -> None:
    growing = replace(settled(), declared=cluster("web", pool("main", 5)))
    assert after(settled(), growing) == ["PoolScaled"]


def test_a_node_that_has_just_joined_is_no_warning_and_one_that_was_well_is() -> None:
    joining = settled(pools=(pool_view(ready=2),), machines=(machine("a", joined=False, conditions={}),))
    ill = machine("a", conditions={"Ready": seen("False", since=NOW)})
    not_ready = settled(pools=(pool_view(ready=2),), machines=(ill,))
    assert after(joining, not_ready) == []
    assert told(settled(), not_ready) == [
        ("NodesNotReady", "2 of 3 nodes are ready in pool main; a is not ready", True)
    ]


def test_a_cluster_that_is_not_well_any_more_says_why_once() -> None:
    gone = {**WELL, "ControlPlaneAvailable": seen("Unknown", "X", "connection refused")}
    ill = settled(made=made_as(snapshot(), conditions=gone))
    warning = ("Unavailable", "the control plane is not available: connection refused", True)
    assert told(settled(), ill) == [warning]

    worded_anew = {**WELL, "ControlPlaneAvailable": seen("Unknown", "X", "no route to host")}
    assert told(ill, settled(made=made_as(snapshot(), conditions=worded_anew))) == []
    assert after(ill, settled()) == ["ControlPlaneReady", "Ready"]


def test_a_declaration_that_cannot_be_followed_is_one_warning_although_two_conditions_say_so() -> None:
    unknown = snapshot(cluster("web", pool(machineType="huge")))
    assert told(None, unknown) == [
        ("Created", "the cluster is being made", False),
        ("MachineTypeUnknown", "node pool main: there is no machine type huge", True),
    ]


def test_a_pause_is_told_when_it_begins_and_when_it_ends() -> None:
    paused = settled(cluster("web", pool(), paused=True))
    assert after(settled(), paused) == ["Paused"]
    assert after(paused, settled()) == ["Resumed"]


def deleting(minutes: int, *, paused: bool = False) -> Snapshot:
    draining = seen(
        "True",
        "DrainingNode",
        "Drain not completed yet:\n* Pod shop/db-0: cannot evict pod",
        since=NOW - timedelta(minutes=minutes),
    )
    declared = cluster("web", pool(), deleting=True, paused=paused)
    made = made_as(snapshot(), deleting=True)
    leaving = machine("web-main-a", deleting=True, conditions={"Deleting": draining})
    return settled(declared, made=made, machines=(leaving,))


def test_a_deletion_that_is_held_up_is_told_once_however_long_it_takes() -> None:
    assert after(settled(), deleting(0)) == ["Deleting"]
    [(reason, note, warning)] = told(deleting(0), deleting(2))
    assert (reason, warning) == ("DeletionBlocked", True)
    assert note.endswith("web-main-a is being drained for 2m: Pod shop/db-0: cannot evict pod")
    assert told(deleting(2), deleting(10)) == []


@pytest.mark.parametrize("before", [settled(), deleting(0)])
def test_a_deletion_of_what_is_paused_is_told(before: Snapshot) -> None:
    assert "DeletionBlocked" in after(before, deleting(0, paused=True))


def test_what_has_happened_goes_with_the_status_that_says_so() -> None:
    [written] = [a for a in plan_cluster(snapshot(), NOW).actions if isinstance(a, WriteStatus)]
    assert [item.reason for item in written.happened] == ["Created"]
