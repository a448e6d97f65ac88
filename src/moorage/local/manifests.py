"""What is installed into the management cluster when the platform is started."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import yaml
from lightkube import AsyncClient

from moorage.kube.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CRD,
    MACHINE_TYPE,
    MUTATING_WEBHOOK,
    NAMESPACE,
    ROLE,
    ROLE_BINDING,
    VALIDATING_WEBHOOK,
    Kind,
    Object,
)
from moorage.kube.objects import apply, create, get, persist

FIELD_MANAGER = "moorage-platform"
DIGEST = "moorage.dev/manifest-digest"

# An API server that has just started answers some kinds before it can store others.
_PATIENCE_SECONDS = 60.0

_ADMISSION = "admissionregistration.k8s.io"
ADMISSION_POLICY = Kind(
    _ADMISSION, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False
)
ADMISSION_POLICY_BINDING = Kind(
    _ADMISSION,
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)

_KINDS = {
    (kind.api_version, kind.kind): kind
    for kind in (
        ADMISSION_POLICY,
        ADMISSION_POLICY_BINDING,
        CLUSTER_ROLE,
        CLUSTER_ROLE_BINDING,
        CRD,
        MACHINE_TYPE,
        MUTATING_WEBHOOK,
        NAMESPACE,
        ROLE,
        ROLE_BINDING,
        VALIDATING_WEBHOOK,
    )
}
# PyYAML's own loader takes five seconds for Cluster API's CRDs, libyaml's a fifth of one.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(name: str) -> list[Object]:
    """Read the objects of a file of the embedded platform's."""
    return parse(files("moorage").joinpath("local", "data", name).read_text("utf-8"))


def load_folder(*path: str) -> list[Object]:
    """Read the objects of all YAML files of a folder in this package."""
    entries = sorted(files("moorage").joinpath(*path).iterdir(), key=lambda entry: entry.name)
    return [
        obj for entry in entries if entry.name.endswith(".yaml") for obj in parse(entry.read_text("utf-8"))
    ]


def parse(text: str) -> list[Object]:
    """Read the objects of a YAML stream."""
    return [obj for obj in yaml.load_all(text, Loader=_LOADER) if obj]


def webhooks_by_url(obj: Object, server: str, authority: str) -> Object:
    """Point a webhook configuration's webhooks at a server, in place of a Service.

    Args:
        obj: the configuration.
        server: ``https://host:port``.
        authority: who signed the server's certificate, in base64.
    """
    return {**obj, "webhooks": [_by_url(hook, server, authority) for hook in obj["webhooks"]]}


async def install(client: AsyncClient, objects: Iterable[Object], *, digest: str) -> int:
    """Bring objects in, unless they carry this digest already; say how many were written."""

    async def one(obj: Object) -> bool:
        return await persist(lambda: _install(client, obj, digest), timeout_seconds=_PATIENCE_SECONDS)

    return sum(await asyncio.gather(*map(one, objects)))


async def established(client: AsyncClient, name: str) -> bool:
    """Say whether a CRD is served."""
    crd = await get(client, CRD, name) or {}
    conditions = crd.get("status", {}).get("conditions") or ()
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)


def _by_url(hook: Object, server: str, authority: str) -> Object:
    path = hook["clientConfig"]["service"]["path"]
    return {**hook, "clientConfig": {"url": server + path, "caBundle": authority}}


async def _install(client: AsyncClient, obj: Object, digest: str) -> bool:
    kind = _KINDS[obj["apiVersion"], obj["kind"]]
    metadata: dict[str, Any] = obj["metadata"]
    marked = {
        **obj,
        "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), DIGEST: digest}},
    }
    found = await get(client, kind, metadata["name"], metadata.get("namespace"))
    if found is not None and found["metadata"].get("annotations", {}).get(DIGEST) == digest:
        return False
    # Creating is many times cheaper for the API server than applying, and a fresh platform only creates.
    if found is not None or await create(client, kind, marked, field_manager=FIELD_MANAGER) is None:
        await apply(client, kind, marked, field_manager=FIELD_MANAGER)
    return True
