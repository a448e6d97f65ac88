"""Where API servers send their events: TLS, a certificate for each cluster, an answer when all is on disk.

    POST /clusters/CLUSTER    an EventList of audit.k8s.io, of the cluster that the certificate names

200 says that the events are kept, whatever happens. 429 and 503 say when to send them again; 400 that they
are no events, and 403 that they are somebody else's.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from moorage.advisors.audit.events import BatchError, parse
from moorage.advisors.audit.spool import Spool, SpoolFullError

logger = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
LARGEST_BODY: Final = 12 << 20
"""What an API server sends at most (`--audit-webhook-truncate-max-batch-size`), and its wrapping."""

IN_FLIGHT: Final = 48 << 20
"""How much of bodies is held in memory at a time, of all clusters together."""

BUSY_SECONDS: Final = 1
FULL_SECONDS: Final = 5

_READ_SECONDS: Final = 30.0
_CHUNK: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Certificates:
    """The server's certificate, its key, and who vouches for those of clusters (PEM files)."""

    certificate: Path
    key: Path
    authority: Path

    def context(self) -> ssl.SSLContext:
        """Return what the server needs to know whom it speaks to."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(str(self.certificate), str(self.key))
        context.load_verify_locations(str(self.authority))
        context.verify_mode = ssl.CERT_REQUIRED
        return context


@dataclass(slots=True)
class Received:
    """What has come in, by number, since the start.

    Args:
        batches: lists that were kept.
        events: in those.
        broken: items that were no events, and left out.
        refused: lists that were not kept, by what was answered.
    """

    batches: int = 0
    events: int = 0
    broken: int = 0
    refused: Counter[int] = field(default_factory=Counter)

    def told(self) -> dict[str, Any]:
        """Return it in JSON's own types."""
        return {
            "batches": self.batches,
            "events": self.events,
            "broken": self.broken,
            "refused": {str(status): count for status, count in sorted(self.refused.items())},
        }


class _Writer:
    """Writes what comes in at the same time in one go: so many lists cost one wait for the disk."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._waiting: list[tuple[str, bytes, asyncio.Future[None]]] = []
        self._news = asyncio.Event()

    async def write(self, cluster: str, lines: bytes) -> None:
        """Return when lines are on the disk.

        Raises:
            OSError: they may not be.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((cluster, lines, done))
        self._news.set()
        await done

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            group, self._waiting = self._waiting, []
            parts = [(cluster, lines) for cluster, lines, _ in group]
            try:
                await asyncio.to_thread(self._spool.append, parts)
            except OSError as error:
                logger.warning("the spool cannot be written: %s", error.strerror or error)
                for _, _, done in group:
                    if not done.done():
                        done.set_exception(OSError(error.errno, error.strerror))
            else:
                for _, _, done in group:
                    if not done.done():
                        done.set_result(None)


class Receiver:
    """Takes in events.

    Args:
        spool: where they are kept.
        expects: whether there is a cluster of a name: one that is gone sends nothing any more.
    """

    def __init__(self, spool: Spool, expects: Callable[[str], bool]) -> None:
        self.received = Received()
        self._spool = spool
        self._expects = expects
        self._writer = _Writer(spool)
        self._in_flight = 0

    @asynccontextmanager
    async def serve(self, certificates: Certificates, port: int) -> AsyncIterator[None]:
        """Answer on loopback while the context is open.

        Raises:
            OSError: the port is taken.
        """
        writing = asyncio.create_task(self._writer.run(), name="spool")
        app = web.Application()
        app.router.add_post("/clusters/{cluster}", self._handle)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=5.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, port, ssl_context=certificates.context()).start()
            yield
        finally:
            # Whoever is being answered is; everybody else comes again, and finds the next process.
            await runner.cleanup()
            writing.cancel()

    async def _handle(self, request: web.Request) -> web.Response:
        answer = await self._answer(request)
        if answer.status != web.HTTPOk.status_code:
            self.received.refused[answer.status] += 1
            if not request.content.at_eof():
                # The rest of the body is not read; nothing else can come on this connection.
                answer.force_close()
        return answer

    async def _answer(self, request: web.Request) -> web.Response:
        cluster = request.match_info["cluster"]
        if (name := _name(request)) != cluster:
            return _refusal(403, f"the certificate is of {name or 'nobody'}, and not of {cluster}")
        if not self._expects(cluster):
            return _refusal(403, f"there is no cluster {cluster}")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return _refusal(415, "bodies are read as they are")
        size = LARGEST_BODY if request.content_length is None else request.content_length
        if size > LARGEST_BODY:
            return _refusal(413, f"a body has at most {LARGEST_BODY:,} bytes")
        if self._in_flight + size > IN_FLIGHT:
            return _refusal(429, "too much comes in at a time", retry_seconds=BUSY_SECONDS)
        self._in_flight += size
        try:
            return await self._take(cluster, request, size)
        finally:
            self._in_flight -= size

    async def _take(self, cluster: str, request: web.Request, size: int) -> web.Response:
        try:
            self._spool.check(cluster, size)
        except SpoolFullError:
            return _refusal(429, "what came before is still to be counted", retry_seconds=FULL_SECONDS)
        try:
            async with asyncio.timeout(_READ_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return _refusal(408, "the body did not come")
        if body is None:
            return _refusal(413, f"a body has at most {LARGEST_BODY:,} bytes")
        try:
            batch = parse(body)
        except BatchError as error:
            logger.warning("%s: %s", cluster, error.message)
            return _refusal(400, error.message)
        if batch.broken:
            self.received.broken += batch.broken
            logger.warning("%s: %d items are no events: %s", cluster, batch.broken, batch.problem)
        if batch.events:
            try:
                await self._writer.write(cluster, batch.lines)
            except OSError as error:
                return _refusal(503, f"the disk: {error.strerror}", retry_seconds=FULL_SECONDS)
        self.received.batches += 1
        self.received.events += batch.events
        return web.Response()


async def _body(request: web.Request) -> bytes | None:
    """Read a body, unless it is longer than it may be; what a header says of that is not believed."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > LARGEST_BODY:
            return None
    return bytes(body)


def _name(request: web.Request) -> str | None:
    """Return whom the certificate names that the connection was made with."""
    transport = request.transport
    certificate: Mapping[str, Any] = (transport and transport.get_extra_info("peercert")) or {}
    names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    return names[0] if len(names) == 1 else None


def _refusal(status: int, why: str, *, retry_seconds: int | None = None) -> web.Response:
    headers = {"Retry-After": str(retry_seconds)} if retry_seconds is not None else {}
    return web.Response(status=status, text=f"{why}\n", headers=headers)
