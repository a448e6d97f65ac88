"""Lock files: what each upstream artifact was when it was first trusted.

Two files, one format (a line an artifact, like ``go.sum``, so that a diff reads well): the one committed with
Moorage, and the user's own, where the first use on this machine is remembered. What is in either must match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from moorage.files import replace_file
from moorage.toolchain.catalog import HERE
from moorage.toolchain.errors import CatalogError, IntegrityError

COMMITTED_LOCK = HERE / "tools.lock"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEADER = "# Remembered by Moorage: NAME VERSION PLATFORM SOURCE DIGEST. A digest here must not change.\n"


@dataclass(frozen=True, slots=True, order=True)
class Artifact:
    """What a digest is of."""

    name: str
    version: str
    platform: str
    source: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.source}, {self.platform})"


@dataclass(frozen=True, slots=True)
class Pin:
    """A digest that must match, and the file that says so."""

    digest: str
    path: Path


def parse_lock(text: str, path: Path) -> dict[Artifact, str]:
    """Read the lines of a lock file.

    Raises:
        CatalogError: a line is not one of a lock file, or contradicts another.
    """
    entries: dict[Artifact, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match line.split():
            case [name, version, platform, source, digest] if _DIGEST.fullmatch(digest):
                artifact = Artifact(name, version, platform, source)
            case _:
                raise CatalogError(
                    f"{path}:{number}: not a line of a lock file",
                    hint="a line is: NAME VERSION PLATFORM SOURCE sha256:HEX",
                )
        if entries.setdefault(artifact, digest) != digest:
            raise CatalogError(f"{path}:{number}: {artifact} has two digests")
    return entries


def render_lock(entries: Mapping[Artifact, str], header: str = _HEADER) -> str:
    """Write a lock file's text: sorted, so that the same content is the same file."""
    lines = (
        f"{a.name} {a.version} {a.platform} {a.source} {digest}\n" for a, digest in sorted(entries.items())
    )
    return header + "".join(lines)


@dataclass(frozen=True, slots=True)
class Locks:
    """The committed lock file and the user's own."""

    user: Path
    committed: Path = COMMITTED_LOCK

    def pins(self, artifact: Artifact) -> tuple[Pin, ...]:
        """Return what an artifact must be: the committed digest first."""
        found = ((_read(path).get(artifact), path) for path in (self.committed, self.user))
        return tuple(Pin(digest, path) for digest, path in found if digest is not None)

    def remember(self, artifact: Artifact, digest: str) -> None:
        """Keep what an artifact was, unless a lock file knows it.

        Two processes may do this at once: the file is read and replaced under a lock, whole or not at all.
        """
        if self.pins(artifact):
            return
        from filelock import FileLock

        self.user.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self.user.with_name(f".{self.user.name}.flock")):
            entries = _read(self.user)
            entries.setdefault(artifact, digest)
            replace_file(self.user, render_lock(entries).encode())


def check(artifact: Artifact, digest: str, pins: tuple[Pin, ...], *, origin: str) -> None:
    """Refuse an artifact that is not what a lock file says.

    Raises:
        IntegrityError: the digest differs.
    """
    for pin in pins:
        if digest != pin.digest:
            raise IntegrityError(
                f"{artifact}: {origin} is {digest}, but {pin.path} says {pin.digest}: "
                "upstream has changed it, or somebody on the way has",
                hint="do not use it; if upstream announced the change, remove that line of the lock file",
            )


def _read(path: Path) -> dict[Artifact, str]:
    try:
        return parse_lock(path.read_text("utf-8"), path)
    except FileNotFoundError:
        return {}
