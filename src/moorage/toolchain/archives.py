"""One file out of an archive, and nothing else of it.

The name inside an archive only selects; where the bytes go is the caller's path. So no name in an archive,
however hostile, can reach anything.
"""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

from moorage.toolchain.errors import SourceUnavailable

if TYPE_CHECKING:
    from pathlib import Path

# BadGzipFile is an OSError, but says nothing about the disk.
BROKEN_ARCHIVE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
)


def extract_member(archive: Path, member: str, destination: Path) -> None:
    """Copy one regular file of a ``.tar.gz`` or ``.zip`` to a path. Blocks.

    Raises:
        SourceUnavailable: it is not there, not a regular file, or the archive is broken.
    """
    extract = _from_zip if archive.suffix == ".zip" else _from_tar
    try:
        found = extract(archive, member, destination)
    except BROKEN_ARCHIVE as error:
        raise SourceUnavailable(f"{archive.name} is not an archive that can be read: {error}") from error
    if not found:
        raise SourceUnavailable(f"{archive.name} has no file {member}")


def _from_tar(archive: Path, member: str, destination: Path) -> bool:
    with tarfile.open(archive, "r:*") as tar:
        for entry in tar:
            if normal_name(entry.name) == member and entry.isreg():
                content = tar.extractfile(entry)
                return content is not None and _copy(content, destination)
    return False


def _from_zip(archive: Path, member: str, destination: Path) -> bool:
    with zipfile.ZipFile(archive) as zipped:
        for entry in zipped.infolist():
            if normal_name(entry.filename) == member and not entry.is_dir():
                with zipped.open(entry) as content:
                    return _copy(content, destination)
    return False


def normal_name(name: str) -> str:
    """Write an archive's name for a file the one way: ``a/b``, whether it said ``/a/b`` or ``./a//b``.

    A name with ``..`` in it stays as it is, and thereby names nothing that anybody asks for.
    """
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def _copy(content: IO[bytes], destination: Path) -> bool:
    with content, destination.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
    return True
