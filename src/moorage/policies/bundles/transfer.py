"""Bundles from and to registries, with the cache between, and the signature before anything is unpacked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from moorage.policies.bundles.artifact import (
    TITLE,
    Artifact,
    Bundle,
    Manifest,
    required_layers,
    unpack_bundle,
)
from moorage.policies.bundles.cache import Cache
from moorage.policies.bundles.errors import (
    BrokenBundleError,
    BundleError,
    NotCachedError,
    NotFoundError,
    SignatureError,
)
from moorage.policies.bundles.reference import Reference
from moorage.policies.load import read_library

if TYPE_CHECKING:
    from moorage.policies.bundles.keys import PrivateKey, PublicKey
    from moorage.policies.bundles.registry import Registry
    from moorage.policies.model import Library


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signature a bundle needs.

    Args:
        keys: one of them has to have signed it; none is asked for where there are none.
        signed_as: the repository that the signature names, where the bundle is a copy from there.
    """

    keys: tuple[PublicKey, ...] = ()
    signed_as: str = ""


ANYBODY: Final = Trust()


@dataclass(frozen=True, slots=True)
class Signer:
    """Who has signed a bundle.

    Args:
        key: the name of the public key that says so.
        fingerprint: of that key.
        identity: the repository, as the signature names it.
    """

    key: str
    fingerprint: str
    identity: str

    def __str__(self) -> str:
        return f"{self.key}, as {self.identity}"


@dataclass(frozen=True, slots=True)
class Pulled:
    """A bundle that is here now.

    Args:
        reference: it, at its digest.
        bundle: what it is.
        signatures: that were looked for, and found.
        signed_by: who signed it, where that was asked for.
        not_kept: why the cache does not have it.
    """

    reference: Reference
    bundle: Bundle
    signatures: Artifact | None = None
    signed_by: Signer | None = None
    not_kept: str = ""

    @property
    def library(self) -> Library:
        """The library that is in it."""
        return library_of(
            self.bundle, name=self.reference.repository.rpartition("/")[2], origin=str(self.reference)
        )


def library_of(bundle: Bundle, *, name: str, origin: str) -> Library:
    """Read the library in a bundle.

    Args:
        bundle: that it is in.
        name: what it is called where it does not say.
        origin: where it is from, for messages.

    Raises:
        LibraryError: it cannot be read.
    """
    return read_library(bundle.files, name=bundle.annotations.get(TITLE) or name, origin=origin)


async def pull(
    reference: Reference,
    *,
    trust: Trust = ANYBODY,
    offline: bool = False,
    cache: Cache | None = None,
    with_signatures: bool = False,
) -> Pulled:
    """Get a bundle.

    A digest that is in the cache needs no network; a tag is always asked for, unless ``offline``.

    Args:
        reference: which.
        trust: whose signature it needs.
        offline: whether to be content with what was pulled before.
        cache: where bundles are kept; the user's otherwise.
        with_signatures: whether to get its signatures also where none is asked for.

    Raises:
        SignatureError: it is not signed as it has to be.
        AlteredBundleError: it is not what its digest says.
        NotCachedError: offline, and it was never here.
        BundleError: it cannot be had, or is none.
    """
    cache = cache or Cache.of_user()
    if offline:
        return _checked(reference, *_kept(reference, cache, trust), trust)
    if reference.digest and not with_signatures:
        # What is in the cache is what it is; only a signature may have been added since.
        with suppress(NotCachedError, SignatureError):
            return _checked(reference, *_kept(reference, cache, trust), trust)
    from moorage.policies.bundles.registry import registries

    async with registries() as registry:
        return await _fetch(
            registry, reference, cache, trust, with_signatures=with_signatures or bool(trust.keys)
        )


async def push(reference: Reference, bundle: Bundle, signatures: Artifact | None = None) -> Reference:
    """Write a bundle to a registry, and its signatures where it has any; return it at its digest.

    Raises:
        RegistryError: the registry refuses, or cannot be reached.
        BundleError: the reference names another digest.
    """
    from moorage.policies.bundles.registry import registries
    from moorage.policies.bundles.signing import signature_reference

    if reference.digest and reference.digest != bundle.digest:
        raise BundleError(f"{reference} names another digest than the bundle has: {bundle.digest}")
    async with registries() as registry:
        # The signatures first: nobody finds the bundle without them.
        if signatures is not None:
            await registry.push(signature_reference(reference, bundle.digest), signatures)
        await registry.push(reference, bundle.artifact)
    return reference.pinned(bundle.digest)


