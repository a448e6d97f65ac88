"""Reading and writing objects: absent is ``None``, writing is server-side apply."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError
from lightkube.types import CascadeType, PatchType

from moorage.kube.kinds import Kind, Object

Done = TypeVar("Done")
Found = TypeVar("Found")

CONFLICT = 409
NOT_FOUND = 404
FORBIDDEN = 403
_PASSING_CODES = (429, 500, 502, 503, 504)

ROLES_SECONDS = 5.0
"""How long an API server that has just been started may take to read the roles that it grants by."""

UNREACHABLE = (httpx2.TransportError,)
"""What is raised when an API server does not answer."""

FAILED = (httpx2.TransportError, httpx2.HTTPStatusError)
"""What is raised when an API server does not answer, or does not do what it was asked."""


def is_status(error: BaseException, code: int) -> bool:
    """Say whether an error is the API server's answer with this HTTP status code."""
    if isinstance(error, ApiError):
        return error.status.code == code
    # An answer that is not a Status: a path of a group that is not served, or a proxy on the way.
    return isinstance(error, httpx2.HTTPStatusError) and error.response.status_code == code


def explain(error: BaseException) -> str:
    """Say in one line what an API server (or the way to it) answered."""
    if isinstance(error, ApiError):
        return str(error.status.message or error.status.reason or error)
    if isinstance(error, httpx2.TransportError):
        return f"the API server does not answer ({type(error).__name__})"
    return str(error) or type(error).__name__


def is_passing(error: BaseException) -> bool:
    """Say whether the same request may succeed a little later: the API server starts, stops or is busy."""
    return isinstance(error, UNREACHABLE) or any(is_status(error, code) for code in _PASSING_CODES)


async def persist(
    attempt: Callable[[], Awaitable[Done]], *, timeout_seconds: float, interval_seconds: float = 0.25
) -> Done:
    """Try until it works, while what prevents it is passing; the last error is raised in the end.

    "Forbidden" is passing too, for some seconds in a row: an API server that has just been started answers so
    until it has read its roles, and nothing in its answer tells that from a right that is missing.
    """
    deadline = time.monotonic() + timeout_seconds
    forbidden_since: float | None = None
    while True:
        try:
            return await attempt()
        except FAILED as error:
            now = time.monotonic()
            forbidden = is_status(error, FORBIDDEN)
            forbidden_since = (forbidden_since or now) if forbidden else None
            reading = forbidden_since is not None and now - forbidden_since < ROLES_SECONDS
            if now >= deadline or not (reading or is_passing(error)):
                raise
        await asyncio.sleep(interval_seconds)


