"""Bringing tables up to date: one step after another, once, and never back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import sqlalchemy
from sqlalchemy import select

from moorage.advisors.evidence.database import DatabaseError, explained, shown, upsert, writing
from moorage.advisors.evidence.schema import versions

Migration = Callable[[sqlalchemy.Connection], None]
"""Changes the tables from one version to the next; in the transaction that also notes the version."""

_LOCK: Final = 0x6D6F6F72  # "moor": one migration at a time, of whatever part


def migrate(database: sqlalchemy.Engine, part: str, steps: Sequence[Migration]) -> int:
    """Bring a part's tables to the newest version, and return that.

    Several processes may try at once: one does it, the others wait for it. A step that fails leaves the
    version before it.

    Args:
        database: which one.
        part: whose tables; each part has its own versions.
        steps: all steps since there was nothing, the newest last; a step that was released never changes.

    Raises:
        DatabaseError: the database cannot be used, or a newer Moorage has been at it.
    """
    with writing(database) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(sqlalchemy.func.pg_advisory_xact_lock(_LOCK)))
        versions.create(connection, checkfirst=True)
    at = version_of(database, part)
    while at < len(steps):
        with writing(database) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(sqlalchemy.func.pg_advisory_xact_lock(_LOCK)))
            at = _version(connection, part)
            if at < len(steps):
                steps[at](connection)
                at += 1
                _note(connection, part, at)
    if at > len(steps):
        raise DatabaseError(
            f"the database {shown(database.url)} has version {at} of its {part} tables, "
            f"and this Moorage knows {len(steps)}",
            hint="a newer Moorage has used it: run that one, or name another database",
        )
    return at


def version_of(database: sqlalchemy.Engine, part: str) -> int:
    """Return how new a part's tables are; 0 where there are none."""
    with explained(database), database.connect() as connection:
        if not sqlalchemy.inspect(connection).has_table(versions.name):
            return 0
        return _version(connection, part)


def _version(connection: sqlalchemy.Connection, part: str) -> int:
    found = connection.scalar(select(versions.c.version).where(versions.c.part == part))
    return int(found) if found is not None else 0


def _note(connection: sqlalchemy.Connection, part: str, version: int) -> None:
    row = {"part": part, "version": version, "at": datetime.now(UTC)}
    statement = upsert(connection, versions).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[versions.c.part], set_={"version": row["version"], "at": row["at"]}
        )
    )
