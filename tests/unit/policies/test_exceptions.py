"""Exceptions: what they must say, when they count, and whom they are for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from moorage.policies.exceptions import (
    ExceptionError,
    State,
    active,
    excepts,
    is_exception,
    next_expiry,
    parameters,
    parse_exception,
    state,
    unused,
)
from moorage.policies.model import PolicyException, Target

NOW = datetime(2027, 1, 1, tzinfo=UTC)
JOBS = "system:serviceaccount:kube-system:job-controller"


def declared(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "policy.moorage.dev/v1alpha1",
        "kind": "PolicyException",
        "metadata": {"name": "old", "namespace": "shop"},
        "spec": {
            "policy": "host-ports",
            "target": {"kind": "Deployment", "name": "web"},
            "reason": "The old load balancer needs it.",
            "owner": "team-shop",
            "expires": "2027-03-31",
            **spec,
        },
    }


def exception(
    target: Target, *, namespace: str = "shop", days: int = 1, approved: bool = True
) -> PolicyException:
    return PolicyException(
        namespace=namespace,
        name="old",
        policy="host-ports",
        target=target,
        reason="It has to be.",
        owner="team-shop",
        expires=NOW + timedelta(days=days),
        approved=approved,
    )


def pod(name: str = "web-pod", *owners: tuple[str, str], **labels: str) -> dict[str, Any]:
    references = [{"apiVersion": "v1", "kind": kind, "name": owner} for kind, owner in owners]
    labels = {key.replace("_", "-"): value for key, value in labels.items()}
    metadata = {"name": name, "namespace": "shop", "labels": labels, "ownerReferences": references}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def deployment(name: str = "web", namespace: str = "shop") -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace}}


# --- What it says ----------------------------------------------------------------------------------------


def test_an_exception_is_read():
    found = parse_exception(declared())
    assert (found.policy, found.target, found.owner) == (
        "host-ports",
        Target("Deployment", "web"),
        "team-shop",
    )


def test_a_day_counts_to_its_end():
    assert parse_exception(declared()).expires == datetime(2027, 4, 1, tzinfo=UTC)


def test_a_time_counts_in_its_zone():
    found = parse_exception(declared(expires="2027-03-31T12:00:00+02:00"))
    assert found.expires == datetime(2027, 3, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"policy": None}, "spec.policy is missing"),
        ({"reason": "because"}, "spec.reason has fewer than 10 characters"),
        ({"reason": "          x"}, "spec.reason has fewer than 10 characters"),
        ({"owner": " "}, "spec.owner is not text, or empty"),
        ({"expires": None}, "spec.expires is missing"),
        ({"expires": "soon"}, "spec.expires is 'soon'"),
        ({"expires": "2027-03-31T12:00:00"}, "write a day or a time"),  # of which zone?
        ({"expires": "2027-02-30"}, "spec.expires is '2027-02-30'"),
        ({"target": None}, "spec.target is missing"),
        ({"target": {"kind": "Pod"}}, "spec.target names nothing"),
        ({"target": {"name": "w*b"}}, "a star stands only at the end"),
        ({"target": {"name": 5}}, "spec.target.name is not text"),
        ({"target": {"labels": {"app": 1}}}, "spec.target.labels are not text"),
    ],
)
def test_an_exception_that_does_not_say_what_it_must_is_refused(spec: dict, says: str):
    with pytest.raises(ExceptionError, match=says):
        parse_exception(declared(**spec), place="web.yaml:3")


def test_everything_that_is_wrong_is_told_at_once():
    with pytest.raises(ExceptionError) as told:
        parse_exception(declared(reason="short", owner=None, target=None))
    for field in ("spec.reason", "spec.owner", "spec.target"):
        assert field in told.value.message


def test_the_error_says_where_it_was_written():
    with pytest.raises(ExceptionError, match=r"^web\.yaml:3: PolicyException old: "):
        parse_exception(declared(owner=None), place="web.yaml:3")


def test_an_exception_without_a_namespace_is_refused():
    content = declared()
    del content["metadata"]["namespace"]
    with pytest.raises(ExceptionError, match=r"metadata\.namespace is missing"):
        parse_exception(content)


def test_only_exceptions_of_our_group_are_exceptions():
    assert is_exception(declared())
    assert not is_exception({**declared(), "apiVersion": "kyverno.io/v2"})


# --- Whether it counts -----------------------------------------------------------------------------------


def test_an_exception_counts_until_it_expires():
    found = exception(Target(name="web"), days=1)
    assert state(found, NOW + timedelta(hours=23, minutes=59)) is State.ACTIVE
    assert state(found, NOW + timedelta(days=1)) is State.EXPIRED


def test_what_awaits_approval_does_not_count():
    found = exception(Target(name="web"), approved=False)
    assert state(found, NOW) is State.AWAITING_APPROVAL
    assert active([found], NOW) == []


def test_where_owners_approve_only_true_is_approval():
    assert parse_exception(declared(), approval=True).approved is False
    assert parse_exception(declared(approved="yes"), approval=True).approved is False
    assert parse_exception(declared(approved=True), approval=True).approved is True
    assert parse_exception(declared(), approval=False).approved is True


def test_the_next_expiry_is_that_of_what_counts():
    past, soon, later = (exception(Target(name="web"), days=days) for days in (-1, 2, 3))
    assert next_expiry([later, past, soon], NOW) == soon.expires
    assert next_expiry([past], NOW) is None


# --- Whom it is for --------------------------------------------------------------------------------------

WEB = exception(Target("Deployment", "web"))
BACKUP = exception(Target("CronJob", "backup"))


@pytest.mark.parametrize(
    ("exempt", "content", "meant"),
    [
        (WEB, deployment(), True),
        (WEB, deployment("web2"), False),
        (WEB, deployment(namespace="other"), False),
        (WEB, {**deployment(), "kind": "StatefulSet"}, False),
        (exception(Target(name="web")), {**deployment(), "kind": "StatefulSet"}, True),
        (exception(Target(name="web-*")), pod("web-1"), True),
        (exception(Target(name="web-*")), pod("web"), False),
        (exception(Target(name="*")), pod("anything"), True),
        (exception(Target(labels={"app": "web"})), pod(app="web", tier="front"), True),
        (exception(Target(labels={"app": "web"})), pod(app="api"), False),
        (exception(Target("Pod", "web-pod", {"app": "web"})), pod(), False),
        # Pods of a Deployment: as an expansion makes them, and as they are in a cluster.
        (WEB, pod("web-pod", ("Deployment", "web")), True),
        (WEB, pod("web-pod", ("StatefulSet", "web")), False),
        (WEB, pod("web-5d4f-x", ("ReplicaSet", "web-5d4f"), pod_template_hash="5d4f"), True),
        (WEB, pod("web-5d4f-x", ("ReplicaSet", "web-5d4f")), False),
        (WEB, pod("web-api-5d4f-x", ("ReplicaSet", "web-api-5d4f"), pod_template_hash="5d4f"), False),
        (WEB, pod("web-x", ("ReplicaSet", "web-"), pod_template_hash=""), False),
        (
            exception(Target("Deployment", "we*")),
            pod("x", ("ReplicaSet", "web-1"), pod_template_hash="1"),
            True,
        ),
        (exception(Target("ReplicaSet", "web-5d4f")), pod("x", ("ReplicaSet", "web-5d4f")), True),
        # ... and of a CronJob.
        (BACKUP, pod("x", ("Job", "backup-28400000")), True),
        (BACKUP, pod("x", ("Job", "backup-job")), True),
        (BACKUP, pod("x", ("Job", "backup-now")), False),
        (BACKUP, pod("x", ("Job", "backup-db-28400000")), False),
        (BACKUP, {**pod("x", ("Job", "backup-28400000")), "kind": "Job"}, False),
        # A Namespace is in itself.
        (
            exception(Target("Namespace", "shop")),
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
            True,
        ),
        (WEB, {"apiVersion": "v1", "kind": "ClusterRole", "metadata": {"name": "web"}}, False),
    ],
)
def test_an_exception_is_for_what_it_names_and_for_what_that_makes(
    exempt: PolicyException, content: dict, meant: bool
):
    assert excepts(exempt, content) is meant


def test_at_admission_nobody_but_a_controller_says_whose_a_pod_is():
    content = pod("x", ("Job", "backup-28400000"))
    assert excepts(BACKUP, content, username=JOBS)
    assert excepts(BACKUP, content, username="system:kube-controller-manager")
    assert not excepts(BACKUP, content, username="ann@example.org")
    assert not excepts(BACKUP, content, username="system:serviceaccount:shop:job-controller")


def test_what_is_named_itself_is_excepted_whoever_makes_it():
    assert excepts(exception(Target("Pod", "web-pod")), pod(), username="ann@example.org")


def test_an_exception_that_nothing_is_meant_by_is_unused():
    other = exception(Target("Deployment", "gone"))
    assert unused([WEB, other], [deployment(), pod()]) == [other]


def test_constraints_carry_exceptions_in_one_order_and_each_once():
    first, second = (
        exception(Target("Deployment", "b*")),
        exception(Target(name="a", labels={"z": "1", "y": "2"})),
    )
    assert parameters([first, second, first]) == parameters([second, first])
    assert parameters([first]) == [{"namespace": "shop", "kind": "Deployment", "prefix": "b"}]
    assert parameters([second]) == [{"namespace": "shop", "name": "a", "labels": {"y": "2", "z": "1"}}]
