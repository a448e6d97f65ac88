"""One object of a change, as its API server has it: read, made, put. No decisions."""

from __future__ import annotations

from typing import Any

from lightkube import AsyncClient

from moorage.advisors.applying.images import plain
from moorage.advisors.applying.plan import ApplyError
from moorage.advisors.applying.record import FIELD_MANAGER
from moorage.kube.discovery import served_kind
from moorage.kube.kinds import Kind, Object
from moorage.kube.objects import create, get


async def replace_object(client: AsyncClient, kind: Kind, obj: Object, *, dry_run: bool = False) -> Object:
    """Put an object as it is given, under the version that it names; return what became of it."""
    replaced: Object = await client.replace(
        kind.resource(**obj), field_manager=FIELD_MANAGER, dry_run=dry_run, **_namespace(kind, obj)
    )
    return replaced


async def create_object(client: AsyncClient, kind: Kind, obj: Object, *, dry_run: bool = False) -> Object:
    """Make an object, and return what became of it.

    Raises:
        ApplyError: there is one of that name already.
        ApiError: the API server refuses.
    """
    if dry_run:
        tried: Object = await client.create(
            kind.resource(**{"apiVersion": kind.api_version, "kind": kind.kind, **obj}),
            field_manager=FIELD_MANAGER,
            dry_run=True,
            **_namespace(kind, obj),
        )
        return tried
    made = await create(client, kind, obj, field_manager=FIELD_MANAGER)
    if made is None:
        raise ApplyError(
            f"somebody else has made {kind.kind} {obj['metadata']['name']} just now",
            hint="look at it, and try again",
        )
    return made


async def live_object(client: AsyncClient, kind: Kind, obj: Object) -> Object | None:
    """Return the object that another one names, as it is; ``None`` where there is none."""
    metadata = obj["metadata"]
    found: Object | None = plain(await get(client, kind, metadata["name"], metadata.get("namespace")))
    return found


async def kind_of(client: AsyncClient, obj: Object) -> Kind:
    """Return how the API server serves an object.

    Raises:
        ApplyError: it does not.
    """
    kind = await served_kind(client, obj["apiVersion"], obj["kind"])
    if kind is None:
        raise ApplyError(
            f"the cluster does not serve {obj['kind']} of {obj['apiVersion']}",
            hint="it may have been upgraded since; the advisor's next run makes the advice anew",
        )
    return kind


def _namespace(kind: Kind, obj: Object) -> dict[str, Any]:
    return {"namespace": obj["metadata"]["namespace"]} if kind.namespaced else {}
