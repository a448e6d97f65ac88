"""The process that takes in audit events and counts them: ``python -m moorage.advisors.audit``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from moorage.advisors.audit.counts import Counts
from moorage.advisors.audit.folding import Recent, fold
from moorage.advisors.audit.receiver import Certificates, Receiver
from moorage.advisors.audit.spool import Segment, Spool
from moorage.advisors.evidence import DatabaseError, engine
from moorage.daemon import UNAVAILABLE, serve_health, until_signalled
from moorage.errors import ExitCode, MoorageError

logger = logging.getLogger(__name__)

FOLD_SECONDS: Final = 2.0
"""How long events wait to be counted."""

KEEP: Final = timedelta(days=92)
"""How long counts of a day are kept: no window is longer."""

NICENESS: Final = 10
"""How much it lets others go first, as `nice` counts."""

_TIDY_SECONDS: Final = 5.0
_PRUNE_SECONDS: Final = 600.0
_AGAIN_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the process is started with.

    Args:
        port: where API servers send to, on loopback.
        health_port: where ``/healthz`` and ``/readyz`` are, on loopback.
        certificates: the server's, and who vouches for clusters.
        clusters: a folder that has one for each cluster that there is, by its name.
        spool: where events wait.
        database: where counts are stored.
    """

    port: int
    health_port: int
    certificates: Certificates
    clusters: Path
    spool: Path
    database: str


class Folder:
    """Counts what waits in the spool. Its work blocks, and is done by one thread at a time."""

    def __init__(
        self,
        spool: Spool,
        counts: Counts,
        expects: Callable[[str], bool],
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._spool = spool
        self._counts = counts
        self._expects = expects
        self._clock = clock or (lambda: datetime.now(UTC))
        self._recent: dict[str, Recent] = {}
        self.trouble = ""
        """Why events cannot be counted; empty when they can."""

    def fold(self) -> int:
        """Count all that waits; return how many segments that was.

        Raises:
            DatabaseError: the database does not take it. What waits goes on to wait.
        """
        segments = self._spool.cut()
        for segment in segments:
            self._one(segment)
        return len(segments)

    def tidy(self) -> list[str]:
        """Remove all that there is of clusters that are gone; return which."""
        known = {*self._spool.clusters(), *self._counts.clusters()}
        gone = [cluster for cluster in sorted(known) if not self._expects(cluster)]
        for cluster in gone:
            self._recent.pop(cluster, None)
            self._spool.forget(cluster)
            self._counts.forget(cluster)
        return gone

    def prune(self) -> None:
        """Remove the counts of what is long over."""
        self._counts.prune(now=self._clock(), keep=KEEP)

    def _one(self, segment: Segment) -> None:
        if not self._counts.has(segment.cluster, segment.name):
            recent = self._recent.get(segment.cluster)
            if recent is None:
                recent = self._recent[segment.cluster] = Recent(self._counts.digests(segment.cluster))
            try:
                content = segment.path.read_bytes()
            except FileNotFoundError:  # the cluster is gone
                self._spool.remove([segment])
                return
            folded = fold(content, recent)
            if self._counts.store(segment.cluster, segment.name, folded, now=self._clock()):
                recent.add(folded.digests)
        self._spool.remove([segment])


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Take in and count until told to stop; what is not counted then is when it starts again.

    Raises:
        MoorageError: it cannot begin.
    """

    def expects(cluster: str) -> bool:
        return (settings.clusters / cluster).is_dir()

    spool = Spool(settings.spool)
    counts = await asyncio.to_thread(lambda: Counts(engine(settings.database)))
    receiver = Receiver(spool, expects)
    folder = Folder(spool, counts, expects)
    async with AsyncExitStack() as stack:
        stack.callback(spool.close)
        try:
            await stack.enter_async_context(receiver.serve(settings.certificates, settings.port))
            await stack.enter_async_context(_health(receiver, folder, settings.health_port))
        except OSError as error:
            raise MoorageError(f"audit events cannot be received: {error.strerror or error}") from error
        await _work(folder, stop)


async def _work(folder: Folder, stop: asyncio.Event) -> None:
    tidied = pruned = -_PRUNE_SECONDS
    while not stop.is_set():
        delay, now = FOLD_SECONDS, time.monotonic()
        try:
            await asyncio.to_thread(folder.fold)
            if now - tidied >= _TIDY_SECONDS:
                for cluster in await asyncio.to_thread(folder.tidy):
                    logger.info("%s is gone, and its counts with it", cluster)
                tidied = now
            if now - pruned >= _PRUNE_SECONDS:
                await asyncio.to_thread(folder.prune)
                pruned = now
        except (DatabaseError, OSError) as error:
            # Events wait in the spool meanwhile; when that is full, API servers are told to wait.
            logger.warning("events cannot be counted: %s (again in %.0f s)", error, _AGAIN_SECONDS)
            folder.trouble, delay = str(error), _AGAIN_SECONDS
        else:
            folder.trouble = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await stop.wait()


def _health(receiver: Receiver, folder: Folder, port: int) -> AbstractAsyncContextManager[None]:
    def ok() -> tuple[int, str]:
        return 200, json.dumps(receiver.received.told())

    def ready() -> tuple[int, str]:
        return (UNAVAILABLE, f"[-]counting failed: {folder.trouble}") if folder.trouble else ok()

    return serve_health(port, healthz=ok, readyz=ready)


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line; wrong usage ends the process with status 2."""
    parser = argparse.ArgumentParser(prog="python -m moorage.advisors.audit", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="where API servers send their events")
    parser.add_argument("--health-port", type=int, required=True, help="where /healthz and /readyz are")
    parser.add_argument("--cert-file", type=Path, required=True, help="the server's certificate")
    parser.add_argument("--key-file", type=Path, required=True, help="its key")
    parser.add_argument("--ca-file", type=Path, required=True, help="who signs the certificates of clusters")
    parser.add_argument("--clusters", type=Path, required=True, help="a folder with one for each cluster")
    parser.add_argument("--spool", type=Path, required=True, help="where events wait to be counted")
    parser.add_argument("--database", required=True, help="where counts are stored: a URL")
    given = parser.parse_args(arguments)
    return Settings(
        port=given.port,
        health_port=given.health_port,
        certificates=Certificates(given.cert_file, given.key_file, given.ca_file),
        clusters=given.clusters,
        spool=given.spool,
        database=given.database,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to end; return the exit status."""
    settings = parse(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Most events come while a cluster is made. They can wait on the disk; who waits for the cluster cannot.
    os.nice(NICENESS)
    try:
        asyncio.run(until_signalled(partial(run, settings)))
    except MoorageError as error:
        logger.error("%s", error)  # noqa: TRY400 - for a person, who needs no traceback
        return ExitCode.FAILURE
    return ExitCode.OK
