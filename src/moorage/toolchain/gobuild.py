"""A binary built from source: the modules that a committed graph pins, and this machine's Go."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from moorage.toolchain.errors import IntegrityError, NotPublished, SourceUnavailable
from moorage.toolchain.fetched import Fetched
from moorage.toolchain.gocommand import Go, GoError, build_environment, explain, find_go, run_go
from moorage.toolchain.progress import Reporter, Unit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from moorage.toolchain.catalog import GoBuild, Tool
    from moorage.toolchain.network import Network
    from moorage.toolchain.platforms import Platform

MODULES = "Go modules"
_DOWNLOADING = "go: downloading "
_NOT_HERE = ("GOPROXY=off", "toolchain not available")
_NOT_COMPILED = "not installed but available in build cache"


async def build(
    tool: Tool,
    platform: Platform,
    workspace: Path,
    *,
    graphs_dir: Path,
    cache: Path,
    network: Network,
    report: Reporter,
    begins: Callable[[], None] = lambda: None,
) -> Fetched:
    """Build a tool.

    Args:
        tool: Which.
        platform: For what.
        workspace: An empty folder, where the binary is left.
        graphs_dir: The folder of the committed graphs.
        cache: What the workspace is in, to name when it is full.
        network: To see whether modules can be had at all.
        report: Is told what happens.
        begins: Called once it is known that there is something to build, and with what.

    Raises:
        SourceUnavailable: there is nothing to build from or with.
        IntegrityError: a module or the result is not what the graph says.
        DiskError: Go ran out of space.
    """
    if tool.go is None:
        raise NotPublished("there is no module to build it from")
    committed = graphs_dir / tool.go.graph
    report.started("look for Go")
    go = await find_go(committed, workspace)
    # `go` may want to touch go.mod and go.sum; the committed ones stay as they are.
    graph, temporary = workspace / "graph", workspace / "go-tmp"
    for folder in (graph, temporary):
        folder.mkdir()
    for file in committed.iterdir():
        shutil.copyfile(file, graph / file.name)
    environment = build_environment(go, platform, temporary, os.environ)
    workshop = _Workshop(tool.go, go, graph, environment, report, begins)
    try:
        missing = await workshop.uncompiled(network)
        binary = workspace / f"{tool.name}.binary"
        await workshop.compile(binary, missing)
        workshop.require_identity(await workshop.build_info(binary))
    except GoError as failure:
        raise explain(failure, str(tool), (cache, *go.folders)) from failure
    return Fetched(binary, origin=f"{tool.go.package}@{tool.version}", made_with=go.version)


@dataclass(slots=True)
class _Workshop:
    """One build."""

    build: GoBuild
    go: Go
    graph: Path
    environment: dict[str, str]
    report: Reporter
    begins: Callable[[], None]
    _modules: int = field(default=0, init=False)
    _compiled: int = field(default=0, init=False)

    async def uncompiled(self, network: Network) -> int:
        """Have all modules here, and count the packages that are not compiled yet."""
        listing = [
            "list",
            "-mod=readonly",
            "-trimpath",
            "-deps",
            "-f",
            "{{if .Stale}}{{.StaleReason}}{{end}}",
        ]
        argv = [self.go.command, *listing, self.build.package]
        try:
            # Whether all modules are here is known in a second, without asking anybody.
            reasons = await run_go(argv, self.graph, {**self.environment, "GOPROXY": "off"})
        except GoError as failure:
            if not any(reason in failure.said for reason in _NOT_HERE):
                raise
            await require_proxy(self.go.proxy, network)
            self.begins()
            self.report.started("download Go modules", Unit.MODULES)
            reasons = await run_go(argv, self.graph, self.environment, self._on_download)
        missing = sum(1 for line in reasons.splitlines() if line and line != _NOT_COMPILED)
        if missing:
            self.begins()
        return missing

    async def compile(self, binary: Path, missing: int) -> None:
        """Compile and link; the packages that are compiled count as progress."""
        self.report.started("go build", Unit.PACKAGES)
        self.report.advanced(0, missing)
        flags = ["-mod=readonly", "-trimpath", "-v", "-ldflags", " ".join(["-s", "-w", *self.build.ldflags])]

        def on_line(line: str) -> None:
            if line.startswith(_DOWNLOADING):
                return
            self._compiled += 1
            self.report.advanced(self._compiled, max(missing, self._compiled))
            if line == self.build.package:  # the last to be compiled; nothing is said while it is linked
                self.report.started("link", Unit.PACKAGES)

        argv = [self.go.command, "build", *flags, "-o", str(binary), self.build.package]
        await run_go(argv, self.graph, self.environment, on_line)

    async def build_info(self, binary: Path) -> str:
        """Read what Go wrote into the binary about its sources."""
        return await run_go([self.go.command, "version", "-m", str(binary)], self.graph, self.environment)

    def require_identity(self, build_info: str) -> None:
        """Hold the binary against the committed go.sum: the package, and every module in it."""
        sums = set((self.graph / "go.sum").read_text("utf-8").splitlines())
        for line in build_info.splitlines():
            match line.split():
                case ["path", package] if package != self.build.package:
                    raise self._strange(f"says that it is {package}")
                case ["mod" | "dep" | "=>", *module] if _has_sum(module) and " ".join(module) not in sums:
                    raise self._strange(f"holds {module[0]} {module[1]}, which go.sum does not know")

    def _strange(self, what: str) -> IntegrityError:
        return IntegrityError(
            f"{self.build.package}: the binary that was built {what}",
            hint="look at what `go env` says of this machine: something replaces the sources",
        )

    def _on_download(self, line: str) -> None:
        if line.startswith(_DOWNLOADING):
            self._modules += 1
            self.report.advanced(self._modules, None)


def _has_sum(module: list[str]) -> bool:
    """Tell a module that came from a proxy from the graph's own, and from one that the next replaces."""
    return module[-1].startswith("h1:")


async def require_proxy(goproxy: str, network: Network) -> None:
    """See quickly whether Go modules can be had: ``go`` itself would try for minutes.

    Only proxies are asked. Where GOPROXY has none (``direct`` alone, or a folder), ``go`` must find out.

    Raises:
        SourceUnavailable: no module proxy can be reached.
    """
    entries = [entry.strip() for entry in goproxy.replace("|", ",").split(",")]
    proxies = [entry for entry in entries if urlsplit(entry).scheme in {"http", "https"}]
    if entries[0] == "off":
        raise SourceUnavailable("Go has to download modules, and GOPROXY=off", subject=MODULES)
    reasons = []
    for proxy in proxies:
        try:
            await network.reach(proxy)
        except SourceUnavailable as error:
            reasons.append(str(error))
        else:
            return
    if reasons:
        raise SourceUnavailable(f"Go has to download modules, and {'; '.join(reasons)}", subject=MODULES)
