"""Signatures of bundles, in cosign's format.

What is signed is a small document that names the repository and the digest ("simple signing"). It is stored
beside the bundle, at the tag ``sha256-HEX.sig``: an image whose layers are such documents, each with its
signature in an annotation. One signature by a key that counts is enough, whoever else has signed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moorage.policies.bundles.artifact import Artifact, Descriptor, Manifest, compact_json
from moorage.policies.bundles.errors import SignatureError
from moorage.policies.bundles.keys import PrivateKey, PublicKey
from moorage.policies.bundles.reference import Reference

SIGNATURE: Final = "dev.cosignproject.cosign/signature"
PAYLOAD_TYPE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_TYPE: Final = "cosign container image signature"
_CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
_NO_TIME: Final = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Payload:
    """What a signature is over: which digest, in which repository."""

    identity: str
    digest: str

    @property
    def text(self) -> bytes:
        """As it is signed: what cosign would write."""
        critical = {
            "identity": {"docker-reference": self.identity},
            "image": {"docker-manifest-digest": self.digest},
            "type": _TYPE,
        }
        return compact_json({"critical": critical, "optional": None})

    @classmethod
    def parse(cls, text: bytes) -> Payload | None:
        """Read what was signed; nothing where it is no signature of an artifact."""
        try:
            critical: Any = json.loads(text)["critical"]
            if critical["type"] != _TYPE:
                return None
            return cls(
                str(critical["identity"]["docker-reference"]),
                str(critical["image"]["docker-manifest-digest"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    @property
    def repository(self) -> str:
        """The repository that it names."""
        return self._divided[0]

    def is_for(self, repository: str, tag: str) -> bool:
        """Say whether it names the repository, and the tag where it names one and one was asked for."""
        named, other = self._divided
        return named == repository and (not other or not tag or other == tag)

    @property
    def _divided(self) -> tuple[str, str]:
        name, _, _ = self.identity.partition("@")
        head, colon, tag = name.rpartition(":")
        return (head, tag) if colon and "/" not in tag else (name, "")  # or the colon is of a port


@dataclass(frozen=True, slots=True)
class Signed:
    """A bundle whose signature is looked for.

    Args:
        digest: of the bundle.
        where: it was found, for messages.
        repository: that the signature has to name; any, where it is empty.
        tag: by which it was asked for.
    """

    digest: str
    where: str
    repository: str = ""
    tag: str = ""

    def is_meant_by(self, payload: Payload) -> bool:
        """Say whether what was signed is this bundle at this place."""
        return not self.repository or payload.is_for(self.repository, self.tag)


def signature_reference(reference: Reference, digest: str) -> Reference:
    """Return where the signatures of a digest are."""
    return reference.tagged(f"{digest.replace(':', '-')}.sig")


def signed(reference: Reference, digest: str, key: PrivateKey, before: Artifact | None) -> Artifact:
    """Return the signatures of a digest with one by the key among them.

    Args:
        reference: of the repository that the bundle is in.
        digest: of the bundle.
        key: that signs.
        before: the signatures that there are.
    """
    payload = Payload(reference.identity, digest)
    kept = [] if before is None else [*_layers(before)]
    if any(_is_by(layer, text, key.public) and text == payload.text for layer, text in kept):
        assert before is not None  # noqa: S101 - it has that layer
        return before
    annotations = {SIGNATURE: base64.b64encode(key.sign(payload.text)).decode("ascii")}
    kept.append((Descriptor.of(payload.text, PAYLOAD_TYPE, annotations), payload.text))
    config_text = compact_json(
        {
            "architecture": "",
            "created": _NO_TIME,
            "history": [{"created": _NO_TIME} for _ in kept],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer, _ in kept]},
            "config": {},
        }
    )
    config = Descriptor.of(config_text, _CONFIG_TYPE)
    manifest = Manifest.write(config, tuple(layer for layer, _ in kept))
    return Artifact(manifest, {config.digest: config_text, **{layer.digest: text for layer, text in kept}})


def require_signature(
    signatures: Artifact | None, bundle: Signed, keys: Sequence[PublicKey]
) -> tuple[PublicKey, Payload]:
    """Return which of the keys has signed a bundle, and what it signed.

    Args:
        signatures: of the bundle, as they were found.
        bundle: that should be signed.
        keys: those that count.

    Raises:
        SignatureError: none has.
    """
    if signatures is None:
        raise SignatureError(
            f"{_named(bundle)} is not signed",
            hint="whoever publishes it signs it with `moorage policy bundle sign`",
        )
    other: Payload | None = None
    for layer, text in _layers(signatures):
        for key in keys:
            if not _is_by(layer, text, key):
                continue
            payload = Payload.parse(text)
            if payload and payload.digest == bundle.digest and bundle.is_meant_by(payload):
                return key, payload
            other = payload or other
    names = ", ".join(key.name for key in keys)
    if other is None:
        raise SignatureError(
            f"{_named(bundle)} is signed, but not by {names}",
            hint="do not use it unless you know who else signs it; then give that key",
        )
    if other.digest != bundle.digest:
        raise SignatureError(
            f"{bundle.where}: the signature by {names} is for {other.digest}, not for {bundle.digest}",
            hint="do not use it: somebody put a signature where it does not belong",
        )
    raise SignatureError(
        f"{bundle.where}: the signature by {names} is for {other.identity}",
        hint=f"if this is your copy of that, say so: --signed-as {other.repository}",
    )


def _named(bundle: Signed) -> str:
    """Return a bundle with its digest, which is part of where it is already, or is not."""
    return bundle.where if bundle.digest in bundle.where else f"{bundle.where}: {bundle.digest}"


def _layers(signatures: Artifact) -> Iterator[tuple[Descriptor, bytes]]:
    for layer in signatures.manifest.layers:
        if layer.media_type == PAYLOAD_TYPE and SIGNATURE in layer.annotations:
            yield layer, signatures.blobs[layer.digest]


def _is_by(layer: Descriptor, text: bytes, key: PublicKey) -> bool:
    try:
        signature = base64.b64decode(layer.annotations[SIGNATURE], validate=True)
    except (binascii.Error, ValueError):
        return False
    return key.has_signed(text, signature)
