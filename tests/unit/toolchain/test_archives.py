"""Archives: one file comes out, and no name inside can reach anything else."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage.toolchain.archives import extract_member, normal_name
from moorage.toolchain.errors import SourceUnavailable


def tar_gz(path, members):
    """Write an archive of (name, content) pairs; content that is a TarInfo is written as it is."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


@pytest.mark.parametrize("stored_as", ["dir/tool", "./dir/tool", "/dir/tool", "dir//tool"])
def test_the_member_is_found_however_the_archive_spells_it(tmp_path, stored_as):
    archive = tar_gz(tmp_path / "a.tar.gz", [("dir/other", b"x"), (stored_as, b"binary")])
    extract_member(archive, "dir/tool", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"binary"


def test_the_member_of_a_zip_is_found(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("dir/", "")
        zipped.writestr("dir/tool", b"binary")
    extract_member(tmp_path / "a.zip", "dir/tool", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"binary"


def test_a_link_is_not_a_binary(tmp_path):
    archive = tar_gz(tmp_path / "a.tar.gz", [("", link("tool", "/etc/passwd"))])
    with pytest.raises(SourceUnavailable, match=r"a.tar.gz has no file tool"):
        extract_member(archive, "tool", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
@pytest.mark.parametrize("content", [b"", b"<html>", b"\x1f\x8b\x08\x00garbage", b"PK\x03\x04garbage"])
def test_what_is_no_archive_is_said_to_be_none(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceUnavailable, match=name):
        extract_member(tmp_path / name, "tool", tmp_path / "out")


def test_an_archive_that_ends_early_is_broken(tmp_path):
    archive = tar_gz(tmp_path / "a.tar.gz", [("tool", bytes(range(256)) * 4096)])
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(SourceUnavailable, match=r"not an archive that can be read"):
        extract_member(archive, "tool", tmp_path / "out")


hostile = st.lists(
    st.sampled_from(["..", ".", "", "etc", "passwd", "tool", "~", "C:", "\\", "a" * 90]),
    min_size=1,
    max_size=6,
).map("/".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(names=st.lists(hostile, max_size=5), as_zip=st.booleans())
def test_no_name_in_an_archive_writes_anywhere_but_where_it_was_told(tmp_path_factory, names, as_zip):
    folder = tmp_path_factory.mktemp("archive")
    inner = folder / "inner"
    inner.mkdir()
    archive = inner / ("a.zip" if as_zip else "a.tar.gz")
    if as_zip:
        with zipfile.ZipFile(archive, "w") as zipped:
            for name in dict.fromkeys(names):
                zipped.writestr(zipfile.ZipInfo(name), b"hostile")
    else:
        tar_gz(archive, [(name, b"hostile") for name in names])
    try:
        extract_member(archive, "tool", inner / "out")
        assert "tool" in {normal_name(name) for name in names}
    except SourceUnavailable:
        pass
    assert {path.name for path in inner.iterdir()} <= {archive.name, "out"}
    assert [path.name for path in folder.iterdir()] == ["inner"]


@given(st.text())
def test_the_one_way_to_write_a_name_is_final(name):
    assert normal_name(normal_name(name)) == normal_name(name)
    assert not normal_name(name).startswith("/")
