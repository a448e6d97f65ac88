"""What was pulled before: whole and unaltered, or not there."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from moorage.policies.bundles.cache import Cache
from moorage.policies.bundles.reference import Reference

REFERENCE = Reference.parse("registry.example.com/team/policies:1")


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "bundles")


def blob(cache, digest):
    return cache.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")


def test_what_was_kept_is_there(cache, bundle):
    assert cache.artifact(bundle.digest) is None
    cache.keep(bundle.artifact)
    assert cache.artifact(bundle.digest) == bundle.artifact


def test_nobody_else_may_read_or_change_it(cache, bundle):
    cache.keep(bundle.artifact)
    cache.keep_tag(REFERENCE, bundle.digest)
    modes = {path.stat().st_mode & 0o077 for path in cache.folder.rglob("*") if path.is_file()}
    assert modes == {0}


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove", "folder"])
@pytest.mark.parametrize("which", [0, 1, 2, "manifest"])
def test_what_was_damaged_is_not_there_and_can_be_kept_again(cache, bundle, damage, which):
    cache.keep(bundle.artifact)
    digest = bundle.digest if which == "manifest" else bundle.artifact.manifest.blobs[which].digest
    file = blob(cache, digest)
    content = file.read_bytes()
    if damage == "flip":
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif damage in {"cut", "empty"}:
        file.write_bytes(content[:-1] if damage == "cut" else b"")
    else:
        file.unlink()
    if damage == "folder":
        file.mkdir()
    assert cache.artifact(bundle.digest) is None
    if damage == "folder":
        with pytest.raises(IsADirectoryError):
            cache.keep(bundle.artifact)
        return
    cache.keep(bundle.artifact)
    assert cache.artifact(bundle.digest) == bundle.artifact


def test_a_tag_is_what_it_was_when_it_was_last_asked_for(cache, bundle):
    assert cache.tagged(REFERENCE) is None
    cache.keep_tag(REFERENCE, "sha256:old")
    cache.keep_tag(REFERENCE, bundle.digest)
    assert cache.tagged(REFERENCE) == bundle.digest
    assert cache.tagged(REFERENCE.tagged("2")) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"digest": "sha256:x"}'])
def test_a_broken_tag_is_not_there(cache, content):
    cache.keep_tag(REFERENCE, "sha256:x")
    next((cache.folder / "tags").iterdir()).write_text(content)
    assert cache.tagged(REFERENCE) is None


def test_the_tag_of_another_bundle_in_its_place_is_not_believed(cache):
    cache.keep_tag(REFERENCE, "sha256:x")
    other = {"reference": "registry.example.com/evil:1", "digest": "sha256:y"}
    next((cache.folder / "tags").iterdir()).write_text(json.dumps(other))
    assert cache.tagged(REFERENCE) is None


def test_many_at_once_keep_the_same(cache, bundle):
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(cache.keep, bundle.artifact) for _ in range(32)]:
            done.result()
    assert cache.artifact(bundle.digest) == bundle.artifact
    assert not [*blob(cache, bundle.digest).parent.glob(".*")]
