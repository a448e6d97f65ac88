"""Events that are received and not counted yet: files that are only appended to, which a crash leaves whole.

Each cluster has a folder, and in it segments: files of lines. One that is written is not read; when it is
cut, it is never written again. A new process begins new segments, and finds those of the one before it cut.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moorage.files import PRIVATE_FILE, private_folder

SEGMENT_BYTES: Final = 8 << 20
"""A segment that is longer is cut: this much is counted in one go."""

_SUFFIX: Final = ".events"


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a cluster's events that is not written any more.

    Args:
        cluster: whose they are.
        name: unique among all segments of the cluster, for all time.
        path: where it is.
    """

    cluster: str
    name: str
    path: Path


@dataclass(slots=True)
class _Open:
    name: str
    descriptor: int
    size: int


class SpoolFullError(Exception):
    """There is no room: what is there has to be counted first."""


class Spool:
    """Keeps events on disk. Its methods may be called from several threads.

    Args:
        folder: where, for its owner's eyes only.
        cluster_bytes: how much one cluster may have waiting.
        total_bytes: how much all of them may.
    """

    def __init__(self, folder: Path, *, cluster_bytes: int = 64 << 20, total_bytes: int = 256 << 20) -> None:
        self._folder = private_folder(folder)
        self._cluster_bytes = cluster_bytes
        self._total_bytes = total_bytes
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}
        self._waiting: dict[str, dict[str, int]] = {}
        for path in sorted(folder.glob(f"*/*{_SUFFIX}")):
            self._waiting.setdefault(path.parent.name, {})[path.name] = path.stat().st_size

    def size(self, cluster: str | None = None) -> int:
        """Return how many bytes of a cluster, or of all, are waiting."""
        with self._lock:
            return self._size(cluster)

    def clusters(self) -> list[str]:
        """Return the clusters of which there is anything."""
        return sorted(path.name for path in self._folder.iterdir() if path.is_dir())

    def check(self, cluster: str, size: int) -> None:
        """Say whether there is room for more events of a cluster.

        Raises:
            SpoolFullError: there is none.
        """
        with self._lock:
            if (
                self._size(cluster) + size > self._cluster_bytes
                or self._size(None) + size > self._total_bytes
            ):
                raise SpoolFullError

    def append(self, parts: Iterable[tuple[str, bytes]]) -> None:
        """Write lines of clusters; when it returns, they are on the disk. Blocks.

        What was cut short by an error is taken back, as far as the disk allows that; readers cope with the
        rest of a line.

        Raises:
            OSError: the disk is full, or fails. Some of the lines may be there.
        """
        with self._lock:
            touched = {}
            for cluster, lines in parts:
                segment = self._segment(cluster)
                self._write(cluster, segment, lines)
                touched[segment.descriptor] = segment
            for descriptor in touched:
                os.fsync(descriptor)
            for cluster, segment in list(self._open.items()):
                if segment.size >= SEGMENT_BYTES:
                    self._close(cluster)

    def cut(self) -> list[Segment]:
        """End the segments that are being written, and return all that wait, the oldest first."""
        with self._lock:
            for cluster in list(self._open):
                self._close(cluster)
            return [
                Segment(cluster, name, self._folder / cluster / name)
                for cluster, names in sorted(self._waiting.items())
                for name in sorted(names)
            ]

    def remove(self, segments: Sequence[Segment]) -> None:
        """Remove segments that are counted."""
        for segment in segments:
            segment.path.unlink(missing_ok=True)
            with self._lock:
                self._waiting.get(segment.cluster, {}).pop(segment.name, None)

    def forget(self, cluster: str) -> None:
        """Remove all that there is of a cluster."""
        with self._lock:
            if (segment := self._open.pop(cluster, None)) is not None:
                os.close(segment.descriptor)
            self._waiting.pop(cluster, None)
            shutil.rmtree(self._folder / cluster, ignore_errors=True)

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            for cluster in list(self._open):
                self._close(cluster)

    def _size(self, cluster: str | None) -> int:
        chosen = self._waiting.values() if cluster is None else [self._waiting.get(cluster, {})]
        return sum(size for names in chosen for size in names.values())

    def _segment(self, cluster: str) -> _Open:
        segment = self._open.get(cluster)
        if segment is None:
            folder = private_folder(self._folder / cluster)
            name = f"{time.time_ns():019d}-{secrets.token_hex(4)}{_SUFFIX}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(folder / name, flags, PRIVATE_FILE)
            segment = self._open[cluster] = _Open(name, descriptor, 0)
            self._waiting.setdefault(cluster, {})[name] = 0
            for place in (folder, self._folder):
                _sync_folder(place)
        return segment

    def _write(self, cluster: str, segment: _Open, lines: bytes) -> None:
        view = memoryview(lines)
        try:
            while view:
                view = view[os.write(segment.descriptor, view) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(segment.descriptor, segment.size)
            self._close(cluster)  # whatever its end is now, no line is to follow it
            raise
        segment.size += len(lines)
        self._waiting[cluster][segment.name] = segment.size

    def _close(self, cluster: str) -> None:
        os.close(self._open.pop(cluster).descriptor)


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file last, not only what is in it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
