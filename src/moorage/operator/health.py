"""Saying how the operator is: ``/healthz`` and ``/readyz``, in plain HTTP on loopback."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from enum import StrEnum

from moorage.daemon import UNAVAILABLE, serve_health


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


def serve(health: Health, port: int) -> AbstractAsyncContextManager[None]:
    """Answer while the context is open.

    Raises:
        OSError: the port is taken.
    """
    return serve_health(
        port,
        healthz=lambda: (200, "ok"),
        readyz=lambda: (200 if health.ready else UNAVAILABLE, str(health.stage)),
    )
