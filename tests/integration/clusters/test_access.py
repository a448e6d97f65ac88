"""What members may do: tested with requests that are allowed and requests that are refused."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError

from moorage.api.meta import project_namespace
from moorage.clusters.access import RBAC_GROUP
from moorage.clusters.names import member_account
from moorage.kube.client import connect
from moorage.kube.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    KUBERNETES_CLUSTER,
    MACHINE_TYPE,
    NAMESPACE,
    NODE,
    PROJECT,
    ROLE_BINDING,
    SECRET,
    SERVICE_ACCOUNT,
    Object,
)
from moorage.kube.objects import apply, create, delete, get, is_status, list_objects, merge_patch, poll
from moorage.local.home import Home

from .helpers import (
    MANAGER,
    SOON_SECONDS,
    admin_kubeconfig,
    as_member,
    condition,
    declare,
    inside,
    may,
    settled,
    token_for,
    until,
    until_gone,
    with_token,
)

MEMBERS = [
    {"name": "alice", "role": "owner"},
    {"name": "bob@example.com", "role": "editor"},
    {"name": "carol", "role": "viewer"},
    {"name": "devs", "role": "viewer", "kind": "Group"},
]


@dataclass(frozen=True)
class Shop:
    """A project with members, and a cluster of it that runs."""

    name: str
    cluster_uid: str

    @property
    def namespace(self) -> str:
        return project_namespace(self.name)


@pytest.fixture(scope="module")
async def shop(platform: Home) -> AsyncIterator[Shop]:
    name = f"shop-{secrets.token_hex(3)}"
    async with connect(platform.admin_kubeconfig) as admin:
        quota = {"clusters": 2, "nodes": 4}
        await create(
            admin,
            PROJECT,
            {"metadata": {"name": name}, "spec": {"members": MEMBERS, "quota": quota}},
            field_manager=MANAGER,
        )
        assert await poll(lambda: _ready(admin, name), timeout_seconds=SOON_SECONDS)
        await declare(admin, name, "web")
        cluster = await until(admin, name, "web", settled)
        yield Shop(name, cluster["metadata"]["uid"])
        await delete(admin, KUBERNETES_CLUSTER, "web", project_namespace(name))
        await until_gone(admin, KUBERNETES_CLUSTER, "web", project_namespace(name))
        await delete(admin, PROJECT, name)
        await until_gone(admin, PROJECT, name)
        assert await get(admin, NAMESPACE, project_namespace(name)) is None
        labels = {"moorage.dev/project": name}
        assert await list_objects(admin, CLUSTER_ROLE, labels=labels) == []
        assert await list_objects(admin, CLUSTER_ROLE_BINDING, labels=labels) == []


async def _ready(admin: AsyncClient, name: str) -> bool | None:
    return True if condition(await get(admin, PROJECT, name), "Ready").get("status") == "True" else None


async def set_members(admin: AsyncClient, project: str, members: list[Object]) -> None:
    await merge_patch(admin, PROJECT, project, None, {"spec": {"members": members}}, field_manager=MANAGER)


def forbidden(error: ApiError) -> bool:
    return is_status(error, 403)


class TestManagementCluster:
    @pytest.mark.parametrize("user", ["alice", "bob@example.com", "carol"])
    async def test_members_see_their_project_and_nothing_else(
        self, platform: Home, admin: AsyncClient, shop: Shop, project: str, user: str
    ) -> None:
        async with as_member(platform, admin, shop.name, user) as client:
            assert await get(client, PROJECT, shop.name) is not None
            [cluster] = await list_objects(client, KUBERNETES_CLUSTER, shop.namespace)
            assert cluster["metadata"]["name"] == "web"
            assert await list_objects(client, MACHINE_TYPE)
            assert await may(client, "list", "machines.cluster.x-k8s.io", shop.namespace)
            assert await may(client, "list", "events", shop.namespace)

            for kind, name, namespace in (
                (PROJECT, project, None),
                (KUBERNETES_CLUSTER, "web", project_namespace(project)),
                (SECRET, "web-kubeconfig", shop.namespace),
                (CONFIG_MAP, "kube-root-ca.crt", shop.namespace),
                (NAMESPACE, project_namespace(project), None),
            ):
                with pytest.raises(ApiError) as raised:
                    await get(client, kind, name, namespace)
                assert forbidden(raised.value)
            for verb, what, namespace in (
                ("list", "projects.moorage.dev", ""),
                ("list", "kubernetesclusters.moorage.dev", ""),
                ("list", "secrets", shop.namespace),
                ("list", "namespaces", ""),
                ("create", "serviceaccounts", shop.namespace),
                ("create", "rolebindings.rbac.authorization.k8s.io", shop.namespace),
                ("update", "clusters.cluster.x-k8s.io", shop.namespace),
                ("delete", "machines.cluster.x-k8s.io", shop.namespace),
                ("update", "localmachines.local.moorage.dev", shop.namespace),
                ("create", "pods", shop.namespace),
                ("create", "machinetypes.moorage.dev", ""),
                ("update", "kubernetesclusters.moorage.dev/status", shop.namespace),
                ("update", "projects.moorage.dev/quota", ""),
                ("impersonate", "users", ""),
            ):
                assert not await may(client, verb, what, namespace), f"{user} may {verb} {what}"

    @pytest.mark.parametrize(
        ("user", "writes", "administers"),
        [("alice", True, True), ("bob@example.com", True, False), ("carol", False, False)],
    )
    async def test_roles_differ_in_what_they_write(
        self, platform: Home, admin: AsyncClient, shop: Shop, user: str, writes: bool, administers: bool
    ) -> None:
        async with as_member(platform, admin, shop.name, user) as client:
            for verb in ("create", "update", "patch", "delete"):
                assert await may(client, verb, "kubernetesclusters.moorage.dev", shop.namespace) is writes
            assert await may(client, "patch", "projects.moorage.dev", name=shop.name) is administers
            assert not await may(client, "delete", "projects.moorage.dev", name=shop.name)

            spec = {"displayName": f"by {user}"}
            if administers:
                changed = await merge_patch(
                    client, PROJECT, shop.name, None, {"spec": spec}, field_manager="x"
                )
                assert changed is not None
                assert changed["spec"]["displayName"] == f"by {user}"
            else:
                with pytest.raises(ApiError) as raised:
                    await merge_patch(client, PROJECT, shop.name, None, {"spec": spec}, field_manager="x")
                assert forbidden(raised.value)

    async def test_owners_cannot_give_themselves_more_of_the_platform(
        self, platform: Home, admin: AsyncClient, shop: Shop
    ) -> None:
        async with as_member(platform, admin, shop.name, "alice") as client:
            for quota in ({"nodes": 1000}, None):
                with pytest.raises(ApiError, match="changed by the platform team"):
                    await merge_patch(
                        client, PROJECT, shop.name, None, {"spec": {"quota": quota}}, field_manager="x"
                    )
        await merge_patch(
            admin, PROJECT, shop.name, None, {"spec": {"quota": {"nodes": 5}}}, field_manager="x"
        )

    async def test_members_get_their_own_tokens_and_nobody_elses(
        self, platform: Home, admin: AsyncClient, shop: Shop
    ) -> None:
        async with as_member(platform, admin, shop.name, "carol") as client:
            assert await token_for(client, shop.name, "carol", cluster_uid=shop.cluster_uid)
            with pytest.raises(ApiError) as raised:
                await token_for(client, shop.name, "alice", cluster_uid=shop.cluster_uid)
            assert forbidden(raised.value)

    async def test_the_operator_itself_is_kept_to_the_namespaces_of_projects(
        self, platform: Home, shop: Shop
    ) -> None:
        async with connect(platform.management / "operator.kubeconfig") as operator:
            with pytest.raises(ApiError) as raised:
                await list_objects(operator, SECRET, "kube-system")
            assert forbidden(raised.value)
            assert await list_objects(operator, SECRET, shop.namespace)
            binding = {
                "metadata": {"name": "mine", "namespace": "kube-system"},
                "roleRef": {
                    "apiGroup": RBAC_GROUP,
                    "kind": "ClusterRole",
                    "name": "moorage:operator-project",
                },
                "subjects": [{"kind": "User", "name": "moorage:operator", "apiGroup": RBAC_GROUP}],
            }
            with pytest.raises(ApiError, match="works in the namespaces of projects only"):
                await apply(operator, ROLE_BINDING, binding, field_manager="x")
            with pytest.raises(ApiError, match="works in the namespaces of projects only"):
                await apply(operator, NAMESPACE, {"metadata": {"name": "elsewhere"}}, field_manager="x")
            everything = {**binding, "metadata": {"name": "mine", "namespace": shop.namespace}}
            everything["roleRef"] = {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": "cluster-admin"}
            with pytest.raises(ApiError, match="attempting to grant RBAC permissions not currently held"):
                await apply(operator, ROLE_BINDING, everything, field_manager="x")


class TestUserCluster:
    @pytest.mark.parametrize(
        ("user", "allowed", "refused"),
        [
            (
                "alice",
                [("delete", "nodes", ""), ("create", "clusterrolebindings.rbac.authorization.k8s.io", "")],
                [],
            ),
            (
                "bob@example.com",
                [
                    ("create", "deployments.apps", "default"),
                    ("list", "nodes", ""),
                    ("get", "secrets", "default"),
                ],
                [("delete", "nodes", ""), ("create", "rolebindings.rbac.authorization.k8s.io", "default")],
            ),
            (
                "carol",
                [("list", "pods", "default"), ("list", "nodes", ""), ("list", "namespaces", "")],
                [
                    ("create", "deployments.apps", "default"),
                    ("get", "secrets", "default"),
                    ("delete", "pods", "x"),
                ],
            ),
        ],
    )
    async def test_members_have_their_role(
        self,
        admin: AsyncClient,
        shop: Shop,
        user: str,
        allowed: list[tuple[str, str, str]],
        refused: list[tuple[str, str, str]],
    ) -> None:
        token = await token_for(admin, shop.name, user, cluster_uid=shop.cluster_uid)
        config = with_token(await admin_kubeconfig(admin, shop.name, "web"), token)
        async with connect(config) as client:
            await list_objects(client, NODE)
            for verb, what, namespace in allowed:
                assert await may(client, verb, what, namespace), f"{user} may not {verb} {what}"
            for verb, what, namespace in refused:
                assert not await may(client, verb, what, namespace), f"{user} may {verb} {what}"

    async def test_a_token_opens_one_cluster_and_no_other(self, admin: AsyncClient, shop: Shop) -> None:
        config = await admin_kubeconfig(admin, shop.name, "web")
        for token in (
            await token_for(admin, shop.name, "alice"),
            await token_for(admin, shop.name, "alice", cluster_uid="another"),
        ):
            async with connect(with_token(config, token)) as client:
                with pytest.raises(ApiError) as raised:
                    await list_objects(client, NODE)
                assert is_status(raised.value, 401)

    async def test_a_token_for_longer_than_an_hour_is_not_given(
        self, platform: Home, admin: AsyncClient, shop: Shop
    ) -> None:
        async with as_member(platform, admin, shop.name, "alice") as client:
            for cluster in (None, shop.cluster_uid):
                with pytest.raises(ApiError, match="valid for an hour"):
                    await token_for(client, shop.name, "alice", cluster_uid=cluster, seconds=3601)

    async def test_the_project_and_its_clusters_follow_its_members(
        self, admin: AsyncClient, shop: Shop
    ) -> None:
        dave = {"name": "dave", "role": "viewer"}
        await set_members(admin, shop.name, [*MEMBERS, dave])

        async def known() -> bool | None:
            account = member_account("dave")
            return True if await get(admin, SERVICE_ACCOUNT, account, shop.namespace) else None

        assert await poll(known, timeout_seconds=SOON_SECONDS)
        token = await token_for(admin, shop.name, "dave", cluster_uid=shop.cluster_uid)
        async with connect(with_token(await admin_kubeconfig(admin, shop.name, "web"), token)) as client:

            async def let_in() -> bool | None:
                return True if await may(client, "list", "nodes") else None

            assert await poll(let_in, timeout_seconds=SOON_SECONDS)

            await set_members(admin, shop.name, MEMBERS)

            async def shut_out() -> bool | None:
                return None if await may(client, "list", "nodes") else True

            assert await poll(shut_out, timeout_seconds=SOON_SECONDS), (
                "the token still lives, the right does not"
            )
        assert await poll(lambda: _unknown(admin, shop), timeout_seconds=SOON_SECONDS)

    async def test_rights_that_somebody_changed_inside_are_put_back(
        self, admin: AsyncClient, shop: Shop
    ) -> None:
        async with inside(admin, shop.name) as client:
            await delete(client, CLUSTER_ROLE_BINDING, "moorage:viewer:view")
        # The next look is some minutes away, unless something about the members changes.
        await set_members(admin, shop.name, [*MEMBERS, {"name": "erin", "role": "editor"}])

        async with inside(admin, shop.name) as client:

            async def put_back() -> Object | None:
                return await get(client, CLUSTER_ROLE_BINDING, "moorage:viewer:view")

            assert await poll(put_back, timeout_seconds=SOON_SECONDS)
        await set_members(admin, shop.name, MEMBERS)


async def _unknown(admin: AsyncClient, shop: Shop) -> bool | None:
    found = await get(admin, SERVICE_ACCOUNT, member_account("dave"), shop.namespace)
    return True if found is None else None
