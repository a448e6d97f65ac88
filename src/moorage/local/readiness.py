"""Waiting until components are well, and noticing early that one never will be."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping

from moorage.kube.objects import poll
from moorage.local.errors import NO_SPACE_HINT, PlatformError
from moorage.local.home import Home
from moorage.local.probe import Probe, ask
from moorage.local.supervisor import Supervisor, in_thread

READY_SECONDS = 180.0

_POLL_SECONDS = 0.05
_LOOK_SECONDS = 1.0
# A program that is ended by its own errors again and again, and does not once settle in this time, will not.
_FAILING_SECONDS = 20.0
_LAST_BYTES = 16384
_LINE_LENGTH = 200


async def wait_until_ready(home: Home, probes: Mapping[str, Probe], components: Iterable[str]) -> None:
    """Wait until these components say that they are well.

    Raises:
        PlatformError: one is not, in time, or keeps on failing; the message has its own last words.
    """
    components = list(components)
    watching = asyncio.create_task(_watch(home, components))
    waiting = [asyncio.create_task(_wait(home, name, probes[name])) for name in components]
    try:
        failed = await _first_failure(waiting, watching)
    finally:
        for task in (watching, *waiting):
            task.cancel()
        await asyncio.gather(watching, *waiting, return_exceptions=True)
    if failed is not None:
        raise failed


async def _first_failure(
    waiting: list[asyncio.Task[PlatformError | None]], watching: asyncio.Task[PlatformError]
) -> PlatformError | None:
    pending: set[asyncio.Task[PlatformError | None]] = set(waiting)
    while pending:
        done, _ = await asyncio.wait({*pending, watching}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if (error := task.result()) is not None:
                return error
        pending -= done
    return None


async def _wait(home: Home, component: str, probe: Probe) -> PlatformError | None:
    said: str | None = "was not asked"

    async def well() -> bool | None:
        nonlocal said
        said = await ask(probe)
        return True if said is None else None

    if await poll(well, timeout_seconds=READY_SECONDS, interval_seconds=_POLL_SECONDS):
        return None
    return _failure(home, component, f"{said} after {READY_SECONDS:.0f} s")


async def _watch(home: Home, components: list[str]) -> PlatformError:
    """Return when a component's process has been failing for long enough."""
    supervisor = Supervisor(home)
    failing_since: dict[str, float] = {}
    while True:
        statuses = await in_thread(supervisor.statuses)
        for component in components:
            state = statuses[component].state if component in statuses else ""
            if state == "BACKOFF":
                failing_since.setdefault(component, time.monotonic())
            elif state == "RUNNING":
                failing_since.pop(component, None)
            if time.monotonic() - failing_since.get(component, time.monotonic()) > _FAILING_SECONDS:
                return _failure(home, component, "does not stay up")
        await asyncio.sleep(_LOOK_SECONDS)


def _failure(home: Home, component: str, what: str) -> PlatformError:
    lines = last_lines(home, component)
    if any("no space left on device" in line.lower() for line in lines):
        return PlatformError(f"{component} {what}: no space is left for {home.root}", hint=NO_SPACE_HINT)
    said = f": {lines[-1].strip()[:_LINE_LENGTH]}" if lines else ""
    return PlatformError(f"{component} {what}{said}", hint=f"`moorage logs {component}` shows what it wrote")


def last_lines(home: Home, component: str) -> list[str]:
    """Return the last lines that a component wrote."""
    try:
        with home.log(component).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
            return file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return []
