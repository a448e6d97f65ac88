"""From a folder to a bundle."""

from __future__ import annotations

from pathlib import Path

from moorage.policies.bundles.artifact import Bundle, pack
from moorage.policies.bundles.errors import BundleError
from moorage.policies.bundles.provenance import Commit, decide
from moorage.policies.folders import is_flat, library_files, library_root
from moorage.policies.load import read_library

_TEXTS = ("README.md", "LICENSE", "NOTICE")


def build(
    folder: Path, commit: Commit | None = None, *, version: str = "", source: str = "", revision: str = ""
) -> Bundle:
    """Make a bundle of the library in a folder. The same folder gives the same digest everywhere.

    Args:
        folder: of the library.
        commit: that the folder is at.
        version: of the library; as the library says where it is not given.
        source: where people find the library; where git says it is from otherwise.
        revision: of the library; the commit otherwise.

    Raises:
        LibraryError: the library cannot be read.
        BundleError: a file of it cannot be in a bundle.
    """
    folder = library_root(folder)
    files = collect(folder)
    library = read_library(files, name=folder.resolve().name, origin=str(folder), flat=is_flat(folder))
    # A library that says no name goes by its folder's, which is not the same everywhere.
    title = library.name if "library.yaml" in files else ""
    if version and library.version and version != library.version:
        raise BundleError(
            f"{folder}/library.yaml says version {library.version}, not {version}",
            hint="change library.yaml, or leave --version out",
        )
    said = decide(commit, title=title, version=version or library.version, source=source, revision=revision)
    return pack(files, said.annotations)


def collect(folder: Path) -> dict[str, bytes]:
    """Return the files of the library in a folder, suites and samples included, by path.

    Raises:
        BundleError: a file cannot be read, or is a link: it would be another file elsewhere.
    """
    try:
        files = library_files(folder)
        flat = is_flat(folder)
        for file in _companions(folder if flat else folder / "policies"):
            path = file.relative_to(folder).as_posix()
            files[f"policies/{path}" if flat else path] = file.read_bytes()
        for name in _TEXTS:
            if (folder / name).is_file():
                files[name] = (folder / name).read_bytes()
    except OSError as error:
        raise BundleError(
            f"{error.filename or folder}: {error.strerror or error}",
            hint="name the folder of a policy library",
        ) from error
    for path in files:
        _refuse_links(folder, path.removeprefix("policies/") if flat else path)
    return files


def _companions(folder: Path) -> list[Path]:
    """Return what goes with the policies of a folder: their suites, and what the suites judge."""
    found = [*folder.glob("*/suite.yaml"), *folder.glob("*/README.md")]
    found += [file for samples in folder.glob("*/samples") for file in samples.rglob("*.yaml")]
    return sorted(file for file in found if file.is_file())


def _refuse_links(folder: Path, path: str) -> None:
    place = folder
    for part in Path(path).parts:
        place /= part
        if place.is_symlink():
            raise BundleError(f"{place} is a link", hint="put the file itself there; a bundle has no links")
