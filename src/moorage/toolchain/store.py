"""The cache of binaries: each under the recipe that made it, whole or not there at all.

    tools/etcd/3.7.0-linux-amd64-1275df480cc2/etcd          the binary
    tools/etcd/3.7.0-linux-amd64-1275df480cc2/record.json   where it came from, and its digest
    tools/.locks/                                           one file a recipe: held by who is making it
    tools/.partial/                                         what is being made, by who holds the lock

A folder appears by one rename. Whoever dies before it leaves something in ``.partial`` and no lock, which is
how the next one knows that it may be swept.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moorage.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filelock import BaseFileLock

    from moorage.toolchain.platforms import Platform

RECORD = "record.json"


@dataclass(frozen=True, slots=True)
class Record:
    """Where a binary in the cache came from, and what it was then."""

    name: str
    version: str
    platform: str
    recipe: str
    source: str
    origin: str
    """The address, image or package."""
    artifact: str | None
    """The digest that lock files know: of the download or of the image's manifest."""
    digest: str
    """The digest of the binary itself."""
    size_bytes: int
    installed: str
    """When, in UTC."""
    made_with: str | None = None
    """What built it, such as ``go1.26.8``; None when upstream did."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The one place in a store for a tool made by a recipe for a platform."""

    root: Path
    name: str
    version: str
    platform: Platform
    recipe: str

    @property
    def key(self) -> str:
        """The name of its lock, and the beginning of its partial folders."""
        return f"{self.name}-{self.version}-{self.platform.slug}-{self.recipe}"

    @property
    def folder(self) -> Path:
        """The folder of the binary and its record."""
        return self.root / self.name / f"{self.version}-{self.platform.slug}-{self.recipe}"

    @property
    def binary(self) -> Path:
        """The executable, there or not."""
        return self.folder / self.name

    def find(self) -> Path | None:
        """Return the executable if it is there. Its content is trusted; `problem` looks at it."""
        return self.binary if os.access(self.binary, os.X_OK) and self.binary.is_file() else None

    def record(self) -> Record | None:
        """Return what was recorded, or None when that is not there or not readable."""
        try:
            return Record(**json.loads((self.folder / RECORD).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def problem(self) -> str | None:
        """Say what is wrong with a binary that is there: its bytes are read again."""
        record = self.record()
        if record is None:
            return f"{RECORD} is missing or not readable"
        if record.recipe != self.recipe or record.name != self.name:
            return f"{RECORD} is of something else"
        digest = sha256_of(self.binary)
        if digest != record.digest:
            return f"the file is {digest}, but was {record.digest} when it was installed"
        return None

    def lock(self) -> BaseFileLock:
        """Return the lock that whoever makes this binary holds."""
        return _lock(self.root, self.key)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """Give a folder to make the binary in, gone afterwards; the caller holds the lock."""
        import shutil
        import tempfile

        partial = self.root / ".partial"
        partial.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix=f"{self.key}.", dir=partial))
        try:
            yield folder
        finally:
            # Go leaves read-only files in no folder of ours, so nothing here can resist.
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, binary: Path, record: Record) -> Path:
        """Put a binary, made in a workspace, in its place: all of it and durably, by one rename.

        What is there already is replaced. A process that runs the old file keeps it.
        """
        import tempfile

        made = Path(tempfile.mkdtemp(prefix="publish.", dir=binary.parent))
        binary.chmod(0o755)
        binary.rename(made / self.name)
        _sync(made / self.name)
        replace_file(made / RECORD, (json.dumps(asdict(record), indent=2) + "\n").encode())
        made.chmod(0o755)
        _sync(made)
        self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.folder.exists():
            self.folder.rename(made.with_name("replaced"))
        made.rename(self.folder)
        _sync(self.folder.parent)
        return self.binary


def sweep(root: Path) -> None:
    """Remove what processes that died have left behind; what a living one works on stays."""
    import shutil

    from filelock import Timeout

    partial = root / ".partial"
    if not partial.is_dir():
        return
    for leftover in partial.iterdir():
        key, _, _ = leftover.name.rpartition(".")
        try:
            with _lock(root, key).acquire(blocking=False):
                shutil.rmtree(leftover, ignore_errors=True)
        except Timeout:
            continue


def sha256_of(path: Path) -> str:
    """Hash a file, in the form that lock files have."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _lock(root: Path, key: str) -> BaseFileLock:
    from filelock import FileLock

    locks = root / ".locks"
    locks.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileLock(locks / f"{key}.lock")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
