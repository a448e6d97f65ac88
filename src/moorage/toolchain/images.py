"""OCI images: from a registry, by digest, for a platform. Nothing is taken that was not hashed."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

from moorage.toolchain.catalog import is_loopback
from moorage.toolchain.errors import IntegrityError, SourceUnavailable
from moorage.toolchain.network import Network, StatusError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from moorage.toolchain.platforms import Platform

_T = TypeVar("_T")
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT = {"Accept": ", ".join((*_INDEXES, *_MANIFESTS))}
_REFERENCE = re.compile(
    r"(?P<host>[a-zA-Z0-9.-]+(:\d+)?|\[[0-9a-fA-F:]+\](:\d+)?)/(?P<repository>[a-z0-9._/-]+)(:(?P<tag>\w[\w.-]{0,127}))"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Reference:
    """Which image: ``registry.k8s.io/etcd:3.7.0-0``."""

    host: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference with a host and a tag."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise SourceUnavailable(f"{text} is not an image's name with a registry and a tag")
        return cls(match["host"], match["repository"], match["tag"])

    def mirrored(self, registry: str | None) -> Reference:
        """Return the same image in a copy: ``registry:5000/dir`` in place of the host."""
        if registry is None:
            return self
        host, _, folder = registry.partition("/")
        return replace(
            self, host=host, repository=f"{folder}/{self.repository}" if folder else self.repository
        )

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob that a manifest names."""

    media_type: str
    digest: str
    size_bytes: int

    @classmethod
    def parse(cls, content: Any) -> Descriptor:
        """Read a descriptor; only sha256, as everybody writes, is accepted."""
        digest, size = content["digest"], int(content["size"])
        if not _DIGEST.fullmatch(digest):
            msg = f"{digest!r} is not a sha256 digest"
            raise ValueError(msg)
        return cls(str(content.get("mediaType", "")), digest, size)


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image for one platform."""

    digest: str
    layers: tuple[Descriptor, ...]
    """The lowest first."""


class Images:
    """Reads images from their registries, with a token where one is asked for."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._tokens: dict[tuple[str, str], str] = {}

    async def manifest(self, reference: Reference, platform: Platform) -> Manifest:
        """Read the manifest of an image for a platform.

        Raises:
            SourceUnavailable: it cannot be had.
            IntegrityError: the registry sends something else than it says.
        """
        body = await self._document(reference, f"manifests/{reference.tag}", _ACCEPT)
        content = _json(body, reference)
        with_index = content.get("mediaType") in _INDEXES or "manifests" in content
        try:
            if with_index:
                chosen = _choose(content["manifests"], platform)
                if chosen is None:
                    raise SourceUnavailable(f"{reference} has no image for {platform}")
                body = await self._checked(reference, "manifests", chosen)
                content = _json(body, reference)
            else:
                await self._require_platform(reference, Descriptor.parse(content["config"]), platform)
            layers = tuple(Descriptor.parse(layer) for layer in content["layers"])
        except (KeyError, TypeError, ValueError) as error:
            raise SourceUnavailable(f"{reference}: its manifest cannot be read: {error!r}") from error
        return Manifest(_digest_of(body), layers)

    async def blob(
        self,
        reference: Reference,
        blob: Descriptor,
        file: IO[bytes],
        advanced: Callable[[int, int | None], None],
    ) -> None:
        """Write a blob to a file.

        Raises:
            SourceUnavailable: it cannot be had.
            IntegrityError: it is not what the manifest says.
        """

        async def get(headers: dict[str, str]) -> str:
            url = _url(reference, f"blobs/{blob.digest}")
            return await self._network.download(
                url, file, headers=headers, advanced=lambda done, _: advanced(done, blob.size_bytes)
            )

        _require(reference, blob.digest, await self._authorized(reference, get, {}))

    async def _checked(self, reference: Reference, kind: str, descriptor: Descriptor) -> bytes:
        body = await self._document(
            reference, f"{kind}/{descriptor.digest}", _ACCEPT if kind == "manifests" else {}
        )
        _require(reference, descriptor.digest, _digest_of(body))
        return body

    async def _require_platform(self, reference: Reference, config: Descriptor, platform: Platform) -> None:
        """Look into the configuration of an image that comes without an index."""
        content = _json(await self._checked(reference, "blobs", config), reference)
        if (content.get("os"), content.get("architecture")) != (platform.os, platform.arch):
            raise SourceUnavailable(f"{reference} is not an image for {platform}")

    async def _document(self, reference: Reference, path: str, headers: dict[str, str]) -> bytes:
        async def get(headers: dict[str, str]) -> bytes:
            return await self._network.document(_url(reference, path), headers=headers)

        return await self._authorized(reference, get, headers)

    async def _authorized(
        self, reference: Reference, get: Callable[[dict[str, str]], Awaitable[_T]], headers: dict[str, str]
    ) -> _T:
        """Ask; when a token is asked for in return, fetch one and ask again."""
        scope = (reference.host, reference.repository)
        token = self._tokens.get(scope)
        try:
            return await get(_with_token(headers, token))
        except StatusError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            token = await self._token(reference, error.headers.get("www-authenticate", ""))
            self._tokens[scope] = token
        return await get(_with_token(headers, token))

    async def _token(self, reference: Reference, challenge: str) -> str:
        scheme, _, rest = challenge.partition(" ")
        asked = dict(_CHALLENGE.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in asked:
            raise SourceUnavailable(f"{reference.host} wants a login; put one into ~/.netrc")
        query = {"scope": asked.get("scope", f"repository:{reference.repository}:pull")}
        if "service" in asked:
            query["service"] = asked["service"]
        separator = "&" if urlsplit(asked["realm"]).query else "?"
        answer = _json(
            await self._network.document(f"{asked['realm']}{separator}{urlencode(query)}"), reference
        )
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise SourceUnavailable(f"{reference.host}: its token server gives no token")
        return token


def _with_token(headers: dict[str, str], token: str | None) -> dict[str, str]:
    return headers if token is None else {**headers, "Authorization": f"Bearer {token}"}


def _url(reference: Reference, path: str) -> str:
    host = urlsplit(f"//{reference.host}").hostname or ""
    scheme = "http" if is_loopback(host) else "https"
    return f"{scheme}://{reference.host}/v2/{reference.repository}/{path}"


def _choose(manifests: list[Any], platform: Platform) -> Descriptor | None:
    for entry in manifests:
        offered = entry.get("platform") or {}
        if (offered.get("os"), offered.get("architecture")) == (platform.os, platform.arch):
            return Descriptor.parse(entry)
    return None


def _json(body: bytes, reference: Reference) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError as error:
        raise SourceUnavailable(f"{reference}: the registry answers no JSON") from error
    if not isinstance(content, dict):
        raise SourceUnavailable(f"{reference}: the registry answers something else than asked for")
    return content


def _digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _require(reference: Reference, promised: str, digest: str) -> None:
    if digest != promised:
        raise IntegrityError(
            f"{reference}: the registry sent {digest} for {promised}: damaged on the way, or replaced",
            hint="do not use it; try again later, or from another network or registry",
        )
