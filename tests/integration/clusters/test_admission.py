"""Admission and quota, as whoever declares something meets them."""

from __future__ import annotations

from typing import Any

import pytest
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError

from moorage.api.meta import project_namespace
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, MACHINE_TYPE, PROJECT, Object
from moorage.kube.objects import apply, create, delete, explain, get, merge_patch, poll

from .helpers import MANAGER, SOON_SECONDS, condition, declare, is_current, patch, pool, until


async def set_project(admin: AsyncClient, project: str, **spec: Any) -> Object:
    changed = await merge_patch(admin, PROJECT, project, None, {"spec": spec}, field_manager=MANAGER)
    assert changed is not None
    return changed


def denied(raised: pytest.ExceptionInfo[ApiError]) -> str:
    """What was said, after the API server's own words."""
    before, _, words = explain(raised.value).partition("denied the request: ")
    assert 'webhook "validate.moorage.dev"' in before, before
    return words


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            {"version": "1.38"},
            "Kubernetes 1.38 is not offered by provider local (offered: 1.34, 1.35, 1.36, 1.37)",
        ),
        ({"provider": "aws"}, "there is no provider aws (there is: local)"),
        ({"nodePools": [pool("main", machineType="huge")]}, "node pool main: there is no machine type huge"),
        (
            {"nodePools": [pool("main", 2), pool("more", None, min=0, max=4)]},
            "the quota of project {project} is exceeded: 6 nodes wanted, 5 of 5 left",
        ),
        (
            {"nodePools": [pool("main", 2, machineType="large")]},
            "the quota of project {project} is exceeded: 16 CPUs wanted, 12 of 12 left",
        ),
    ],
)
async def test_what_cannot_be_followed_is_refused_with_one_sentence(
    admin: AsyncClient, project: str, spec: Object, words: str
) -> None:
    await set_project(admin, project, quota={"nodes": 5, "cpu": "12"})

    with pytest.raises(ApiError) as raised:
        await declare(admin, project, "web", **spec)

    assert denied(raised) == words.format(project=project)


async def test_a_cluster_outside_a_project_is_refused(admin: AsyncClient) -> None:
    cluster = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"version": "1.36", "provider": "local"},
    }

    with pytest.raises(ApiError) as raised:
        await apply(admin, KUBERNETES_CLUSTER, cluster, field_manager=MANAGER)

    assert "which default is not" in denied(raised)


async def test_a_bare_declaration_gets_the_projects_defaults_and_keeps_them(
    admin: AsyncClient, project: str
) -> None:
    window = {"days": ["Sunday"], "start": "02:00", "durationHours": 4, "timeZone": "UTC"}
    defaults = {"version": "1.35", "machineType": "medium", "maintenanceWindow": window}
    await set_project(admin, project, defaults=defaults)
    bare = {
        "metadata": {"name": "web", "namespace": project_namespace(project)},
        "spec": {"paused": True, "nodePools": [{"name": "main", "replicas": 0}]},
    }

    first = await apply(admin, KUBERNETES_CLUSTER, bare, field_manager=MANAGER)

    assert first["spec"]["version"] == "1.35"
    assert first["spec"]["provider"] == "local"
    assert first["spec"]["nodePools"][0]["machineType"] == "medium"
    assert first["spec"]["maintenanceWindow"] == window

    await set_project(admin, project, defaults={"version": "1.36", "machineType": "small"})
    again = await apply(admin, KUBERNETES_CLUSTER, bare, field_manager=MANAGER)

    assert again["spec"]["version"] == "1.35", "defaults are for new clusters"
    assert again["spec"]["nodePools"][0]["machineType"] == "medium"


async def test_what_is_in_use_stays(admin: AsyncClient, project: str) -> None:
    spec = {"cpu": "1", "memory": "2Gi", "providers": {"local": {}}}
    name = f"type-of-{project}"
    await create(admin, MACHINE_TYPE, {"metadata": {"name": name}, "spec": spec}, field_manager=MANAGER)
    await declare(admin, project, "web", pool("main", 0, machineType=name), paused=True)

    with pytest.raises(ApiError) as raised:
        await delete(admin, MACHINE_TYPE, name)
    assert denied(raised) == (
        f"machine type {name} is used by 1 cluster ({project}/web): "
        "move their node pools to another type first"
    )
    with pytest.raises(ApiError) as raised:
        await delete(admin, PROJECT, project)
    assert denied(raised) == f"project {project} still has 1 cluster (web): delete it first"

    await delete(admin, KUBERNETES_CLUSTER, "web", project_namespace(project))

    async def unused() -> bool | None:
        try:
            return await delete(admin, MACHINE_TYPE, name)
        except ApiError:
            return None

    assert await poll(unused, timeout_seconds=SOON_SECONDS)


async def test_what_passed_admission_and_has_no_room_now_waits_for_it(
    admin: AsyncClient, project: str
) -> None:
    """A quota may shrink between a declaration and its realisation: then the plan itself holds to it."""
    namespace = project_namespace(project)
    await set_project(admin, project, quota={"clusters": 1})
    await declare(admin, project, "late", paused=True)
    await set_project(admin, project, quota={"clusters": 0})
    await patch(admin, project, "late", {"paused": False})

    held = await until(
        admin, project, "late", lambda found: condition(found, "Ready").get("reason") == "QuotaExceeded"
    )

    assert is_current(held)
    words = "1 cluster wanted, 0 of 0 left"
    assert condition(held, "Ready")["message"] == f"the quota of project {project} is exceeded: {words}"
    assert await get(admin, CAPI_CLUSTER, "late", namespace) is None

    async def told() -> str | None:
        quota = condition(await get(admin, PROJECT, project), "WithinQuota")
        return str(quota["message"]) if quota.get("status") == "False" else None

    assert await poll(told, timeout_seconds=SOON_SECONDS) == f"cluster late waits: {words}"

    await set_project(admin, project, quota={"clusters": 1})
    await until(
        admin, project, "late", lambda found: condition(found, "Ready").get("reason") != "QuotaExceeded"
    )

    async def used() -> int | None:
        found = await get(admin, PROJECT, project) or {}
        return found["status"]["used"]["clusters"] or None

    assert await poll(used, timeout_seconds=SOON_SECONDS) == 1
