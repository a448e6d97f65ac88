"""Members' access inside user clusters: when it is looked at, and what is said when it cannot be."""

from __future__ import annotations

import socket
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest

from moorage.clusters import user_access
from moorage.clusters.user_access import AccessController, Entrance
from moorage.errors import MoorageError
from moorage.kube.cache import Cache, Key
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, PROJECT, Object

from .builders import NOW, cluster_object, project

WEB = Key("project-shop", "web")


class World:
    """A cache, a clock, and what the controller did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = Cache((KUBERNETES_CLUSTER, CAPI_CLUSTER, PROJECT))
        self.now: datetime = NOW
        self.kubeconfig: Object | None = {"clusters": [{"cluster": {"certificate-authority-data": "UEVN"}}]}
        self.opened: list[Entrance] = []
        self.said: list[Object] = []
        self._version = 1
        monkeypatch.setattr(user_access, "platform_kubeconfig", self._read_kubeconfig)
        monkeypatch.setattr(user_access, "apply_status", self._apply_status)
        self.controller = AccessController(None, self.cache, clock=lambda: self.now)  # type: ignore[arg-type]
        self.put(KUBERNETES_CLUSTER, cluster_object("web"))
        self.set_members("alice")
        self.set_available("True")

    def put(self, kind: Any, obj: Object) -> None:
        self._version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self._version)}
        self.cache.put(kind, {**obj, "metadata": metadata})

    def set_members(self, *names: str) -> None:
        members = [{"name": name, "role": "viewer", "kind": "User"} for name in names]
        self.put(PROJECT, project(members=members).wire())

    def set_available(self, status: str) -> None:
        metadata = {"name": "web", "namespace": "project-shop", "uid": "made"}
        conditions = [{"type": "ControlPlaneAvailable", "status": status}]
        self.put(CAPI_CLUSTER, {"metadata": metadata, "status": {"conditions": conditions}})

    def pretend_it_opens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def open_to_members(entrance: Entrance) -> None:
            self.opened.append(entrance)

        monkeypatch.setattr(user_access, "open_to_members", open_to_members)

    async def _read_kubeconfig(self, client: Any, key: Key) -> Object | None:
        return self.kubeconfig

    async def _apply_status(self, client: Any, kind: Any, obj: Object, *, field_manager: str) -> Object:
        self.said.append(obj["status"])
        current = self.cache.get(KUBERNETES_CLUSTER, "web", "project-shop")
        assert current is not None
        self.put(KUBERNETES_CLUSTER, {**current, "status": obj["status"]})
        written = self.cache.get(KUBERNETES_CLUSTER, "web", "project-shop")
        assert written is not None
        return written

    @property
    def condition(self) -> tuple[str, str, str]:
        [item] = self.said[-1]["conditions"]
        return item["status"], item["reason"], item.get("message", "")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


async def test_a_cluster_is_opened_to_its_members_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pretend_it_opens(monkeypatch)

    first = await world.controller.reconcile(WEB)
    again = await world.controller.reconcile(WEB)

    [entrance] = world.opened
    assert [member.name for member in entrance.members] == ["alice"]
    assert world.condition[:2] == ("True", "Ready")
    assert world.said[-1]["caBundle"] == "UEVN"
    assert len(world.said) == 1
    assert first.requeue_after_seconds == again.requeue_after_seconds == 600


async def test_it_is_looked_at_again_after_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pretend_it_opens(monkeypatch)
    await world.controller.reconcile(WEB)

    world.now += timedelta(minutes=10)
    await world.controller.reconcile(WEB)

    assert len(world.opened) == 2
    assert len(world.said) == 1, "nothing new is to be said"


async def test_a_change_of_members_concerns_the_clusters_that_are_open_to_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pretend_it_opens(monkeypatch)
    await world.controller.reconcile(WEB)
    concerns = world.controller.watches[PROJECT]

    assert list(concerns(world.cache.get(PROJECT, "shop") or {})) == []
    world.set_members("alice", "bob")
    assert list(concerns(world.cache.get(PROJECT, "shop") or {})) == [WEB]

    await world.controller.reconcile(WEB)
    assert [member.name for member in world.opened[-1].members] == ["alice", "bob"]


async def test_a_control_plane_that_is_not_there_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pretend_it_opens(monkeypatch)
    world.set_available("False")

    assert (await world.controller.reconcile(WEB)).requeue_after_seconds is None
    assert not world.opened

    world.set_available("True")
    world.kubeconfig = None
    assert (await world.controller.reconcile(WEB)).requeue_after_seconds == 1
    assert not world.opened


async def test_a_cluster_that_cannot_be_entered_says_so_and_is_tried_again(world: World) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world.kubeconfig = {
        "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "x"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }

    with pytest.raises(MoorageError, match="cluster project-shop/web cannot be entered"):
        await world.controller.reconcile(WEB)

    assert world.condition[:2] == ("False", "ClusterUnreachable")
    assert "does not answer" in world.condition[2]
    with pytest.raises(MoorageError):
        await world.controller.reconcile(WEB)
    assert len(world.said) == 1, "it is said once"


async def test_a_cluster_that_goes_is_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pretend_it_opens(monkeypatch)
    await world.controller.reconcile(WEB)
    world.put(KUBERNETES_CLUSTER, cluster_object("web", deleting=True))

    await world.controller.reconcile(WEB)
    world.put(KUBERNETES_CLUSTER, cluster_object("web"))
    await world.controller.reconcile(WEB)

    assert len(world.opened) == 2
