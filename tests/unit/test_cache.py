"""A cache is right or empty, and never in the way."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moorage.cache import FILE, KEPT_DAYS, Cache
from moorage.manifests.parsed import PARSED
from moorage.policies.remembered import VERDICTS, engine_digest

KEY, OTHER = b"k" * 32, b"o" * 32


def test_what_is_written_is_read(tmp_path: Path):
    with Cache(tmp_path) as cache:
        cache.write(VERDICTS, {KEY: b"one"})
        assert cache.read(VERDICTS, [KEY, OTHER]) == {KEY: b"one"}
    with Cache(tmp_path) as cache:
        assert cache.read(VERDICTS, [KEY]) == {KEY: b"one"}


def test_rooms_are_apart(tmp_path: Path):
    with Cache(tmp_path) as cache:
        cache.write(VERDICTS, {KEY: b"one"})
        assert cache.read(PARSED, [KEY]) == {}


def test_thousands_are_read_at_once(tmp_path: Path):
    entries = {number.to_bytes(32, "big"): str(number).encode() for number in range(3000)}
    with Cache(tmp_path) as cache:
        cache.write(VERDICTS, entries)
        assert cache.read(VERDICTS, entries) == entries


def test_no_folder_remembers_nothing():
    with Cache(None) as cache:
        cache.write(VERDICTS, {KEY: b"one"})
        assert cache.read(VERDICTS, [KEY]) == {}


@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
@example(position=4019, bit=7)  # in the name of a table, of which SQLite speaks then
def test_a_flipped_bit_is_never_read(tmp_path_factory: pytest.TempPathFactory, position: int, bit: int):
    folder = tmp_path_factory.mktemp("cache")
    with Cache(folder) as cache:
        cache.write(VERDICTS, {KEY: b"v" * 200})
    text = bytearray((folder / FILE).read_bytes())
    text[position % len(text)] ^= 1 << bit
    (folder / FILE).write_bytes(text)
    with Cache(folder) as cache:
        assert cache.read(VERDICTS, [KEY]) in ({}, {KEY: b"v" * 200})


@pytest.mark.parametrize("content", [b"", b"not a database", os.urandom(8192)])
def test_a_file_that_is_no_database_is_an_empty_cache_and_mended(tmp_path: Path, content: bytes):
    (tmp_path / FILE).write_bytes(content)
    with Cache(tmp_path) as cache:
        assert cache.read(VERDICTS, [KEY]) == {}
        cache.write(VERDICTS, {KEY: b"one"})
    with Cache(tmp_path) as cache:
        cache.write(VERDICTS, {KEY: b"one"})
        assert cache.read(VERDICTS, [KEY]) == {KEY: b"one"}


def test_a_truncated_database_is_an_empty_cache(tmp_path: Path):
    with Cache(tmp_path) as cache:
        cache.write(VERDICTS, {number.to_bytes(32, "big"): b"v" * 500 for number in range(200)})
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 2])
    with Cache(tmp_path) as cache:
        found = cache.read(VERDICTS, [number.to_bytes(32, "big") for number in range(200)])
    assert set(found.values()) <= {b"v" * 500}


def test_a_database_of_something_else_is_not_used(tmp_path: Path):
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("CREATE TABLE entry (something TEXT)")
    with Cache(tmp_path) as cache:
        cache.write(VERDICTS, {KEY: b"one"})
        assert cache.read(VERDICTS, [KEY]) == {}


def test_a_value_that_another_key_was_written_under_is_not_read(tmp_path: Path):
    with Cache(tmp_path) as cache:
        cache.write(VERDICTS, {KEY: b"one"})
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("UPDATE entry SET key = ?", (OTHER,))
    with Cache(tmp_path) as cache:
        assert cache.read(VERDICTS, [OTHER]) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_an_empty_cache(tmp_path: Path):
    tmp_path.chmod(0o500)
    with Cache(tmp_path / "new") as cache:
        cache.write(VERDICTS, {KEY: b"one"})
        assert cache.read(VERDICTS, [KEY]) == {}


def test_a_folder_that_is_a_file_is_an_empty_cache(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with Cache(tmp_path / "file") as cache:
        cache.write(VERDICTS, {KEY: b"one"})
        assert cache.read(VERDICTS, [KEY]) == {}


def test_a_database_that_may_only_be_read_is_read(tmp_path: Path):
    with Cache(tmp_path) as cache:
        cache.write(VERDICTS, {KEY: b"one"})
    with Cache(tmp_path) as cache:
        cache._database.execute("PRAGMA query_only = ON")  # what a read-only disk comes to, also for root
        assert cache.read(VERDICTS, [KEY]) == {KEY: b"one"}
        cache.write(VERDICTS, {OTHER: b"two"})
    with Cache(tmp_path) as cache:
        assert cache.read(VERDICTS, [KEY, OTHER]) == {KEY: b"one"}


def test_several_at_once_lose_nothing_that_matters(tmp_path: Path):
    def work(worker: int) -> None:
        for number in range(20):
            with Cache(tmp_path) as cache:
                key = bytes([worker, number]) * 16
                cache.write(VERDICTS, {key: key})
                found = cache.read(VERDICTS, [key])
                assert found in ({}, {key: key})
                wrong.extend(found.values() if found not in ({}, {key: key}) else [])

    wrong: list[bytes] = []
    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    keys = [bytes([worker, number]) * 16 for worker in range(4) for number in range(20)]
    with Cache(tmp_path) as cache:
        assert all(key == value for key, value in cache.read(VERDICTS, keys).items())


def test_what_nobody_used_for_a_month_goes_and_what_was_used_stays(tmp_path: Path):
    with Cache(tmp_path, today=100) as cache:
        cache.write(VERDICTS, {KEY: b"used", OTHER: b"not"})
    with Cache(tmp_path, today=120) as cache:
        cache.read(VERDICTS, [KEY])
    with Cache(tmp_path, today=101 + KEPT_DAYS) as cache:
        cache.write(VERDICTS, {b"n" * 32: b"new"})
        assert cache.read(VERDICTS, [KEY, OTHER]) == {KEY: b"used"}


def test_the_file_is_its_owners_alone(tmp_path: Path):
    with Cache(tmp_path / "folder") as cache:
        cache.write(VERDICTS, {KEY: b"one"})
    assert (tmp_path / "folder" / FILE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700


def test_another_executable_has_another_digest_wherever_it_is(tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"one")
    second.write_bytes(b"one")
    with Cache(tmp_path / "cache") as cache:
        before = engine_digest(first, cache)
        assert engine_digest(first, cache) == before == engine_digest(second, None)
        first.write_bytes(b"two")
        assert engine_digest(first, cache) != before
