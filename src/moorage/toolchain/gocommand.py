"""The ``go`` command of this machine: is it there, is it new enough, and how it is run."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moorage.toolchain.errors import DiskError, IntegrityError, SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from moorage.toolchain.platforms import Platform

GO = "go"
"""What an obstacle is about that every build meets."""

_VERSION = re.compile(r"go(\d+)\.(\d+)(?:\.(\d+))?")
_DIRECTIVE = re.compile(r"^go (\d+\.\d+(?:\.\d+)?)\s*$", re.MULTILINE)
# What may stay of a user's GOFLAGS: how to work, not what to make.
_HARMLESS_FLAGS = re.compile(r"-(modcacherw|p=\d+|x|insecure)")
_LONGEST_LINE_BYTES = 1 << 20
_REMEMBERED_LINES = 40


@dataclass(frozen=True, slots=True)
class Go:
    """A usable ``go``."""

    command: str
    version: str
    proxy: str
    """GOPROXY as it is in force."""
    flags: str
    """The user's GOFLAGS."""
    folders: tuple[Path, ...] = ()
    """Where it keeps modules and what is compiled."""


class GoError(Exception):
    """``go`` failed: what it said last."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


async def find_go(graph: Path, workspace: Path) -> Go:
    """Find a ``go`` that can build a module graph.

    Raises:
        SourceUnavailable: there is none, or it is too old and may not fetch a newer one.
    """
    command = shutil.which("go")
    needed = needed_version((graph / "go.mod").read_text("utf-8"))
    if command is None:
        raise SourceUnavailable(f"there is no `go` command (Go {needed} or later)", subject=GO)
    names = ("GOVERSION", "GOTOOLCHAIN", "GOPROXY", "GOFLAGS", "GOCACHE", "GOMODCACHE")
    # Asked outside every module, it speaks of itself and not of a toolchain that a go.mod selects.
    environment = {**os.environ, "GOWORK": "off", "GO111MODULE": "on"}
    try:
        answer = json.loads(await run_go([command, "env", "-json", *names], workspace, environment))
    except (GoError, OSError, ValueError) as error:
        raise SourceUnavailable(f"{command} does not work: {error}", subject=GO) from error
    folders = tuple(Path(answer[name]) for name in ("GOCACHE", "GOMODCACHE"))
    go = Go(command, answer["GOVERSION"], answer["GOPROXY"], answer["GOFLAGS"], folders)
    require_version(go.version, needed, answer.get("GOTOOLCHAIN", ""))
    return go


def needed_version(go_mod: str) -> str:
    """Read the Go version that a go.mod asks for."""
    match = _DIRECTIVE.search(go_mod)
    return match[1] if match else "1.21"


def require_version(version: str, needed: str, toolchain: str) -> None:
    """Refuse a ``go`` that is too old and will not switch to a newer one by itself.

    Raises:
        SourceUnavailable: it is, and will not.
    """
    match = _VERSION.match(version)
    if match is None:  # a development version; whoever has one knows
        return
    have = tuple(int(part or 0) for part in match.groups())
    want = tuple(int(part) for part in f"{needed}.0".split(".")[:3])
    switches = toolchain in {"auto", "path"} or toolchain.endswith(("+auto", "+path"))
    if have < want and not switches:
        because = f" and GOTOOLCHAIN={toolchain}" if toolchain else ""
        raise SourceUnavailable(f"Go {needed} or later is needed, here is {version}{because}", subject=GO)


def build_environment(
    go: Go, platform: Platform, temporary: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of a build: the user's proxies and caches, and nothing that changes the result.

    What the user set for good with ``go env -w`` counts too, which is why each of these is set and not unset.
    """
    kept = [flag for flag in go.flags.split() if _HARMLESS_FLAGS.fullmatch(flag)]
    return {
        **environ,
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOAMD64": "v1",
        "GOARCH": platform.arch,
        "GOARM64": "v8.0",
        "GOFLAGS": " ".join(["-buildvcs=false", *kept]),
        "GOOS": platform.os,
        "GOTMPDIR": str(temporary),
        "GOWORK": "off",
    }


async def run_go(
    argv: list[str],
    cwd: Path,
    environment: Mapping[str, str],
    on_line: Callable[[str], None] = lambda _line: None,
) -> str:
    """Run ``go`` and return its standard output; its standard error is handed over line by line as it comes.

    When this is cancelled, ``go`` and its compilers are killed. When this process is killed, ``go`` stops at
    its next word, which finds nobody to read it.

    Raises:
        GoError: it failed.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE_BYTES,
        start_new_session=True,
    )
    last: deque[str] = deque(maxlen=_REMEMBERED_LINES)
    try:
        output, _ = await asyncio.gather(_read(process.stdout), _follow(process.stderr, last, on_line))
        status = await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if status != 0:
        raise GoError("\n".join(last) or f"exit status {status}")
    return output


def explain(failure: GoError, what: str, folders: Iterable[Path] = ()) -> Exception:
    """Turn what ``go`` said into what it means for the search for a tool.

    Args:
        failure: What it said.
        what: Which tool was built.
        folders: Where it writes: when the disk is full it says so, but not always which.
    """
    said = failure.said
    if "SECURITY ERROR" in said or "checksum mismatch" in said:
        return IntegrityError(
            f"{what}: a Go module is not what go.sum says: {_telling(said, 'checksum mismatch')}",
            hint="do not use it; set GOPROXY to a proxy that you trust, and `go clean -modcache`",
        )
    if "no space left on device" in said:
        return DiskError(
            f"{_fullest(folders)}: no space left to build {what}",
            hint="free some, or set XDG_CACHE_HOME (for Go: GOCACHE, GOMODCACHE) to another disk",
        )
    return SourceUnavailable(_telling(said))


def _telling(said: str, word: str = "") -> str:
    """Pick the line that says what is wrong: the first that is no heading, step or continuation."""
    lines = [line for line in said.splitlines() if line.strip()]
    sentences = [
        line for line in lines if " " in line and not line.startswith(("#", "\t", "go: downloading "))
    ]
    return next((line.strip() for line in sentences if word in line), lines[-1].strip())


def _fullest(folders: Iterable[Path]) -> Path:
    there = [folder for folder in folders if folder.is_dir()]
    return min(there, key=lambda folder: shutil.disk_usage(folder).free, default=Path("the disk"))


async def _read(stream: asyncio.StreamReader | None) -> str:
    content = await stream.read() if stream is not None else b""
    return content.decode("utf-8", "replace")


async def _follow(
    stream: asyncio.StreamReader | None, last: deque[str], on_line: Callable[[str], None]
) -> None:
    if stream is None:
        return
    async for raw in stream:
        line = raw.decode("utf-8", "replace").rstrip()
        last.append(line)
        on_line(line)
