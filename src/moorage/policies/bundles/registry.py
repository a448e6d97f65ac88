"""Speaking to a registry: the few calls of the OCI distribution API that bundles need.

Whatever arrives is checked against its digest before anybody sees it. Whatever is sent goes over TLS, except
to this machine.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

from moorage.policies.bundles.artifact import MANIFEST, Artifact, Descriptor, Manifest, altered, digest_of
from moorage.policies.bundles.credentials import Credentials, Login
from moorage.policies.bundles.errors import BrokenBundleError, NotFoundError, RegistryError
from moorage.policies.bundles.reference import Reference
from moorage.toolchain.errors import SourceUnavailable
from moorage.toolchain.network import Answer, Network, StatusError

_T = TypeVar("_T")
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')
_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_CLIENT_ID: Final = "moorage"
PULL: Final = "pull"
PUSH: Final = "pull,push"


class Registry:
    """The registries that a run speaks to, each with its login."""

    def __init__(self, network: Network, credentials: Credentials) -> None:
        self._network = network
        self._credentials = credentials
        self._authorization: dict[tuple[str, str, str], str] = {}

    async def manifest(self, reference: Reference) -> Manifest:
        """Read a manifest.

        Raises:
            NotFoundError: there is none.
            AlteredBundleError: it is not what its digest says.
            RegistryError: it cannot be had.
            BrokenBundleError: it is no manifest.
        """
        url = f"{reference.url}/manifests/{reference.selector}"
        answer = await self._send("GET", url, reference, headers={"Accept": f"{MANIFEST}, {_INDEX}"})
        found = digest_of(answer.body)
        # By tag, too: what the registry says it has, it has to have.
        promised = reference.digest or answer.headers.get("docker-content-digest", found)
        if found != promised:
            raise altered(str(reference), promised, found)
        try:
            return Manifest.parse(answer.body)
        except BrokenBundleError as error:
            raise _about(error, reference) from error

    async def artifact(self, reference: Reference, manifest: Manifest) -> Artifact:
        """Read everything that a manifest names.

        Raises:
            AlteredBundleError: something is not what its digest says.
            RegistryError: it cannot be had.
        """
        return Artifact(manifest, {blob.digest: await self.blob(reference, blob) for blob in manifest.blobs})

    async def blob(self, reference: Reference, blob: Descriptor) -> bytes:
        """Read a blob.

        Raises:
            AlteredBundleError: it is not what its digest says.
            RegistryError: it cannot be had.
        """

        def advanced(done: int, _total: int | None) -> None:
            if done > blob.size_bytes:
                raise altered(str(reference), blob.digest, f"more than {blob.size_bytes} bytes")

        async def get(headers: Mapping[str, str]) -> bytes:
            file = io.BytesIO()
            url = f"{reference.url}/blobs/{blob.digest}"
            await self._network.download(url, file, headers=headers, advanced=advanced)
            return file.getvalue()

        try:
            content = await self._authorized(reference, PULL, {}, get)
        except NotFoundError as error:  # the manifest is there: this is damage, not absence
            raise RegistryError(f"{reference}: {reference.host} has lost {blob.digest}") from error
        return blob.require(content, where=str(reference))

    async def push(self, reference: Reference, artifact: Artifact) -> None:
        """Write an artifact: what it names first, so that nobody ever sees half of it.

        Raises:
            RegistryError: the registry refuses, or cannot be reached.
        """
        for blob in artifact.manifest.blobs:
            await self._push_blob(reference, artifact.blobs[blob.digest], blob.digest)
        await self._send(
            "PUT",
            f"{reference.url}/manifests/{reference.tag or artifact.digest}",
            reference,
            scope=PUSH,
            headers={"Content-Type": MANIFEST},
            content=artifact.manifest.text,
        )

    async def _push_blob(self, reference: Reference, content: bytes, digest: str) -> None:
        try:
            await self._send("HEAD", f"{reference.url}/blobs/{digest}", reference, scope=PUSH)
        except NotFoundError:
            pass
        else:
            return
        uploads = f"{reference.url}/blobs/uploads/"
        started = await self._send("POST", uploads, reference, scope=PUSH, content=b"")
        location = urljoin(uploads, started.headers.get("location", ""))
        separator = "&" if urlsplit(location).query else "?"
        await self._send(
            "PUT",
            f"{location}{separator}{urlencode({'digest': digest})}",
            reference,
            scope=PUSH,
            headers={"Content-Type": "application/octet-stream"},
            content=content,
        )

    async def _send(
        self,
        method: str,
        url: str,
        reference: Reference,
        *,
        scope: str = PULL,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        async def exchange(headers: Mapping[str, str]) -> Answer:
            # A registry may let blobs be sent elsewhere; its own tokens are not for there.
            elsewhere = urlsplit(url).netloc != urlsplit(reference.url).netloc
            kept = {n: v for n, v in headers.items() if not (elsewhere and n == "Authorization")}
            return await self._network.exchange(method, url, headers=kept, content=content)

        return await self._authorized(reference, scope, headers or {}, exchange)

    async def _authorized(
        self,
        reference: Reference,
        scope: str,
        headers: Mapping[str, str],
        send: Callable[[Mapping[str, str]], Awaitable[_T]],
    ) -> _T:
        """Ask; when a login is asked for in return, show one and ask again."""
        key = (reference.host, reference.repository, scope)
        try:
            try:
                return await send(_with(headers, self._authorization.get(key)))
            except StatusError as error:
                if error.status != HTTPStatus.UNAUTHORIZED:
                    raise
                challenge = error.headers.get("www-authenticate", "")
            self._authorization[key] = await self._answer(reference, scope, challenge)
            return await send(_with(headers, self._authorization[key]))
        except StatusError as error:
            raise _refusal(reference, error) from error
        except SourceUnavailable as error:
            raise RegistryError(f"{reference}: {error}", hint=_UNREACHABLE[scope]) from error

    async def _answer(self, reference: Reference, scope: str, challenge: str) -> str:
        scheme, _, rest = challenge.partition(" ")
        asked = dict(_CHALLENGE.findall(rest))
        login = await self._credentials.login(reference)
        if scheme.lower() == "basic":
            if not login.username:
                raise RegistryError(f"{reference}: {reference.host} wants a login", hint=_log_in(reference))
            return login.basic
        if scheme.lower() != "bearer" or "realm" not in asked:
            raise RegistryError(
                f"{reference.host} wants a login of a kind that is not known here: {scheme or 'none'}"
            )
        wanted = {"scope": f"repository:{reference.repository}:{scope}"}
        if "service" in asked:
            wanted["service"] = asked["service"]
        answer = await self._token(asked["realm"], wanted, login)
        try:
            content = json.loads(answer.body)
            token = content.get("token") or content.get("access_token")
        except (ValueError, AttributeError, RecursionError):
            token = None
        if not isinstance(token, str) or not token:
            raise RegistryError(f"{reference.host}: its token server gives no token")
        return f"Bearer {token}"

    async def _token(self, realm: str, wanted: Mapping[str, str], login: Login) -> Answer:
        if login.refresh_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": login.refresh_token,
                "client_id": _CLIENT_ID,
            }
            return await self._network.exchange(
                "POST",
                realm,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                content=urlencode({**wanted, **form}).encode(),
            )
        headers = {"Authorization": login.basic} if login else {}
        separator = "&" if urlsplit(realm).query else "?"
        return await self._network.exchange("GET", f"{realm}{separator}{urlencode(wanted)}", headers=headers)


_UNREACHABLE: Final = {
    PULL: "bundles that were pulled before can be had with --offline",
    PUSH: "look at its address, and at the network; nothing was published",
}


@asynccontextmanager
async def registries() -> AsyncIterator[Registry]:
    """Give the registries, with the logins of whoever runs this process."""
    async with Network() as network:
        yield Registry(network, Credentials())


def _with(headers: Mapping[str, str], authorization: str | None) -> dict[str, str]:
    return {**headers, "Authorization": authorization} if authorization else dict(headers)


def _refusal(reference: Reference, error: StatusError) -> RegistryError:
    said = _said(error.body)
    match error.status:
        case HTTPStatus.NOT_FOUND:
            return NotFoundError(
                f"{reference}: {reference.host} has no such bundle",
                hint="check the repository, and the tag or digest",
            )
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            why = f": {said}" if said else ""
            return RegistryError(
                f"{reference}: {reference.host} refuses the login{why}", hint=_log_in(reference)
            )
        case _:
            return RegistryError(
                f"{reference}: {reference.host} answers {error.status}{f': {said}' if said else ''}"
            )


def _log_in(reference: Reference) -> str:
    return f"`docker login {reference.host}` (or podman, oras, cosign) keeps a login that is used here"


def _said(body: bytes) -> str:
    """Return what a registry says in its errors, as the specification has them."""
    try:
        errors: list[Any] = json.loads(body)["errors"]
        texts = [str(error.get("message") or error.get("code") or "") for error in errors]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    return " ".join("; ".join(filter(None, texts)).split())[:200]


def _about(error: BrokenBundleError, reference: Reference) -> BrokenBundleError:
    return BrokenBundleError(f"{reference}: {error.message}", hint=error.hint)
