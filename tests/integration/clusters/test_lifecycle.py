"""A cluster from its declaration to its end, on a real platform."""

from __future__ import annotations

import pytest
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError

from moorage.api.meta import project_namespace
from moorage.kube.kinds import (
    CAPI_CLUSTER,
    DEPLOYMENT,
    KUBERNETES_CLUSTER,
    LOCAL_CLUSTER,
    LOCAL_CONTROL_PLANE,
    MACHINE,
    MACHINE_DEPLOYMENT,
    NAMESPACE,
    NODE,
    SECRET,
    Kind,
    Object,
)
from moorage.kube.objects import apply, delete, get, is_status, list_objects, merge_patch, poll

from .helpers import (
    MANAGER,
    SOON_SECONDS,
    condition,
    declare,
    inside,
    is_current,
    patch,
    pool,
    settled,
    until,
    until_gone,
)

PDB = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")


async def nodes_of(admin: AsyncClient, project: str, name: str = "web") -> dict[str, Object]:
    async with inside(admin, project, name) as client:
        return {node["metadata"]["name"]: node for node in await list_objects(client, NODE)}


def labels(node: Object) -> dict[str, str]:
    found: dict[str, str] = node["metadata"]["labels"]
    return found


async def test_a_cluster_is_made_changed_and_removed(admin: AsyncClient, project: str) -> None:
    namespace = project_namespace(project)
    taint = {"key": "dedicated", "value": "x", "effect": "NoSchedule"}
    await declare(admin, project, "web", pool("main", 2, labels={"tier": "front"}, taints=[taint], zone="b"))
    made = await until(admin, project, "web", settled)

    assert made["status"]["nodes"] == {"desired": 2, "ready": 2, "summary": "2/2"}
    assert made["status"]["version"] == {
        "desired": "1.36.0",
        "controlPlane": "1.36.0",
        "nodes": {"min": "1.36.0", "max": "1.36.0"},
    }
    before = await nodes_of(admin, project)
    assert len(before) == 2
    for node in before.values():
        assert labels(node)["tier"] == "front"
        assert labels(node)["moorage.dev/pool"] == "main"
        assert labels(node)["topology.kubernetes.io/zone"] == "b"
        assert node["status"]["capacity"]["cpu"] == "2"
        assert taint in node["spec"]["taints"]

    # Labels and taints reach nodes that run: they are not replaced.
    await patch(admin, project, "web", {"nodePools": [pool("main", 2, labels={"tier": "back"}, zone="b")]})

    async def relabelled() -> dict[str, Object] | None:
        now = await nodes_of(admin, project)
        return now if all(labels(node)["tier"] == "back" for node in now.values()) else None

    after = await poll(relabelled, timeout_seconds=SOON_SECONDS, interval_seconds=1)
    assert after is not None
    assert {n["metadata"]["uid"] for n in after.values()} == {n["metadata"]["uid"] for n in before.values()}
    assert all(taint not in node["spec"].get("taints", ()) for node in after.values())

    # One pool grows, one comes.
    pools = [pool("main", 3, labels={"tier": "back"}, zone="b"), pool("large", 1, machineType="large")]
    await patch(admin, project, "web", {"nodePools": pools})
    grown = await until(admin, project, "web", settled)
    assert {(item["name"], item["ready"]) for item in grown["status"]["nodePools"]} == {
        ("main", 3),
        ("large", 1),
    }

    # Another machine type: the nodes are replaced. A pool that is declared no more goes.
    await patch(admin, project, "web", {"nodePools": [pool("large", 1, machineType="medium")]})
    replaced = await until(admin, project, "web", settled)
    assert [item["name"] for item in replaced["status"]["nodePools"]] == ["large"]
    [node] = (await nodes_of(admin, project)).values()
    assert node["status"]["capacity"]["cpu"] == "4"

    await delete(admin, KUBERNETES_CLUSTER, "web", namespace)
    await until_gone(admin, KUBERNETES_CLUSTER, "web", namespace)
    for kind in (CAPI_CLUSTER, MACHINE_DEPLOYMENT, MACHINE):
        assert await list_objects(admin, kind, namespace) == []
    assert [item["metadata"]["name"] for item in await list_objects(admin, SECRET, namespace)] == []


