"""Who may do what: the objects that give members their rights."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.api.project import Member
from moorage.clusters import access
from moorage.clusters.derived import Apply, Derived, Remove, difference
from moorage.clusters.names import member_account, token_audience, user_cluster_username
from moorage.clusters.project.plan import rights_of
from moorage.clusters.user_access import plan_access
from moorage.kube.kinds import CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, SERVICE_ACCOUNT
from moorage.local import manifests

ALICE = Member.model_validate({"name": "alice", "role": "owner"})
BOB = Member.model_validate({"name": "bob@example.com", "role": "editor"})
CAROL = Member.model_validate({"name": "carol", "role": "viewer"})
DEVS = Member.model_validate({"name": "devs", "role": "viewer", "kind": "Group"})
MEMBERS = [ALICE, BOB, CAROL, DEVS]


def subjects(binding: dict[str, Any]) -> set[str]:
    return {f"{item['kind']} {item['name']}" for item in binding["subjects"]}


def named(objects: list[dict[str, Any]], name: str) -> dict[str, Any]:
    [found] = [obj for obj in objects if obj["metadata"]["name"] == name]
    return found


def shipped() -> list[dict[str, Any]]:
    return manifests.load_folder("deploy")


@given(st.text(min_size=1, max_size=253))
def test_an_account_has_a_name_that_kubernetes_takes(user: str) -> None:
    assert re.fullmatch(r"member-[a-z0-9]([-a-z0-9]*[a-z0-9])?", member_account(user))
    assert len(member_account(user)) <= 63


@given(
    st.lists(st.sampled_from("aA@.- ä"), min_size=1, max_size=6),
    st.lists(st.sampled_from("aA@.- ä"), min_size=1),
)
def test_two_users_never_share_an_account(one: list[str], other: list[str]) -> None:
    first, second = "".join(one), "".join(other)

    assert (member_account(first) == member_account(second)) == (first == second)


def test_names_that_others_compute_do_not_change() -> None:
    """User clusters that run accept these names, and kubeconfigs that were written ask for them."""
    assert member_account("alice") == "member-alice-2bd806c9"
    assert user_cluster_username("alice") == "moorage:member-alice-2bd806c9"
    assert token_audience("1-2-3") == "https://moorage.dev/clusters/1-2-3"


def test_each_user_may_have_tokens_of_their_own_account_and_of_no_other() -> None:
    roles = access.token_roles("shop", MEMBERS)
    bindings = access.role_bindings("shop", MEMBERS)

    assert {role["metadata"]["name"] for role in roles} == {
        member_account(name) for name in ("alice", "bob@example.com", "carol")
    }
    for user in (ALICE, BOB, CAROL):
        account = member_account(user.name)
        for rule in named(roles, account)["rules"]:
            assert rule["resourceNames"] == [account]
        binding = named(bindings, account)
        assert binding["roleRef"]["kind"] == "Role"
        assert binding["roleRef"]["name"] == account
        assert subjects(binding) == {f"User {user.name}", f"ServiceAccount {account}"}


def test_all_members_read_the_project_and_those_who_may_write_it() -> None:
    bindings = access.role_bindings("shop", MEMBERS)
    everybody = {f"User {user.name}" for user in (ALICE, BOB, CAROL)} | {"Group devs"}

    assert everybody <= subjects(named(bindings, "moorage-project-viewer"))
    writers = subjects(named(bindings, "moorage-project-editor"))
    assert {name for name in writers if not name.startswith("ServiceAccount")} == {
        "User alice",
        "User bob@example.com",
    }


def test_only_owners_change_the_project_itself() -> None:
    owner_role = named(access.cluster_roles("shop"), "moorage:project:shop:owner")
    binding = named(access.cluster_role_bindings("shop", MEMBERS), "moorage:project:shop:owner")

    assert owner_role["rules"] == [
        {
            "apiGroups": ["moorage.dev"],
            "resources": ["projects"],
            "verbs": ["update", "patch"],
            "resourceNames": ["shop"],
        }
    ]
    assert subjects(binding) == {"User alice", f"ServiceAccount {member_account('alice')}"}


def test_an_account_is_never_mounted_anywhere() -> None:
    accounts = access.service_accounts("shop", MEMBERS)

    assert len(accounts) == 3, "a group has none"
    assert all(account["automountServiceAccountToken"] is False for account in accounts)
    assert named(accounts, member_account("bob@example.com"))["metadata"]["annotations"] == {
        "moorage.dev/member": "bob@example.com"
    }


@pytest.mark.parametrize(
    ("binding", "role", "who"),
    [
        ("moorage:owner:cluster-admin", "cluster-admin", ["alice"]),
        ("moorage:editor:edit", "edit", ["bob@example.com"]),
        ("moorage:editor:system:aggregate-to-edit", "system:aggregate-to-edit", ["bob@example.com"]),
        ("moorage:editor:system:aggregate-to-view", "system:aggregate-to-view", ["bob@example.com"]),
        ("moorage:viewer:view", "view", ["carol"]),
        ("moorage:viewer:system:aggregate-to-view", "system:aggregate-to-view", ["carol"]),
        ("moorage:node-reader", "moorage:node-reader", ["bob@example.com", "carol"]),
    ],
)
def test_inside_a_cluster_members_have_kubernetes_own_roles(binding: str, role: str, who: list[str]) -> None:
    found = named(access.user_cluster_bindings(MEMBERS), binding)

    assert found["roleRef"]["name"] == role
    assert subjects(found) == {f"User {user_cluster_username(user)}" for user in who}


def test_whoever_is_removed_loses_their_rights_before_anybody_gets_some() -> None:
    before = rights_of("shop", [ALICE, BOB])
    steps = difference(rights_of("shop", [ALICE, CAROL]), before)

    bob = member_account(BOB.name)
    assert [str(step) for step in steps[:3]] == [
        f"remove RoleBinding project-shop/{bob}",
        f"remove Role project-shop/{bob}",
        f"remove ServiceAccount project-shop/{bob}",
    ]
    changed = {step.derived.identity for step in steps if isinstance(step, Apply)}
    assert (SERVICE_ACCOUNT, "project-shop", member_account("carol")) in changed
    assert (CLUSTER_ROLE_BINDING, None, "moorage:project:shop") in changed
    assert (ROLE, "project-shop", member_account("alice")) not in changed, "nothing of alice's changes"


def test_nothing_is_done_when_all_is_as_it_should_be() -> None:
    assert not difference(rights_of("shop", MEMBERS), rights_of("shop", MEMBERS))
    inside = [Derived(kind, obj) for kind, obj in _inside(MEMBERS)]
    assert not plan_access(tuple(MEMBERS), inside)


def test_a_subject_that_somebody_added_is_taken_out() -> None:
    inside = [Derived(kind, obj) for kind, obj in _inside([CAROL])]
    [binding] = [item for item in inside if item.name == "moorage:owner:cluster-admin"]
    binding.object["subjects"] = [{"kind": "User", "name": "mallory", "apiGroup": access.RBAC_GROUP}]

    [step] = plan_access((CAROL,), inside)

    assert step == Apply(
        Derived(
            CLUSTER_ROLE_BINDING, named(access.user_cluster_bindings([CAROL]), "moorage:owner:cluster-admin")
        )
    )
    assert step.derived.object["subjects"] == []


def test_a_binding_to_another_role_is_made_anew_because_it_cannot_be_changed() -> None:
    inside = [Derived(kind, obj) for kind, obj in _inside([CAROL])]
    [binding] = [item for item in inside if item.name == "moorage:viewer:view"]
    binding.object["roleRef"]["name"] = "cluster-admin"

    steps = plan_access((CAROL,), inside)

    assert [type(step) for step in steps] == [Remove, Apply]
    assert {step.derived.name for step in steps} == {"moorage:viewer:view"}


def test_labels_of_others_are_left_alone_and_ours_are_put_back() -> None:
    [desired, *_] = [Derived(SERVICE_ACCOUNT, obj) for obj in access.service_accounts("shop", [ALICE])]
    metadata = desired.object["metadata"]
    with_more = {**desired.object, "metadata": {**metadata, "labels": {**metadata["labels"], "x": "y"}}}
    without = {**desired.object, "metadata": {**metadata, "labels": {}}}

    assert not difference([desired], [Derived(SERVICE_ACCOUNT, with_more)])
    assert difference([desired], [Derived(SERVICE_ACCOUNT, without)]) == [Apply(desired)]


def _inside(members: list[Member]) -> list[tuple[Any, dict[str, Any]]]:
    from moorage.kube.kinds import CLUSTER_ROLE

    return [
        *((CLUSTER_ROLE, role) for role in access.user_cluster_roles()),
        *((CLUSTER_ROLE_BINDING, binding) for binding in access.user_cluster_bindings(members)),
    ]


class TestShippedRoles:
    """The roles that the platform team installs, against what the code relies on."""

    def test_every_role_that_is_bound_is_there(self) -> None:
        there = {obj["metadata"]["name"] for obj in shipped() if obj["kind"] == "ClusterRole"}
        bound = {
            item.object["roleRef"]["name"]
            for item in rights_of("shop", MEMBERS)
            if item.kind is ROLE_BINDING and item.object["roleRef"]["kind"] == "ClusterRole"
        }

        assert bound <= there
        assert bound == {*access.IN_NAMESPACE, access.OPERATOR_IN_PROJECT}

    def test_the_operator_may_bind_just_these(self) -> None:
        operator = named([obj for obj in shipped() if obj["kind"] == "ClusterRole"], "moorage:operator")
        [bind] = [rule for rule in operator["rules"] if "bind" in rule["verbs"]]

        assert set(bind["resourceNames"]) == {*access.IN_NAMESPACE, access.OPERATOR_IN_PROJECT}
        assert not [rule for rule in operator["rules"] if "escalate" in rule["verbs"]]
        assert not [rule for rule in operator["rules"] if "impersonate" in rule["verbs"]]

    def test_the_operator_reads_secrets_in_the_namespaces_of_projects_only(self) -> None:
        roles = [obj for obj in shipped() if obj["kind"] in ("ClusterRole", "Role")]
        with_secrets = {
            role["metadata"]["name"]
            for role in roles
            for rule in role.get("rules") or ()
            if {"secrets", "*"} & set(rule["resources"]) and {"", "*"} & set(rule["apiGroups"])
        }

        assert with_secrets == {access.OPERATOR_IN_PROJECT}

    @pytest.mark.parametrize("name", sorted(access.IN_NAMESPACE))
    def test_members_write_nothing_but_their_clusters_and_what_they_decide(self, name: str) -> None:
        role = named([obj for obj in shipped() if obj["kind"] == "ClusterRole"], name)
        written = {
            (group, resource)
            for rule in role["rules"]
            if set(rule["verbs"]) - {"get", "list", "watch"}
            for group in rule["apiGroups"]
            for resource in rule["resources"]
        }

        assert written <= {("moorage.dev", "kubernetesclusters"), ("advice.moorage.dev", "advices/status")}

    def test_what_the_operator_hands_out_by_project_it_has_itself(self) -> None:
        operator = named([obj for obj in shipped() if obj["kind"] == "ClusterRole"], "moorage:operator")
        has = {
            (group, resource, verb)
            for rule in operator["rules"]
            if "resourceNames" not in rule
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        gives = {
            (group, resource, verb)
            for role in access.cluster_roles("shop")
            for rule in role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }

        assert gives <= has
