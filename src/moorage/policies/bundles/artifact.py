"""A bundle as OCI sees it: a manifest, and the blobs that it names.

Two layers, which share out the files of the library and repeat none:

``gatekeeper``
    templates, constraints and expansions, as an archive that ORAS unpacks: what ``gator test --image`` reads
``library.tar``
    everything else (metadata, sets, suites, samples), as a file that ``gator`` does not look into
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from moorage.policies.bundles.archive import MAX_BYTES, read_gzip, read_tar, write_gzip, write_tar
from moorage.policies.bundles.errors import AlteredBundleError, BrokenBundleError

ARTIFACT_TYPE: Final = "application/vnd.moorage.policies.v1"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
TITLE: Final = "org.opencontainers.image.title"
VERSION: Final = "org.opencontainers.image.version"
_EMPTY: Final = b"{}"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_TAR: Final = "application/vnd.oci.image.layer.v1.tar"
_TAR_GZIP: Final = f"{_TAR}+gzip"
_UNPACK: Final = "io.deis.oras.content.unpack"
_UNPACKED_DIGEST: Final = "io.deis.oras.content.digest"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

GATEKEEPER: Final = "gatekeeper"
LIBRARY: Final = "library.tar"
_TYPES: Final = {GATEKEEPER: _TAR_GZIP, LIBRARY: _TAR}


def digest_of(content: bytes) -> str:
    """Return the digest of bytes as OCI writes it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob that a manifest names."""

    media_type: str
    digest: str
    size_bytes: int
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, content: bytes, media_type: str, annotations: Mapping[str, str] | None = None) -> Descriptor:
        """Describe a blob."""
        return cls(media_type, digest_of(content), len(content), annotations or {})

    @classmethod
    def parse(cls, content: Any) -> Descriptor:
        """Read a descriptor; only sha256, as everybody writes, is accepted.

        Raises:
            BrokenBundleError: it is none.
        """
        try:
            digest, size = content["digest"], content["size"]
            if not _DIGEST.fullmatch(digest) or not isinstance(size, int) or not 0 <= size <= MAX_BYTES:
                raise BrokenBundleError(f"its manifest names a blob {digest!r} of {size!r} bytes")
            return cls(str(content["mediaType"]), digest, size, _annotations(content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BrokenBundleError(f"its manifest cannot be read: {error!r}") from error

    def require(self, content: bytes, *, where: str) -> bytes:
        """Return the content when it is what this promises.

        Raises:
            AlteredBundleError: it is not.
        """
        found = digest_of(content)
        if found != self.digest:
            raise altered(where, self.digest, found)
        return content

    def as_json(self) -> dict[str, Any]:
        """Return it as a manifest has it."""
        head = {"mediaType": self.media_type, "digest": self.digest, "size": self.size_bytes}
        return {**head, "annotations": dict(self.annotations)} if self.annotations else head


def _annotations(content: Any) -> dict[str, str]:
    found = {str(name): str(value) for name, value in (content.get("annotations") or {}).items()}
    "".join(
        [*found, *found.values()]
    ).encode()  # half a character is an error here, and not where it is printed
    return found


def altered(where: str, promised: str, found: str) -> AlteredBundleError:
    """Say that bytes are not what was promised."""
    return AlteredBundleError(
        f"{where}: {promised} was altered: its bytes are {found}",
        hint="do not use it; take it from another place, and have the storage of this one looked into",
    )


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says, whatever it is of."""

    text: bytes = field(repr=False)
    artifact_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """Read a manifest.

        Raises:
            BrokenBundleError: it is none.
        """
        try:
            content = json.loads(text)
            kind = content.get("mediaType", MANIFEST)
            if kind != MANIFEST:
                raise BrokenBundleError(f"it is {kind}, not one manifest")
            config = Descriptor.parse(content["config"])
            layers = tuple(Descriptor.parse(layer) for layer in content["layers"])
            annotations = _annotations(content)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BrokenBundleError(f"its manifest cannot be read: {error!r}") from error
        if sum(layer.size_bytes for layer in layers) > MAX_BYTES:
            raise BrokenBundleError(f"it is larger than {MAX_BYTES >> 20} MiB")
        # Before OCI 1.1, the type of an artifact was that of its configuration.
        return cls(text, str(content.get("artifactType") or config.media_type), config, layers, annotations)

    @classmethod
    def write(
        cls,
        config: Descriptor,
        layers: tuple[Descriptor, ...],
        *,
        artifact_type: str = "",
        annotations: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Write a manifest: always the same bytes for the same content."""
        content: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            **({"artifactType": artifact_type} if artifact_type else {}),
            "config": config.as_json(),
            "layers": [layer.as_json() for layer in layers],
            **({"annotations": dict(sorted(annotations.items()))} if annotations else {}),
        }
        return cls.parse(compact_json(content))

    @property
    def digest(self) -> str:
        """What it, and all that it names, is known by."""
        return digest_of(self.text)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Everything that it names, each once."""
        return tuple({blob.digest: blob for blob in (self.config, *self.layers)}.values())


def compact_json(content: Any) -> bytes:
    """Return JSON without spaces, as Go writes it."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Artifact:
    """A manifest with the blobs that it names: whole, and every byte as promised."""

    manifest: Manifest
    blobs: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        for blob in self.manifest.blobs:
            blob.require(self.blobs[blob.digest], where="the bundle")

    @property
    def digest(self) -> str:
        """What it is known by."""
        return self.manifest.digest


@dataclass(frozen=True, slots=True)
class Bundle:
    """A library of policies as an artifact."""

    artifact: Artifact
    files: Mapping[str, bytes] = field(repr=False)
    """What is in it, by path."""

    @property
    def digest(self) -> str:
        """What it is known by: ``sha256:...``."""
        return self.artifact.digest

    @property
    def annotations(self) -> Mapping[str, str]:
        """What it says of where it is from."""
        return self.artifact.manifest.annotations


def pack(files: Mapping[str, bytes], annotations: Mapping[str, str]) -> Bundle:
    """Make a bundle of files.

    The same files and annotations give the same digest, on every machine and with every version of Python.

    Raises:
        BrokenBundleError: a file cannot be in a bundle, or they are too large.
    """
    if sum(map(len, files.values())) > MAX_BYTES // 2:
        raise BrokenBundleError(f"the library is larger than {MAX_BYTES >> 21} MiB")
    judging = {path: content for path, content in files.items() if _judges(path)}
    inner = write_tar(judging, below=GATEKEEPER)
    outer = write_gzip(inner)
    rest = write_tar({path: content for path, content in files.items() if path not in judging})
    unpack = {TITLE: GATEKEEPER, _UNPACK: "true", _UNPACKED_DIGEST: digest_of(inner)}
    layers = (
        Descriptor.of(outer, _TAR_GZIP, unpack),
        Descriptor.of(rest, _TAR, {TITLE: LIBRARY}),
    )
    config = Descriptor.of(_EMPTY, _EMPTY_TYPE)
    manifest = Manifest.write(config, layers, artifact_type=ARTIFACT_TYPE, annotations=annotations)
    blobs = {config.digest: _EMPTY, layers[0].digest: outer, layers[1].digest: rest}
    return unpack_bundle(Artifact(manifest, blobs))


def unpack_bundle(artifact: Artifact) -> Bundle:
    """Read what is in an artifact.

    Raises:
        BrokenBundleError: it is not a bundle of policies.
    """
    layers = required_layers(artifact.manifest)
    inner = read_gzip(artifact.blobs[layers[GATEKEEPER].digest])
    judging = read_tar(inner, below=GATEKEEPER)
    rest = read_tar(artifact.blobs[layers[LIBRARY].digest])
    # Each file in the one layer where it is looked for: no bundle says one thing to gator and another here.
    if misplaced := [p for p in judging if not _judges(p)] + [p for p in rest if _judges(p)]:
        raise BrokenBundleError(f"it has {misplaced[0]} in the wrong layer")
    return Bundle(artifact, {**judging, **rest})


def required_layers(manifest: Manifest) -> dict[str, Descriptor]:
    """Return the layers of a bundle by their titles.

    Raises:
        BrokenBundleError: it is not a bundle of policies.
    """
    if manifest.artifact_type != ARTIFACT_TYPE:
        raise BrokenBundleError(
            f"it is {manifest.artifact_type}, not a bundle of policies",
            hint="`moorage policy bundle build` makes one",
        )
    found = {layer.annotations.get(TITLE, ""): layer for layer in manifest.layers}
    if {title: layer.media_type for title, layer in found.items()} != _TYPES or len(manifest.layers) != len(
        _TYPES
    ):
        raise BrokenBundleError("its layers are not those of a bundle of policies")
    return found


def _judges(path: str) -> bool:
    """Say whether Gatekeeper reads a file."""
    match path.split("/"):
        case ["policies", _, file]:
            return file in {"template.yaml", "constraint.yaml"}
        case ["expansion", _]:
            return True
        case _:
            return False
