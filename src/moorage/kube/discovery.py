"""Asking an API server what it serves, and the requests that lightkube has no call for."""

from __future__ import annotations

from typing import Any

from lightkube import AsyncClient
from lightkube.core.generic_client import BasicRequest

from moorage.kube.kinds import Kind, Object
from moorage.kube.objects import NOT_FOUND, is_status


async def served_kind(client: AsyncClient, api_version: str, kind: str) -> Kind | None:
    """Return how an API server serves a kind; ``None`` where it does not."""
    group, slash, version = api_version.rpartition("/")
    try:
        answer = await _request(client, "GET", f"apis/{api_version}" if slash else f"api/{version}")
    except Exception as error:
        if is_status(error, NOT_FOUND):
            return None
        raise
    for resource in answer.get("resources") or ():
        if resource["kind"] == kind and "/" not in resource["name"]:
            return Kind(group, version, kind, resource["name"], namespaced=bool(resource["namespaced"]))
    return None


async def delete_exactly(client: AsyncClient, kind: Kind, obj: Object, *, dry_run: bool = False) -> bool:
    """Delete an object as it was seen: of that uid and resourceVersion; say whether it was there.

    Raises:
        ApiError: among others with 409, when it is another one by now, or has changed.
    """
    metadata = obj["metadata"]
    where = f"namespaces/{metadata['namespace']}/" if kind.namespaced else ""
    root = f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"
    body: Object = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
    }
    if dry_run:
        body["dryRun"] = ["All"]
    try:
        await _request(client, "DELETE", f"{root}/{where}{kind.plural}/{metadata['name']}", body)
    except Exception as error:
        if is_status(error, NOT_FOUND):
            return False
        raise
    return True


async def _request(client: AsyncClient, method: str, path: str, body: Object | None = None) -> Any:
    generic: Any = client._client  # noqa: SLF001 - it is what each of lightkube's own calls goes through
    response = await generic.send(generic.build_adapter_request(BasicRequest(method, path, data=body)))
    generic.raise_for_status(response)
    return response.json()
