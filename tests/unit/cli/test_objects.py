"""What command lines declare, and the changes that they make."""

from __future__ import annotations

import pytest

from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.project import MemberRole, Project
from moorage.cli import _objects
from moorage.cli._names import ClusterRef
from moorage.cli._objects import ClusterOptions, ImpossibleChangeError, PoolOptions, PoolSize, ProjectOptions
from moorage.errors import MoorageError

WEB = ClusterRef("shop", "web")


def stored(pools=(), **spec):
    return {
        "apiVersion": "moorage.dev/v1alpha1",
        "kind": "KubernetesCluster",
        "metadata": {"name": "web", "namespace": "project-shop", "resourceVersion": "7", "uid": "u"},
        "spec": {"version": "1.36", "provider": "local", "nodePools": list(pools), **spec},
        "status": {"observedGeneration": 1},
    }


WORKERS = {"name": "workers", "machineType": "small", "replicas": 3, "fromTheFuture": True}
SPOT = {"name": "spot", "machineType": "large", "min": 0, "max": 9}


def project_with(*members):
    return {
        "apiVersion": "moorage.dev/v1alpha1",
        "kind": "Project",
        "metadata": {"name": "shop", "resourceVersion": "3"},
        "spec": {"members": list(members)},
    }


def test_a_cluster_says_only_what_the_command_line_says():
    options = ClusterOptions(version="1.36", pools=(PoolOptions("workers", "small", PoolSize(nodes=3)),))
    assert _objects.cluster(WEB, options) == {
        "apiVersion": "moorage.dev/v1alpha1",
        "kind": "KubernetesCluster",
        "metadata": {"name": "web", "namespace": "project-shop"},
        "spec": {
            "version": "1.36",
            "nodePools": [{"name": "workers", "machineType": "small", "replicas": 3}],
        },
    }


def test_everything_that_can_be_said_of_a_pool_is_declared():
    options = PoolOptions(
        name="gpu",
        machine_type="large",
        size=PoolSize(fewest=1, most=5),
        labels=("tier=gpu", "example.com/empty="),
        taints=("gpu=yes:NoSchedule", "spot:NoExecute"),
        zone="b",
        max_surge="25%",
        max_unavailable="1",
    )
    assert _objects.pool(options) == {
        "name": "gpu",
        "machineType": "large",
        "min": 1,
        "max": 5,
        "labels": {"tier": "gpu", "example.com/empty": ""},
        "taints": [
            {"key": "gpu", "value": "yes", "effect": "NoSchedule"},
            {"key": "spot", "effect": "NoExecute"},
        ],
        "zone": "b",
        "maxSurge": "25%",
        "maxUnavailable": 1,
    }


def test_what_is_declared_can_be_parsed_by_the_api():
    options = ClusterOptions("1.36.0", "local", "none", 3, (PoolOptions("w", "small", PoolSize(nodes=0)),))
    parsed = KubernetesCluster.parse(_objects.cluster(WEB, options))
    assert parsed.spec.control_plane.replicas == 3
    assert parsed.spec.cni is not None
    assert parsed.spec.node_pools[0].replicas == 0


@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        ({"fewest": 1}, "--min and --max belong together"),
        ({"most": 1}, "--min and --max belong together"),
        ({"nodes": 1, "fewest": 1, "most": 2}, "fixed number"),
    ],
)
def test_a_size_is_a_number_or_a_range(size, complaint):
    with pytest.raises(ImpossibleChangeError, match=complaint):
        PoolSize(**size)


def test_a_size_that_must_be_said_is_asked_for():
    with pytest.raises(ImpossibleChangeError, match="how many nodes"):
        PoolSize().required()
    assert PoolSize(nodes=0).required() == PoolSize(nodes=0)


@pytest.mark.parametrize("text", ["tier", "=gpu", ""])
def test_what_is_not_a_label_is_refused(text):
    with pytest.raises(ImpossibleChangeError, match="is not a label"):
        _objects.pool(PoolOptions("w", "small", PoolSize(nodes=1), labels=(text,)))


@pytest.mark.parametrize("text", ["gpu", "gpu=yes", ":NoSchedule", "gpu:"])
def test_what_is_not_a_taint_is_refused(text):
    with pytest.raises(ImpossibleChangeError, match="is not a taint"):
        _objects.pool(PoolOptions("w", "small", PoolSize(nodes=1), taints=(text,)))


def test_a_value_that_the_api_forbids_is_refused_before_it_is_sent():
    with pytest.raises(MoorageError, match="quantity"):
        _objects.project("shop", ProjectOptions(cpu="a lot"))


