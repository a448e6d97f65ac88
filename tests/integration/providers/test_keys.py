"""A cluster's keys in the management cluster: made once, never twice."""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from lightkube import AsyncClient

from moorage.kube.kinds import LOCAL_CONTROL_PLANE, SECRET
from moorage.kube.objects import create, delete, get
from moorage.providers.local.controlplane.keys import (
    PURPOSES,
    KeyHolder,
    KeysMissingError,
    ensure_keys,
    publish_kubeconfig,
)

from .conftest import MANAGER, eventually, gone


@pytest.fixture
async def holder(management: AsyncClient, namespace: str) -> AsyncIterator[KeyHolder]:
    """A control plane of no cluster: the provider leaves it alone, and Kubernetes keeps what it owns."""
    name = f"keys-{secrets.token_hex(3)}"
    plane = {"metadata": {"name": name, "namespace": namespace}, "spec": {"version": "v1.36.0"}}
    made = await create(management, LOCAL_CONTROL_PLANE, plane, field_manager=MANAGER)
    assert made is not None
    yield KeyHolder(namespace, name, name, made["metadata"]["uid"])
    await delete(management, LOCAL_CONTROL_PLANE, name, namespace)


async def kubeconfig_of(management: AsyncClient, holder: KeyHolder) -> str | None:
    secret = await get(management, SECRET, holder.secret_name("kubeconfig"), holder.namespace)
    return b64decode(secret["data"]["value"]).decode() if secret else None


async def test_several_at_once_make_one_set_of_keys(management: AsyncClient, holder: KeyHolder) -> None:
    found = await asyncio.gather(*(ensure_keys(management, holder, served=False) for _ in range(5)))
    assert all(keys == found[0] for keys in found)
    assert await ensure_keys(management, holder, served=True) == found[0]


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_lost_keys_are_not_replaced_once_the_cluster_has_served(
    management: AsyncClient, holder: KeyHolder, purpose: str
) -> None:
    await ensure_keys(management, holder, served=False)
    await delete(management, SECRET, holder.secret_name(purpose), holder.namespace)
    with pytest.raises(KeysMissingError, match=f"{holder.secret_name(purpose)} in {holder.namespace}"):
        await ensure_keys(management, holder, served=True)
    assert await get(management, SECRET, holder.secret_name(purpose), holder.namespace) is None


async def test_the_keys_of_a_former_cluster_of_the_name_are_not_taken_over(
    management: AsyncClient, holder: KeyHolder
) -> None:
    old = await ensure_keys(management, holder, served=False)
    await publish_kubeconfig(management, holder, "old")
    successor = replace(holder, name=f"{holder.name}-2")
    plane = {
        "metadata": {"name": successor.name, "namespace": holder.namespace},
        "spec": {"version": "v1.36.0"},
    }
    made = await create(management, LOCAL_CONTROL_PLANE, plane, field_manager=MANAGER)
    assert made is not None
    successor = replace(successor, uid=made["metadata"]["uid"])
    try:
        new = await ensure_keys(management, successor, served=False)
        assert new.authority != old.authority
        assert new.encryption_key != old.encryption_key
        await publish_kubeconfig(management, successor, "new")
        assert await kubeconfig_of(management, successor) == "new"
    finally:
        await delete(management, LOCAL_CONTROL_PLANE, successor.name, holder.namespace)


async def test_an_authority_that_was_put_there_beforehand_is_used(
    management: AsyncClient, holder: KeyHolder, namespace: str
) -> None:
    other = replace(holder, cluster=f"{holder.cluster}-donor")
    donated = await ensure_keys(management, other, served=False)
    donor = await get(management, SECRET, other.secret_name("ca"), namespace)
    assert donor is not None
    own = {
        "metadata": {"name": holder.secret_name("ca"), "namespace": namespace},
        "type": donor["type"],
        "data": donor["data"],
    }
    await create(management, SECRET, own, field_manager=MANAGER)
    keys = await ensure_keys(management, holder, served=False)
    assert keys.authority == donated.authority
    assert keys.encryption_key != donated.encryption_key
    await delete(management, SECRET, holder.secret_name("ca"), namespace)


async def test_a_kubeconfig_is_put_back_and_follows(management: AsyncClient, holder: KeyHolder) -> None:
    await publish_kubeconfig(management, holder, "first")
    assert await kubeconfig_of(management, holder) == "first"
    await delete(management, SECRET, holder.secret_name("kubeconfig"), holder.namespace)
    await publish_kubeconfig(management, holder, "first")
    assert await kubeconfig_of(management, holder) == "first"
    await publish_kubeconfig(management, holder, "second")
    assert await kubeconfig_of(management, holder) == "second"


async def test_the_secrets_go_with_the_control_plane(management: AsyncClient, holder: KeyHolder) -> None:
    await ensure_keys(management, holder, served=False)
    await delete(management, LOCAL_CONTROL_PLANE, holder.name, holder.namespace)
    for purpose in PURPOSES:
        name = holder.secret_name(purpose)
        await eventually(lambda name=name: gone(management, SECRET, name, holder.namespace))
