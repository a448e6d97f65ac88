"""Getting tools: each source in turn, each tool once, many at a time."""

from __future__ import annotations

import asyncio
import errno
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from moorage.toolchain.errors import (
    DiskError,
    NotPublished,
    SourceUnavailable,
    ToolUnavailableError,
)
from moorage.toolchain.progress import Progress, Reporter, Silent, Unit
from moorage.toolchain.settings import Settings, Source
from moorage.toolchain.store import Record, Slot, sha256_of, sweep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
    from pathlib import Path

    from moorage.toolchain.catalog import Tool
    from moorage.toolchain.fetched import Fetched
    from moorage.toolchain.inventory import Toolchain
    from moorage.toolchain.network import Network, Patience

_LOCK_POLL_SECONDS = 0.1
_BUILDS = "building from source, with Go: on two cores, about 15 minutes for all tools; they are kept"


@dataclass(frozen=True, slots=True)
class Refused:
    """No source had a tool: what each of them said."""

    tool: Tool
    reasons: tuple[tuple[Source, str], ...]

    @property
    def why(self) -> str:
        """All reasons in one line."""
        return "; ".join(f"{source}: {reason}" for source, reason in self.reasons) or "no source may be used"


@dataclass(frozen=True, slots=True)
class _Run:
    """What the tools of one call share."""

    network: Network
    progress: Progress
    builds: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A Go build uses all processors by itself."""
    _told: set[str] = field(default_factory=set)

    def pass_over(self, report: Reporter, source: Source, error: SourceUnavailable) -> None:
        """Say why a source is passed over; what concerns all tools alike is said once."""
        if isinstance(error, NotPublished):
            return
        if error.subject is None:
            report.note(f"{source}: {error}")
        else:
            self.announce(error.subject, str(error))

    def announce(self, subject: str, text: str) -> None:
        """Say something that concerns all tools, once."""
        if subject not in self._told:
            self._told.add(subject)
            self.progress.announce(text)


@dataclass(frozen=True, slots=True)
class Installer:
    """Gets the tools of a toolchain that are not there."""

    toolchain: Toolchain
    patience: Patience | None = None
    """How long to wait for networks; None for what suits people."""

    async def ensure(
        self, names: Iterable[str], *, progress: Progress | None = None, again: bool = False
    ) -> dict[str, Path]:
        """Return the executables of tools, getting those that are not there.

        Args:
            names: Which tools; all when there are none.
            progress: Is told what happens.
            again: Get those in the cache again as well.

        Raises:
            UnknownToolError: a name is not a tool's; nothing has been done.
            ToolUnavailableError: no source has some of them; the others are there.
            IntegrityError: something is not what was promised.
            DiskError: it cannot be written.
        """
        here = self.toolchain
        tools = here.catalog.select(names)
        missing = [
            tool for tool in tools if not here.provided(tool) and (again or not here.slot(tool).find())
        ]
        if missing:
            await self._get_all(missing, progress or Silent(), again=again)
        return {tool.name: here.locate(tool.name) for tool in tools}

    async def _get_all(self, tools: list[Tool], progress: Progress, *, again: bool) -> None:
        from moorage.toolchain.network import Network, Patience

        with _disk_explained(self.toolchain.settings.tools_dir):
            await asyncio.to_thread(sweep, self.toolchain.settings.tools_dir)
        async with Network(self.patience or Patience()) as network:
            run = _Run(network, progress)
            answers = await _all_or_first_error([self._get(tool, run, again=again) for tool in tools])
        if refused := [answer for answer in answers if answer is not None]:
            raise _unavailable(refused, self.toolchain.settings)

    async def _get(self, tool: Tool, run: _Run, *, again: bool) -> Refused | None:
        """Get one tool, unless another process does so first."""
        slot = self.toolchain.slot(tool)
        report = Reporter(tool.name, run.progress)
        began = time.monotonic()
        before = slot.record()
        with _disk_explained(slot.root):
            async with _exclusively(slot, report):
                # Whoever held the lock may have made it meanwhile.
                if slot.find() and not (again and slot.record() == before):
                    report.finished("installed by another process")
                    return None
                with slot.workspace() as workspace:
                    result = await self._try_sources(tool, workspace, run, report)
                    if isinstance(result, Refused):
                        return result
                    source, fetched = result
                    await asyncio.to_thread(self._publish, tool, slot, source, fetched)
        report.finished(f"{tool.version} from {source} in {time.monotonic() - began:.0f} s")
        return None

    async def _try_sources(
        self, tool: Tool, workspace: Path, run: _Run, report: Reporter
    ) -> tuple[Source, Fetched] | Refused:
        reasons: list[tuple[Source, str]] = []
        for source in self.toolchain.settings.sources:
            folder = workspace / source
            folder.mkdir()
            try:
                return source, await self._fetch(source, tool, folder, run, report)
            except SourceUnavailable as error:
                reasons.append((source, str(error)))
                run.pass_over(report, source, error)
        return Refused(tool, tuple(reasons))

    async def _fetch(
        self, source: Source, tool: Tool, workspace: Path, run: _Run, report: Reporter
    ) -> Fetched:
        match source:
            case Source.RELEASE:
                from moorage.toolchain.release import fetch_release, release_artifact

                pins = self.toolchain.locks.pins(release_artifact(tool, self.toolchain.platform))
                return await fetch_release(
                    tool,
                    self.toolchain.platform,
                    workspace,
                    network=run.network,
                    pins=pins,
                    mirror=self.toolchain.settings.mirror,
                    report=report,
                )
            case Source.OCI:
                from moorage.toolchain.images import Images
                from moorage.toolchain.oci import fetch_image, image_artifact

                pins = self.toolchain.locks.pins(image_artifact(tool, self.toolchain.platform))
                return await fetch_image(
                    tool,
                    self.toolchain.platform,
                    workspace,
                    images=Images(run.network),
                    pins=pins,
                    registry=self.toolchain.settings.registry,
                    report=report,
                )
            case _:
                from moorage.toolchain.gobuild import build

                if run.builds.locked():
                    report.started("wait for the build before it", Unit.PACKAGES)
                async with run.builds:
                    return await build(
                        tool,
                        self.toolchain.platform,
                        workspace,
                        graphs_dir=self.toolchain.catalog.graphs_dir,
                        cache=self.toolchain.settings.tools_dir,
                        network=run.network,
                        report=report,
                        begins=lambda: run.announce(_BUILDS, _BUILDS),
                    )

    def _publish(self, tool: Tool, slot: Slot, source: Source, fetched: Fetched) -> None:
        """Remember what it was, and put it in its place. Blocks: it hashes and syncs."""
        if fetched.artifact is not None and fetched.artifact_digest is not None:
            self.toolchain.locks.remember(fetched.artifact, fetched.artifact_digest)
        record = Record(
            name=tool.name,
            version=tool.version,
            platform=str(self.toolchain.platform),
            recipe=slot.recipe,
            source=source,
            origin=fetched.origin,
            artifact=fetched.artifact_digest,
            digest=sha256_of(fetched.binary),
            size_bytes=fetched.binary.stat().st_size,
            installed=datetime.now(UTC).isoformat(timespec="seconds"),
            made_with=fetched.made_with,
        )
        slot.publish(fetched.binary, record)


@asynccontextmanager
async def _exclusively(slot: Slot, report: Reporter) -> AsyncIterator[None]:
    """Hold a slot's lock; waiting for another process to finish is told once and can be interrupted."""
    from filelock import Timeout

    lock = slot.lock()
    told = False
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            if not told:
                report.note("another process is getting it; waiting for it")
                told = True
            await asyncio.sleep(_LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


async def _all_or_first_error(work: list[Awaitable[Refused | None]]) -> list[Refused | None]:
    """Wait for all; the first error stops the rest and is the one that is raised."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _disk_explained(folder: Path) -> Iterator[None]:
    """Say in a person's words that the disk is full or a folder closed."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskError(
                f"{folder}: no space left for tools",
                hint="free some space, or set XDG_CACHE_HOME to another disk",
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}:
            raise DiskError(
                f"{error.filename or folder}: {error.strerror}",
                hint="make that folder yours, or set XDG_CACHE_HOME (and XDG_STATE_HOME) to one that is",
            ) from error
        raise


