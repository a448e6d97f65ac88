"""The store keeps what it is given, in either database, whoever else uses it and whatever becomes of it."""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import select, text

from moorage.advisors.evidence import DatabaseError, engine, migrate, open_store, version_of
from moorage.advisors.evidence.database import reading, shown, writing
from moorage.advisors.evidence.schema import happenings, parts
from moorage.advisors.evidence.store import MIGRATIONS, SIZE_MAX

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


def happening(what: str, at: datetime = NOW, by: str = "ann") -> dict[str, Any]:
    return {"at": at, "by": by, "what": what}


def test_what_is_put_comes_back_whole(url: str) -> None:
    store = open_store(url)
    content = os.urandom(3_000_000) + b"\0" * 3_000_000
    store.put("project-shop/web-1/evidence", content, at=NOW)
    assert store.get("project-shop/web-1/evidence") == content
    assert store.get("project-shop/web-2/evidence") is None
    store.put("project-shop/web-1/evidence", b"{}", at=NOW)
    store.close()
    again = open_store(url)
    assert again.get("project-shop/web-1/evidence") == b"{}"
    again.close()


def test_what_is_dropped_is_what_begins_so_and_nothing_else(url: str) -> None:
    store = open_store(url)
    for key in ("a_b/web-1/evidence", "a_b/web-1/change", "a_b/web-10/change", "axb/web-1/change"):
        store.put(key, b"x", at=NOW)
    assert store.drop("a_b/web-1/") == 2
    assert store.get("a_b/web-10/change") == b"x"
    assert store.get("axb/web-1/change") == b"x", "an underscore is no wildcard"
    store.close()


def test_what_is_kept_about_a_cluster_goes_and_what_is_about_others_stays(url: str) -> None:
    from moorage.advisors.evidence.store import IDENTITY

    store = open_store(url)
    identity = finding_identity()
    assert len(identity) == IDENTITY
    ours, others = (
        f"p_1/web-{identity}/change",
        [f"p_1/web-2-{identity}/change", f"px1/web-{identity}/change"],
    )
    for key in (ours, *others):
        store.put(key, b"x", at=NOW)
    assert store.drop_cluster("p_1", "web") == 1
    assert store.get(ours) is None
    assert [store.get(key) for key in others] == [b"x", b"x"]
    store.close()


def finding_identity() -> str:
    from moorage.advisors.advice import Finding
    from moorage.reports.findings import Severity

    return Finding("permissions", "User ann", "unused", Severity.LOW, 1.0, "", {}).identity()


def test_history_is_told_once_and_in_its_order(url: str) -> None:
    store = open_store(url)
    zone = timezone(timedelta(hours=3))
    told = [happening("found"), happening("dismissed", NOW.astimezone(zone) + timedelta(hours=1))]
    for _ in range(3):
        store.tell("p/web-1", told)
    store.tell("p/web-1", [*told, happening("opened again", NOW + timedelta(hours=2))])
    store.tell("p/web-2", [happening("found")])
    found = store.history("p/web-1")
    assert [each.what for each in found] == ["found", "dismissed", "opened again"]
    assert [each.at for each in found] == [NOW + timedelta(hours=hours) for hours in range(3)]
    assert {each.at.tzinfo for each in found} == {UTC}
    assert [each.what for each in store.history("p/web-1", most=1)] == ["opened again"]
    assert store.forget(NOW + timedelta(minutes=90)) == 3
    assert [each.what for each in store.history("p/web-1")] == ["opened again"]
    store.close()


def test_what_happens_within_a_second_keeps_its_order(url: str) -> None:
    store = open_store(url)
    told = [happening(what) for what in ("applying", "applied", "reverting", "reverted", "a", "z", "b")]
    store.tell("p/web-1", told[:3])
    store.tell("p/web-1", told[2:])
    assert [each.what for each in store.history("p/web-1")] == [each["what"] for each in told]
    store.close()


def test_many_may_open_and_write_at_once(url: str) -> None:
    def work(number: int) -> None:
        store = open_store(url)
        for key in range(10):
            store.put(f"p/web-{key}/evidence", f"{key}".encode() * 1000, at=NOW)
            store.tell(f"p/web-{key}", [happening("found"), happening(f"by {number}")])
        store.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    store = open_store(url)
    for key in range(10):
        assert store.get(f"p/web-{key}/evidence") == f"{key}".encode() * 1000
        assert len(store.history(f"p/web-{key}")) == 7
    store.close()