async def test_an_upgrade_goes_control_plane_first_and_one_minor_at_a_time(
    admin: AsyncClient, project: str
) -> None:
    await declare(admin, project, "web", pool("main", 1), version="1.34")
    await until(admin, project, "web", settled)

    with pytest.raises(ApiError, match="no minor can be skipped"):
        await patch(admin, project, "web", {"version": "1.36"})
    await patch(admin, project, "web", {"version": "1.35"})
    with pytest.raises(ApiError, match=r"Kubernetes 1\.36 has to wait until all runs 1\.35"):
        await patch(admin, project, "web", {"version": "1.36"})

    upgrading = await until(
        admin, project, "web", lambda found: condition(found, "UpToDate").get("reason") == "Upgrading"
    )
    assert "1.35.0" in condition(upgrading, "UpToDate")["message"]
    upgraded = await until(admin, project, "web", settled)
    assert upgraded["status"]["version"]["nodes"] == {"min": "1.35.0", "max": "1.35.0"}

    with pytest.raises(ApiError, match="cannot be downgraded"):
        await patch(admin, project, "web", {"version": "1.34"})


async def test_drift_is_put_back_and_a_pause_is_kept(admin: AsyncClient, project: str) -> None:
    namespace = project_namespace(project)
    await declare(admin, project, "web", pool("main", 1))
    await until(admin, project, "web", settled)

    async def topology() -> Object:
        cluster = await get(admin, CAPI_CLUSTER, "web", namespace)
        assert cluster is not None
        found: Object = cluster["spec"]["topology"]
        return found

    async def deployments() -> dict[str, Object]:
        return {item["name"]: item for item in (await topology())["workers"]["machineDeployments"]}

    async def meddle() -> None:
        [main] = (await deployments()).values()
        crept_in = {**main, "name": "crept-in", "replicas": 0}
        workers = {"machineDeployments": [{**main, "replicas": 2}, crept_in]}
        patch = {"spec": {"topology": {"workers": workers}}}
        await merge_patch(admin, CAPI_CLUSTER, "web", namespace, patch, field_manager="somebody")

    async def put_back() -> bool | None:
        now = await deployments()
        return True if list(now) == ["main"] and now["main"]["replicas"] == 1 else None

    await meddle()
    assert await poll(put_back, timeout_seconds=SOON_SECONDS), await deployments()

    # While it is paused nobody touches it, and what is declared waits.
    await patch(admin, project, "web", {"paused": True})
    await until(admin, project, "web", lambda found: condition(found, "UpToDate").get("reason") == "Paused")
    await meddle()
    await patch(admin, project, "web", {"nodePools": [pool("main", 1), pool("more", 0)]})
    await until(admin, project, "web", is_current)
    assert set(await deployments()) == {"main", "crept-in"}

    await patch(admin, project, "web", {"paused": False})
    await until(admin, project, "web", settled)
    assert {name: item["replicas"] for name, item in (await deployments()).items()} == {"main": 1, "more": 0}


async def test_a_cluster_that_is_deleted_behind_our_back_is_made_again(
    admin: AsyncClient, project: str
) -> None:
    namespace = project_namespace(project)
    await declare(admin, project, "web")
    first = await until(admin, project, "web", settled)
    before = await get(admin, CAPI_CLUSTER, "web", namespace)
    assert before is not None

    await delete(admin, CAPI_CLUSTER, "web", namespace)

    async def again() -> Object | None:
        now = await get(admin, CAPI_CLUSTER, "web", namespace)
        return now if now is not None and now["metadata"]["uid"] != before["metadata"]["uid"] else None

    assert await poll(again, timeout_seconds=SOON_SECONDS)
    second = await until(
        admin,
        project,
        "web",
        lambda found: settled(found) and found["status"]["caBundle"] != first["status"]["caBundle"],
    )
    assert second["metadata"]["uid"] == first["metadata"]["uid"]


async def test_what_cluster_api_makes_twice_takes_nothing_with_it(admin: AsyncClient, project: str) -> None:
    """While its cache is behind, the topology controller makes both again, and points the Cluster there."""
    namespace = project_namespace(project)
    await declare(admin, project, "web", pool("main", 0))
    await until(admin, project, "web", settled)
    [infrastructure] = await list_objects(admin, LOCAL_CLUSTER, namespace)
    [plane] = await list_objects(admin, LOCAL_CONTROL_PLANE, namespace)

    for kind, first, ref in (
        (LOCAL_CLUSTER, infrastructure, "infrastructureRef"),
        (LOCAL_CONTROL_PLANE, plane, "controlPlaneRef"),
    ):
        metadata = {"name": "web-second", "namespace": namespace, "labels": first["metadata"]["labels"]}
        spec = {name: value for name, value in first["spec"].items() if name != "controlPlaneEndpoint"}
        await apply(admin, kind, {"metadata": metadata, "spec": spec}, field_manager=MANAGER)
        with pytest.raises(ApiError, match=f"the Cluster keeps its .* {first['metadata']['name']}"):
            await merge_patch(
                admin,
                CAPI_CLUSTER,
                "web",
                namespace,
                {"spec": {ref: {"name": "web-second"}}},
                field_manager=MANAGER,
            )
        await delete(admin, kind, "web-second", namespace)
        await until_gone(admin, kind, "web-second", namespace)

    async with inside(admin, project) as client:
        assert await get(client, NAMESPACE, "default") is not None
    assert settled(await until(admin, project, "web", settled))


