"""What a project and a cluster declare, taken together; and exceptions, judged by the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from moorage.policies.cluster import excepted
from moorage.policies.cluster.declared import Declared, declared
from moorage.policies.model import Action

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def spec(*bundles: str, **more: object) -> dict:
    return {"spec": {"policies": {"bundles": [{"reference": name} for name in bundles], **more}}}


def test_without_bundles_there_is_nothing_of_policies() -> None:
    assert declared({"spec": {}}, {"spec": {}}) is None
    assert declared(None, {"spec": {"policies": {"floor": {"baseline": "warn"}}}}) is None


def test_a_cluster_adds_to_its_project_and_takes_nothing_away() -> None:
    project = spec("a:1", "b:1", floor={"baseline": "enforce", "cost": "audit"})
    cluster = spec("b:1", "c:1", floor={"baseline": "audit", "cost": "warn"}, exceptions="members")
    assert declared(project, cluster) == Declared(
        bundles=("a:1", "b:1", "c:1"),
        floor={"baseline": Action.ENFORCE, "cost": Action.WARN},
        approval=True,
    )
    assert declared(spec("a:1", exceptions="members"), {"spec": {}}) == Declared(("a:1",), {}, approval=False)


def exception(name: str, policy: str = "image-tags", expires: str = "2027-01-01", **more: object) -> dict:
    return {
        "apiVersion": "policy.moorage.dev/v1alpha1",
        "kind": "PolicyException",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": "2026-11-01T00:00:00Z"},
        "spec": {
            "policy": policy,
            "target": {"kind": "Deployment", "name": "web"},
            "reason": "until the base image has tags",
            "owner": "alice",
            "expires": expires,
            **more,
        },
    }


def states(*objects: dict, approval: bool = False, unused: tuple[str, ...] = ()) -> dict[str, str]:
    read = excepted.read(objects, approval=approval)
    idle = [item for item in read.parsed if item.name in unused]
    found = excepted.states(read, ["image-tags"], idle, NOW)
    return {name: str(standing.state) for (_, name), standing in found.items()}


def test_each_exception_is_told_what_has_become_of_it() -> None:
    assert states(
        exception("counts"),
        exception("over", expires="2026-11-23"),
        exception("idle"),
        exception("for-nothing", policy="no-such-policy"),
        unused=("idle",),
    ) == {"counts": "Active", "over": "Expired", "idle": "Unused", "for-nothing": "UnknownPolicy"}


def test_an_exception_from_no_policy_says_so_before_anybody_approves_it() -> None:
    read = excepted.read(
        [exception("typo", policy="image-tag"), exception("never", expires="soon")], approval=True
    )
    found = excepted.states(read, ["image-tags"], [], NOW)
    assert found["shop", "typo"].state == "UnknownPolicy"
    assert found["shop", "typo"].message == "no policy image-tag judges in this cluster"
    assert found["shop", "never"].state == "Invalid"
    assert "spec.expires is 'soon'" in found["shop", "never"].message


def test_one_that_asks_for_more_than_a_year_is_told_when_it_ends() -> None:
    read = excepted.read([exception("long", expires="2099-01-01"), exception("short")], approval=False)
    found = excepted.states(read, ["image-tags"], [], NOW)
    assert found["shop", "long"].message == "it counts until 2027-11-01 00:00 UTC, a year after it was made"
    assert found["shop", "short"].message == ""


def test_what_an_owner_has_not_approved_waits() -> None:
    asked, granted = exception("asked"), exception("granted", approved=True)
    assert states(asked, granted, approval=True) == {"asked": "AwaitingApproval", "granted": "Active"}


def test_no_exception_counts_for_longer_than_a_year_after_it_was_made() -> None:
    read = excepted.read([exception("forever", expires="2099-01-01")], approval=False)
    [found] = read.parsed
    assert found.expires == datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=365)


def test_what_cannot_be_read_counts_for_nothing() -> None:
    read = excepted.read([exception("never", expires="soon"), exception("fine")], approval=False)
    assert [item.name for item in read.parsed] == ["fine"]
    assert list(read.broken) == [("shop", "never")]
