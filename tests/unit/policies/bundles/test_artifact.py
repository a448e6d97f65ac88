"""A bundle as OCI sees it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from moorage.policies.bundles.archive import write_gzip, write_tar
from moorage.policies.bundles.artifact import (
    GATEKEEPER,
    LIBRARY,
    Artifact,
    Descriptor,
    Manifest,
    digest_of,
    pack,
    required_layers,
    unpack_bundle,
)
from moorage.policies.bundles.errors import AlteredBundleError, BrokenBundleError


def test_the_digest_is_this_for_ever(files):
    assert (
        pack(files, {"org.opencontainers.image.version": "1.2.0"}).digest
        == "sha256:8f785d742607019fc6f398fd1b7896e0d428a1796c20f324cd83d970ed25467f"
    )


def test_the_order_of_files_and_annotations_is_nothing(files):
    annotations = {"b": "2", "a": "1"}
    other = pack(dict(reversed(files.items())), dict(reversed(annotations.items())))
    assert other.digest == pack(files, annotations).digest


@pytest.mark.parametrize(
    "path", ["policies/no-bad-word/template.yaml", "policies/no-bad-word/samples/bad.yaml"]
)
def test_one_other_byte_is_another_digest(files, path):
    assert pack({**files, path: files[path] + b" "}, {}).digest != pack(files, {}).digest


def test_every_file_is_in_one_layer_and_gatekeeper_gets_only_what_judges(bundle, files):
    layers = required_layers(bundle.artifact.manifest)
    inside = bundle.artifact.blobs[layers[GATEKEEPER].digest]
    assert bundle.files == files
    assert b"no-bad-word/template.yaml" in inside
    assert b"expansion/workloads.yaml" in inside
    for other in (b"policy.yaml", b"suite.yaml", b"samples", b"sets/", b"library.yaml"):
        assert other not in inside


def test_oras_is_told_to_unpack_the_layer_that_judges(bundle):
    layers = required_layers(bundle.artifact.manifest)
    assert layers[GATEKEEPER].annotations["io.deis.oras.content.unpack"] == "true"
    assert "io.deis.oras.content.unpack" not in layers[LIBRARY].annotations


def changed(bundle, **fields):
    """The bundle with another manifest."""
    content = {**json.loads(bundle.artifact.manifest.text), **fields}
    return Manifest.parse(json.dumps(content).encode())


def test_another_artifact_is_not_a_bundle(bundle):
    with pytest.raises(BrokenBundleError, match=r"application/vnd\.example"):
        required_layers(changed(bundle, artifactType="application/vnd.example"))


def test_a_layer_more_or_less_is_not_a_bundle(bundle):
    layers = json.loads(bundle.artifact.manifest.text)["layers"]
    for wrong in ([], layers[:1], [*layers, layers[0]]):
        with pytest.raises(BrokenBundleError, match="layers"):
            required_layers(changed(bundle, layers=wrong))


def test_an_index_is_not_a_bundle():
    text = b'{"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}'
    with pytest.raises(BrokenBundleError, match="index"):
        Manifest.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"config": {}, "layers": []}',
        b'{"config": {"mediaType": "a", "digest": "sha256:x", "size": 1}, "layers": []}',
        b'{"config": {"mediaType": "a", "digest": "sha256:' + b"a" * 64 + b'", "size": -1}, "layers": []}',
        b'{"config": {"mediaType": "a", "digest": "sha256:' + b"a" * 64 + b'", "size": "1"}, "layers": []}',
        b'{"config": {"mediaType": "a", "digest": "sha256:' + b"a" * 64 + b'", "size": 1}, "layers": 5}',
        b'{"config": {"mediaType": "a", "digest": "sha256:'
        + b"a" * 64
        + b'", "size": 1}, "layers": [], "annotations": {"a": "\\ud800"}}',
    ],
)
def test_what_is_no_manifest_is_refused(text):
    with pytest.raises(BrokenBundleError):
        Manifest.parse(text)


def test_a_manifest_larger_than_any_bundle_is_refused_before_it_is_downloaded(bundle):
    layer = json.loads(bundle.artifact.manifest.text)["layers"][0]
    with pytest.raises(BrokenBundleError, match="MiB"):
        changed(bundle, layers=[{**layer, "size": 40 << 20}] * 2)


def test_an_altered_blob_is_refused(bundle):
    for digest, content in bundle.artifact.blobs.items():
        blobs = {**bundle.artifact.blobs, digest: content[:-1] + bytes([content[-1] ^ 1])}
        with pytest.raises(AlteredBundleError, match=digest):
            replace(bundle.artifact, blobs=blobs)


def with_layers(bundle, judging, rest):
    """A bundle with the digests right and the layers as given."""
    outer, inner = write_gzip(write_tar(judging, below=GATEKEEPER)), write_tar(rest)
    before = bundle.artifact.manifest
    layers = tuple(
        Descriptor.of(content, layer.media_type, layer.annotations)
        for content, layer in zip((outer, inner), before.layers, strict=True)
    )
    manifest = Manifest.write(before.config, layers, artifact_type=before.artifact_type)
    blobs = {before.config.digest: b"{}", digest_of(outer): outer, digest_of(inner): inner}
    return Artifact(manifest, blobs)


def test_a_bundle_that_shows_gator_one_template_and_moorage_another_is_refused(bundle, files):
    path = "policies/no-bad-word/template.yaml"
    with pytest.raises(BrokenBundleError, match="wrong layer"):
        unpack_bundle(with_layers(bundle, {path: b"kind: Harmless"}, files))


def test_samples_where_gator_would_judge_them_are_refused(bundle, files):
    path = "policies/no-bad-word/samples/bad.yaml"
    with pytest.raises(BrokenBundleError, match="wrong layer"):
        unpack_bundle(with_layers(bundle, {path: files[path]}, {}))
