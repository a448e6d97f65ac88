"""Watching an API server's objects, by kopf.

Kopf owns its event loop: it takes the process's signals where it can, and when it ends it stops every task
that it finds in the loop. So it lives in a thread of its own, with nothing but raw watching in it (no
annotations, finalizers, events or peering), and hands what it sees to the loop that the work is done in.
When it fails, it is started anew.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import kopf

from moorage.kube.credentials import connection_info
from moorage.kube.kinds import Kind, Object
from moorage.kube.queue import Backoff
from moorage.kube.reachability import Reachability

logger = logging.getLogger(__name__)

STOP_SECONDS = 2.0
STEADY_SECONDS = 60.0
"""Watches that lasted this long count as sound: the next failure is the first."""

DELETED = "DELETED"


class Watches:
    """Watches kinds of objects, and restarts the watching when it fails.

    A kind that the API server does not serve yet is watched as soon as it does.

    Args:
        kinds: what to watch, in all namespaces.
        kubeconfig: how to reach the API server; read again whenever the credentials are refused.
        on_event: told of each object that is listed, added, changed (``False``) or deleted (``True``).
        on_listed: told that a kind has been listed anew. What had vanished before is not told to `on_event`.
        reachability: told whether the API server answers.
        identity: who watches; the API server's audit log has it in the user agent.

    The callbacks run in the event loop that `run` runs in.
    """

    def __init__(
        self,
        kinds: Iterable[Kind],
        kubeconfig: Path,
        *,
        on_event: Callable[[Kind, Object, bool], None],
        on_listed: Callable[[Kind], None],
        reachability: Reachability,
        identity: str,
    ) -> None:
        self._kinds = {collection_path(kind): kind for kind in kinds}
        self._kubeconfig = kubeconfig
        self._on_event = on_event
        self._on_listed = on_listed
        self._reachability = reachability
        self._identity = identity
        self._stop: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._streams: dict[Kind, aiohttp.ClientResponse] = {}

    def watched(self, kind: Kind) -> bool:
        """Say whether a kind is being watched at this moment."""
        stream = self._streams.get(kind)
        return stream is not None and not stream.closed

    def restart(self) -> None:
        """Begin all watches anew."""
        self._end()

    async def run(self) -> None:
        """Watch until cancelled."""
        backoff, failures = Backoff(first_seconds=0.5, last_seconds=30.0), 0
        while True:
            began = time.monotonic()
            error = await self._live()
            failures = 1 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            delay = backoff.after(failures)
            if error is not None:
                logger.warning("watching has failed: %s (again in %.1f s)", _why(error), delay)
                logger.debug("watching has failed", exc_info=error)
            await asyncio.sleep(delay)

    async def _live(self) -> BaseException | None:
        """Run kopf once, from its start to its end; return what it failed with."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[BaseException | None] = loop.create_future()
        self._stop = concurrent.futures.Future()
        self._streams.clear()
        life = threading.Thread(
            target=self._thread, args=(loop, self._stop, ended), name="watches", daemon=True
        )
        life.start()
        try:
            return await asyncio.shield(ended)
        finally:
            self._end()
            await asyncio.wait({ended}, timeout=STOP_SECONDS)

    def _end(self) -> None:
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self._stop.set_result(None)

    def _thread(
        self,
        loop: asyncio.AbstractEventLoop,
        stop: concurrent.futures.Future[None],
        ended: asyncio.Future[BaseException | None],
    ) -> None:
        def tell(function: Callable[..., None], *args: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                loop.call_soon_threadsafe(function, *args)

        def end(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(error)

        try:
            asyncio.run(self._operate(stop, tell))
        except BaseException as error:  # noqa: BLE001 - a thread's failure of any kind is its caller's to judge
            tell(end, error)
        else:
            tell(end, None)

    async def _operate(self, stop: concurrent.futures.Future[None], tell: Callable[..., None]) -> None:
        _quieten()
        sessions: list[aiohttp.ClientSession] = []
        try:
            await kopf.operator(
                registry=self._registry(tell, sessions),
                settings=_settings(),
                standalone=True,
                clusterwide=True,
                stop_flag=asyncio.wrap_future(stop),
            )
        finally:
            for session in sessions:
                await session.close()

    def _registry(
        self, tell: Callable[..., None], sessions: list[aiohttp.ClientSession]
    ) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        async def login(**_: Any) -> kopf.AiohttpSession:
            if sessions:  # the last credentials were refused
                await asyncio.sleep(min(0.5 * 2.0 ** len(sessions), 30.0))
            info = connection_info(self._kubeconfig)
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
                headers={**info.as_http_headers(), "User-Agent": f"moorage/{self._identity}"},
                trace_configs=[self._trace(urlsplit(info.server).path.rstrip("/"), tell)],
            )
            sessions.append(session)
            return kopf.AiohttpSession(server=info.server, aiohttp_session=session)

        kopf.on.login(registry=registry)(login)
        for kind in self._kinds.values():
            kopf.on.event(kind.group, kind.version, kind.plural, id=str(kind), registry=registry)(
                self._handler(kind, tell)
            )
        return registry

    def _handler(self, kind: Kind, tell: Callable[..., None]) -> Callable[..., Any]:
        async def handle(event: Any, **_: Any) -> None:
            tell(self._on_event, kind, event["object"], event["type"] == DELETED)

        return handle

    def _trace(self, prefix: str, tell: Callable[..., None]) -> aiohttp.TraceConfig:
        """See the requests that kopf makes: it does not say what it lists anew, nor what it watches."""

        async def ended(_session: Any, _context: Any, request: aiohttp.TraceRequestEndParams) -> None:
            tell(self._reachability.answered)
            kind = self._kinds.get(request.url.path.removeprefix(prefix))
            if kind is None or not request.response.ok:
                return
            if "watch" in request.url.query:
                tell(self._streams.__setitem__, kind, request.response)
            else:
                tell(self._on_listed, kind)

        async def failed(_session: Any, _context: Any, request: aiohttp.TraceRequestExceptionParams) -> None:
            if isinstance(request.exception, aiohttp.ClientConnectionError | TimeoutError):
                tell(self._reachability.silent, type(request.exception).__name__)

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(ended)
        trace.on_request_exception.append(failed)
        return trace


def collection_path(kind: Kind) -> str:
    """Return the path at which all objects of a kind are listed."""
    root = f"/apis/{kind.group}" if kind.group else "/api"
    return f"{root}/{kind.version}/{kind.plural}"


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.process.ultimate_exiting_timeout = None
    # An API server that is away is asked again often: a watch resumes at once when it is back. After half a
    # minute kopf gives up and is started anew, with new lists: some answers do not mend themselves.
    settings.networking.error_backoffs = (0.1, 0.2, 0.5, 1.0, *[2.0] * 15)
    settings.networking.connect_timeout = 5.0
    settings.networking.request_timeout = 60.0
    settings.watching.connect_timeout = 5.0
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 1.0
    return settings


class _Relay(logging.Handler):
    """Passes on what kopf says, for who debugs the watching."""

    def emit(self, record: logging.LogRecord) -> None:
        logger.debug("kopf: %s", record.getMessage())


def _quieten() -> None:
    """Keep kopf from saying, for each watch and each try, what is said once here."""
    root = logging.getLogger("kopf")
    if not any(isinstance(handler, _Relay) for handler in root.handlers):
        root.addHandler(_Relay())
    root.propagate = False
    root.setLevel(logging.WARNING)


def _why(error: BaseException) -> str:
    return str(getattr(error, "message", None) or error) or type(error).__name__
