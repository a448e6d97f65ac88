"""Connecting to a database, so that both kinds behave the same: transactions, durability, errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from moorage.errors import MoorageError
from moorage.files import PRIVATE_FILE, private_folder

_SQLITE: Final = "sqlite"
_POSTGRESQL: Final = "postgresql"
_DRIVERS: Final = {_SQLITE: "sqlite+pysqlite", _POSTGRESQL: "postgresql+psycopg"}
_ALIASES: Final = {"postgres": _POSTGRESQL, **{name: name for name in _DRIVERS}}
_WAIT_SECONDS: Final = 15
_CONNECT_SECONDS: Final = 10
_READS: Final = "moorage_reads"


class DatabaseError(MoorageError):
    """A database that cannot be used."""


def engine(url: str | Path) -> sqlalchemy.Engine:
    """Return an engine for a database; nothing is connected yet.

    Every transaction that may write has its lock from its beginning, so that two writers wait for each other
    instead of failing half-way; what only reads says so (`reading`). What is committed is on the disk.

    Args:
        url: ``postgresql://USER@HOST/NAME``, ``sqlite:///FILE``, or a file for SQLite. A file and its folder
            are made, for their owner's eyes only.

    Raises:
        DatabaseError: it is no address of a database, or the file cannot be made.
    """
    address = _address(url)
    if address.get_backend_name() == _SQLITE:
        return _sqlite(address)
    return sqlalchemy.create_engine(
        address,
        pool_size=2,
        max_overflow=6,
        pool_pre_ping=True,  # a server that was restarted is no error of the next query
        connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "moorage"},
    )


@contextlib.contextmanager
def reading(database: sqlalchemy.Engine) -> Iterator[sqlalchemy.Connection]:
    """Read in one transaction that keeps no writer waiting."""
    with explained(database), database.connect().execution_options(**{_READS: True}) as connection:
        yield connection


@contextlib.contextmanager
def writing(database: sqlalchemy.Engine) -> Iterator[sqlalchemy.Connection]:
    """Write in one transaction: all of it or nothing."""
    with explained(database), database.begin() as connection:
        yield connection


@contextlib.contextmanager
def explained(database: sqlalchemy.Engine) -> Iterator[None]:
    """Say for a person what a database answers.

    Raises:
        DatabaseError: in place of what the driver raises.
    """
    try:
        yield
    except DBAPIError as error:
        said = " ".join(str(error.orig).split())
        raise DatabaseError(
            f"the database {shown(database.url)} cannot be used: {said}",
            hint="is it running, may this user use it, and is there room on its disk?",
        ) from error
    except SQLAlchemyError as error:
        said = " ".join(str(error).split())
        raise DatabaseError(f"the database {shown(database.url)} cannot be used: {said}") from error


def upsert(connection: sqlalchemy.Connection, table: sqlalchemy.Table) -> Any:
    """Return an INSERT that knows ``on_conflict_do_update``, and ``..._nothing``, in either dialect."""
    is_sqlite = connection.dialect.name == _SQLITE
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)


def shown(url: URL) -> str:
    """Return an address as a person may see it: without its password."""
    return url.render_as_string(hide_password=True)


def _address(url: str | Path) -> URL:
    if isinstance(url, Path) or "://" not in url:
        return URL.create(_DRIVERS[_SQLITE], database=str(url))
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise _no_address() from None
    backend = _ALIASES.get(address.get_backend_name())
    if backend is None:
        raise _no_address()
    return address.set(drivername=_DRIVERS[backend])


def _no_address() -> DatabaseError:
    # What was given is not repeated: it may hold a password.
    return DatabaseError(
        "this is no address of a database that Moorage knows",
        hint="write postgresql://USER@HOST/NAME, sqlite:///FILE, or the name of a file",
    )


def _sqlite(address: URL) -> sqlalchemy.Engine:
    name = address.database
    if name and name != ":memory:":
        path = Path(name)
        try:
            private_folder(path.parent)
            path.touch(mode=PRIVATE_FILE)
        except OSError as error:
            raise DatabaseError(
                f"{path} cannot be used as a database: {(error.strerror or str(error)).lower()}"
            ) from error
    made = sqlalchemy.create_engine(address, connect_args={"timeout": _WAIT_SECONDS})

    @sqlalchemy.event.listens_for(made, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, also around changes of tables
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sqlalchemy.event.listens_for(made, "begin")
    def on_begin(connection: sqlalchemy.Connection) -> None:
        reads = connection.get_execution_options().get(_READS)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return made
