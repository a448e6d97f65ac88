"""The catalog: which upstream binaries there are, and every way to get each (``tools.toml``).

Plain frozen dataclasses that check themselves, and no library: every start of every process looks a tool up
here, and importing pydantic would take longer than all the rest of that.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from moorage.toolchain.errors import CatalogError, UnknownToolError
from moorage.toolchain.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HERE = Path(__file__).parent
CATALOG_FILE = HERE / "tools.toml"
GRAPHS_DIR = HERE / "graphs"

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
_T = TypeVar("_T")


class ChecksumFormat(StrEnum):
    """How upstream publishes a digest."""

    DIGEST = "digest"
    LIST = "list"
    GITHUB_RELEASE = "github-release"


@dataclass(frozen=True)
class Checksum:
    """Where upstream publishes the digest of a download."""

    url: str
    format: ChecksumFormat

    def __post_init__(self) -> None:
        require_trusted_transport(self.url)


@dataclass(frozen=True)
class Release:
    """An official download, for a group of platforms."""

    platforms: tuple[str, ...]
    url: str
    checksum: Checksum
    member: str | None = None

    def __post_init__(self) -> None:
        require_trusted_transport(self.url)
        for platform in self.platforms:
            Platform.parse(platform)


@dataclass(frozen=True)
class Image:
    """An official OCI image, and the file in it."""

    reference: str
    file: str
    platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64")

    def __post_init__(self) -> None:
        if not PurePosixPath(self.file).is_absolute():
            msg = f"the file in an image is an absolute path, not {self.file!r}"
            raise ValueError(msg)
        for platform in self.platforms:
            Platform.parse(platform)


@dataclass(frozen=True)
class GoBuild:
    """A main package of a committed module graph."""

    graph: str
    module: str
    package: str
    ldflags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tool:
    """One upstream binary."""

    name: str
    version: str
    summary: str
    release: tuple[Release, ...] = ()
    image: Image | None = None
    go: GoBuild | None = None

    def __post_init__(self) -> None:
        # Both become folder names.
        if not _NAME.fullmatch(self.name):
            msg = f"{self.name!r} is not a name for a tool (lower case, digits, dashes)"
            raise ValueError(msg)
        if not _VERSION.fullmatch(self.version):
            msg = f"{self.version!r} is not a version (1.2.3, without a v)"
            raise ValueError(msg)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def release_for(self, platform: Platform) -> Release | None:
        """Return the official download for a platform, when upstream publishes one."""
        return next((release for release in self.release if str(platform) in release.platforms), None)

    def fill(self, template: str, platform: Platform) -> str:
        """Fill a template of this tool's declaration in."""
        return template.format(version=self.version, os=platform.os, arch=platform.arch)


@dataclass(frozen=True)
class Catalog:
    """All tools, by name; and the folder of the Go graphs that they are built from."""

    tools: dict[str, Tool]
    graphs_dir: Path = GRAPHS_DIR
    _recipes: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the file."""
        return tuple(self.tools)

    def tool(self, name: str) -> Tool:
        """Return the tool of this name.

        Raises:
            UnknownToolError: there is none.
        """
        try:
            return self.tools[name]
        except KeyError:
            raise UnknownToolError(
                f"{name}: no such tool", hint=f"the tools are {', '.join(self.names)}"
            ) from None

    def select(self, names: Iterable[str]) -> list[Tool]:
        """Return the tools of these names, each once, in order; all of them when no name is given."""
        return [self.tool(name) for name in dict.fromkeys(names)] or list(self.tools.values())

    def recipe(self, tool: Tool) -> str:
        """Fingerprint how a tool is made.

        A binary is kept under its recipe, so that any change to the declaration or to the module graph makes
        a new one, and the old one is never taken for it.
        """
        recipe = self._recipes.get(tool.name)
        if recipe is None:
            recipe = self._recipes[tool.name] = _fingerprint(tool, self.graphs_dir)
        return recipe


def load_catalog(path: Path = CATALOG_FILE, *, graphs_dir: Path = GRAPHS_DIR) -> Catalog:
    """Read and check a catalog.

    Raises:
        CatalogError: the file is not a catalog; the message says where in it.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8")).get("tool", [])
    except OSError as error:
        raise CatalogError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{path}: {error}") from error
    tools: dict[str, Tool] = {}
    for number, table in enumerate(tables, start=1):
        where = f"{path}: tool {_name_of(table) or f'number {number}'}"
        try:
            tool = _read_tool(table)
        except (TypeError, ValueError, AttributeError) as error:
            # A dataclass names the key that it does not know or misses.
            raise CatalogError(f"{where}: {str(error).removeprefix('_')}") from error
        if tools.setdefault(tool.name, tool) is not tool:
            raise CatalogError(f"{where}: two tools have one name")
    return Catalog(tools, graphs_dir)


@cache
def default_catalog() -> Catalog:
    """Return the catalog that comes with Moorage, read once in a process."""
    return load_catalog()


def require_trusted_transport(url: str) -> None:
    """Refuse an address that anybody on the way could answer for.

    Plain HTTP is for a server on this very machine; everything else is HTTPS, which is always verified.

    Raises:
        ValueError: the address is neither.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return
    msg = f"{url}: only https is trusted (plain http only to this machine)"
    raise ValueError(msg)


def is_loopback(host: str) -> bool:
    """Say whether a host (without a port) is this machine."""
    return host in _LOOPBACK


def _name_of(table: Any) -> str:
    return str(table.get("name", "")) if isinstance(table, dict) else ""


def _read_tool(table: dict[str, Any]) -> Tool:
    rest = dict(table)
    releases = tuple(_read_release(release) for release in rest.pop("release", ()))
    image = _read_optional(Image, rest.pop("image", None))
    go = _read_optional(GoBuild, rest.pop("go", None))
    return Tool(**rest, release=releases, image=image, go=go)


def _read_release(table: dict[str, Any]) -> Release:
    rest = dict(table)
    checksum = rest.pop("checksum", {})
    checksum = Checksum(**{**checksum, "format": ChecksumFormat(checksum.get("format", ""))})
    return Release(**_tuples(rest), checksum=checksum)


def _read_optional(kind: Callable[..., _T], table: dict[str, Any] | None) -> _T | None:
    return None if table is None else kind(**_tuples(table))


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    """Make lists tuples: a dataclass that is compared and hashed holds nothing that changes."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def _fingerprint(tool: Tool, graphs_dir: Path) -> str:
    recipe = asdict(tool)
    del recipe["summary"]
    digest = sha256(json.dumps(recipe, sort_keys=True).encode())
    if tool.go is not None:
        for name in ("go.mod", "go.sum"):
            path = graphs_dir / tool.go.graph / name
            if path.exists():
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
