"""Asking an API server what it serves, and the requests that lightkube has no call for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lightkube import AsyncClient
from lightkube.core.generic_client import BasicRequest

from moorage.kube.kinds import Kind, Object
from moorage.kube.objects import NOT_FOUND, is_status

_ALL_AT_ONCE: Final = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}


async def listed_kinds(client: AsyncClient) -> dict[str, list[Kind]]:
    """Return what an API server lists, as ``deployments.apps``: each in its versions, the preferred first.

    An aggregated API that does not answer is left out.
    """
    found: dict[str, list[Kind]] = {}
    for path in ("api", "apis"):
        answer = await _request(client, "GET", path, headers=_ALL_AT_ONCE)
        for group in answer.get("items") or ():
            name = str(group["metadata"].get("name") or "")
            for version in group.get("versions") or ():
                for resource in version.get("resources") or ():
                    if "list" not in resource["verbs"]:
                        continue
                    kind = Kind(
                        name,
                        version["version"],
                        resource["responseKind"]["kind"],
                        resource["resource"],
                        namespaced=resource["scope"] == "Namespaced",
                    )
                    found.setdefault(str(kind), []).append(kind)
    return found


async def read_text(client: AsyncClient, path: str) -> str:
    """Return what an API server says at a path that is no resource: ``metrics``."""
    generic: Any = client._client  # noqa: SLF001 - as below
    response = await generic.send(generic.build_adapter_request(BasicRequest("GET", path)))
    generic.raise_for_status(response)
    return str(response.text)


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


async def _request(
    client: AsyncClient,
    method: str,
    path: str,
    body: Object | None = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> Any:
    generic: Any = client._client  # noqa: SLF001 - it is what each of lightkube's own calls goes through
    request = BasicRequest(method, path, data=body, headers=dict(headers) if headers else None)
    response = await generic.send(generic.build_adapter_request(request))
    generic.raise_for_status(response)
    return response.json()
