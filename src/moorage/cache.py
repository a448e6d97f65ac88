"""What is remembered between runs: verdicts, and what files were parsed to.

Everything is found by the digest of what it was made from, so what is remembered is right or absent; each
entry carries a checksum, so what the disk has altered is absent too. Nothing here ever fails: a cache that
cannot be read or written is an empty one.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = "policies-v1.sqlite3"
KEPT_DAYS: Final = 30
_BUSY_SECONDS: Final = 2.0
_BATCH: Final = 500
_CHECK_SIZE: Final = 8
_SECONDS_A_DAY: Final = 86400
# In the words with which SQLite says what is damaged, there may be what is damaged, and it may be no text.
_BROKEN: Final = (sqlite3.DatabaseError, UnicodeDecodeError)
_FAILED: Final = (sqlite3.Error, UnicodeDecodeError)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entry (
    room TEXT NOT NULL,
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (room, key)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Room:
    """What is kept apart: a name, and what all its entries depend on."""

    name: str


def cache_folder() -> Path:
    """Return the folder where a person's caches are."""
    from platformdirs import user_cache_path

    return user_cache_path("moorage") / "policies"


class Cache:
    """Entries by room and key. No method raises; several processes may use one folder at once.

    Args:
        folder: where it is; ``None`` remembers nothing.
        today: the day, counted from 1970; for tests.
    """

    def __init__(self, folder: Path | None, *, today: int | None = None) -> None:
        self._today = int(time.time()) // _SECONDS_A_DAY if today is None else today
        self._path = folder / FILE if folder is not None else None
        self._database: sqlite3.Connection | None = None
        self._seen: dict[str, list[bytes]] = {}
        self._open()

    def close(self) -> None:
        """Note what was used, and let go of the file."""
        if self._database is None:
            return
        with suppress(*_FAILED), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            for room, keys in self._seen.items():
                self._database.executemany(
                    "UPDATE entry SET used = ? WHERE room = ? AND key = ?",
                    [(self._today, room, key) for key in keys],
                )
        with suppress(sqlite3.Error):
            self._database.close()
        self._database = None

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, room: Room, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return what is remembered, by key; what is not, or was altered, is left out."""
        wanted = list(dict.fromkeys(keys))
        found: dict[bytes, bytes] = {}
        if self._database is None or not wanted:
            return found
        try:
            for start in range(0, len(wanted), _BATCH):
                batch = wanted[start : start + _BATCH]
                marks = ",".join("?" * len(batch))
                rows = self._database.execute(
                    f"SELECT key, value, used FROM entry WHERE room = ? AND key IN ({marks})",  # noqa: S608 - only marks
                    (room.name, *batch),
                )
                for key, value, used in rows:
                    if isinstance(value, bytes) and (content := _checked(room, key, value)) is not None:
                        found[key] = content
                        if used != self._today:
                            self._seen.setdefault(room.name, []).append(key)
        except _FAILED as error:
            self._give_up(error)
        return found

    def write(self, room: Room, entries: Mapping[bytes, bytes]) -> None:
        """Remember entries, if that is possible."""
        if self._database is None or not entries:
            return
        rows = [
            (room.name, key, _check(room, key, value) + value, self._today) for key, value in entries.items()
        ]
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)", rows)
                self._database.execute("DELETE FROM entry WHERE used < ?", (self._today - KEPT_DAYS,))
        except _FAILED as error:
            self._give_up(error)

    def _open(self) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connect(self._path)
        except (OSError, *_FAILED) as error:
            self._give_up(error)

    def _connect(self, path: Path) -> None:
        # What can only be read is read: the schema is there, or there is nothing to read.
        self._database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")  # a lost cache is no loss
        tables = self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        if tables != [("entry",)]:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(_SCHEMA)
            path.chmod(0o600)

    def _give_up(self, error: Exception) -> None:
        """Go on without a cache; one that is broken (not merely busy) is removed, for the next run."""
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error), closing(database):
                pass
        broken = isinstance(error, _BROKEN) and not isinstance(error, sqlite3.OperationalError)
        if broken and self._path is not None:
            for suffix in ("", "-wal", "-shm"):
                with suppress(OSError):
                    self._path.with_name(self._path.name + suffix).unlink()


def _check(room: Room, key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(
        value, digest_size=_CHECK_SIZE, key=key[:64], person=room.name.encode()[:16]
    ).digest()


def _checked(room: Room, key: bytes, value: bytes) -> bytes | None:
    content = value[_CHECK_SIZE:]
    return content if value[:_CHECK_SIZE] == _check(room, key, content) else None
