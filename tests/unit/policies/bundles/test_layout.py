"""A bundle as one file."""

from __future__ import annotations

import pytest

from moorage.policies.bundles.archive import read_tar, write_tar
from moorage.policies.bundles.errors import AlteredBundleError, BrokenBundleError, BundleError
from moorage.policies.bundles.keys import PrivateKey
from moorage.policies.bundles.layout import read_layout, write_layout
from moorage.policies.bundles.reference import Reference
from moorage.policies.bundles.signing import signed

REFERENCE = Reference.parse("registry.example.com/team/policies:1")


@pytest.fixture
def signatures(bundle):
    return signed(REFERENCE, bundle.digest, PrivateKey.generate(), None)


@pytest.fixture
def file(tmp_path, bundle, signatures):
    file = tmp_path / "bundle.tar"
    write_layout(file, bundle, signatures)
    return file


def test_a_file_holds_the_bundle_and_its_signatures(file, bundle, signatures):
    assert read_layout(file) == (bundle, signatures)


def test_a_file_without_signatures_has_none(tmp_path, bundle):
    write_layout(tmp_path / "b.tar", bundle)
    assert read_layout(tmp_path / "b.tar") == (bundle, None)


def test_the_same_bundle_is_the_same_file(file, tmp_path, bundle, signatures):
    write_layout(tmp_path / "again.tar", bundle, signatures)
    assert (tmp_path / "again.tar").read_bytes() == file.read_bytes()


def test_signatures_of_another_bundle_are_not_taken_for_those_of_this_one(
    tmp_path, bundle, files, signatures
):
    from moorage.policies.bundles.artifact import pack

    other = pack({**files, "README.md": b"another"}, {})
    write_layout(tmp_path / "b.tar", other, None)
    inside = read_tar((tmp_path / "b.tar").read_bytes())
    write_layout(tmp_path / "c.tar", bundle, signatures)
    blobs = {p: c for p, c in read_tar((tmp_path / "c.tar").read_bytes()).items() if p.startswith("blobs/")}
    (tmp_path / "d.tar").write_bytes(write_tar({**blobs, **inside}))
    assert read_layout(tmp_path / "d.tar") == (other, None)


def test_an_altered_file_is_refused_whichever_part_it_is(file):
    inside = read_tar(file.read_bytes())
    for path, content in inside.items():
        if path.startswith("blobs/"):
            changed = {**inside, path: content[:-1] + bytes([content[-1] ^ 1])}
            file.write_bytes(write_tar(changed))
            with pytest.raises(AlteredBundleError, match=path.rpartition("/")[2]):
                read_layout(file)


@pytest.mark.parametrize(
    "content", [b"", b"x" * 2000, b"\x1f\x8b\x08", write_tar({"a": b"1"}), write_tar({})]
)
def test_what_is_no_bundle_is_refused(tmp_path, content):
    file = tmp_path / "b.tar"
    file.write_bytes(content)
    with pytest.raises(BrokenBundleError, match=r"b\.tar") as error:
        read_layout(file)
    assert error.value.hint


@pytest.mark.parametrize(
    "index", [b"", b"{}", b"[]", b'{"manifests": 1}', b'{"manifests": []}', b'{"manifests": [1]}']
)
def test_a_broken_index_is_refused(file, index):
    file.write_bytes(write_tar({**read_tar(file.read_bytes()), "index.json": index}))
    with pytest.raises(BrokenBundleError):
        read_layout(file)


def test_a_blob_that_is_missing_is_named(file, bundle):
    inside = read_tar(file.read_bytes())
    del inside[f"blobs/{bundle.artifact.manifest.layers[0].digest.replace(':', '/')}"]
    file.write_bytes(write_tar(inside))
    with pytest.raises(BrokenBundleError, match=bundle.artifact.manifest.layers[0].digest):
        read_layout(file)


def test_a_place_that_cannot_be_written_is_named(tmp_path, bundle):
    with pytest.raises(BundleError, match="nowhere"):
        write_layout(tmp_path / "nowhere" / "b.tar", bundle)
