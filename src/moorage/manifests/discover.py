"""Finding out what a path is: a manifest, a folder of them, a kustomization, a chart."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

from moorage.manifests.documents import BrokenManifestError, decode, read
from moorage.manifests.model import InputError

STDIN: Final = "-"
SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
CHART: Final = "Chart.yaml"
_ARCHIVES: Final = (".tgz", ".tar.gz")
_PARTS: Final = ("resources", "bases", "components")


class What(Enum):
    """What is at a path."""

    STDIN = auto()
    FILE = auto()
    KUSTOMIZATION = auto()
    CHART = auto()


@dataclass(frozen=True, slots=True)
class Found:
    """Something to read.

    Args:
        what: what it is.
        path: where; as the person wrote it, and below that.
        asked: whether it was named itself, and not found in a folder that was.
    """

    what: What
    path: Path
    asked: bool


def discover(path: str) -> list[Found | InputError]:
    """Find out what a path is; of a folder, what is in it. What cannot be looked at is named in its place.

    Folders and files that begin with a dot are not looked into unless they are named. Below a kustomization
    only other kustomizations and charts are found, and of those only what no other one is made of: the rest
    is material that they are made from.
    """
    if path == STDIN:
        return [Found(What.STDIN, Path(STDIN), asked=True)]
    place = Path(path)
    try:
        if place.is_dir():
            return _folder(place)
        place.stat()
    except OSError as error:
        return [InputError(f"{path}: {_reason(error)}")]
    return [_file(place)]


def _file(place: Path) -> Found:
    if place.name in KUSTOMIZATIONS:
        return Found(What.KUSTOMIZATION, place.parent, asked=True)
    if place.name == CHART:
        return Found(What.CHART, place.parent, asked=True)
    what = What.CHART if place.name.endswith(_ARCHIVES) else What.FILE
    return Found(what, place, asked=True)


def _folder(root: Path) -> list[Found | InputError]:
    found = list(_walk(root, asked=True, claimed=False, above=frozenset()))
    parts = {part for item in found if isinstance(item, Found) for part in _made_from(item)}
    kept = [
        item
        for item in found
        if isinstance(item, InputError)
        or item.asked
        or item.what is What.FILE
        or item.path.resolve() not in parts
    ]
    return kept or [InputError(f"{root}: there is no manifest here", hint=_NOTHING_HINT)]


_NOTHING_HINT: Final = (
    "manifests end in .yaml, .yml or .json; a kustomization or a chart may be in the folder, too"
)


def _walk(
    folder: Path, *, asked: bool, claimed: bool, above: frozenset[tuple[int, int]]
) -> Iterator[Found | InputError]:
    """Yield what is in a folder and below it.

    Args:
        folder: which one.
        asked: whether a person named it.
        claimed: whether a kustomization above it uses its files.
        above: the folders that lead here, so that a link back to one of them is not followed.
    """
    try:
        status = folder.stat()
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield InputError(f"{folder}: {_reason(error)}")
        return
    itself = (status.st_dev, status.st_ino)
    if itself in above:
        return
    names = {entry.name for entry in entries}
    if CHART in names:
        yield Found(What.CHART, folder, asked=asked)
        return
    if not names.isdisjoint(KUSTOMIZATIONS):
        yield Found(What.KUSTOMIZATION, folder, asked=asked)
        claimed = True
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        if entry.is_dir():
            yield from _walk(path, asked=False, claimed=claimed, above=above | {itself})
        elif not claimed and path.suffix in SUFFIXES:
            yield from _entry(path)


def _entry(path: Path) -> Iterator[Found | InputError]:
    if path.is_file():
        yield Found(What.FILE, path, asked=False)
    elif path.is_symlink():
        yield InputError(f"{path}: the link leads nowhere")


def _made_from(item: Found) -> Iterator[Path]:
    """Yield the folders that a kustomization takes up; what it does with them is its own business."""
    if item.what is not What.KUSTOMIZATION:
        return
    for name in KUSTOMIZATIONS:
        try:
            content, _ = read(decode((item.path / name).read_bytes()))
        except (OSError, BrokenManifestError):
            continue  # kustomize will say what is wrong
        for part in _PARTS if isinstance(content, dict) else ():
            entries = content.get(part)
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, str) and "://" not in entry and (item.path / entry).is_dir():
                    yield (item.path / entry).resolve()


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file or folder"
    return (error.strerror or str(error)).lower()
