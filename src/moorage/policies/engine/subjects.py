"""What is judged: an object as JSON, with what is needed to find the policies for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from moorage.manifests.model import Object
from moorage.policies.model import GroupVersionKind, PolicyError

_encode: Final = msgspec.json.Encoder(order="sorted").encode
_decode: Final = msgspec.json.Decoder().decode


class NotAnObjectError(PolicyError):
    """A document that Kubernetes could not take for an object."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which object it is: what an API server would know it by."""

    kind: GroupVersionKind
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind.kind} {where}{self.name}"


@dataclass(frozen=True, slots=True)
class Subject:
    """An object that is judged, or that policies read.

    Args:
        identity: which one it is. A namespaced object names its namespace: whoever reads manifests fills in
            the one that they would be applied to.
        json: the object, its keys sorted.
        digest: the sha256 of `json`: two subjects of one digest get one verdict.
    """

    identity: Identity
    json: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, content: Object) -> Subject:
        """Take an object as it was read.

        Raises:
            NotAnObjectError: it says no apiVersion or no kind, or its metadata is not what metadata is.
        """
        text = _encode(content)
        return cls(identify(content), text, hashlib.sha256(text).digest())

    def content(self) -> dict[str, Any]:
        """Return the object itself."""
        found: dict[str, Any] = _decode(self.json)
        return found


def identify(content: Object) -> Identity:
    """Return which object it is.

    Raises:
        NotAnObjectError: it says no apiVersion or no kind, or its metadata is not what metadata is.
    """
    api_version, kind = content.get("apiVersion"), content.get("kind")
    if not isinstance(api_version, str) or not api_version or not isinstance(kind, str) or not kind:
        missing = "kind" if isinstance(api_version, str) and api_version else "apiVersion"
        raise NotAnObjectError(f"this is not an object of Kubernetes: it has no {missing}")
    metadata = content.get("metadata")
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, Mapping):
        raise NotAnObjectError(f"{kind}: metadata is not an object")
    name, namespace = (metadata.get(part) or "" for part in ("name", "namespace"))
    if not isinstance(name, str) or not isinstance(namespace, str):
        wrong = "namespace" if isinstance(name, str) else "name"
        raise NotAnObjectError(f"{kind}: metadata.{wrong} is not text")
    return Identity(GroupVersionKind.of(api_version, kind), namespace, name)
