"""Saying how the operator is: ``/healthz`` and ``/readyz``, in plain HTTP on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

from aiohttp import web

_LOOPBACK = "127.0.0.1"
_UNAVAILABLE = 503


class Stage(StrEnum):
    """How far the operator is, in words."""

    STANDING = "waits for the lease: another operator leads, or did until a moment ago"
    SYNCING = "leads, and reads what there is"
    WORKING = "leads, and works"
    STOPPING = "is stopping"


class Health:
    """How the operator is.

    Args:
        standby_is_ready: whether one that waits for the lease counts as ready. Where there are several,
            it does, because it answers admission; where there is one, nothing moves until it leads.
    """

    def __init__(self, *, standby_is_ready: bool) -> None:
        self.stage = Stage.STANDING
        self._standby_is_ready = standby_is_ready

    @property
    def ready(self) -> bool:
        """Whether it does all that is asked of it."""
        return self.stage is Stage.WORKING or (self._standby_is_ready and self.stage is Stage.STANDING)


@asynccontextmanager
async def serve(health: Health, port: int) -> AsyncIterator[None]:
    """Answer while the context is open.

    Raises:
        OSError: the port is taken.
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(status=200 if health.ready else _UNAVAILABLE, text=f"{health.stage}\n")

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, _LOOPBACK, port).start()
        yield
    finally:
        await runner.cleanup()
