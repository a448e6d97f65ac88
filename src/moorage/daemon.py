"""What the processes that stay have in common: they say how they are, and end when they are told to."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

UNAVAILABLE: Final = 503

Answer = Callable[[], tuple[int, str]]
"""Returns an HTTP status and what is said with it."""

_LOOPBACK: Final = "127.0.0.1"


async def until_signalled(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Work; SIGTERM and SIGINT set the event that is handed over."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await work(stop)


@asynccontextmanager
async def serve_health(port: int, *, healthz: Answer, readyz: Answer) -> AsyncIterator[None]:
    """Answer ``/healthz`` and ``/readyz`` in plain HTTP on loopback while the context is open.

    Raises:
        OSError: the port is taken.
    """

    def answering(answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(_: web.Request) -> web.Response:
            status, text = answer()
            return web.Response(status=status, text=f"{text}\n")

        return handle

    app = web.Application()
    app.router.add_get("/healthz", answering(healthz))
    app.router.add_get("/readyz", answering(readyz))
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, _LOOPBACK, port).start()
        yield
    finally:
        await runner.cleanup()
