"""Finding and opening audit logs: files, folders, gzip, standard input; also while they are rotated."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

from moorage.errors import MoorageError

STDIN: Final = "-"
_STDIN_FD: Final = 0
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class LogError(MoorageError):
    """An audit log that cannot be read."""


class Form(Enum):
    """How a log is read."""

    PLAIN = auto()
    GZIP = auto()
    STREAM = auto()


@dataclass(frozen=True, slots=True)
class Source:
    """An open log.

    It is held open while it is read, and read as far as it was long when it was opened: when it is rotated or
    written meanwhile, what was there is read once, and from the file it was in.

    Args:
        name: as a person knows it.
        fd: its descriptor.
        size: how long it was; 0 of what has no size.
        form: how it is read.
    """

    name: str
    fd: int
    size: int
    form: Form


def open_sources(paths: Sequence[str]) -> list[Source]:
    """Open logs; those of a folder and below it are all its files but hidden ones.

    The same file is opened once, by whatever names it is found: a rotation gives it another.

    Raises:
        LogError: one that was named cannot be read, or there is none.
    """
    opened: dict[tuple[int, int], Source] = {}
    try:
        for path in paths:
            for source in _sources(path):
                status = os.fstat(source.fd)
                identity = (status.st_dev, status.st_ino)
                if identity in opened and source.form is not Form.STREAM:
                    os.close(source.fd)
                else:
                    opened[identity] = source
    except BaseException:
        close(list(opened.values()))
        raise
    if not opened:
        raise LogError(f"there is no audit log in {', '.join(paths)}")
    return list(opened.values())


def require_readable(paths: Sequence[str]) -> None:
    """See that files and folders that were named are there, and may be read; nothing of them is read.

    Raises:
        LogError: one is not.
    """
    for path in paths:
        if path == STDIN:
            continue
        place = Path(path)
        if not place.exists():
            raise LogError(f"{path}: there is no such file or folder")
        if not os.access(place, os.R_OK):
            raise LogError(f"{path}: permission denied")


def close(sources: Sequence[Source]) -> None:
    """Close what was opened."""
    for source in sources:
        if source.fd != _STDIN_FD:
            os.close(source.fd)


def _sources(path: str) -> Iterator[Source]:
    if path == STDIN:
        yield Source("standard input", _STDIN_FD, 0, Form.STREAM)
        return
    place = Path(path)
    if place.is_dir():
        # Twice, for what is renamed while the folder is listed is in neither place.
        yield from _folder(place)
        yield from _folder(place)
        return
    try:
        yield _open(place)
    except OSError as error:
        raise LogError(
            f"{path}: {_reason(error)}", hint="name files or folders of audit logs, or `-` for standard input"
        ) from error


def _folder(folder: Path) -> Iterator[Source]:
    for root, folders, files in os.walk(folder, onerror=_not_listed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith("."):
                continue
            try:
                yield _open(Path(root, name))
            except FileNotFoundError:
                continue  # it was renamed; the second look finds it
            except OSError as error:
                raise LogError(f"{Path(root, name)}: {_reason(error)}") from error


def _not_listed(error: OSError) -> None:
    """Refuse a folder that cannot be listed: what its logs show is used would count as unused."""
    if not isinstance(error, FileNotFoundError):
        raise LogError(f"{error.filename}: {_reason(error)}") from error


def _open(path: Path) -> Source:
    fd = os.open(path, os.O_RDONLY)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return Source(str(path), fd, 0, Form.STREAM)
        head = os.pread(fd, 4, 0)
    except BaseException:
        os.close(fd)
        raise
    if head == _ZSTD:
        os.close(fd)
        raise LogError(
            f"{path}: Zstandard is not read", hint=f"zstd -dc {path} | moorage advise ... --audit-log -"
        )
    return Source(str(path), fd, status.st_size, Form.GZIP if head.startswith(_GZIP) else Form.PLAIN)


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file or folder"
    return (error.strerror or str(error)).lower()
