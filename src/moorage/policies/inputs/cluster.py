"""What a live cluster adds: its namespaces, its exceptions, and what referential policies read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from moorage.manifests.model import InputError, Object
from moorage.manifests.scopes import Scoped
from moorage.policies.inputs.gather import Live
from moorage.policies.model import POLICY_GROUP, GroupVersionKind
from moorage.toolchain.kubectl import kubectl

_AT_ONCE: Final = 4
_NOT_SERVED: Final = ("the server doesn't have a resource type", "could not find the requested resource")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, as a kubeconfig knows it.

    Args:
        context: of the kubeconfig.
        kubeconfig: the file; kubectl's own choice without.
    """

    context: str
    kubeconfig: str = ""

    def read(self, kinds: Iterable[GroupVersionKind]) -> Live:
        """Read what a cluster adds.

        Args:
            kinds: what referential policies read.

        Raises:
            InputError: the cluster does not answer, or may not be read.
        """
        wanted = sorted(set(kinds))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            namespaces = pool.submit(self._objects, "namespaces")
            exceptions = pool.submit(self._objects, f"policyexceptions.{POLICY_GROUP}")
            scopes = pool.submit(self._scopes)
            inventory = [pool.submit(self._objects, _resource(kind)) for kind in wanted]
            return Live(
                namespaces=namespaces.result(),
                exceptions=exceptions.result(),
                inventory=[content for each in inventory for content in each.result()],
                scopes=scopes.result(),
            )

    def _objects(self, resource: str) -> list[Object]:
        """Return all objects of a resource; none where the cluster does not serve it."""
        text = self._kubectl("get", resource, "--all-namespaces", "--output=json")
        found: Any = json.loads(text) if text else {}
        return [_slim(item) for item in found.get("items", ())]

    def _scopes(self) -> dict[Scoped, bool]:
        text = self._kubectl("api-resources", "--no-headers")
        found: dict[Scoped, bool] = {}
        for line in (text or "").splitlines():
            version, namespaced, kind = (["", "", "", *line.split()])[-3:]
            group, slash, _ = version.partition("/")
            if namespaced in {"true", "false"}:
                found[group if slash else "", kind] = namespaced == "true"
        return found

    def _kubectl(self, *arguments: str) -> str | None:
        return kubectl(
            *arguments,
            context=self.context,
            kubeconfig=self.kubeconfig,
            error=InputError,
            unknown=_NOT_SERVED,
            # An aggregated API that is down does not take the others along.
            partial=arguments[0] == "api-resources",
        )


def _resource(kind: GroupVersionKind) -> str:
    """Return a kind as kubectl takes it, with its version: ``Ingress.v1.networking.k8s.io``."""
    return f"{kind.kind}.{kind.version}.{kind.group}"


def _slim(content: dict[str, Any]) -> Object:
    """Drop the book-keeping of who wrote which field: no policy reads it, and it is half of many objects."""
    content.get("metadata", {}).pop("managedFields", None)
    return content
