"""What the tables of counts have in common: their bounds, their keys, and how rows are written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Table, func, select

from moorage.advisors.evidence import upsert

AT_ONCE: Final = 400
"""How many rows or keys one statement has."""


def put(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], changed: Sequence[str]
) -> None:
    """Write rows; of those that are there, some columns."""
    for part in parts(rows):
        insert = upsert(connection, table).values(part)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=[column.name for column in table.primary_key],
                set_={name: insert.excluded[name] for name in changed},
            )
        )


def room_for(connection: Connection, table: Table, cluster: str, day: str, *, most: int) -> int:
    """Return how many rows more there may be of a cluster's day."""
    count = select(func.count()).where(table.c.cluster == cluster, table.c.day == day)
    return max(0, most - int(connection.execute(count).scalar() or 0))


def parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield items, as many at a time as one statement has."""
    for at in range(0, len(items), AT_ONCE):
        yield items[at : at + AT_ONCE]


def digest(*told: bytes) -> bytes:
    """Return a key for what is too long to be one."""
    return hashlib.blake2b(b"\0".join(told), digest_size=16).digest()


def first_day(since: datetime) -> str:
    """Return the first day on which what happened since a time may have been counted."""
    return (since.astimezone(UTC) - timedelta(days=1)).date().isoformat()


def text_of(moment: datetime) -> str:
    """Return a time as events have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
