"""Where bulk evidence and the history of advice are: SQLite embedded, PostgreSQL in production.

What other parts of the platform count goes into the same database: they add tables to `metadata`, columns of
time are `Moment`, and `migrate` brings their part of the schema up to date, each part with its own version.
"""

from __future__ import annotations

from moorage.advisors.evidence.database import DatabaseError, engine, reading, shown, upsert, writing
from moorage.advisors.evidence.migrations import Migration, migrate, version_of
from moorage.advisors.evidence.schema import Moment, metadata
from moorage.advisors.evidence.store import EvidenceStore, open_store

__all__ = [
    "DatabaseError",
    "EvidenceStore",
    "Migration",
    "Moment",
    "engine",
    "metadata",
    "migrate",
    "open_store",
    "reading",
    "shown",
    "upsert",
    "version_of",
    "writing",
]