def test_a_project_has_its_owners_quota_and_defaults():
    declared = _objects.project(
        "shop",
        ProjectOptions("The shop", ("ada", "bob"), clusters=2, nodes=10, cpu="64", version="1.36"),
    )
    parsed = Project.parse(declared)
    assert [(member.name, member.role) for member in parsed.spec.members] == [
        ("ada", MemberRole.OWNER),
        ("bob", MemberRole.OWNER),
    ]
    assert declared["spec"]["quota"] == {"clusters": 2, "nodes": 10, "cpu": "64"}
    assert declared["spec"]["defaults"] == {"version": "1.36"}


def test_a_project_of_nothing_but_a_name_declares_nothing_else():
    assert _objects.project("shop", ProjectOptions())["metadata"] == {"name": "shop"}
    assert not _objects.project("shop", ProjectOptions()).get("spec")


def test_scaling_changes_the_pool_and_keeps_what_an_older_command_does_not_know():
    before = stored([WORKERS, SPOT])
    after = _objects.scaled("workers", PoolSize(nodes=5))(before)
    assert after["spec"]["nodePools"] == [{**WORKERS, "replicas": 5}, SPOT]
    assert before["spec"]["nodePools"] == [WORKERS, SPOT]


def test_a_range_takes_the_place_of_a_number_and_the_other_way_round():
    after = _objects.scaled("workers", PoolSize(fewest=1, most=4))(stored([WORKERS]))
    assert after["spec"]["nodePools"] == [
        {"name": "workers", "machineType": "small", "fromTheFuture": True, "min": 1, "max": 4}
    ]
    back = _objects.scaled(None, PoolSize(nodes=2))(after)
    assert back["spec"]["nodePools"][0]["replicas"] == 2
    assert "min" not in back["spec"]["nodePools"][0]


@pytest.mark.parametrize(
    ("pools", "name", "complaint"),
    [
        ([], None, "has no node pool"),
        ([WORKERS, SPOT], None, "several pools: workers, spot"),
        ([WORKERS], "gpu", "has no pool gpu"),
    ],
)
def test_it_must_be_clear_which_pool_is_scaled(pools, name, complaint):
    with pytest.raises(ImpossibleChangeError, match=complaint):
        _objects.scaled(name, PoolSize(nodes=1))(stored(pools))


def test_a_pool_is_added_once():
    options = PoolOptions("spot", "large", PoolSize(nodes=1))
    assert len(_objects.with_pool(options)(stored([WORKERS]))["spec"]["nodePools"]) == 2
    with pytest.raises(ImpossibleChangeError, match="shop/web has a pool spot already"):
        _objects.with_pool(options)(stored([SPOT]))


def test_a_pool_that_is_deleted_must_be_there():
    assert _objects.without_pool("spot")(stored([WORKERS, SPOT]))["spec"]["nodePools"] == [WORKERS]
    with pytest.raises(ImpossibleChangeError, match="no pool spot"):
        _objects.without_pool("spot")(stored([WORKERS]))


def test_the_patch_holds_what_changed_and_the_version_that_it_is_for():
    before = stored([WORKERS])
    after = _objects.upgraded("1.37")(before)
    assert _objects.patch_between(before, after) == {
        "metadata": {"resourceVersion": "7"},
        "spec": {"version": "1.37"},
    }
    assert _objects.patch_between(before, _objects.upgraded("1.36")(before))["spec"] == {}


def test_a_role_replaces_the_one_before():
    ada = {"name": "ada", "role": "viewer"}
    after = _objects.with_member("ada", "owner", "User")(project_with(ada))
    assert after["spec"]["members"] == [{"name": "ada", "role": "owner"}]


def test_a_group_may_have_the_name_of_a_user():
    ada = {"name": "ada", "role": "viewer"}
    both = _objects.with_member("ada", "editor", "Group")(project_with(ada))
    assert both["spec"]["members"] == [ada, {"name": "ada", "role": "editor", "kind": "Group"}]
    assert _objects.without_member("ada", "Group")(both)["spec"]["members"] == [ada]


def test_who_is_not_a_member_cannot_be_removed():
    with pytest.raises(ImpossibleChangeError, match="bob is not a member of project shop"):
        _objects.without_member("bob", "User")(project_with({"name": "ada", "role": "owner"}))


def test_a_dry_run_prints_what_a_person_would_write():
    before = stored([WORKERS])
    before["metadata"]["labels"] = {"team": "blue"}
    before["metadata"]["managedFields"] = []
    assert _objects.declared(before) == {
        "apiVersion": "moorage.dev/v1alpha1",
        "kind": "KubernetesCluster",
        "metadata": {"name": "web", "namespace": "project-shop", "labels": {"team": "blue"}},
        "spec": before["spec"],
    }
