"""Archives: their bytes are ours to decide, and a hostile one reaches nothing."""

from __future__ import annotations

import gzip
import io
import string
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.policies.bundles import archive
from moorage.policies.bundles.archive import read_gzip, read_tar, write_gzip, write_tar
from moorage.policies.bundles.artifact import digest_of
from moorage.policies.bundles.errors import BrokenBundleError

FILES = {"b.yaml": b"b: 1\n", "a/x.yaml": b"x" * 512, "a/deep/er.yaml": b"", "a.txt": b"\x00\xff"}

names = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=40)
trees = st.dictionaries(
    st.lists(names, min_size=1, max_size=3).map("/".join), st.binary(max_size=2000), max_size=8
).filter(lambda files: not any(a.startswith(f"{b}/") for a in files for b in files))


def test_the_bytes_are_these_for_ever():
    """A bundle that is built with a later version of anything has the same digest."""
    tar = write_tar(FILES, below="top")
    assert digest_of(tar) == "sha256:3106391a8dd618fa94f8842bca62ea6f13e908e9e8e6f911a44b0d2c65041b9e"
    assert (
        digest_of(write_gzip(tar))
        == "sha256:be9e1024bc04d20fa0c1f9f83d8e9bab25bbdf9da40a268ea37c36b8249dd25e"
    )


@given(trees)
@settings(deadline=None)
def test_what_is_written_is_what_is_read(files):
    assert read_tar(write_tar(files)) == files
    assert read_tar(write_tar(files, below="gatekeeper"), below="gatekeeper") == files


@given(trees)
@settings(deadline=None)
def test_others_read_the_same(files):
    """What the standard library, as everybody else, makes of it."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(write_gzip(write_tar(files))))) as tar:
        found = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isreg()}
        entries = tar.getmembers()
    assert found == files
    assert {(entry.uid, entry.gid, entry.mtime, entry.uname) for entry in entries} <= {(0, 0, 0, "")}
    assert {entry.mode for entry in entries} <= {0o644, 0o755}


@pytest.mark.parametrize("size", [0, 1, 65534, 65535, 65536, 200_000])
def test_gzip_is_whole_at_every_size(size):
    content = bytes(index % 251 for index in range(size))
    assert gzip.decompress(write_gzip(content)) == content
    assert read_gzip(write_gzip(content)) == content


def test_folders_come_before_what_is_in_them():
    """ORAS makes no folder that it was not told of."""
    with tarfile.open(fileobj=io.BytesIO(write_tar(FILES, below="top"))) as tar:
        made = set()
        for entry in tar:
            parent = entry.name.rpartition("/")[0]
            assert not parent or parent in made
            if entry.isdir():
                made.add(entry.name)


@pytest.mark.parametrize("length", [99, 100, 101, 250])
def test_long_paths_are_read_by_others(length):
    path = "/".join(["d" * 49] * 5)[: length - 7].rstrip("/") + "/a.yaml"
    with tarfile.open(fileobj=io.BytesIO(write_tar({path: b"1"}))) as tar:
        assert [entry.name for entry in tar if entry.isreg()] == [path]


def test_a_path_that_is_too_long_is_refused():
    with pytest.raises(BrokenBundleError, match="too long"):
        write_tar({"x" * 101: b""})


@pytest.mark.parametrize(
    "path", ["../a", "/a", "a//b", "a/./b", ".git/x", "a b", "ä", "a\\b", "-a", "", "a/"]
)
def test_a_path_that_is_not_the_same_everywhere_is_refused(path):
    with pytest.raises(BrokenBundleError, match="not a path"):
        write_tar({path: b""})


def tar_of(*entries):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, kind, content in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = kind, len(content), "/etc/passwd"
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize(
    "entries",
    [
        [("../../x", tarfile.REGTYPE, b"1")],
        [("/x", tarfile.REGTYPE, b"1")],
        [("x", tarfile.SYMTYPE, b"")],
        [("x", tarfile.LNKTYPE, b"")],
        [("x", tarfile.FIFOTYPE, b"")],
        [("x", tarfile.CHRTYPE, b"")],
        [("x", tarfile.GNUTYPE_SPARSE, b"")],
        [("x", tarfile.REGTYPE, b"1"), ("x", tarfile.REGTYPE, b"2")],
    ],
)
def test_a_hostile_archive_is_refused(entries):
    with pytest.raises(BrokenBundleError):
        read_tar(tar_of(*entries))


def test_a_file_outside_the_folder_of_the_layer_is_refused():
    with pytest.raises(BrokenBundleError, match="misplaced"):
        read_tar(write_tar({"elsewhere.yaml": b""}), below="gatekeeper")


@pytest.mark.parametrize("cut", [1, 300, 600, 1100])
def test_an_archive_that_was_cut_is_refused(cut):
    whole = write_tar({"a.yaml": b"1" * 2000})
    with pytest.raises(BrokenBundleError):
        read_tar(whole[:cut])
    with pytest.raises(BrokenBundleError):
        read_gzip(write_gzip(whole)[:cut])


def test_what_would_unpack_to_more_than_a_bundle_is_refused(monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 10_000)
    with pytest.raises(BrokenBundleError, match="more than"):
        read_gzip(gzip.compress(bytes(20_000)))
    with pytest.raises(BrokenBundleError, match="more than"):
        read_tar(write_tar({"a": bytes(6_000), "b": bytes(6_000)}))
