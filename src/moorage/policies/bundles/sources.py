"""A bundle, wherever it is: a library's folder, a file, or a registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moorage.policies.bundles.errors import BundleError
from moorage.policies.bundles.reference import Reference
from moorage.policies.bundles.transfer import ANYBODY, Trust, library_of, pull, require_signer

if TYPE_CHECKING:
    from moorage.policies.bundles.artifact import Artifact, Bundle
    from moorage.policies.bundles.transfer import Signer
    from moorage.policies.model import Library


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle, and what is known of it.

    Args:
        where: it is, for messages; with its digest where that is part of the address.
        name: what its library is called where it does not say.
        bundle: what it is.
        signatures: that are with it.
        signed_by: who signed it, where that was asked for.
    """

    where: str
    name: str
    bundle: Bundle
    signatures: Artifact | None = None
    signed_by: Signer | None = None

    @property
    def library(self) -> Library:
        """The library that is in it."""
        return library_of(self.bundle, name=self.name, origin=self.where)


async def open_source(source: str, *, trust: Trust = ANYBODY, offline: bool = False) -> Opened:
    """Read a bundle from a folder, a file, or a registry.

    A folder is what its owner is working on, and needs no signature.

    Raises:
        BundleError: there is none, it cannot be had, or it is not signed as it has to be.
        LibraryError: it is the folder of a library that cannot be read.
    """
    if (here := _here(Path(source), trust)) is not None:
        return here
    pulled = await pull(Reference.parse(source), trust=trust, offline=offline, with_signatures=not offline)
    name = pulled.reference.repository.rpartition("/")[2]
    return Opened(str(pulled.reference), name, pulled.bundle, pulled.signatures, pulled.signed_by)


def _here(path: Path, trust: Trust) -> Opened | None:
    if path.is_dir():
        from moorage.policies.bundles.build import build
        from moorage.policies.bundles.provenance import read_commit

        return Opened(str(path), path.resolve().name, build(path, read_commit(path)))
    return _from_file(path, trust) if path.exists() else None


def _from_file(file: Path, trust: Trust) -> Opened:
    from moorage.policies.bundles.layout import read_layout

    bundle, signatures = read_layout(file)
    # A file does not say where it should be; the signature says where it was.
    signed_by = require_signer(signatures, bundle.digest, trust, str(file), trust.signed_as)
    return Opened(str(file), file.stem, bundle, signatures, signed_by)


def write_folder(folder: Path, bundle: Bundle) -> None:
    """Write the files of a bundle to a folder that is new or empty.

    Raises:
        BundleError: something is there already, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BundleError(f"{folder} is not empty", hint="name a new folder with -o")
        for path, content in bundle.files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    except OSError as error:
        raise BundleError(f"{error.filename or folder}: {error.strerror or error}") from error
