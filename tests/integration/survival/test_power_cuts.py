"""Everything is killed at once, in the middle of making a cluster and of removing it; then `moorage up`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from lightkube import AsyncClient

from moorage.api.meta import project_namespace
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, MACHINE, NODE
from moorage.kube.objects import delete, get, list_objects, poll
from moorage.local.controlplane import API_SERVER
from moorage.local.home import Home
from moorage.local.platform import up
from moorage.local.supervisor import Supervisor
from moorage.local.usercluster import COMPONENTS, known_clusters
from moorage.providers.local.contract import parse_cluster

from ..clusters.helpers import SOON_SECONDS, declare, inside, pool, see, settled, until, until_gone
from .helpers import assert_nothing_left, assert_one_control_plane, has_condition, power_cut

INTERVAL_SECONDS = 0.01
NODES = 2


@dataclass(frozen=True)
class Moment:
    """What can be seen of a cluster that is being made or removed."""

    home: Home
    admin: AsyncClient
    project: str
    known: frozenset[str] = frozenset()
    """Programs of other clusters."""

    async def stored(self) -> bool:
        return await see(self.admin, self.project) is not None

    async def program_declared(self) -> bool:
        return any(name.endswith(f".{API_SERVER}") for name in self.programs())

    async def machine_exists(self) -> bool:
        return bool(await list_objects(self.admin, MACHINE, project_namespace(self.project)))

    async def on_its_way_out(self) -> bool:
        return "deletionTimestamp" in ((await see(self.admin, self.project)) or {"metadata": {}})["metadata"]

    async def a_machine_goes(self) -> bool:
        machines = await list_objects(self.admin, MACHINE, project_namespace(self.project))
        return len(machines) < NODES

    async def programs_go(self) -> bool:
        return len(self.programs()) < len(COMPONENTS)

    def programs(self) -> set[str]:
        return set(Supervisor(self.home).declared()) - self.known


async def until_seen(look: Callable[[], Awaitable[bool]]) -> None:
    async def seen() -> bool | None:
        return await look() or None

    assert await poll(seen, timeout_seconds=SOON_SECONDS, interval_seconds=INTERVAL_SECONDS)


@pytest.mark.parametrize(
    ("while_made", "while_removed"),
    [
        pytest.param(Moment.stored, Moment.on_its_way_out, id="at the beginning"),
        pytest.param(Moment.program_declared, Moment.a_machine_goes, id="halfway"),
        pytest.param(Moment.machine_exists, Moment.programs_go, id="near the end"),
    ],
)
async def test_a_cluster_is_made_and_removed_although_all_is_killed_meanwhile(
    platform: Home,
    admin: AsyncClient,
    project: str,
    while_made: Callable[[Moment], Awaitable[bool]],
    while_removed: Callable[[Moment], Awaitable[bool]],
) -> None:
    namespace = project_namespace(project)
    others = await known_clusters(platform)
    moment = Moment(platform, admin, project, frozenset(Supervisor(platform).declared()))

    await declare(admin, project, "web", pool("main", NODES))
    await until_seen(lambda: while_made(moment))
    power_cut(platform)
    await up(platform)

    await until(admin, project, "web", settled)
    made = await get(admin, CAPI_CLUSTER, "web", namespace)
    assert made is not None
    cluster_id = parse_cluster(made).id
    assert set(await known_clusters(platform)) == {*others, cluster_id}
    assert_one_control_plane(platform, cluster_id)
    assert len(await list_objects(admin, MACHINE, namespace)) == NODES
    async with inside(admin, project) as user_cluster:
        nodes = await list_objects(user_cluster, NODE)
    assert [has_condition(node, "Ready") for node in nodes] == [True] * NODES

    await delete(admin, KUBERNETES_CLUSTER, "web", namespace)
    await until_seen(lambda: while_removed(moment))
    power_cut(platform)
    assert (platform.clusters / cluster_id).exists(), (
        "it was killed too late: the cluster was removed already"
    )
    await up(platform)

    await until_gone(admin, KUBERNETES_CLUSTER, "web", namespace)
    await assert_nothing_left(platform, cluster_id, admin, namespace)
    assert await known_clusters(platform) == others
