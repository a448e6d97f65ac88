"""What a project needs next, and what is said about it."""

from __future__ import annotations

from typing import Any

from moorage.api.meta import PROJECT_LABEL
from moorage.api.project import Project
from moorage.clusters.claims import Allotment
from moorage.clusters.derived import Apply, Derived, Remove
from moorage.clusters.project.plan import (
    Action,
    ApplyNamespace,
    Change,
    DeleteNamespace,
    HoldObject,
    LetGo,
    WriteStatus,
    plan_project,
    rights_of,
)
from moorage.clusters.project.snapshot import Snapshot
from moorage.clusters.quota import NOTHING, Amounts, Limits, shortages
from moorage.kube.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING

from .builders import NOW, project

MEMBERS = [{"name": "alice", "role": "owner"}, {"name": "bob", "role": "viewer"}]
NAMESPACE = {"metadata": {"name": "project-shop", "uid": "1", "labels": {PROJECT_LABEL: "shop"}}}
UNUSED = Allotment(Limits(), NOTHING, {})


def settled(declared: Project | None = None, **more: Any) -> Snapshot:
    declared = declared or project(members=MEMBERS)
    values = {
        "declared": declared,
        "namespace": NAMESPACE,
        "clusters": (),
        "allotment": UNUSED,
        "rights": tuple(rights_of("shop", declared.spec.members)),
    }
    return Snapshot(**{**values, **more})


def with_metadata(declared: Project, **changes: Any) -> Project:
    return declared.model_copy(update={"metadata": declared.metadata.model_copy(update=changes)})


def deleting() -> Project:
    return with_metadata(project(members=MEMBERS), deletion_timestamp=NOW)


def planned(snapshot: Snapshot) -> list[Action]:
    return [action for action in plan_project(snapshot, NOW) if not isinstance(action, WriteStatus)]


def said(snapshot: Snapshot) -> dict[str, tuple[str, str, str]]:
    [status] = [action.status for action in plan_project(snapshot, NOW) if isinstance(action, WriteStatus)]
    return {item.type: (item.status.value, item.reason, item.message) for item in status.conditions}


def test_nothing_is_made_before_it_is_sure_to_be_cleaned_up() -> None:
    assert plan_project(settled(with_metadata(project(), finalizers=[])), NOW) == [HoldObject()]


def test_a_new_project_gets_its_namespace_first_and_then_the_operators_own_rights() -> None:
    first, second, *rest = planned(settled(namespace=None, rights=()))

    assert first == ApplyNamespace({"metadata": {"name": "project-shop", "labels": {PROJECT_LABEL: "shop"}}})
    assert isinstance(second, Change)
    assert second.step.derived.name == "moorage-operator"
    assert len(rest) == len(rights_of("shop", project(members=MEMBERS).spec.members)) - 1


def test_a_project_that_is_as_declared_is_left_alone_and_not_described_twice() -> None:
    [written] = plan_project(settled(), NOW)
    assert isinstance(written, WriteStatus)
    assert written.status.namespace == "project-shop"

    declared = Project.parse({**project(members=MEMBERS).wire(), "status": written.status.wire()})

    assert plan_project(settled(declared), NOW) == []
    assert plan_project(settled(declared, rights=None), NOW) == [], "nobody has looked: nothing is concluded"


def test_a_member_who_is_removed_loses_everything() -> None:
    steps = [
        a.step
        for a in planned(
            settled(
                rights=tuple(
                    rights_of(
                        "shop", project(members=[*MEMBERS, {"name": "eve", "role": "editor"}]).spec.members
                    )
                )
            )
        )
        if isinstance(a, Change)
    ]

    removed = [str(step.derived) for step in steps if isinstance(step, Remove)]
    assert [name.split("-eve-")[0] for name in removed] == [
        "RoleBinding project-shop/member",
        "Role project-shop/member",
        "ServiceAccount project-shop/member",
    ]
    rewritten = {step.derived.name for step in steps if isinstance(step, Apply)}
    assert rewritten == {"moorage-project-viewer", "moorage-project-editor", "moorage:project:shop"}


def test_a_namespace_that_lost_its_label_is_put_right() -> None:
    bare = {"metadata": {"name": "project-shop", "uid": "1"}}

    assert [type(action) for action in planned(settled(namespace=bare))] == [ApplyNamespace]


def test_a_namespace_that_somebody_deletes_is_waited_for() -> None:
    going = {"metadata": {**NAMESPACE["metadata"], "deletionTimestamp": "now"}}
    found = settled(namespace=going, rights=())

    assert planned(found) == []
    assert said(found)["Ready"][:2] == ("False", "NamespaceDeleting")


def test_it_says_what_it_uses_and_who_waits_for_room() -> None:
    limits = Limits(nodes=5)
    refused = {"late": shortages(limits, Amounts(nodes=3), Amounts(nodes=4))}
    found = settled(allotment=Allotment(limits, Amounts(1, 3, 6000, 12 * 1024**3), refused))

    assert said(found)["WithinQuota"] == (
        "False",
        "QuotaExceeded",
        "cluster late waits: 4 nodes wanted, 2 of 5 left",
    )
    assert said(found)["Ready"][0] == "True"


def test_it_says_when_its_quota_was_lowered_below_its_use() -> None:
    found = settled(allotment=Allotment(Limits(nodes=2), Amounts(1, 3), {}))

    assert said(found)["WithinQuota"][:2] == ("False", "QuotaExceeded")
    assert "nothing is taken away" in said(found)["WithinQuota"][2]


class TestDeletion:
    def test_waits_for_the_clusters_and_names_them(self) -> None:
        found = settled(deleting(), clusters=("api", "web"))

        assert planned(found) == []
        expected = "delete its clusters first: api, web"
        assert said(found)["Deleting"] == ("True", "WaitingForClusters", expected)
        assert said(found)["Ready"] == ("False", "Deleting", expected)

    def test_then_removes_the_namespace_once(self) -> None:
        assert planned(settled(deleting())) == [DeleteNamespace()]
        going = {"metadata": {**NAMESPACE["metadata"], "deletionTimestamp": "now"}}
        assert planned(settled(deleting(), namespace=going)) == []

    def test_and_lets_go_when_nothing_is_left(self) -> None:
        rights = tuple(
            item
            for item in rights_of("shop", project(members=MEMBERS).spec.members)
            if item.namespace is None
        )

        *removals, last = planned(settled(deleting(), namespace=None, rights=rights))

        assert last == LetGo()
        kinds = [action.step.derived.kind for action in removals if isinstance(action, Change)]
        assert kinds == [CLUSTER_ROLE_BINDING, CLUSTER_ROLE_BINDING, CLUSTER_ROLE, CLUSTER_ROLE]
        assert all(isinstance(action, Change) and isinstance(action.step, Remove) for action in removals)

    def test_of_what_was_never_held_needs_nothing(self) -> None:
        assert plan_project(settled(with_metadata(deleting(), finalizers=[])), NOW) == []


def test_an_object_is_named_as_a_person_would() -> None:
    derived = Derived(CLUSTER_ROLE, {"metadata": {"name": "x"}})

    assert str(Apply(derived)) == "apply ClusterRole x"
