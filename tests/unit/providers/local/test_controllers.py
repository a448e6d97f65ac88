"""In which order things are done, and what happens when one of them fails."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from moorage.kube.cache import Key
from moorage.kube.kinds import LOCAL_CLUSTER, LOCAL_CONTROL_PLANE
from moorage.local.usercluster import ControlPlaneState, Endpoint
from moorage.providers.local import cluster as cluster_module
from moorage.providers.local.cluster import LocalClusterController
from moorage.providers.local.controlplane import controller as plane_module
from moorage.providers.local.controlplane.controller import LocalControlPlaneController
from moorage.providers.local.controlplane.keys import KeysMissingError
from moorage.providers.local.machine import act
from moorage.providers.local.machine.controller import LocalMachineController

from .builders import (
    NAMESPACE,
    NOW,
    cache_of,
    cluster,
    control_plane,
    local_cluster,
    local_machine,
    machine,
    said,
)

PLANE = Key(NAMESPACE, "web-plane")
INFRASTRUCTURE = Key(NAMESPACE, "web-infra")
MACHINE_KEY = Key(NAMESPACE, "web-main-1")
ID = "web-123456789a"


class World:
    """Stands for the management cluster, the processes and the user cluster; writes down what is done."""

    def __init__(self):
        self.done: list[str] = []
        self.statuses: list[Any] = []
        self.there = True
        self.client = None
        self.unreachable = False

    async def hold(self, _kind, _obj, *, spec=None):
        self.done.append("hold" if spec is None else f"hold with {', '.join(spec)}")
        return self.there

    async def release(self, _kind, _obj):
        self.done.append("release")

    async def status(self, _kind, _obj, status):
        self.done.append("status")
        self.statuses.append(status)
        return self.there

    @asynccontextmanager
    async def reach(self, _cluster):
        if self.unreachable:
            raise httpx2.ConnectError("refused")
        yield self

    async def forget(self, _cluster):
        self.done.append("forget")


@pytest.fixture
def world(monkeypatch):
    world = World()

    async def reserve(_home, cluster_id):
        world.done.append(f"reserve {cluster_id}")
        return Endpoint("127.0.0.1", 20001)

    async def remove(_home, cluster_id):
        world.done.append(f"remove {cluster_id}")

    async def create(_client, _kind, obj, **_):
        world.done.append(f"create {obj['metadata']['name']}")
        return obj

    async def get(*_):
        world.done.append("get")

    async def delete(_client, _kind, name, *_):
        world.done.append(f"delete {name}")
        return True

    monkeypatch.setattr(cluster_module, "reserve_endpoint", reserve)
    for module in (cluster_module, plane_module):
        monkeypatch.setattr(module, "remove_control_plane", remove)
    for name, function in (("create", create), ("get", get), ("delete", delete)):
        monkeypatch.setattr(act, name, function)
    return world


def machines(world, *objects):
    return LocalMachineController(world, cache_of(*objects), world, lambda: NOW, "amd64")


def clusters(world, *objects):
    cache = cache_of(*objects)
    return cache, LocalClusterController(world, cache, None, lambda: NOW)


class TestMachines:
    async def test_a_machine_is_held_then_reported_then_joins(self, world):
        await machines(world, local_machine(held=False), machine(), cluster()).reconcile(MACHINE_KEY)
        assert world.done == ["hold with providerID", "status", "create web-main-1"]

    @pytest.mark.parametrize("error", ["hold", "status"])
    async def test_a_machine_that_goes_meanwhile_does_not_join(self, world, error):
        world.there = False
        await machines(world, local_machine(held=error == "status"), machine(), cluster()).reconcile(
            MACHINE_KEY
        )
        assert "create web-main-1" not in world.done

    async def test_a_settled_machine_costs_no_look_at_its_node(self, world):
        settled = [local_machine(provisioned=True), machine(node_ready=True), cluster()]
        await machines(world, *settled).reconcile(MACHINE_KEY)
        assert world.done == ["status"]

    async def test_a_machine_is_made_even_when_its_node_cannot_join_yet(self, world):
        world.unreachable = True
        with pytest.raises(httpx2.ConnectError):
            await machines(world, local_machine(), machine(), cluster()).reconcile(MACHINE_KEY)
        assert world.statuses[-1].initialization.provisioned

    async def test_a_machine_goes_after_its_node(self, world):
        going = [local_machine(provisioned=True, deleting=True), machine(), cluster()]
        await machines(world, *going).reconcile(MACHINE_KEY)
        assert world.done == ["delete web-main-1", "release"]

    async def test_a_machine_whose_node_cannot_be_removed_stays_and_says_why(self, world):
        world.unreachable = True
        going = [local_machine(provisioned=True, deleting=True), machine(), cluster()]
        with pytest.raises(httpx2.ConnectError):
            await machines(world, *going).reconcile(MACHINE_KEY)
        assert world.done == ["status"]
        assert said(world.statuses[-1], "Ready") == ("False", "Deleting")
        [ready] = [item for item in world.statuses[-1].conditions if item.type == "Ready"]
        assert ready.message == "its node is still there: the API server does not answer (ConnectError)"

    @pytest.mark.parametrize("around", [[], [cluster(deleting=True)], [cluster(initialized=False)]])
    async def test_with_its_cluster_a_machine_goes_at_once(self, world, around):
        world.unreachable = True
        await machines(world, local_machine(deleting=True), machine(), *around).reconcile(MACHINE_KEY)
        assert world.done == ["release"]

    async def test_a_machine_that_is_gone_is_nothing_to_do(self, world):
        await machines(world).reconcile(MACHINE_KEY)
        assert world.done == []

    def test_a_machine_is_looked_at_when_its_machine_changes(self, world):
        concerns = machines(world, local_machine(), cluster()).watches
        by_kind = {kind.kind: look for kind, look in concerns.items()}
        assert list(by_kind["Machine"](machine())) == [MACHINE_KEY]
        assert list(by_kind["Cluster"](cluster())) == [MACHINE_KEY]
        assert list(by_kind["LocalMachineTemplate"]({})) == []


class TestClusters:
    async def test_nothing_is_reserved_before_it_is_sure_to_be_released(self, world):
        _, controller = clusters(world, local_cluster(), cluster())
        await controller.reconcile(INFRASTRUCTURE)
        assert world.done == ["hold", f"reserve {ID}", "hold with controlPlaneEndpoint", "status"]

    async def test_a_cluster_that_goes_meanwhile_reserves_nothing(self, world):
        world.there = False
        _, controller = clusters(world, local_cluster(), cluster())
        await controller.reconcile(INFRASTRUCTURE)
        assert world.done == ["hold"]

    async def test_a_deletion_removes_everything_before_it_lets_go(self, world):
        going = local_cluster(held=True, endpoint=True, deleting=True)
        _, controller = clusters(world, going, cluster())
        await controller.reconcile(INFRASTRUCTURE)
        assert world.done == [f"remove {ID}", "release"]

    async def test_who_takes_the_finalizer_away_by_force_leaves_nothing_behind(self, world):
        obj = local_cluster(held=True, endpoint=True, provisioned=True)
        cache, controller = clusters(world, obj, cluster())
        await controller.reconcile(INFRASTRUCTURE)
        cache.remove(LOCAL_CLUSTER, obj)
        world.done.clear()
        await controller.reconcile(INFRASTRUCTURE)
        assert world.done == [f"remove {ID}"]
        await controller.reconcile(INFRASTRUCTURE)
        assert world.done == [f"remove {ID}"], "once is enough"

    async def test_a_cluster_of_somebody_elses_is_not_touched(self, world):
        theirs = local_cluster(labels={"cluster.x-k8s.io/managed-by": "x"})
        _, controller = clusters(world, theirs, cluster())
        await controller.reconcile(INFRASTRUCTURE)
        assert world.done == []

    def test_the_control_plane_wakes_its_infrastructure_while_that_waits(self, world):
        for provisioned, woken in ((False, [INFRASTRUCTURE]), (True, [])):
            _, controller = clusters(world, local_cluster(provisioned=provisioned))
            assert list(controller.watches[LOCAL_CONTROL_PLANE](control_plane())) == woken


class TestControlPlanes:
    @pytest.fixture
    def planes(self, world, monkeypatch):
        """Make a controller whose API server serves when `answer` says so."""
        state = SimpleNamespace(ready=False, lost=False)

        async def ensure(_home, spec, _keys):
            world.done.append(f"ensure {spec.id} {spec.version}")
            reason = "" if state.ready else "the API server does not listen"
            return ControlPlaneState(Endpoint("127.0.0.1", 20001), state.ready, reason, {"kind": "Config"})

        async def waits(_home, _id):
            world.done.append("ask")
            return None if state.ready else "the API server does not listen"

        async def failing(_home, _id):
            return {}

        class Keys:
            def __init__(self, *_):
                pass

            async def get(self, holder, *, served):
                if state.lost:
                    raise KeysMissingError("the cluster's keys are gone", hint="restore them")
                world.done.append(f"keys of {holder.cluster}{' that served' if served else ''}")

            async def publish(self, _holder, _kubeconfig):
                world.done.append("publish")

            def forget(self, uid):
                world.done.append(f"forget keys of {uid}")

        monkeypatch.setattr(plane_module, "ensure_control_plane", ensure)
        monkeypatch.setattr(plane_module, "api_server_waits", waits)
        monkeypatch.setattr(plane_module, "failing_components", failing)
        monkeypatch.setattr(plane_module, "KeyStore", Keys)

        def make(*objects):
            return LocalControlPlaneController(world, cache_of(*objects), None, world, lambda: NOW)

        return state, make

    async def test_a_control_plane_is_held_before_anything_is_started(self, world, planes):
        _, make = planes
        await make(control_plane(held=False), cluster()).reconcile(PLANE)
        assert world.done == ["hold", "keys of web", f"ensure {ID} 1.36", "status"]

    async def test_while_it_starts_only_its_api_server_is_asked(self, world, planes):
        state, make = planes
        controller = make(control_plane(), cluster())
        first = await controller.reconcile(PLANE)
        world.done.clear()
        second = await controller.reconcile(PLANE)
        assert world.done == ["ask", "status"]
        assert first.requeue_after_seconds == second.requeue_after_seconds < 1
        state.ready = True
        world.done.clear()
        third = await controller.reconcile(PLANE)
        assert world.done == ["ask", "keys of web", f"ensure {ID} 1.36", "publish", "status"]
        assert third.requeue_after_seconds >= 30
        assert world.statuses[-1].version == "v1.36.0"

    async def test_the_kubeconfig_is_there_before_the_cluster_counts_as_initialized(self, world, planes):
        state, make = planes
        state.ready = True
        await make(control_plane(), cluster()).reconcile(PLANE)
        assert world.done.index("publish") < world.done.index("status")

    async def test_lost_keys_stop_nothing_and_start_nothing(self, world, planes):
        state, make = planes
        state.lost = True
        await make(control_plane(served="v1.36.0"), cluster()).reconcile(PLANE)
        assert world.done == ["status"]
        assert said(world.statuses[-1], "CertificatesAvailable") == ("False", "KeysUnavailable")

    async def test_a_control_plane_that_starts_slowly_is_looked_at_less_often(self, world, planes):
        _, make = planes
        since = [
            {
                "type": "Available",
                "status": "False",
                "reason": "WaitingForAPIServer",
                "lastTransitionTime": "2026-11-24T11:50:00Z",
            }
        ]
        result = await make(control_plane(conditions=since), cluster()).reconcile(PLANE)
        assert result.requeue_after_seconds > 1

    async def test_a_deletion_ends_connections_and_processes_then_lets_go(self, world, planes):
        _, make = planes
        await make(control_plane(deleting=True), cluster()).reconcile(PLANE)
        assert world.done == ["forget keys of uid-web-plane", "forget", f"remove {ID}", "release"]

    def test_the_last_machine_wakes_a_control_plane_that_is_going(self, world, planes):
        _, make = planes
        for deleting, woken in ((True, [PLANE]), (False, [])):
            controller = make(control_plane(deleting=deleting))
            by_kind = {kind.kind: look for kind, look in controller.watches.items()}
            assert list(by_kind["Machine"](machine())) == woken
