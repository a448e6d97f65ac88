"""The tables of what was counted: per cluster and day, in SQLite or PostgreSQL.

What one user did with one kind of object is one row, with the names in it: as many as are told apart
(`permissions.store.NAMES`). So the size of the tables depends on how many different things are done, and not
on how often.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy
from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, Text

from moorage.advisors.evidence import Moment, metadata

NAME_MAX: Final = 253

PART: Final = "audit"
"""Whose tables these are, for `evidence.migrate`."""

clusters = Table(
    "audit_cluster",
    metadata,
    Column("cluster", String(NAME_MAX), primary_key=True),
    # Since when its events come in; what was before is not known.
    Column("since", Moment, nullable=False),
    # How often roles, bindings or accounts were written, and how often somebody was refused something.
    Column("changes", BigInteger, nullable=False),
    Column("denials", BigInteger, nullable=False),
    # How often somebody began to call something in a version that goes.
    Column("deprecated", BigInteger, nullable=False, server_default="0"),
    # How often somebody followed an advice, or took one back.
    Column("followed", BigInteger, nullable=False, server_default="0"),
)

segments = Table(
    "audit_segment",
    metadata,
    Column("cluster", String(NAME_MAX), primary_key=True),
    Column("segment", String(NAME_MAX), primary_key=True),
    Column("folded", Moment, nullable=False),
    Column("digests", LargeBinary, nullable=False),
)

days = Table(
    "audit_day",
    metadata,
    Column("cluster", String(NAME_MAX), primary_key=True),
    # When they were counted, as 2026-01-31; the events may be of the evening before.
    Column("day", String(10), primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("stages", BigInteger, nullable=False),
    Column("corrupt", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    # How many different things were done beyond what is kept of a day (`counts.ROWS`).
    Column("left_out", BigInteger, nullable=False),
    # The days that the events themselves name: a JSON list.
    Column("named", Text, nullable=False),
)

users = Table(
    "audit_user",
    metadata,
    Column("cluster", String(NAME_MAX), primary_key=True),
    # A digest of `who`.
    Column("user", LargeBinary(16), primary_key=True),
    # The name and the groups: JSON. Never text: whoever asks may put anything in it, also what PostgreSQL
    # takes for no text.
    Column("who", LargeBinary, nullable=False),
)

uses = Table(
    "audit_use",
    metadata,
    Column("cluster", String(NAME_MAX), primary_key=True),
    Column("day", String(10), primary_key=True),
    # A digest of `user` and `what`: those are too long for an index.
    Column("key", LargeBinary(16), primary_key=True),
    Column("user", LargeBinary(16), nullable=False),
    # Verb, group, resource, subresource, namespace, outcome: JSON.
    Column("what", LargeBinary, nullable=False),
    # By name (or by path): how often, first, last. JSON.
    Column("names", LargeBinary, nullable=False),
)

denials = Table(
    "audit_denial",
    metadata,
    Column("cluster", String(NAME_MAX), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("user", LargeBinary(16), primary_key=True),
    Column("refusals", BigInteger, nullable=False),
    # The requests that were refused last: JSON.
    Column("requests", LargeBinary, nullable=False),
)

calls = Table(
    "audit_call",
    metadata,
    Column("cluster", String(NAME_MAX), primary_key=True),
    Column("day", String(10), primary_key=True),
    # A digest of `what`.
    Column("key", LargeBinary(16), primary_key=True),
    # Group, version, resource, user, user agent, the release in which it is removed: JSON.
    Column("what", LargeBinary, nullable=False),
    # How often, how often in vain, first, last, verbs, namespaces: JSON.
    Column("times", LargeBinary, nullable=False),
)
"""Who called what in a version that goes."""

_FIRST: Final = (clusters, segments, days, users, uses, denials)

OF_A_CLUSTER: Final = (*_FIRST, calls)
"""All of them: each row is a cluster's."""


def _first(connection: sqlalchemy.Connection) -> None:
    metadata.create_all(connection, tables=_FIRST)


def _second(connection: sqlalchemy.Connection) -> None:
    """Add the calls, and two counters; the first step makes tables as they are today."""
    calls.create(connection, checkfirst=True)
    columns = {column["name"] for column in sqlalchemy.inspect(connection).get_columns(clusters.name)}
    for name in ("deprecated", "followed"):
        if name not in columns:
            connection.exec_driver_sql(
                f"ALTER TABLE {clusters.name} ADD COLUMN {name} BIGINT NOT NULL DEFAULT 0"
            )


MIGRATIONS: Final = (_first, _second)
