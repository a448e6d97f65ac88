"""Reading and changing objects in the management cluster, and what is said where they are not there."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from random import random
from typing import TYPE_CHECKING, Any

from moorage.api.meta import project_namespace, project_of
from moorage.cli._names import ClusterRef, UnknownNameError
from moorage.cli._objects import Change, Object, patch_between
from moorage.cli._run import FIELD_MANAGER
from moorage.errors import MoorageError
from moorage.kube.kinds import KUBERNETES_CLUSTER, MACHINE_TYPE, PROJECT, Kind
from moorage.kube.objects import CONFLICT, create, get, is_status, list_objects, merge_patch

if TYPE_CHECKING:
    from lightkube import AsyncClient

_SHOWN = 3
_TRIES = 10
_SECONDS_BETWEEN_TRIES = 0.2


async def get_project(client: AsyncClient, name: str) -> Object:
    """Return a project.

    Raises:
        UnknownNameError: there is none of this name; the message says which there are.
    """
    found = await get(client, PROJECT, name)
    if found is None:
        raise UnknownNameError(
            f"there is no project {name}", hint="`moorage project list` shows those there are"
        )
    return found


async def get_cluster(client: AsyncClient, ref: ClusterRef) -> Object:
    """Return a cluster.

    Raises:
        UnknownNameError: there is none of this name.
    """
    found = await get(client, KUBERNETES_CLUSTER, ref.name, ref.namespace)
    if found is None:
        raise UnknownNameError(
            f"there is no cluster {ref}",
            hint=f"`moorage cluster list -p {ref.project}` shows those there are",
        )
    return found


async def require_no_clusters(client: AsyncClient, project: str) -> None:
    """See that a project can be deleted.

    Raises:
        MoorageError: it has clusters; the message names them, and the hint the command that deletes each.
    """
    found = await list_objects(client, KUBERNETES_CLUSTER, project_namespace(project))
    names = sorted(str(item["metadata"]["name"]) for item in found)
    if not names:
        return
    commands = [f"`moorage cluster delete {project}/{name}`" for name in names[:_SHOWN]]
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise MoorageError(
        f"project {project} still has {'a cluster' if len(names) == 1 else 'clusters'}: {', '.join(names)}",
        hint=f"delete {'it' if len(names) == 1 else 'them'} first: {', '.join(commands)}{rest}",
    )


async def create_new(
    client: AsyncClient, kind: Kind, obj: Object, *, what: str, if_not_exists: bool
) -> Object:
    """Create an object.

    Raises:
        MoorageError: one of this name is there, and nobody said that this is fine.
    """
    created = await create(client, kind, obj, field_manager=FIELD_MANAGER)
    if created is not None:
        return created
    metadata = obj["metadata"]
    present = await get(client, kind, metadata["name"], metadata.get("namespace"))
    if present is None or not if_not_exists:
        raise MoorageError(
            f"{what} already exists", hint="--if-not-exists makes that no error; it changes nothing"
        )
    return present


async def edit(
    client: AsyncClient, kind: Kind, name: str, namespace: str | None, change: Change
) -> tuple[Object, Object]:
    """Change an object as it is now, again where somebody else was quicker; return it before and after.

    Raises:
        UnknownNameError: there is no such object.
    """
    for last in (False,) * (_TRIES - 1) + (True,):
        before = await get(client, kind, name, namespace)
        if before is None:
            break
        patch = patch_between(before, change(before))
        if not patch["spec"]:
            return before, before
        try:
            after = await merge_patch(client, kind, name, namespace, patch, field_manager=FIELD_MANAGER)
        except Exception as error:
            if not is_status(error, CONFLICT) or last:
                raise
            await asyncio.sleep(_SECONDS_BETWEEN_TRIES * random())  # noqa: S311 - so that two do not meet again
            continue
        if after is None:
            break
        return before, after
    raise UnknownNameError(f"there is no {kind.kind} {name}")


async def visible_projects(client: AsyncClient) -> list[Object]:
    """Return the projects that whoever asks may see, by name: all, or a member's one."""
    try:
        found = await list_objects(client, PROJECT)
    except Exception as error:
        mine = project_of(client.namespace or "")
        if not is_status(error, HTTPStatus.FORBIDDEN) or mine is None:
            raise
        found = [await get_project(client, mine)]
    return sorted(found, key=lambda item: str(item["metadata"]["name"]))


async def machine_types_by_size(client: AsyncClient) -> list[Object]:
    """Return the machine types, the smallest first."""
    from moorage.api.quantities import parse_quantity

    def size(item: Object) -> tuple[Any, ...]:
        spec = item["spec"]
        return parse_quantity(spec["cpu"]), parse_quantity(spec["memory"]), item["metadata"]["name"]

    return sorted(await list_objects(client, MACHINE_TYPE), key=size)


async def smallest_machine_type(client: AsyncClient, provider: str) -> str:
    """Return the machine type that a pool gets when nobody says which: the smallest that the provider offers.

    Where it offers none it is any: what is wrong then is the provider, and the API server says so.

    Raises:
        UnknownNameError: there is no machine type.
    """
    known = await machine_types_by_size(client)
    if not known:
        raise UnknownNameError(
            "there is no machine type",
            hint="the platform team declares them: `kubectl explain machinetype.spec`",
        )
    offered = [item for item in known if provider in item["spec"]["providers"]]
    return str((offered or known)[0]["metadata"]["name"])