def _unavailable(refused: list[Refused], settings: Settings) -> ToolUnavailableError:
    """Make one error of all refusals, and name every way out."""
    ways = ["connect this machine to the network (or name a mirror in MOORAGE_TOOLS_MIRROR)"]
    if Source.GO in settings.sources:
        ways.append("install Go with a module proxy in reach")
    ways.append("put the binaries into a folder and name it in MOORAGE_TOOLS")
    return ToolUnavailableError(_told_together(refused), hint=", or ".join(ways))


def _told_together(refused: list[Refused]) -> str:
    """Tell in one line why tools are not there, or in a line a source where tools differ in that."""
    tools = ", ".join(str(one.tool) for one in refused)
    if len({one.why for one in refused}) == 1:
        return f"{tools}: not available ({refused[0].why})"
    by_source: dict[Source, dict[str, list[str]]] = {}
    for one in refused:
        for source, reason in one.reasons:
            by_source.setdefault(source, {}).setdefault(reason, []).append(one.tool.name)
    lines = [f"not available: {tools}"]
    for source, reasons in by_source.items():
        told = [
            reason if len(names) == len(refused) else f"{reason}: {', '.join(names)}"
            for reason, names in reasons.items()
        ]
        lines.append(f"  {source}: {'; '.join(told)}")
    return "\n".join(lines)