async def sign(reference: Reference, key: PrivateKey) -> Reference:
    """Sign a bundle that is in a registry; return where the signature is.

    The bundle is read before, so that nothing is signed that is not one. Signing again changes nothing.

    Raises:
        BundleError: the reference has no digest, or what it names cannot be had or is no bundle.
    """
    from moorage.policies.bundles.registry import registries
    from moorage.policies.bundles.signing import signature_reference, signed

    if not reference.digest:
        raise BundleError(
            f"{reference} is a tag, which may be moved before it is signed",
            hint=f"sign {reference.name}@sha256:...; `push` and `inspect` print it",
        )
    async with registries() as registry:
        manifest = await registry.manifest(reference)
        _required(manifest, reference)
        _unpacked(await registry.artifact(reference, manifest), reference)
        before = await _signatures(registry, reference, reference.digest)
        after = signed(reference, reference.digest, key, before)
        where = signature_reference(reference, reference.digest)
        if after is not before:
            await registry.push(where, after)
    return where


async def _fetch(
    registry: Registry, reference: Reference, cache: Cache, trust: Trust, *, with_signatures: bool
) -> Pulled:
    from moorage.policies.bundles.signing import signature_reference

    manifest = await registry.manifest(reference)
    _required(manifest, reference)
    digest = manifest.digest
    signatures = await _signatures(registry, reference, digest) if with_signatures else None
    # Before the rest of it comes.
    wanted = trust.signed_as or reference.identity
    require_signer(signatures, digest, trust, str(reference), wanted, reference.tag)
    artifact = cache.artifact(digest) or await registry.artifact(reference, manifest)
    pulled = _checked(reference, artifact, signatures, trust)
    try:
        cache.keep(artifact)
        if signatures is not None:
            cache.keep(signatures)
            cache.keep_tag(signature_reference(reference, digest), signatures.digest)
        if not reference.digest:
            cache.keep_tag(reference, digest)
    except OSError as error:
        return replace(pulled, not_kept=f"{cache.folder}: {error.strerror or error}")
    return pulled


async def _signatures(registry: Registry, reference: Reference, digest: str) -> Artifact | None:
    from moorage.policies.bundles.signing import signature_reference

    where = signature_reference(reference, digest)
    try:
        return await registry.artifact(where, await registry.manifest(where))
    except NotFoundError:
        return None


def _kept(reference: Reference, cache: Cache, trust: Trust) -> tuple[Artifact, Artifact | None]:
    from moorage.policies.bundles.signing import signature_reference

    digest = reference.digest or cache.tagged(reference)
    artifact = cache.artifact(digest) if digest else None
    if digest is None or artifact is None:
        raise NotCachedError(
            f"{reference} is not in the cache, {cache.folder}", hint="pull it once without --offline"
        )
    where = cache.tagged(signature_reference(reference, digest))
    signatures = cache.artifact(where) if where else None
    if trust.keys and signatures is None:
        raise NotCachedError(
            f"{reference}: no signature of {digest} is in the cache, {cache.folder}",
            hint="pull it once with --key and without --offline",
        )
    return artifact, signatures


def _checked(reference: Reference, artifact: Artifact, signatures: Artifact | None, trust: Trust) -> Pulled:
    wanted = trust.signed_as or reference.identity
    signed_by = require_signer(signatures, artifact.digest, trust, str(reference), wanted, reference.tag)
    return Pulled(reference.pinned(artifact.digest), _unpacked(artifact, reference), signatures, signed_by)


def require_signer(
    signatures: Artifact | None, digest: str, trust: Trust, where: str, repository: str, tag: str = ""
) -> Signer | None:
    """Return who has signed a bundle, where a signature is asked for.

    Args:
        signatures: of the bundle, as they were found.
        digest: of the bundle.
        trust: whose signature it needs.
        where: it was found, for messages.
        repository: that the signature has to name; any, where it is empty.
        tag: by which it was asked for.

    Raises:
        SignatureError: nobody who counts has.
    """
    if not trust.keys:
        return None
    from moorage.policies.bundles.signing import Signed, require_signature

    key, payload = require_signature(signatures, Signed(digest, where, repository, tag), trust.keys)
    return Signer(key.name, key.fingerprint, payload.identity)


def _required(manifest: Manifest, reference: Reference) -> None:
    try:
        required_layers(manifest)
    except BrokenBundleError as error:
        raise BrokenBundleError(f"{reference}: {error.message}", hint=error.hint) from error


def _unpacked(artifact: Artifact, reference: Reference) -> Bundle:
    try:
        return unpack_bundle(artifact)
    except BrokenBundleError as error:
        raise BrokenBundleError(f"{reference}: {error.message}", hint=error.hint) from error


def trusted(files: Sequence[str], signed_as: str = "") -> Trust:
    """Read the public keys that count from files.

    Raises:
        KeyFileError: one cannot be read.
    """
    from pathlib import Path

    from moorage.policies.bundles.keys import PublicKey

    return Trust(tuple(PublicKey.read(Path(file)) for file in files), signed_as)
