"""What was parsed is remembered; what is remembered is what would be parsed."""

from __future__ import annotations

import pytest

from moorage.cache import Cache
from moorage.manifests import parsed
from moorage.manifests.documents import documents
from moorage.manifests.parsed import Parsed

TEXT = "a: 1\nb: yes\nc: {d: [1.5, x, null]}\n---\na: 1\na: 2\n"


def read(cache: Cache | None, text: str = TEXT) -> list:
    reading = Parsed(cache)
    found = list(reading.documents(text))
    reading.close()
    return found


def test_what_is_the_same_is_not_parsed_again(tmp_path, monkeypatch):
    wanted = list(documents(TEXT))
    with Cache(tmp_path) as cache:
        assert read(cache) == wanted
    monkeypatch.setattr(parsed, "documents", lambda text: pytest.fail("it is parsed again"))
    with Cache(tmp_path) as cache:
        assert read(cache) == wanted
        assert read(cache)[1].duplicates == (("a", 2),)


def test_what_is_different_is_parsed(tmp_path):
    with Cache(tmp_path) as cache:
        read(cache)
        other = TEXT.replace("yes", "no")
        assert read(cache, other) == list(documents(other))


def test_without_a_cache_everything_is_parsed():
    assert read(None) == list(documents(TEXT))


@pytest.mark.parametrize("value", [b"", b"[]x", b"{}", b'[{"value": 1}]', b"\xff"])
def test_what_cannot_be_read_back_is_parsed_again(tmp_path, value):
    class Altered(Cache):
        def read(self, room, keys):
            return dict.fromkeys(keys, value)

    with Altered(tmp_path) as cache:
        assert read(cache) == list(documents(TEXT))


@pytest.mark.parametrize("text", ["a: [\n", "a: 1\n---\n--- x\n"])
def test_what_is_broken_is_not_remembered(tmp_path, text):
    class Watched(Cache):
        def write(self, room, entries):
            raise AssertionError(entries)

    with Watched(tmp_path) as cache:
        assert [str(each) for each in read(cache, text)] == [str(each) for each in documents(text)]


@pytest.mark.parametrize(
    "number", ["99999999999999999999999", "1e300", "1.0e+22", "18446744073709551615", "1.5"]
)
def test_numbers_stay_what_they_are(tmp_path, number):
    text = f"a: {number}\n"
    with Cache(tmp_path) as cache:
        assert repr(read(cache, text)) == repr(read(cache, text)) == repr(list(documents(text)))
