"""Lock files: what goes in comes out, and a digest never changes silently."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.toolchain.errors import CatalogError, IntegrityError
from moorage.toolchain.lock import COMMITTED_LOCK, Artifact, Locks, Pin, check, parse_lock, render_lock

HERE = Path("tools.lock")
words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-./", min_size=1, max_size=12)
digests = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:{}".format)
entries = st.dictionaries(st.builds(Artifact, words, words, words, words), digests, max_size=8)

ETCD = Artifact("etcd", "3.7.0", "linux/amd64", "release")
ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@given(entries)
def test_what_is_written_is_what_is_read(content):
    text = render_lock(content)
    assert parse_lock(text, HERE) == content
    assert render_lock(dict(reversed(list(content.items())))) == text, "the order of adding does not show"


@given(st.text())
def test_any_text_is_a_lock_file_or_an_error_with_a_line_number(text):
    try:
        parse_lock(text, HERE)
    except CatalogError as error:
        problem = error.message
    else:
        problem = "tools.lock:none"
    assert problem.startswith("tools.lock:")


def test_the_committed_lock_file_is_one():
    parse_lock(COMMITTED_LOCK.read_text(), COMMITTED_LOCK)


def test_one_artifact_with_two_digests_is_refused():
    text = f"etcd 3.7.0 linux/amd64 release {ONE}\n" * 2
    assert parse_lock(text, HERE) == {ETCD: ONE}
    with pytest.raises(CatalogError, match=r"tools.lock:3: etcd 3.7.0 .* has two digests"):
        parse_lock(text + text.splitlines()[0].replace(ONE, OTHER), HERE)


def test_a_digest_that_differs_from_a_pin_is_refused_with_both_and_the_file():
    with pytest.raises(IntegrityError) as caught:
        check(ETCD, OTHER, (Pin(ONE, HERE),), origin="https://x")
    for part in ("etcd 3.7.0", ONE, OTHER, "tools.lock", "https://x"):
        assert part in caught.value.message
    check(ETCD, ONE, (Pin(ONE, HERE),), origin="https://x")
    check(ETCD, ONE, (), origin="https://x")


def test_the_first_use_is_remembered_and_never_overwritten(tmp_path):
    locks = Locks(tmp_path / "state" / "tools.lock", committed=tmp_path / "committed.lock")
    assert locks.pins(ETCD) == ()
    locks.remember(ETCD, ONE)
    locks.remember(ETCD, OTHER)
    assert locks.pins(ETCD) == (Pin(ONE, locks.user),)


def test_what_the_committed_file_knows_is_not_written_again_and_goes_first(tmp_path):
    committed = tmp_path / "committed.lock"
    committed.write_text(render_lock({ETCD: ONE}))
    locks = Locks(tmp_path / "tools.lock", committed=committed)
    locks.remember(ETCD, ONE)
    assert not locks.user.exists()
    locks.user.write_text(render_lock({ETCD: OTHER}))
    assert [pin.digest for pin in locks.pins(ETCD)] == [ONE, OTHER]
