"""How the provider writes to its objects: by server-side apply, what it owns, and only to the very object.

The uid goes along with every write, so that an object that has gone meanwhile is not brought back to life,
and one that has taken its name is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError

from moorage.api.meta import LOCAL_GROUP, LOCAL_PROVIDER_MANAGER
from moorage.api.models import ApiModel
from moorage.kube.kinds import Kind, Object
from moorage.kube.objects import CONFLICT, NOT_FOUND, apply, apply_status, is_status


def finalizer(kind: Kind) -> str:
    """Return the finalizer that holds an object until the provider has cleaned up behind it."""
    return f"{LOCAL_GROUP}/{kind.kind.lower()}"


class Writer:
    """Writes to the provider's objects in the management cluster."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    async def hold(self, kind: Kind, obj: Object, *, spec: Mapping[str, Any] | None = None) -> bool:
        """Declare all that the provider owns of an object but its status: its finalizer, and these fields.

        Returns:
            Whether the object is still there.
        """
        wanted = {"metadata": {**_identity(obj), "finalizers": [finalizer(kind)]}}
        if spec:
            wanted["spec"] = dict(spec)
        return await self._apply(kind, wanted)

    async def release(self, kind: Kind, obj: Object) -> None:
        """Let an object go: everything that it stood for is gone."""
        if finalizer(kind) in (obj["metadata"].get("finalizers") or ()):
            await self._apply(kind, {"metadata": _identity(obj)})

    async def status(self, kind: Kind, obj: Object, status: ApiModel) -> bool:
        """Declare an object's status, unless that is what it says already.

        Returns:
            Whether the object is still there.
        """
        wanted = status.wire()
        if wanted == (obj.get("status") or {}):
            return True
        try:
            await apply_status(
                self.client,
                kind,
                {"metadata": _identity(obj), "status": wanted},
                field_manager=LOCAL_PROVIDER_MANAGER,
            )
        except ApiError as error:
            if _gone(error):
                return False
            raise
        return True

    async def _apply(self, kind: Kind, wanted: Object) -> bool:
        try:
            await apply(self.client, kind, wanted, field_manager=LOCAL_PROVIDER_MANAGER)
        except ApiError as error:
            if _gone(error):
                return False
            raise
        return True


def _identity(obj: Object) -> dict[str, str]:
    metadata = obj["metadata"]
    return {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}


def _gone(error: ApiError) -> bool:
    # Only the API server's own word counts: one that is starting says 404, without a Status, of every object.
    # A conflict can only be about the uid: the fields themselves are taken by force.
    return is_status(error, NOT_FOUND) or is_status(error, CONFLICT)
