"""What a command line leaves open when it declares something, and how that is filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from moorage.api.meta import DEFAULT_PROVIDER
from moorage.api.project import ClusterDefaults, Project
from moorage.cli._edit import get_project, smallest_machine_type
from moorage.cli._names import ClusterRef, find_cluster
from moorage.cli._objects import ClusterOptions, Object, PoolOptions, PoolSize, cluster

if TYPE_CHECKING:
    from lightkube import AsyncClient


async def declare_cluster(
    client: AsyncClient,
    name: str,
    project: str | None,
    options: ClusterOptions,
    *,
    pool: str,
    size: PoolSize,
    machine_type: str | None,
) -> tuple[ClusterRef, Object]:
    """Return a cluster that can be created; with a pool, where a number of nodes is said.

    A version or a provider that is not said is left to the operator, which knows what is on offer: whoever
    creates a cluster need not be able to see that.

    Raises:
        UnknownNameError: there is no such project.
    """
    ref = await find_cluster(client, name, project)
    defaults = Project.parse(await get_project(client, ref.project)).spec.defaults or ClusterDefaults()
    if size.nodes is None and size.most is None:
        return ref, cluster(ref, options)
    provider = options.provider or defaults.provider or DEFAULT_PROVIDER
    chosen = machine_type or defaults.machine_type or await smallest_machine_type(client, provider)
    return ref, cluster(ref, replace(options, pools=(PoolOptions(pool, chosen, size),)))


async def default_machine_type(client: AsyncClient, project: str, *, provider: str | None) -> str:
    """Return the machine type of a pool that names none: the project's default, or the smallest."""
    defaults = Project.parse(await get_project(client, project)).spec.defaults or ClusterDefaults()
    if defaults.machine_type:
        return str(defaults.machine_type)
    return await smallest_machine_type(client, provider or defaults.provider or DEFAULT_PROVIDER)
