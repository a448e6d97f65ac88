"""Who made a pod: by references while it is there, by its name when it is gone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.advisors.resources.model import Workload
from moorage.advisors.resources.owners import Owners

HASH = "5d4f8c7b9f"


def shop(kind: str, name: str) -> Workload:
    return Workload("shop", kind, name)


WEB, API = shop("Deployment", "web"), shop("Deployment", "api")
ROLLOUT, STATEFUL, DAEMON = shop("Rollout", "canary"), shop("StatefulSet", "db"), shop("DaemonSet", "agent")
CRON, JOB = shop("CronJob", "report"), shop("Job", "once")
MASTER = shop("Prometheus", "main")
LONG = shop("DaemonSet", "a" * 60)

OBJECTS: dict[Workload, Workload | None] = {
    WEB: None,
    API: MASTER,
    shop("ReplicaSet", f"web-{HASH}"): WEB,
    shop("ReplicaSet", f"canary-{HASH}"): ROLLOUT,
    shop("ReplicaSet", "bare"): None,
    STATEFUL: None,
    DAEMON: None,
    LONG: None,
    CRON: None,
    shop("Job", "report-29345678"): CRON,
    JOB: None,
}
PODS: dict[tuple[str, str], Workload | None] = {
    ("shop", f"web-{HASH}-xk2lp"): shop("ReplicaSet", f"web-{HASH}"),
    ("shop", "canary-1"): shop("ReplicaSet", f"canary-{HASH}"),
    ("shop", "bare-xk2lp"): shop("ReplicaSet", "bare"),
    ("shop", "report-29345678-xk2lp"): shop("Job", "report-29345678"),
    ("shop", "direct"): MASTER,
    ("shop", "static"): Workload("shop", "Node", "one"),
    ("shop", "db-9"): None,
    (
        "shop",
        "web-6f7c8d9b4b-aaaaa",
    ): shop("ReplicaSet", "web-6f7c8d9b4b"),  # its ReplicaSet went between two lists
}


@pytest.mark.parametrize(
    ("pod", "owner"),
    [
        (f"web-{HASH}-xk2lp", WEB),
        ("canary-1", ROLLOUT),
        ("bare-xk2lp", shop("ReplicaSet", "bare")),
        ("report-29345678-xk2lp", CRON),
        ("direct", MASTER),
        ("static", None),
        ("db-9", None),  # somebody made it by hand, whatever it is called
        ("web-6f7c8d9b4b-aaaaa", None),  # no generated name has an a
    ],
)
def test_a_pod_that_is_there_says_who_made_it(pod: str, owner: Workload | None):
    assert Owners(OBJECTS, PODS).of("shop", pod) == owner


@pytest.mark.parametrize(
    ("pod", "owner"),
    [
        (f"web-{HASH}-zzzzz", WEB),
        ("web-6f7c8d9b4b-zzzzz", WEB),  # of a rollout that is forgotten
        (f"canary-{HASH}-zzzzz", ROLLOUT),
        ("db-0", STATEFUL),
        ("db-12", STATEFUL),
        ("db-01", None),
        ("agent-zzzzz", DAEMON),
        ("agent-aeiou", None),  # nothing that is generated looks like this
        ("agent-zzzz", None),
        ("report-29345678-zzzzz", CRON),
        ("report-29000000-zzzzz", CRON),
        ("report-29000000-3-zzzzz", CRON),  # of an indexed Job
        ("once-zzzzz", JOB),
        ("once-4-zzzzz", JOB),
        ("bare-zzzzz", shop("ReplicaSet", "bare")),
        ("strange-zzzzz", None),
        ("web", None),
        ("a" * 58 + "zzzzz", LONG),  # an API server cuts what is too long
    ],
)
def test_a_pod_that_is_gone_is_known_by_its_name_where_that_is_sure(pod: str, owner: Workload | None):
    assert Owners(OBJECTS, {}).of("shop", pod) == owner
    assert Owners(OBJECTS, {}).of("other", pod) is None


def test_a_name_that_fits_two_workloads_is_nobodys():
    name = f"web-{HASH}-zzzzz"
    both = {WEB: None, shop("DaemonSet", f"web-{HASH}"): None}
    assert Owners(both, {}).of("shop", name) is None
    # The ReplicaSet that it may also be of is of the same Deployment: these are not two.
    assert Owners({WEB: None, shop("ReplicaSet", f"web-{HASH}"): WEB}, {}).of("shop", name) == WEB


def test_what_keeps_a_workload_as_it_is_is_known():
    assert Owners(OBJECTS, {}).managed_by() == {API: MASTER}


def test_owners_that_go_round_in_a_circle_come_to_an_end():
    one, other = shop("Job", "a"), shop("ReplicaSet", "b")
    assert Owners({one: other, other: one}, {("shop", "p"): one}).of("shop", "p") in {one, other}


@settings(max_examples=50, deadline=None)
@given(st.permutations(list(OBJECTS)), st.permutations(list(PODS)))
def test_the_order_of_objects_makes_no_difference(objects: list[Workload], pods: list[tuple[str, str]]):
    shuffled = Owners({each: OBJECTS[each] for each in objects}, {each: PODS[each] for each in pods})
    expected = Owners(OBJECTS, PODS)
    names = [*PODS, ("shop", "db-0"), ("shop", "web-6f7c8d9b4b-zzzzz"), ("shop", "once-4-zzzzz")]
    assert [shuffled.of(*name) for name in names] == [expected.of(*name) for name in names]
