"""The evidence that is too large for objects, and the history that outlasts them."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import delete, select

from moorage.advisors.evidence.database import DatabaseError, engine, reading, shown, upsert, writing
from moorage.advisors.evidence.migrations import Migration, migrate
from moorage.advisors.evidence.schema import happenings, parts

PART: Final = "advice"
SIZE_MAX: Final = 64 * 1024 * 1024
"""How many bytes one piece may have: what is read is held in memory."""

IDENTITY: Final = 20
"""How long the part of an advice's name is that tells it from others of its cluster."""


def _first(connection: sqlalchemy.Connection) -> None:
    parts.create(connection)
    happenings.create(connection)


MIGRATIONS: Final[tuple[Migration, ...]] = (_first,)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of an advice."""

    at: datetime
    by: str
    what: str


class EvidenceStore:
    """A database with the tables of the advisors. Its methods block: call them in a thread.

    Args:
        database: whose tables are up to date (`open_store`).
    """

    def __init__(self, database: sqlalchemy.Engine) -> None:
        self._database = database

    @property
    def database(self) -> sqlalchemy.Engine:
        """Where it is."""
        return self._database

    def close(self) -> None:
        """Let go of the connections."""
        self._database.dispose()

    def put(self, key: str, content: bytes, *, at: datetime) -> None:
        """Keep something; what was kept by this key before is replaced.

        Raises:
            DatabaseError: it is larger than anything should be, or the database cannot be used.
        """
        if len(content) > SIZE_MAX:
            raise DatabaseError(
                f"{key} has {len(content):,} bytes, and the most that is kept is {SIZE_MAX:,}",
                hint="ask the advisor about less at once",
            )
        row = {
            "key": key,
            "size": len(content),
            "digest": hashlib.sha256(content).hexdigest(),
            "at": at,
            "content": zlib.compress(content),
        }
        with writing(self._database) as connection:
            statement = upsert(connection, parts).values(row)
            changed = {name: statement.excluded[name] for name in row if name != "key"}
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[parts.c.key],
                    set_=changed,
                    # The same again is not written: evidence is looked at far more often than it changes.
                    where=parts.c.digest != statement.excluded.digest,
                )
            )

    def get(self, key: str) -> bytes | None:
        """Return what is kept by a key; ``None`` where there is nothing.

        Raises:
            DatabaseError: it is not what was kept, or the database cannot be used.
        """
        with reading(self._database) as connection:
            row = connection.execute(
                select(parts.c.content, parts.c.size, parts.c.digest).where(parts.c.key == key)
            ).one_or_none()
        if row is None:
            return None
        content = _unpacked(row.content, row.size)
        if content is None or hashlib.sha256(content).hexdigest() != row.digest:
            raise DatabaseError(
                f"{key} in {shown(self._database.url)} is not what was written there",
                hint="the disk or somebody has changed it; the advisor's next run writes it again",
            )
        return content

    def tell(self, advice: str, told: Iterable[Mapping[str, Any]]) -> None:
        """Keep what became of an advice; what was told before is not kept twice."""
        rows = [
            {
                "advice": advice,
                "digest": _digest(each["at"], each["by"], each["what"]),
                "at": each["at"],
                "by": each["by"],
                "what": each["what"],
            }
            for each in told
        ]
        if not rows:
            return
        with reading(self._database) as connection:
            known = set(connection.scalars(select(happenings.c.digest).where(happenings.c.advice == advice)))
        new = [row for row in rows if row["digest"] not in known]
        if not new:
            return
        last = select(sqlalchemy.func.max(happenings.c.number)).where(happenings.c.advice == advice)
        with writing(self._database) as connection:
            begin = int(connection.scalar(last) or 0) + 1
            numbered = [{**row, "number": number} for number, row in enumerate(new, begin)]
            connection.execute(upsert(connection, happenings).on_conflict_do_nothing(), numbered)

    def history(self, advice: str, *, most: int = 1000) -> list[Told]:
        """Return what became of an advice, the newest last."""
        query = (
            select(happenings.c.at, happenings.c.by, happenings.c.what)
            .where(happenings.c.advice == advice)
            .order_by(happenings.c.at.desc(), happenings.c.number.desc())
            .limit(most)
        )
        with reading(self._database) as connection:
            found = [Told(row.at, row.by, row.what) for row in connection.execute(query)]
        return found[::-1]

    def drop(self, prefix: str) -> int:
        """Remove what is kept by keys that begin so, and return how much that was; history stays."""
        with writing(self._database) as connection:
            gone = connection.execute(delete(parts).where(parts.c.key.startswith(prefix, autoescape=True)))
        return int(gone.rowcount)

    def drop_cluster(self, namespace: str, cluster: str) -> int:
        """Remove what is kept about the advice of a cluster that is gone; its history stays.

        Another cluster whose name begins so keeps its own.
        """
        begin = f"{namespace}/{cluster}-".replace("!", "!!").replace("_", "!_").replace("%", "!%")
        ours = parts.c.key.like(f"{begin}{'_' * IDENTITY}/%", escape="!")
        with writing(self._database) as connection:
            gone = connection.execute(delete(parts).where(ours))
        return int(gone.rowcount)

    def forget(self, before: datetime) -> int:
        """Remove history that is older than a time, and return how much that was."""
        with writing(self._database) as connection:
            gone = connection.execute(delete(happenings).where(happenings.c.at < before))
        return int(gone.rowcount)


def open_store(url: str | Path) -> EvidenceStore:
    """Return the store of a database, its tables made or brought up to date.

    Raises:
        DatabaseError: the database cannot be used, or a newer Moorage has been at it.
    """
    database = engine(url)
    try:
        migrate(database, PART, MIGRATIONS)
    except BaseException:
        database.dispose()
        raise
    return EvidenceStore(database)


def _unpacked(content: bytes, size: int) -> bytes | None:
    """Return what was packed; ``None`` where it is broken, or more than it says."""
    machine = zlib.decompressobj()
    try:
        found = machine.decompress(content, size + 1)
    except zlib.error:
        return None
    return found if len(found) == size and machine.eof else None


def _digest(at: datetime, by: str, what: str) -> str:
    told = "\0".join((at.astimezone(UTC).isoformat(), by, what))
    return hashlib.sha256(told.encode()).hexdigest()