async def get(client: AsyncClient, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
    """Return an object, or ``None`` where there is none."""
    try:
        found: Object = await client.get(kind.resource, name, **_namespace(kind, namespace))
    except httpx2.HTTPStatusError as error:
        if is_status(error, NOT_FOUND):
            return None
        raise
    return found


async def list_objects(
    client: AsyncClient,
    kind: Kind,
    namespace: str | None = None,
    *,
    labels: dict[str, str] | None = None,
) -> list[Object]:
    """Return all objects of a kind, in one namespace or (``None``) everywhere."""
    where: dict[str, Any] = {"namespace": namespace or "*"} if kind.namespaced else {}
    selector: dict[str, Any] | None = dict(labels) if labels else None
    return [item async for item in client.list(kind.resource, labels=selector, **where)]


async def create(client: AsyncClient, kind: Kind, obj: Object, *, field_manager: str) -> Object | None:
    """Create an object; ``None`` when one of this name is there already."""
    metadata = obj.get("metadata", {})
    try:
        created: Object = await client.create(
            kind.resource(**_complete(kind, obj)),
            field_manager=field_manager,
            **_namespace(kind, metadata.get("namespace")),
        )
    except ApiError as error:
        if error.status.code == CONFLICT and error.status.reason == "AlreadyExists":
            return None
        raise
    return created


async def apply(
    client: AsyncClient,
    kind: Kind,
    obj: Object,
    *,
    field_manager: str,
    force: bool = True,
    dry_run: bool = False,
) -> Object:
    """Declare an object's fields by server-side apply, taking over from whoever holds them."""
    return await _apply(
        client, kind.resource, kind, obj, field_manager=field_manager, force=force, dry_run=dry_run
    )


async def apply_status(client: AsyncClient, kind: Kind, obj: Object, *, field_manager: str) -> Object:
    """Declare an object's status by server-side apply."""
    return await _apply(
        client, kind.resource.Status, kind, obj, field_manager=field_manager, force=True, dry_run=False
    )


async def merge_patch(
    client: AsyncClient,
    kind: Kind,
    name: str,
    namespace: str | None,
    patch: Object,
    *,
    field_manager: str,
    status: bool = False,
) -> Object | None:
    """Patch an object (JSON merge patch); ``None`` where there is none.

    A ``metadata.resourceVersion`` in the patch makes the API server refuse it when the object has moved on.
    """
    resource = kind.resource.Status if status else kind.resource
    try:
        patched: Object = await client.patch(
            resource,
            name,
            patch,
            patch_type=PatchType.MERGE,
            field_manager=field_manager,
            **_namespace(kind, namespace),
        )
    except httpx2.HTTPStatusError as error:
        if is_status(error, NOT_FOUND):
            return None
        raise
    return patched


async def delete(
    client: AsyncClient,
    kind: Kind,
    name: str,
    namespace: str | None = None,
    *,
    cascade: CascadeType = CascadeType.BACKGROUND,
) -> bool:
    """Ask for an object's deletion; say whether there was one. It is gone when its finalizers are."""
    try:
        await client.delete(kind.resource, name, cascade=cascade, **_namespace(kind, namespace))
    except httpx2.HTTPStatusError as error:
        if is_status(error, NOT_FOUND):
            return False
        raise
    return True


async def set_finalizer(
    client: AsyncClient, kind: Kind, obj: Object, finalizer: str, *, present: bool, field_manager: str
) -> Object | None:
    """Add or remove one finalizer, leave the others as they are, and return the object if it was changed.

    The list is replaced under the object's resourceVersion; a conflict is raised, for the caller's next try.
    """
    metadata = obj["metadata"]
    finalizers = list(metadata.get("finalizers") or ())
    if (finalizer in finalizers) == present:
        return None
    wanted = [*finalizers, finalizer] if present else [item for item in finalizers if item != finalizer]
    patch = {"metadata": {"finalizers": wanted, "resourceVersion": metadata["resourceVersion"]}}
    return await merge_patch(
        client, kind, metadata["name"], metadata.get("namespace"), patch, field_manager=field_manager
    )


async def poll(
    look: Callable[[], Awaitable[Found | None]],
    *,
    timeout_seconds: float,
    interval_seconds: float = 0.1,
    tolerate: tuple[type[BaseException], ...] = UNREACHABLE,
) -> Found | None:
    """Look until there is something, and return it; ``None`` when the time is over.

    Args:
        look: returns what is waited for, or ``None``.
        timeout_seconds: how long to look for.
        interval_seconds: how long to wait between two looks.
        tolerate: errors that count as "not yet".
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            found = await look()
        except tolerate:
            found = None
        if found is not None:
            return found
        if time.monotonic() >= deadline:
            return None
        await asyncio.sleep(interval_seconds)


async def _apply(
    client: AsyncClient,
    resource: Any,
    kind: Kind,
    obj: Object,
    *,
    field_manager: str,
    force: bool,
    dry_run: bool,
) -> Object:
    metadata = obj["metadata"]
    applied: Object = await client.apply(
        resource(**_complete(kind, obj)),
        metadata["name"],
        field_manager=field_manager,
        force=force,
        dry_run=dry_run,
        **_namespace(kind, metadata.get("namespace")),
    )
    return applied


def _complete(kind: Kind, obj: Object) -> Object:
    return {"apiVersion": kind.api_version, "kind": kind.kind, **obj}


def _namespace(kind: Kind, namespace: str | None) -> dict[str, Any]:
    if not kind.namespaced:
        return {}
    if not namespace:
        msg = f"{kind.kind} is namespaced, and no namespace is given"
        raise ValueError(msg)
    return {"namespace": namespace}
