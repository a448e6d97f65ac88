"""A bundle as one file: an OCI image layout in a tar, its signatures included. What crosses an air gap.

``oras``, ``skopeo`` and ``crane`` read it too. The same bundle with the same signatures is the same file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from moorage.files import replace_file
from moorage.policies.bundles.archive import MAX_BYTES, read_tar, write_tar
from moorage.policies.bundles.artifact import (
    ARTIFACT_TYPE,
    MANIFEST,
    VERSION,
    Artifact,
    Bundle,
    Descriptor,
    Manifest,
    altered,
    compact_json,
    digest_of,
    unpack_bundle,
)
from moorage.policies.bundles.errors import BrokenBundleError, BundleError

_REF_NAME: Final = "org.opencontainers.image.ref.name"
_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_SIGNATURE_SUFFIX: Final = ".sig"
_MAX_BYTES: Final = 2 * MAX_BYTES


def write_layout(file: Path, bundle: Bundle, signatures: Artifact | None = None) -> None:
    """Write a bundle to a file.

    Raises:
        BundleError: it cannot be written.
    """
    version = bundle.annotations.get(VERSION, "")
    entries = [
        {
            **_entry(bundle.artifact, version),
            "artifactType": ARTIFACT_TYPE,
        }
    ]
    artifacts = [bundle.artifact]
    if signatures is not None:
        entries.append(_entry(signatures, f"{bundle.digest.replace(':', '-')}{_SIGNATURE_SUFFIX}"))
        artifacts.append(signatures)
    files = {
        "oci-layout": _LAYOUT,
        "index.json": compact_json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}),
    }
    for artifact in artifacts:
        for digest, content in {artifact.digest: artifact.manifest.text, **artifact.blobs}.items():
            files[_blob_path(digest)] = content
    try:
        replace_file(file, write_tar(files), mode=0o644)
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror or error}", hint="name another file with -o") from error


def read_layout(file: Path) -> tuple[Bundle, Artifact | None]:
    """Read a bundle from a file, and its signatures where it has any.

    Raises:
        BrokenBundleError: it is not a bundle.
        AlteredBundleError: it is not what its digests say.
        BundleError: it cannot be read.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise BrokenBundleError(f"{file}: it is larger than any bundle", hint=_BUILD)
        content = file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror or error}") from error
    try:
        files = read_tar(content)
        manifests = [_manifest(files, entry, file) for entry in _entries(files)]
        bundle = unpack_bundle(_artifact(files, _only_bundle(manifests), file))
        wanted = f"{bundle.digest.replace(':', '-')}{_SIGNATURE_SUFFIX}"
        signatures = [_artifact(files, manifest, file) for name, manifest in manifests if name == wanted]
    except BrokenBundleError as error:
        raise BrokenBundleError(f"{file}: {error.message}", hint=error.hint or _BUILD) from error
    return bundle, signatures[0] if signatures else None


_BUILD: Final = "`moorage policy bundle build` makes one"


def _entry(artifact: Artifact, name: str) -> dict[str, Any]:
    annotations = {_REF_NAME: name} if name else None
    return Descriptor.of(artifact.manifest.text, MANIFEST, annotations).as_json()


def _only_bundle(manifests: Sequence[tuple[str, Manifest]]) -> Manifest:
    found = [manifest for _, manifest in manifests if manifest.artifact_type == ARTIFACT_TYPE]
    if len(found) != 1:
        raise BrokenBundleError(f"it has {len(found)} bundles of policies; one is wanted")
    return found[0]


def _entries(files: Mapping[str, bytes]) -> list[Any]:
    try:
        entries = json.loads(files["index.json"])["manifests"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenBundleError("it is not a bundle: it has no index.json") from error
    if not isinstance(entries, list):
        raise BrokenBundleError("it is not a bundle: its index.json lists no manifests")
    return entries


def _manifest(files: Mapping[str, bytes], entry: Any, file: Path) -> tuple[str, Manifest]:
    descriptor = Descriptor.parse(entry)
    return descriptor.annotations.get(_REF_NAME, ""), Manifest.parse(_blob(files, descriptor.digest, file))


def _artifact(files: Mapping[str, bytes], manifest: Manifest, file: Path) -> Artifact:
    return Artifact(manifest, {blob.digest: _blob(files, blob.digest, file) for blob in manifest.blobs})


def _blob(files: Mapping[str, bytes], digest: str, file: Path) -> bytes:
    content = files.get(_blob_path(digest))
    if content is None:
        raise BrokenBundleError(f"it has no {digest}")
    if (found := digest_of(content)) != digest:
        raise altered(str(file), digest, found)
    return content


def _blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
