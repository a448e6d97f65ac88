"""HTTP for a run of the toolchain: over TLS, patient with what passes, quick with what does not.

A server that hiccups is asked again; a host that cannot be reached is not, for the rest of the run: with no
way out of this machine, eight tools fail as fast as one. Proxies, ``SSL_CERT_FILE`` and ``~/.netrc`` count.
"""

from __future__ import annotations

import asyncio
import hashlib
import netrc
import os
import random
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

import httpx2

from moorage import __version__
from moorage.toolchain.catalog import require_trusted_transport
from moorage.toolchain.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

_T = TypeVar("_T")
_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_UNREACHABLE = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)
_CHUNK_BYTES = 1 << 18
_DOCUMENT_LIMIT_BYTES = 8 << 20
_REFUSAL_LIMIT_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what."""

    connect_seconds: float = 5
    """For a connection, TLS included: far more than any network that can carry a release needs."""
    silence_seconds: float = 20
    """For the next bytes of an answer that has begun, or for its first."""
    pauses_seconds: tuple[float, ...] = (0.5, 1.5, 4.0)
    """Between attempts; one more attempt than pauses."""
    longest_pause_seconds: float = 15
    """However long a server asks to be left alone."""


class StatusError(SourceUnavailable):
    """A server's final refusal, for those who can do something about some of them."""

    def __init__(self, response: httpx2.Response, body: bytes = b"") -> None:
        url = response.request.url
        super().__init__(f"{url} says {response.status_code} {response.reason_phrase}".rstrip())
        self.status = response.status_code
        self.headers = response.headers
        self.body = body
        """What the server says to it, or the beginning of that."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer, in whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _PassingError(Exception):
    """Worth another attempt."""

    def __init__(self, why: str, *, retry_after_seconds: float = 0) -> None:
        super().__init__(why)
        self.retry_after_seconds = retry_after_seconds


class Network:
    """One client for a run. Used as an async context manager."""

    def __init__(self, patience: Patience = Patience()) -> None:
        self._patience = patience
        self._unreachable: dict[str, str] = {}
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(patience.silence_seconds, connect=patience.connect_seconds, pool=None),
            follow_redirects=True,
            auth=_netrc_auth(),
            # What is hashed must be what was sent.
            headers={"User-Agent": f"moorage/{__version__}", "Accept-Encoding": "identity"},
            event_hooks={"request": [self._before_each_hop]},
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def document(self, url: str, *, headers: Mapping[str, str] | None = None) -> bytes:
        """Read something small, such as a list of checksums, in whole.

        Raises:
            SourceUnavailable: it cannot be had; `StatusError` when the server says so.
        """
        return (await self.exchange("GET", url, headers=headers)).body

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Send a request that may be sent twice, and read the answer, which is something small.

        Raises:
            SourceUnavailable: there is no answer; `StatusError` when the server refuses.
        """

        async def receive(response: httpx2.Response) -> Answer:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _DOCUMENT_LIMIT_BYTES:
                    raise SourceUnavailable(f"{url} is longer than any such document")
            return Answer(response.status_code, response.headers, bytes(body))

        return await self._request(url, receive, headers, method=method, content=content)

    async def download(
        self,
        url: str,
        file: IO[bytes],
        *,
        advanced: Callable[[int, int | None], None],
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Write something large to a file and return its digest, made on the way, as ``sha256:HEX``.

        Raises:
            SourceUnavailable: it cannot be had.
            OSError: it cannot be written.
        """

        async def receive(response: httpx2.Response) -> str:
            file.seek(0)
            file.truncate()
            digest = hashlib.sha256()
            length = response.headers.get("content-length", "")
            total = int(length) if length.isdigit() else None
            done = 0
            async for chunk in response.aiter_raw(_CHUNK_BYTES):
                digest.update(chunk)
                # A quarter of a megabyte into the page cache: shorter than handing it to a thread.
                file.write(chunk)
                done += len(chunk)
                advanced(done, total)
            file.flush()
            return f"sha256:{digest.hexdigest()}"

        return await self._request(url, receive, headers)

    async def reach(self, url: str) -> None:
        """See whether a host answers at all, whatever it says.

        Raises:
            SourceUnavailable: it does not.
        """
        try:
            await self._request(url, _ignore, None)
        except StatusError:
            return

    async def _request(
        self,
        url: str,
        receive: Callable[[httpx2.Response], Awaitable[_T]],
        headers: Mapping[str, str] | None,
        *,
        method: str = "GET",
        content: bytes | None = None,
    ) -> _T:
        pauses = list(self._patience.pauses_seconds)
        while True:
            try:
                return await self._attempt(url, receive, headers, method=method, content=content)
            except _PassingError as error:
                if not pauses:
                    attempts = len(self._patience.pauses_seconds) + 1
                    raise SourceUnavailable(f"{_host(url)}: {error}, {attempts} times") from error
                pause = max(pauses.pop(0) * random.uniform(0.8, 1.2), error.retry_after_seconds)  # noqa: S311 - jitter
            await asyncio.sleep(min(pause, self._patience.longest_pause_seconds))

    async def _attempt(
        self,
        url: str,
        receive: Callable[[httpx2.Response], Awaitable[_T]],
        headers: Mapping[str, str] | None,
        *,
        method: str,
        content: bytes | None,
    ) -> _T:
        # A token of our own goes before what ~/.netrc has for the host.
        auth = None if headers and "Authorization" in headers else httpx2.USE_CLIENT_DEFAULT
        try:
            async with self._client.stream(
                method, url, headers=headers, auth=auth, content=content
            ) as response:
                if response.status_code in _PASSING:
                    raise _PassingError(
                        f"answered {response.status_code}", retry_after_seconds=_retry_after(response)
                    )
                if not response.is_success:
                    raise StatusError(response, await _beginning(response))
                return await receive(response)
        except _UNREACHABLE as error:
            host = _host(str(error.request.url))
            self._unreachable[host] = _why_unreachable(error, self._patience)
            raise self._silence(host) from error
        except httpx2.TimeoutException as error:
            raise _PassingError(f"silent for {self._patience.silence_seconds:g} s") from error
        except (httpx2.TooManyRedirects, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise SourceUnavailable(f"{url}: {error}") from error
        except httpx2.TransportError as error:
            raise _PassingError(f"the connection broke ({error or type(error).__name__})") from error

    async def _before_each_hop(self, request: httpx2.Request) -> None:
        """Hold redirects to the rules of the first address."""
        try:
            require_trusted_transport(str(request.url))
        except ValueError as error:
            raise SourceUnavailable(str(error)) from error
        host = _host(str(request.url))
        if host in self._unreachable:
            raise self._silence(host)

    def _silence(self, host: str) -> SourceUnavailable:
        return SourceUnavailable(f"{host} cannot be reached ({self._unreachable[host]})", subject=host)


async def _beginning(response: httpx2.Response) -> bytes:
    """Read what a server says to its refusal; it may say a lot, or stop in the middle."""
    body = bytearray()
    with suppress(httpx2.TransportError):
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _REFUSAL_LIMIT_BYTES:
                break
    return bytes(body[:_REFUSAL_LIMIT_BYTES])


async def _ignore(_response: httpx2.Response) -> None:
    """Take an answer as it is."""


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _why_unreachable(error: httpx2.RequestError, patience: Patience) -> str:
    if isinstance(error, httpx2.ConnectTimeout):
        return f"no answer in {patience.connect_seconds:g} s"
    text = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not trusted here; for a CA of your own set SSL_CERT_FILE"
    return text.partition("] ")[2] or text


def _retry_after(response: httpx2.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0


def _netrc_auth() -> httpx2.Auth | None:
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    try:
        return httpx2.NetRCAuth(str(path)) if path.is_file() else None
    except (OSError, netrc.NetrcParseError):
        # Like every other reader of that file: a server that wants what it holds will say so.
        return None