def test_what_somebody_changed_in_the_database_is_not_taken_for_evidence(url: str) -> None:
    store = open_store(url)
    store.put("p/web-1/evidence", b"the truth" * 100, at=NOW)
    with writing(store.database) as connection:
        [content] = connection.scalars(select(parts.c.content))
        broken = bytearray(content)
        broken[len(broken) // 2] ^= 1
        connection.execute(sqlalchemy.update(parts).values(content=bytes(broken)))
    with pytest.raises(DatabaseError, match="is not what was written there"):
        store.get("p/web-1/evidence")
    store.close()


def test_what_is_too_large_is_refused(url: str) -> None:
    store = open_store(url)
    with pytest.raises(DatabaseError, match="bytes, and the most that is kept"):
        store.put("p/web-1/evidence", bytes(SIZE_MAX + 1), at=NOW)
    store.close()


def test_a_database_of_a_newer_moorage_is_left_alone(url: str) -> None:
    open_store(url).close()
    database = engine(url)
    with writing(database) as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    with pytest.raises(DatabaseError, match=r"has version 99 of its advice tables, and this Moorage knows 1"):
        open_store(url)
    assert version_of(database, "advice") == 99
    database.dispose()


def test_each_part_has_its_own_versions_and_a_step_is_done_once(url: str) -> None:
    done: list[str] = []

    def first(connection: sqlalchemy.Connection) -> None:
        done.append("first")
        connection.execute(text("CREATE TABLE counted (day VARCHAR(10))"))

    def second(connection: sqlalchemy.Connection) -> None:
        done.append("second")
        connection.execute(text("ALTER TABLE counted ADD COLUMN number INTEGER"))

    database = engine(url)
    assert version_of(database, "audit") == 0
    assert migrate(database, "audit", [first]) == 1
    assert migrate(database, "advice", MIGRATIONS) == 1
    assert migrate(database, "audit", [first, second]) == 2
    assert migrate(database, "audit", [first, second]) == 2
    assert done == ["first", "second"]
    assert version_of(database, "advice") == 1
    database.dispose()


def test_a_step_that_fails_leaves_nothing_behind(url: str) -> None:
    def broken(connection: sqlalchemy.Connection) -> None:
        connection.execute(text("CREATE TABLE half (day VARCHAR(10))"))
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    database = engine(url)
    with pytest.raises(DatabaseError, match="nowhere"):
        migrate(database, "audit", [broken])
    assert version_of(database, "audit") == 0
    with reading(database) as connection:
        assert not sqlalchemy.inspect(connection).has_table("half")
    database.dispose()


def test_a_reader_does_not_wait_for_a_writer(url: str) -> None:
    store = open_store(url)
    store.tell("p/web-1", [happening("found")])
    with writing(store.database) as connection:
        connection.execute(sqlalchemy.delete(happenings))
        assert [each.what for each in store.history("p/web-1")] == ["found"]
    assert store.history("p/web-1") == []
    store.close()


def test_a_time_without_a_zone_is_refused(url: str) -> None:
    store = open_store(url)
    with pytest.raises(DatabaseError, match="has no zone"):
        store.put("p/web-1/evidence", b"", at=NOW.replace(tzinfo=None))
    store.close()


def test_a_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "advice.sqlite3"
    open_store(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all" * 100)
    with pytest.raises(DatabaseError, match="file is not a database"):
        open_store(path)


@pytest.mark.parametrize("url", ["mysql://a:hush@b/c", "postgresql://a:hush@b:port/c", "://"])
def test_what_is_no_address_is_not_repeated(url: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        engine(url)
    assert "hush" not in str(caught.value)


def test_a_password_is_never_shown() -> None:
    database = engine("postgresql://moorage:hush@127.0.0.1:1/advice")
    assert shown(database.url) == "postgresql+psycopg://moorage:***@127.0.0.1:1/advice"
    with pytest.raises(DatabaseError) as caught:
        version_of(database, "advice")
    assert "hush" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