async def test_what_holds_up_a_node_and_a_deletion_is_told(admin: AsyncClient, project: str) -> None:
    namespace = project_namespace(project)
    await declare(admin, project, "web", pool("main", 1))
    await until(admin, project, "web", settled)
    app = {"app": "db"}
    async with inside(admin, project) as client:
        template = {
            "metadata": {"labels": app},
            "spec": {"containers": [{"name": "db", "image": "db"}]},
        }
        deployment = {
            "metadata": {"name": "db", "namespace": "default"},
            "spec": {"replicas": 1, "selector": {"matchLabels": app}, "template": template},
        }
        budget = {
            "metadata": {"name": "db", "namespace": "default"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": app}},
        }
        await apply(client, DEPLOYMENT, deployment, field_manager=MANAGER)
        await apply(client, PDB, budget, field_manager=MANAGER)

        async def guarded() -> bool | None:
            found = await get(client, PDB, "db", "default") or {}
            return True if found.get("status", {}).get("currentHealthy") == 1 else None

        assert await poll(guarded, timeout_seconds=SOON_SECONDS)

        # A pool that shrinks is drained, and a Pod may not go.
        await patch(admin, project, "web", {"nodePools": [pool("main", 0)]})
        shrinking = await until(
            admin,
            project,
            "web",
            lambda found: "disruption budget" in condition(found, "UpToDate")["message"],
        )
        message = condition(shrinking, "UpToDate")["message"]
        assert "is being drained" in message
        assert "default/db-" in message
        await delete(client, PDB, "db", "default")
        await until(admin, project, "web", settled)

    # A cluster that is deleted is not drained; but somebody may have asked to be asked before a machine goes.
    await patch(admin, project, "web", {"nodePools": [pool("main", 1)]})
    await until(admin, project, "web", settled)
    [machine] = await list_objects(admin, MACHINE, namespace)
    name, hook = machine["metadata"]["name"], "pre-terminate.delete.hook.machine.cluster.x-k8s.io/backup"
    await merge_patch(
        admin, MACHINE, name, namespace, {"metadata": {"annotations": {hook: "me"}}}, field_manager=MANAGER
    )
    await delete(admin, KUBERNETES_CLUSTER, "web", namespace)
    waiting = await until(admin, project, "web", lambda found: hook in condition(found, "Ready")["message"])
    assert condition(waiting, "Ready")["reason"] == "Deleting"
    assert condition(waiting, "Deleting")["message"] == (
        f"1 node to go; {name} waits for a hook before it is taken down: {hook}"
    )
    await merge_patch(
        admin, MACHINE, name, namespace, {"metadata": {"annotations": {hook: None}}}, field_manager=MANAGER
    )
    await until_gone(admin, KUBERNETES_CLUSTER, "web", namespace)


async def test_a_paused_cluster_is_not_deleted_before_it_is_resumed(admin: AsyncClient, project: str) -> None:
    namespace = project_namespace(project)
    await declare(admin, project, "web")
    await until(admin, project, "web", settled)
    await patch(admin, project, "web", {"paused": True})
    await until(admin, project, "web", lambda found: condition(found, "UpToDate").get("reason") == "Paused")

    await delete(admin, KUBERNETES_CLUSTER, "web", namespace)
    waiting = await until(admin, project, "web", lambda found: bool(condition(found, "Deleting")))
    assert condition(waiting, "Deleting")["message"] == (
        "the cluster is paused, and stays until spec.paused is false"
    )
    made = await get(admin, CAPI_CLUSTER, "web", namespace)
    assert made is not None
    assert "deletionTimestamp" not in made["metadata"]

    await patch(admin, project, "web", {"paused": False})
    await until_gone(admin, KUBERNETES_CLUSTER, "web", namespace)


async def test_a_name_that_is_too_long_is_refused_by_the_schema_before_anybody_asks_us(
    admin: AsyncClient, project: str
) -> None:
    with pytest.raises(ApiError) as raised:
        await declare(admin, project, "a-name-that-is-far-too-long-for-nodes")

    assert is_status(raised.value, 422)
    assert "at most 28 characters" in str(raised.value)
