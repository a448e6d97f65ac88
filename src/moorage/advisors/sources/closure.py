"""All files that a kustomization is made of, and the kustomizations that a file is part of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from moorage.manifests.discover import KUSTOMIZATIONS
from moorage.manifests.documents import BrokenManifestError, decode, read
from moorage.manifests.editing.operations import leaves

_DEEPEST: Final = 12
_IGNORED: Final = frozenset({"node_modules", "vendor", "__pycache__"})


def closure_of(folder: Path) -> frozenset[Path]:
    """Return the files of a kustomization and of all that it is made of, as absolute paths."""
    found: set[Path] = set()
    waiting = [folder]
    seen: set[Path] = set()
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        file = _kustomization(each)
        if file is None:
            found |= {inside for inside in each.rglob("*") if inside.is_file()} if each != folder else set()
            continue
        found.add(file)
        for path in _named(file):
            if path.is_dir():
                waiting.append(path)
            elif path.is_file():
                found.add(path)
    return frozenset(found)


def neighbours_of(files: Iterable[Path]) -> dict[Path, frozenset[Path]]:
    """Return the other kustomizations around that are made of some of these files, with their own files.

    Around is the git repository that the files are in; without one, the folders beside theirs.
    """
    wanted = frozenset(files)
    if not wanted:
        return {}
    common = Path(os.path.commonpath([file.parent for file in wanted]))
    root = next((folder for folder in (common, *common.parents) if (folder / ".git").exists()), common.parent)
    if root in {Path(root.anchor), Path.home(), Path("/tmp")}:  # noqa: S108 - nobody's project is all of it
        root = common
    found = {}
    for folder in _kustomized(root):
        file = _kustomization(folder)
        closure = closure_of(folder)
        if closure & wanted and file not in wanted:
            found[folder] = closure
    return found


def _kustomized(root: Path) -> Iterator[Path]:
    depth = len(root.parts)
    for place, folders, names in os.walk(root):
        folder = Path(place)
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _IGNORED]
        if len(folder.parts) - depth >= _DEEPEST:
            folders[:] = []
        if not set(names).isdisjoint(KUSTOMIZATIONS):
            yield folder.resolve()


def _kustomization(folder: Path) -> Path | None:
    return next((folder / name for name in KUSTOMIZATIONS if (folder / name).is_file()), None)


def _named(file: Path) -> Iterator[Path]:
    """Yield what a kustomization names: whatever is a path from its folder, also as ``key=path``."""
    try:
        content, _ = read(decode(file.read_bytes()))
    except (OSError, BrokenManifestError):
        return  # kustomize will say what is wrong
    for _, value in leaves(content):
        for text in _texts(value):
            path = file.parent / text
            try:
                if path.exists():
                    yield path.resolve()
            except OSError:
                continue  # no path at all


def _texts(value: Any) -> Iterator[str]:
    if not isinstance(value, str) or not value or "\n" in value or "://" in value or value.startswith("/"):
        return
    yield value
    if "=" in value:
        yield value.partition("=")[2]
