"""What a cluster needs next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from moorage.api.versions import parse_version
from moorage.clusters.checks import Offer
from moorage.clusters.cluster.plan import (
    Action,
    ApplyCluster,
    DeleteCluster,
    HoldObject,
    LetGo,
    RemoveStrangers,
    ReplaceMachine,
    SetPaused,
    WriteStatus,
    plan_cluster,
)
from moorage.clusters.cluster.snapshot import Snapshot
from moorage.clusters.cluster.topology import cluster_of
from moorage.clusters.quota import Amounts, Limits, shortages

from .builders import (
    NOW,
    OFFER,
    applied,
    cluster,
    machine,
    machine_type,
    made,
    made_as,
    pool,
    seen,
    settled,
    snapshot,
)

SHORT = shortages(Limits(nodes=2), Amounts(), Amounts(nodes=3))


def planned(snapshot: Snapshot) -> list[Action]:
    """The actions, without what is said about them."""
    return [action for action in plan_cluster(snapshot, NOW).actions if not isinstance(action, WriteStatus)]


def said(snapshot: Snapshot) -> dict[str, Any]:
    [status] = [a.status for a in plan_cluster(snapshot, NOW).actions if isinstance(a, WriteStatus)]
    return {item.type: item for item in status.conditions}


def without_finalizers(declared: Any) -> Any:
    return declared.model_copy(update={"metadata": declared.metadata.model_copy(update={"finalizers": []})})


class TestMaking:
    def test_nothing_is_made_before_it_is_sure_to_be_cleaned_up(self) -> None:
        [action] = plan_cluster(snapshot(without_finalizers(cluster("web", pool()))), NOW).actions

        assert action == HoldObject()

    def test_a_new_cluster_is_applied(self) -> None:
        [action] = planned(snapshot())

        assert isinstance(action, ApplyCluster)
        assert action.cluster["spec"]["topology"]["version"] == "v1.36.1", "the newest patch on offer"

    def test_a_cluster_that_is_as_declared_is_left_alone(self) -> None:
        assert planned(settled()) == []

    def test_what_is_settled_and_said_is_not_said_again(self) -> None:
        first = plan_cluster(settled(), NOW)
        [status] = [action.status for action in first.actions if isinstance(action, WriteStatus)]
        again = settled(cluster("web", pool(), status=status.wire()))

        assert plan_cluster(again, NOW).actions == ()

    def test_what_others_say_in_the_status_changes_nothing(self) -> None:
        [status] = [a.status for a in plan_cluster(settled(), NOW).actions if isinstance(a, WriteStatus)]
        wired = status.wire()
        wired["caBundle"] = "x"
        wired["conditions"].append(
            {"type": "AccessReady", "status": "True", "reason": "R", "lastTransitionTime": NOW.isoformat()}
        )

        assert plan_cluster(settled(cluster("web", pool(), status=wired)), NOW).actions == ()

    @pytest.mark.parametrize(
        "change",
        [
            pool("main", 5),
            pool("main", 3, labels={"a": "b"}),
            pool("main", 3, taints=[{"key": "k", "effect": "NoSchedule"}]),
            pool("main", 3, machineType="large"),
            pool("main", None, min=1, max=3),
            pool("main", 3, zone="a"),
        ],
    )
    def test_every_change_of_a_pool_is_applied(self, change: dict[str, Any]) -> None:
        now = replace(settled(), declared=cluster("web", change))

        [action] = planned(now)

        assert isinstance(action, ApplyCluster)

    def test_a_pool_that_is_declared_no_more_is_applied_away(self) -> None:
        two = settled(cluster("web", pool(), pool("second")))

        cluster_now = applied(plan_cluster(replace(two, declared=cluster("web", pool())), NOW).actions)

        assert [
            item["name"] for item in cluster_now["spec"]["topology"]["workers"]["machineDeployments"]
        ] == ["main"]

    def test_a_pool_that_crept_in_is_taken_out(self) -> None:
        before = settled()
        assert before.made is not None
        observed = before.made.observed
        workers = observed["spec"]["topology"]["workers"]
        workers["machineDeployments"] = [*workers["machineDeployments"], {"name": "crept-in", "class": "x"}]

        [action] = planned(before)

        assert isinstance(action, RemoveStrangers)
        assert action.names == ("crept-in",)
        assert [item["name"] for item in action.kept] == ["main"]
        assert action.resource_version == "7", "if it has moved on, it is looked at again"

    def test_a_cluster_that_is_deleted_behind_our_back_is_waited_for_and_made_again(self) -> None:
        going = settled(made=made_as(snapshot(), deleting=True))

        assert planned(going) == []
        assert said(going)["UpToDate"].reason == "Updating"
        assert isinstance(planned(replace(going, made=None))[0], ApplyCluster)


class TestVersions:
    def versions(self, spec: str, *, has: str, nodes: str | None = None, offer: Offer = OFFER) -> Snapshot:
        version = parse_version(has)
        kubelet = parse_version(nodes or has)
        before = snapshot(cluster("web", pool("main", 1), version=spec), offers={"local": offer})
        observed = cluster_of(before.declared, "shop", version, before.machine_types)
        return replace(
            before,
            made=made(observed, version=version, control_plane=version),
            machines=(machine(kubelet=kubelet),),
        )

    @pytest.mark.parametrize(
        ("spec", "has", "goes_to"),
        [
            ("1.36", "1.35.0", "v1.36.1"),
            ("1.36", "1.36.0", "v1.36.1"),
            ("1.36.0", "1.35.0", "v1.36.0"),
            ("1.37", "1.36.1", "v1.37.2"),
        ],
    )
    def test_a_newer_version_is_applied(self, spec: str, has: str, goes_to: str) -> None:
        found = applied(plan_cluster(self.versions(spec, has=has), NOW).actions)

        assert found["spec"]["topology"]["version"] == goes_to

    @pytest.mark.parametrize(
        ("spec", "has"),
        [
            ("1.36", "1.36.1"),
            ("1.36.0", "1.36.0"),
            ("1.36", "1.36.7"),
            ("1.33", "1.33.4"),
            ("1.33.4", "1.33.4"),
        ],
    )
    def test_a_cluster_that_has_what_it_asks_for_stays_also_when_that_was_withdrawn(
        self, spec: str, has: str
    ) -> None:
        assert planned(self.versions(spec, has=has)) == []

    @pytest.mark.parametrize(
        ("spec", "has", "nodes", "reason"),
        [
            ("1.37", "1.35.0", None, "VersionSkipped"),
            ("1.37", "1.36.1", "1.35.0", "VersionSkipped"),
            ("1.35", "1.36.1", None, "VersionDowngrade"),
            ("1.38", "1.37.2", None, "VersionNotOffered"),
        ],
    )
    def test_a_step_that_is_not_allowed_is_not_taken_and_the_rest_is_still_followed(
        self, spec: str, has: str, nodes: str | None, reason: str
    ) -> None:
        held = self.versions(spec, has=has, nodes=nodes)

        assert planned(held) == []
        assert said(held)["UpToDate"].reason == reason
        assert said(held)["ControlPlaneReady"].is_true

        scaled = replace(held, declared=cluster("web", pool("main", 2), version=spec))
        topology = applied(plan_cluster(scaled, NOW).actions)["spec"]["topology"]
        assert topology["version"] == f"v{has}"
        assert topology["workers"]["machineDeployments"][0]["replicas"] == 2

    def test_a_held_upgrade_goes_on_by_itself_when_the_nodes_are_there(self) -> None:
        arrived = self.versions("1.37", has="1.36.1", nodes="1.36.1")

        assert applied(plan_cluster(arrived, NOW).actions)["spec"]["topology"]["version"] == "v1.37.2"


class TestWhatCannotBeFollowed:
    @pytest.mark.parametrize(
        ("hindered", "reason"),
        [
            (snapshot(project=None), "NoProject"),
            (snapshot(offers={}), "ProviderUnknown"),
            (snapshot(machine_types={}), "MachineTypeUnknown"),
            (
                snapshot(machine_types={"small": machine_type(openstack={"flavor": "x"})}),
                "MachineTypeNotOffered",
            ),
            (snapshot(cluster("web", version="1.38")), "VersionNotOffered"),
            (snapshot(shortages=SHORT), "QuotaExceeded"),
        ],
    )
    def test_is_not_made_and_told_why(self, hindered: Snapshot, reason: str) -> None:
        assert planned(hindered) == []
        for condition in ("Ready", "ControlPlaneReady", "NodesReady", "UpToDate"):
            assert said(hindered)[condition].reason == reason
            assert said(hindered)[condition].status == "False"

    def test_does_not_disturb_what_there_is(self) -> None:
        hindered = replace(settled(), declared=cluster("web", pool("main", 9)), shortages=SHORT)

        assert planned(hindered) == []
        assert said(hindered)["UpToDate"].message == (
            "the quota of project shop is exceeded: 3 nodes wanted, 2 of 2 left"
        )
        assert said(hindered)["Ready"].is_true, "it has all that it was last given"

    def test_can_still_be_paused(self) -> None:
        hindered = replace(settled(), declared=cluster("web", pool("main", 9), paused=True), shortages=SHORT)

        assert planned(hindered) == [SetPaused(paused=True)]


class TestPausing:
    def test_a_pause_is_all_that_is_applied(self) -> None:
        paused = replace(settled(), declared=cluster("web", pool("main", 9), paused=True))

        assert planned(paused) == [SetPaused(paused=True)]

    def test_while_it_is_paused_nothing_is_put_back(self) -> None:
        paused = replace(
            settled(),
            declared=cluster("web", pool("main", 9), paused=True),
            made=made_as(snapshot(), paused=True),
        )

        assert planned(paused) == []
        assert said(paused)["UpToDate"].reason == "Paused"
        assert said(paused)["UpToDate"].status == "Unknown"

    def test_a_cluster_that_is_declared_paused_is_not_made(self) -> None:
        assert planned(snapshot(cluster("web", pool(), paused=True))) == []

    def test_whoever_resumes_gets_all_that_was_declared_meanwhile(self) -> None:
        observed = made_as(snapshot())
        observed.observed["spec"]["paused"] = True
        resumed = replace(
            settled(), declared=cluster("web", pool("main", 9)), made=replace(observed, paused=True)
        )

        cluster_now = applied(plan_cluster(resumed, NOW).actions)

        assert cluster_now["spec"]["paused"] is False
        assert cluster_now["spec"]["topology"]["workers"]["machineDeployments"][0]["replicas"] == 9


class TestAbandonedMachines:
    """Cluster API takes back what a machine is made of when it is not told that the Machine was stored."""

    @staticmethod
    def cluster_with(*machines: Any, **more: Any) -> Snapshot:
        return settled(cluster("web", pool("main", len(machines)), **more), machines=machines)

    @staticmethod
    def lonely(name: str, part: str = "BootstrapConfigReady", *, seconds: float = 60, **more: Any) -> Any:
        since = NOW - timedelta(seconds=seconds)
        conditions = {part: seen("False", "ObjectDoesNotExist", since=since)}
        return machine(name, **{"joined": False, "conditions": conditions, **more})

    @pytest.mark.parametrize("part", ["BootstrapConfigReady", "InfrastructureReady"])
    def test_a_machine_that_lacks_what_it_is_made_of_is_replaced(self, part: str) -> None:
        found = self.cluster_with(machine("well"), self.lonely("lonely", part))

        assert planned(found) == [ReplaceMachine("lonely")]

    def test_it_has_some_time_to_be_seen_with_it(self) -> None:
        found = self.cluster_with(self.lonely("old"), self.lonely("new", seconds=14))

        assert planned(found) == [ReplaceMachine("old")]
        assert plan_cluster(found, NOW).recheck_after == timedelta(seconds=1)

    def test_a_node_stays_whatever_has_become_of_how_it_was_made(self) -> None:
        assert planned(self.cluster_with(self.lonely("node", joined=True))) == []

    def test_one_that_goes_is_not_asked_to_go_again(self) -> None:
        assert planned(self.cluster_with(self.lonely("going", deleting=True))) == []

    def test_one_that_waits_for_what_it_is_made_of_is_waited_for(self) -> None:
        conditions = {"BootstrapConfigReady": seen("False", "WaitingForControlPlane")}
        found = self.cluster_with(machine("waits", joined=False, conditions=conditions))

        assert planned(found) == []

    def test_a_paused_cluster_is_left_alone(self) -> None:
        paused = replace(
            self.cluster_with(self.lonely("lonely"), paused=True), made=made_as(snapshot(), paused=True)
        )

        assert planned(paused) == []


class TestDeletion:
    def test_cluster_api_takes_the_cluster_down(self) -> None:
        assert planned(settled(cluster("web", pool(), deleting=True))) == [DeleteCluster()]

    def test_it_is_asked_once(self) -> None:
        going = settled(cluster("web", pool(), deleting=True), made=made_as(snapshot(), deleting=True))

        assert planned(going) == []
        assert said(going)["Ready"].reason == "Deleting"

    def test_the_object_goes_when_all_that_was_made_is_gone(self) -> None:
        gone = snapshot(cluster("web", pool(), deleting=True))

        assert plan_cluster(gone, NOW).actions == (LetGo(),)

    def test_what_was_never_held_just_goes(self) -> None:
        gone = snapshot(without_finalizers(cluster("web", pool(), deleting=True)))

        assert plan_cluster(gone, NOW).actions == ()

    def test_a_paused_cluster_stays_until_it_is_resumed(self) -> None:
        paused = settled(
            cluster("web", pool(), deleting=True, paused=True), made=made_as(snapshot(), paused=True)
        )

        assert planned(paused) == []
        assert "paused" in said(paused)["Ready"].message

        resumed = replace(paused, declared=cluster("web", pool(), deleting=True))
        assert planned(resumed) == [SetPaused(paused=False), DeleteCluster()]

    def test_it_is_not_kept_by_a_quota_or_a_version_that_is_no_more(self) -> None:
        hindered = settled(
            cluster("web", pool(), deleting=True), offers={}, machine_types={}, shortages=SHORT
        )

        assert planned(hindered) == [DeleteCluster()]
