"""Bundles that were pulled before, by content: what works without a network.

    bundles/blobs/sha256/HEX    manifests, layers and signatures
    bundles/tags/HEX.json       what a tag was when it was last asked for

Every byte is hashed again when it is read, so a cache that was damaged or tampered with is one that lacks
something. What a tag was is only ever used where a person says ``--offline``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from platformdirs import user_cache_path

from moorage.files import private_folder, replace_file
from moorage.policies.bundles.artifact import Artifact, Manifest, digest_of
from moorage.policies.bundles.errors import BrokenBundleError
from moorage.policies.bundles.reference import Reference


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of bundles. Several processes may use it at once."""

    folder: Path

    @classmethod
    def of_user(cls) -> Cache:
        """Return the cache of whoever runs this process."""
        return cls(user_cache_path("moorage") / "bundles")

    def artifact(self, digest: str) -> Artifact | None:
        """Return an artifact that is here, whole and unaltered."""
        text = self._blob(digest)
        if text is None:
            return None
        try:
            manifest = Manifest.parse(text)
        except BrokenBundleError:
            return None
        blobs = {blob.digest: self._blob(blob.digest) for blob in manifest.blobs}
        found = {name: content for name, content in blobs.items() if content is not None}
        return Artifact(manifest, found) if len(found) == len(blobs) else None

    def tagged(self, reference: Reference) -> str | None:
        """Return the digest that a tag stood for when it was last asked for."""
        try:
            content = json.loads(self._tag_file(reference).read_bytes())
            return str(content["digest"]) if content["reference"] == str(reference) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, artifact: Artifact) -> None:
        """Keep an artifact.

        Raises:
            OSError: the folder cannot be written.
        """
        folder = private_folder(self.folder / "blobs" / "sha256")
        for digest, content in {**artifact.blobs, artifact.digest: artifact.manifest.text}.items():
            if self._blob(digest) is None:
                replace_file(folder / digest.removeprefix("sha256:"), content)

    def keep_tag(self, reference: Reference, digest: str) -> None:
        """Remember what a tag stands for.

        Raises:
            OSError: the folder cannot be written.
        """
        file = self._tag_file(reference)
        private_folder(file.parent)
        replace_file(file, json.dumps({"reference": str(reference), "digest": digest}))

    def _blob(self, digest: str) -> bytes | None:
        try:
            content = (self.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()
        except OSError:
            return None
        return content if digest_of(content) == digest else None

    def _tag_file(self, reference: Reference) -> Path:
        return self.folder / "tags" / f"{sha256(str(reference).encode()).hexdigest()}.json"
