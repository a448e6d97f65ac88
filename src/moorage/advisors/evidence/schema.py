"""The tables of the advisors; other parts of the platform add theirs to the same `metadata`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Column, DateTime, Dialect, Integer, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.types import TypeDecorator

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """A time with its zone; in UTC both in PostgreSQL, which knows zones, and in SQLite, which does not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Take a time in; one without a zone means nothing."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value} has no zone"
            raise ValueError(msg)
        return (
            value.astimezone(UTC) if dialect.name != "sqlite" else value.astimezone(UTC).replace(tzinfo=None)
        )

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the signature is given
        """Give a time back."""
        if value is None:
            return None
        told: datetime = value
        return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)


versions: Final = Table(
    "schema_version",
    metadata,
    Column("part", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("at", Moment, nullable=False),
)
"""How new the tables of each part are."""

parts: Final = Table(
    "advice_part",
    metadata,
    Column("key", String(512), primary_key=True),
    Column("size", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("at", Moment, nullable=False, index=True),
    Column("content", LargeBinary, nullable=False),
)
"""What is too large for an Advice: evidence and changes, in JSON, packed with zlib."""

happenings: Final = Table(
    "advice_happening",
    metadata,
    Column("advice", String(512), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("at", Moment, nullable=False, index=True),
    Column("by", String(253), nullable=False),
    Column("what", Text, nullable=False),
)
"""What became of each advice, who did it and when; an Advice itself has only the last of it.

Much can happen within a second, which is all that an Advice says of a time: the number keeps the order.
"""
