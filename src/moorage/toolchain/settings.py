"""What the environment says about tools.

=========================  ====================================================================
``MOORAGE_TOOLS``          a folder with binaries to use as they are
``MOORAGE_TOOLS_SOURCES``  where else to get them, in this order: ``release,oci,go``
``MOORAGE_TOOLS_MIRROR``   a copy of the releases: ``https://mirror/dir`` + ``/dl.k8s.io/v1...``
``MOORAGE_TOOLS_REGISTRY`` a copy of the images: ``registry:5000/dir`` in place of their host
=========================  ====================================================================
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from moorage.toolchain.catalog import require_trusted_transport
from moorage.toolchain.errors import SettingsError


class Source(StrEnum):
    """Where a tool can come from."""

    FOLDER = "MOORAGE_TOOLS"
    CACHE = "cache"
    RELEASE = "release"
    OCI = "oci"
    GO = "go"


FETCHING = (Source.RELEASE, Source.OCI, Source.GO)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where tools are kept and where they may come from."""

    cache_dir: Path
    state_dir: Path
    folder: Path | None = None
    sources: tuple[Source, ...] = FETCHING
    mirror: str | None = None
    registry: str | None = None

    @property
    def tools_dir(self) -> Path:
        """The cache of binaries."""
        return self.cache_dir / "tools"

    @property
    def user_lock(self) -> Path:
        """What this user's machine has seen."""
        return self.state_dir / "tools.lock"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        Raises:
            SettingsError: a variable says something that cannot be.
        """
        from platformdirs import user_cache_path, user_state_path

        return cls(
            cache_dir=user_cache_path("moorage"),
            state_dir=user_state_path("moorage"),
            folder=_folder(environ.get("MOORAGE_TOOLS", "")),
            sources=_sources(environ.get("MOORAGE_TOOLS_SOURCES", "")),
            mirror=_mirror(environ.get("MOORAGE_TOOLS_MIRROR", "")),
            registry=_registry(environ.get("MOORAGE_TOOLS_REGISTRY", "")),
        )


def _folder(value: str) -> Path | None:
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise SettingsError(
            f"MOORAGE_TOOLS is {value}, which is not a folder",
            hint="name a folder with the binaries, or unset MOORAGE_TOOLS",
        )
    return folder.absolute()


def _sources(value: str) -> tuple[Source, ...]:
    if not value.strip():
        return FETCHING
    known = {str(source): source for source in FETCHING}
    names = [name.strip() for name in value.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) != len(names):
        wrong = f"{unknown[0]!r} is not a source" if unknown else "a source is named twice"
        raise SettingsError(
            f"MOORAGE_TOOLS_SOURCES is {value!r}: {wrong}",
            hint="give some of release, oci, go, separated by commas, in the order to try them",
        )
    return tuple(known[name] for name in names)


def _mirror(value: str) -> str | None:
    if not value:
        return None
    try:
        require_trusted_transport(value)
    except ValueError as error:
        raise SettingsError(f"MOORAGE_TOOLS_MIRROR: {error}") from None
    return value.rstrip("/")


def _registry(value: str) -> str | None:
    if not value:
        return None
    if "://" in value:
        raise SettingsError(
            f"MOORAGE_TOOLS_REGISTRY is {value}, which is not a registry",
            hint="give host[:port][/path], as in an image's name, without https://",
        )
    return value.rstrip("/")
