"""Policies of a cluster as people have them: declared, taken from a registry, kept by the operator."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError

from moorage.api.meta import SYSTEM_NAMESPACE, project_namespace
from moorage.kube.client import connect
from moorage.kube.kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, PROJECT, VALIDATING_WEBHOOK, Object
from moorage.kube.objects import apply, create, delete, get, merge_patch, poll
from moorage.local.home import Home
from moorage.policies.cluster.gatekeeper_kinds import POLICY_EXCEPTION, POLICY_REPORT
from moorage.policies.cluster.sources import KEYS
from moorage.policies.cluster.webhooks import NAME

from ..clusters.helpers import (
    admin_kubeconfig,
    condition,
    declare,
    may,
    see,
    settled,
    token_for,
    until,
    with_token,
)
from .conftest import Bundle, Done, Registry
from .trial import library_folder

NO_SECRETS = '!has(object.data) || !("password" in object.data)'
LABEL = "policy.moorage.dev/trial"
SOON_SECONDS = 120


@pytest.fixture
async def members(admin: AsyncClient, project: str) -> None:
    people = [{"name": "alice", "role": "owner"}, {"name": "bob", "role": "editor"}]
    await merge_patch(admin, PROJECT, project, None, {"spec": {"members": people}}, field_manager="test")


async def enter(admin: AsyncClient, project: str, user: str) -> AsyncClient:
    """Enter the cluster as a member."""
    uid = (await see(admin, project))["metadata"]["uid"]
    token = await token_for(admin, project, user, cluster_uid=uid)
    return connect(with_token(await admin_kubeconfig(admin, project, "web"), token))


async def policies_are(admin: AsyncClient, project: str, reason: str) -> Object:
    """Wait until the condition says so, and return it."""
    found = await until(
        admin, project, "web", lambda obj: condition(obj, "PoliciesReady").get("reason") == reason
    )
    return condition(found, "PoliciesReady")


async def set_policies(admin: AsyncClient, project: str, policies: Object | None) -> None:
    await merge_patch(admin, PROJECT, project, None, {"spec": {"policies": policies}}, field_manager="test")


async def refused(client: AsyncClient, name: str) -> str | None:
    obj = {"metadata": {"name": name, "namespace": "team"}, "data": {"password": "secret"}}
    try:
        await create(client, CONFIG_MAP, obj, field_manager="test")
    except ApiError as error:
        return str(error.status.message)
    return None


def exception(name: str, target: str, **more: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": "team"},
        "spec": {
            "policy": "first",
            "target": {"kind": "ConfigMap", "name": target},
            "reason": "the vendor's chart wants it so",
            "owner": "bob",
            "expires": "2027-06-30",
            **more,
        },
    }


async def command(bundle: Bundle, *arguments: object) -> Done:
    """Run `moorage policy bundle`, which has an event loop of its own."""
    return await asyncio.to_thread(bundle, *arguments)


def privileged(name: str) -> Object:
    container = {"name": "web", "image": "web:1", "securityContext": {"privileged": True}}
    labels = {"app": name}
    return {
        "metadata": {"name": name, "namespace": "team"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


async def preview(platform: Home, cluster: str, name: str) -> list[Object]:
    """Run `moorage policy preview`; there is something that would be refused."""
    command = ["policy", "preview", "--cluster", cluster, "--set", name, "-n", "team", "-o", "json"]

    def work() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "moorage", *command],
            env={**os.environ, "MOORAGE_HOME": str(platform.root)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    done = await asyncio.to_thread(work)
    assert done.returncode == 1, done.stderr
    return list(json.loads(done.stdout))


async def state_of(client: AsyncClient, name: str, expected: str) -> bool:
    async def look() -> bool | None:
        found = await get(client, POLICY_EXCEPTION, name, "team") or {}
        return True if (found.get("status") or {}).get("state") == expected else None

    return bool(await poll(look, timeout_seconds=SOON_SECONDS))


@pytest.mark.timeout(900)
async def test_a_project_declares_policies_and_members_get_exceptions(
    platform: Home,
    admin: AsyncClient,
    project: str,
    members: None,
    registry: Registry,
    bundle: Bundle,
    tmp_path: Path,
) -> None:
    folder = library_folder(tmp_path / "library", {"first": NO_SECRETS})
    reference = (await command(bundle, "push", folder, registry.reference())).stdout.strip()
    await set_policies(admin, project, {"bundles": [{"reference": reference}]})
    await declare(admin, project)
    await until(admin, project, "web", settled)
    ready = await policies_are(admin, project, "Enforced")
    assert ready["status"] == "True"
    async with connect(await admin_kubeconfig(admin, project, "web")) as inside:
        team = {"metadata": {"name": "team", "labels": {LABEL: "enforce"}}}
        await apply(inside, NAMESPACE, team, field_manager="test")
        async with await enter(admin, project, "bob") as bob, await enter(admin, project, "alice") as alice:
            assert "[first" in (await refused(bob, "mine") or "")

            # Kubernetes takes what members may do with exceptions into its own roles, a moment later.
            async def may_ask() -> bool | None:
                return await may(bob, "create", "policyexceptions.policy.moorage.dev", "team") or None

            assert await poll(may_ask, timeout_seconds=SOON_SECONDS)
            # An editor asks, and cannot approve; an owner does, and it counts.
            with pytest.raises(ApiError, match="only an owner of the project approves"):
                await create(
                    bob, POLICY_EXCEPTION, exception("mine", "mine", approved=True), field_manager="t"
                )
            await create(bob, POLICY_EXCEPTION, exception("mine", "mine*"), field_manager="test")
            assert await state_of(bob, "mine", "AwaitingApproval")
            assert "[first" in (await refused(bob, "mine") or "")
            approve = {"spec": {"approved": True}}
            await merge_patch(alice, POLICY_EXCEPTION, "mine", "team", approve, field_manager="test")

            async def passes() -> bool | None:
                return True if await refused(bob, "mine") is None else None

            assert await poll(passes, timeout_seconds=SOON_SECONDS)
            assert "[first" in (await refused(bob, "other") or "")  # it is for that one alone
            wider = {"spec": {"target": {"name": "*"}}}
            with pytest.raises(ApiError, match="have it approved again"):
                await merge_patch(bob, POLICY_EXCEPTION, "mine", "team", wider, field_manager="test")

            # One that nothing is meant by says so.
            idle = exception("idle", "no-such-thing", approved=True)
            await create(alice, POLICY_EXCEPTION, idle, field_manager="test")
            assert await state_of(alice, "idle", "Unused")

        # What an opt-in to another set would mean: for what is there, and for what was asked for lately.
        async with await enter(admin, project, "bob") as bob:
            await create(bob, DEPLOYMENT, privileged("web"), field_manager="test")
            await delete(bob, DEPLOYMENT, "web", "team")
            await create(bob, DEPLOYMENT, privileged("api"), field_manager="test")
        [row] = [
            row
            for row in await preview(platform, f"{project}/web", "baseline")
            if row["policy"] == "privileged-containers"
        ]
        assert (row["namespace"], row["action"], row["objects"]) == ("team", "enforce", 1)
        assert row["requests"] == 2
        assert [name.startswith("moorage:member-bob") for name in row["users"]] == [True]

        # What was there before is found by the audit, and summed up beside the cluster.
        await create(
            inside,
            CONFIG_MAP,
            {"metadata": {"name": "old", "namespace": "team"}, "data": {"password": "x"}},
            field_manager="test",
        )

        async def reported() -> Object | None:
            found = await get(admin, POLICY_REPORT, "web", project_namespace(project)) or {}
            status = found.get("status") or {}
            return status if (status.get("totals") or {}).get("enforce") else None

        status = await poll(reported, timeout_seconds=150)
        assert status is not None
        assert status["rows"] == [
            {
                "namespace": "team",
                "policy": "first",
                "action": "enforce",
                "severity": "low",
                "violations": 1,
            }
        ]
        assert [(item["kind"], item["name"]) for item in status["examples"]] == [("ConfigMap", "old")]

        # Without policies, nothing is left.
        await set_policies(admin, project, None)
        await until(admin, project, "web", lambda obj: not condition(obj, "PoliciesReady"))
        assert await get(inside, VALIDATING_WEBHOOK, NAME) is None


@pytest.mark.timeout(900)
async def test_a_bundle_that_cannot_be_had_or_is_not_signed_changes_nothing(
    platform: Home,
    admin: AsyncClient,
    project: str,
    registry: Registry,
    bundle: Bundle,
    tmp_path: Path,
) -> None:
    first = library_folder(tmp_path / "1", {"first": NO_SECRETS})
    good = (await command(bundle, "push", first, registry.reference())).stdout.strip()
    unsigned = library_folder(tmp_path / "2", {"other": "true"})
    other = (await command(bundle, "push", unsigned, registry.reference())).stdout.strip()
    await set_policies(admin, project, {"bundles": [{"reference": good}]})
    await declare(admin, project)
    await policies_are(admin, project, "Enforced")

    await set_policies(admin, project, {"bundles": [{"reference": f"{registry.host}/no/such:1.0"}]})
    missing = await policies_are(admin, project, "BundleMissing")
    assert "no/such" in missing["message"]

    await set_policies(admin, project, {"bundles": [{"reference": good}], "floor": {"nonsense": "warn"}})
    assert "nonsense" in (await policies_are(admin, project, "FloorInvalid"))["message"]

    await command(bundle, "keygen", "-o", tmp_path / "mine")
    keys = {"metadata": {"name": KEYS, "namespace": SYSTEM_NAMESPACE}}
    text = (tmp_path / "mine.pub").read_text()
    await apply(admin, CONFIG_MAP, {**keys, "data": {"mine.pub": text}}, field_manager="test")
    try:
        await set_policies(admin, project, {"bundles": [{"reference": other}], "floor": None})
        await policies_are(admin, project, "BundleUnsigned")
        async with connect(await admin_kubeconfig(admin, project, "web")) as inside:
            hooks = await get(inside, VALIDATING_WEBHOOK, NAME)
            assert hooks is not None
            assert hooks["webhooks"]  # as before
        await command(bundle, "sign", other, "--key", tmp_path / "mine.key")
        assert (await policies_are(admin, project, "Enforced"))["status"] == "True"
    finally:
        await delete(admin, CONFIG_MAP, KEYS, SYSTEM_NAMESPACE)
