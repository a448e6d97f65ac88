"""What judges in a cluster while what judges changes, against a real API server and a real Gatekeeper."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError

from moorage.kube.kinds import CLUSTER_ROLE_BINDING, CONFIG_MAP, NAMESPACE, VALIDATING_WEBHOOK, Object
from moorage.kube.objects import apply, create, delete, get, list_objects, poll
from moorage.local.home import Home
from moorage.local.supervisor import Supervisor, in_thread
from moorage.policies.cluster.act import dismantle
from moorage.policies.cluster.gatekeeper_kinds import TEMPLATE
from moorage.policies.cluster.observe import observe
from moorage.policies.cluster.trying import invalid_policies
from moorage.policies.cluster.webhooks import NAME
from moorage.policies.compiled import Compiled
from moorage.policies.compiling import compile_policies
from moorage.policies.load import load_library
from moorage.policies.model import Action
from moorage.toolchain import ensure

from .trial import Trial, library_folder, trial_cluster

NO_SECRETS = '!has(object.data) || !("password" in object.data)'
NO_SECRETS_EITHER = '!has(object.data) || !object.data.exists(key, key.contains("password"))'
LABEL = "policy.moorage.dev/trial"


@pytest.fixture(scope="module")
async def trial(platform: Home) -> AsyncIterator[Trial]:
    async with trial_cluster(platform) as trial:
        group = "rbac.authorization.k8s.io"
        binding = {
            "metadata": {"name": "mallory"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "mallory"}],
        }
        await apply(trial.client, CLUSTER_ROLE_BINDING, binding, field_manager="test")
        yield trial


def compiled(folder: Path, policies: dict[str, str], **floor: Action) -> Compiled:
    return compile_policies(
        [load_library(library_folder(folder, policies))], floor=floor, now=datetime.now(UTC)
    )


async def namespace(trial: Trial, name: str, **labels: str) -> None:
    await apply(trial.client, NAMESPACE, {"metadata": {"name": name, "labels": labels}}, field_manager="test")


@asynccontextmanager
async def mallory(trial: Trial) -> AsyncIterator[AsyncClient]:
    """Somebody who may do anything in the cluster, and is not the platform."""
    async with trial.as_user("mallory") as client:
        yield client


def config_map(namespace: str, name: str, key: str = "password") -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "data": {key: "secret"}}


async def refusal(client: AsyncClient, obj: Object) -> str | None:
    """Create something; say why it was refused, if it was."""
    try:
        await create(client, CONFIG_MAP, obj, field_manager="test")
    except ApiError as error:
        return str(error.status.message)
    return None


async def test_nothing_passes_while_a_bundle_changes(trial: Trial, tmp_path: Path) -> None:
    await namespace(trial, "hammered", **{LABEL: "enforce"})
    before = compiled(tmp_path / "1", {"first": NO_SECRETS, "dropped": "true"})
    after = compiled(tmp_path / "2", {"first": NO_SECRETS_EITHER, "new": "true"})
    await trial.settle(before)
    passed: list[str] = []
    tried = 0
    over = asyncio.Event()

    async def hammer(client: AsyncClient, worker: int) -> None:
        nonlocal tried
        while not over.is_set():
            tried += 1
            name = f"leak-{worker}-{tried}"
            said = await refusal(client, config_map("hammered", name))
            if said is None:
                passed.append(name)
            else:
                assert "[first" in said, said

    async with mallory(trial) as client:
        hammers = [asyncio.create_task(hammer(client, worker)) for worker in range(3)]
        try:
            for _ in range(2):
                await trial.settle(after)
                await trial.settle(before)
        finally:
            over.set()
            await asyncio.gather(*hammers)
    assert tried > 100
    assert passed == []
    names = {item["metadata"]["name"] for item in await list_objects(trial.client, TEMPLATE)}
    assert {name[:14] for name in names} == {
        "mooragefirst" + name[12:14] for name in names if "first" in name
    } | {name[:14] for name in names if name.startswith("mooragedropped")}


async def test_a_template_that_is_not_taken_leaves_what_was_before(trial: Trial, tmp_path: Path) -> None:
    await namespace(trial, "kept", **{LABEL: "enforce"})
    await trial.settle(compiled(tmp_path / "1", {"first": NO_SECRETS}))
    folder = library_folder(tmp_path / "2", {"first": "nonsense.that.is.not(there)", "other": NO_SECRETS})
    library, gator = load_library(folder), (await ensure(["gator"]))["gator"]
    refused = await asyncio.to_thread(invalid_policies, [library], gator, datetime.now(UTC))
    [invalid] = refused
    assert (invalid.policy, invalid.what) == ("first", "its template")
    assert "nonsense" in invalid.why
    decided = await trial.settle(compile_policies([library], now=datetime.now(UTC)), refused=refused)
    assert decided.invalid == refused
    async with mallory(trial) as client:
        said = await refusal(client, config_map("kept", "still"))
    assert said is not None
    assert "[first" in said  # as before
    assert "[other" in said  # what else is new holds
    await trial.settle(compiled(tmp_path / "3", {"first": NO_SECRETS}))


async def test_only_what_opted_in_is_judged_and_the_platform_never(trial: Trial, tmp_path: Path) -> None:
    await trial.settle(compiled(tmp_path, {"first": NO_SECRETS}))
    await namespace(trial, "free")
    await namespace(trial, "warned", **{LABEL: "warn"})
    await namespace(trial, "strict", **{LABEL: "enforce"})
    async with mallory(trial) as client:
        assert await refusal(client, config_map("free", "one")) is None
        assert await refusal(client, config_map("warned", "one")) is None
        assert "[first" in (await refusal(client, config_map("strict", "one")) or "")
        assert await refusal(client, config_map("strict", "two", key="colour")) is None
        assert await refusal(client, config_map("kube-system", "one")) is None
    assert await refusal(trial.client, config_map("strict", "by-the-platform")) is None
    await delete(trial.client, CONFIG_MAP, "one", "kube-system")


async def test_a_floor_holds_for_every_namespace_but_the_exempt_ones(trial: Trial, tmp_path: Path) -> None:
    floor = {"trial": Action.ENFORCE}
    await trial.settle(compiled(tmp_path, {"first": NO_SECRETS}, **floor), floor)
    await namespace(trial, "floored", **{LABEL: "audit"})
    async with mallory(trial) as client:
        assert "[first" in (await refusal(client, config_map("floored", "one")) or "")
        assert await refusal(client, config_map("kube-public", "floor")) is None
    await delete(trial.client, CONFIG_MAP, "floor", "kube-public")
    await trial.settle(compiled(tmp_path, {"first": NO_SECRETS}))


async def test_without_an_engine_only_what_is_enforced_waits(trial: Trial, tmp_path: Path) -> None:
    """The platform can repair everything meanwhile; an engine that is back judges from its first answer."""
    await trial.settle(compiled(tmp_path, {"first": NO_SECRETS}))
    await namespace(trial, "open")
    await namespace(trial, "told", **{LABEL: "warn"})
    await namespace(trial, "closed", **{LABEL: "enforce"})
    supervisor = Supervisor(trial.home)
    [pid] = [
        status.pid
        for name, status in (await in_thread(supervisor.statuses)).items()
        if name == f"{trial.place.id}.gatekeeper"
    ]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    async with mallory(trial) as client:
        said = await refusal(client, config_map("closed", "down", key="colour"))
        assert said is not None
        assert "trial.enforce.policy.moorage.dev" in said
        assert await refusal(client, config_map("open", "down")) is None
        assert await refusal(client, config_map("told", "down")) is None
        assert await refusal(trial.client, config_map("closed", "repair")) is None

        async def judged() -> str | None:
            said = await refusal(client, config_map("closed", "back"))
            assert said is not None, "it passed while the engine was starting"
            return said if "[first" in said else None

        assert await poll(judged, timeout_seconds=60, interval_seconds=0.02)


async def test_what_somebody_removes_or_changes_by_hand_comes_back(trial: Trial, tmp_path: Path) -> None:
    policies = compiled(tmp_path, {"first": NO_SECRETS})
    await trial.settle(policies)
    assert trial.wanted is not None
    [template] = trial.wanted.templates
    await delete(trial.client, VALIDATING_WEBHOOK, NAME)
    await delete(trial.client, TEMPLATE, template)

    async def gone() -> bool | None:
        return True if template not in (await _reports(trial)) else None

    assert await poll(gone, timeout_seconds=30)
    # As if the time had passed in which an engine may be silent.
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    trial.memory = replace(
        trial.memory,
        templates={name: replace(item, at=long_ago) for name, item in trial.memory.templates.items()},
        constraints={key: replace(item, at=long_ago) for key, item in trial.memory.constraints.items()},
    )
    await trial.settle(policies)
    assert await get(trial.client, VALIDATING_WEBHOOK, NAME) is not None
    assert await get(trial.client, TEMPLATE, template) is not None


async def _reports(trial: Trial) -> set[str]:
    assert trial.wanted is not None
    return set((await observe(trial.client, trial.wanted)).templates)


async def test_without_policies_nothing_is_left(trial: Trial, tmp_path: Path) -> None:
    await trial.settle(compiled(tmp_path, {"first": NO_SECRETS}))

    async def gone() -> bool | None:
        return True if await dismantle(trial.client) else None

    assert await poll(gone, timeout_seconds=60)
    await trial.host.remove(trial.place, trial.client)
    assert await get(trial.client, VALIDATING_WEBHOOK, NAME) is None
    statuses = await in_thread(Supervisor(trial.home).statuses)
    assert not [name for name in statuses if name.startswith(trial.place.id) and "gate" in name]
