"""How a library lies in a folder: what of it is read, and how its files are called.

In a folder a library is ``policies/NAME/``, ``sets/``, ``expansion/`` and ``library.yaml``. A small one is
flat: its folder has the policies' folders themselves, beside ``sets/`` and the rest. Whoever names the inner
folder of the first kind means the whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

PARTS: Final = ("policy", "template", "constraint")
LIBRARY_FILE: Final = "library.yaml"
_INNER: Final = "policies"
_BESIDE: Final = ("sets", "expansion")


def library_root(folder: Path) -> Path:
    """Return the folder of the library that a folder belongs to: itself, or the one around it."""
    whole = folder.resolve()
    if whole.name != _INNER or not is_flat(folder):
        return folder
    around = whole.parent
    if not any(_is_ours(file) for file in (*around.glob("sets/*.yaml"), around / LIBRARY_FILE)):
        return folder
    return folder.parent if folder.name == _INNER else around


def _is_ours(file: Path) -> bool:
    try:
        return b"policy.moorage.dev/" in file.read_bytes()
    except OSError:
        return False


def is_flat(root: Path) -> bool:
    """Say whether a library's folder has the folders of policies in it, without one around them."""
    return not (root / _INNER).is_dir()


def library_files(root: Path) -> dict[str, bytes]:
    """Return the files of a library in a folder that say what it is, by their path inside it.

    The path is that of a library that is not flat.

    Raises:
        OSError: the folder, or a file in it, cannot be read.
    """
    found: dict[str, bytes] = {}
    for entry in sorted((root if is_flat(root) else root / _INNER).iterdir()):
        for part in PARTS:
            file = entry / f"{part}.yaml"
            if file.is_file():
                found[f"{_INNER}/{entry.name}/{part}.yaml"] = file.read_bytes()
    for kind in _BESIDE:
        for file in sorted((root / kind).glob("*.yaml")):
            found[f"{kind}/{file.name}"] = file.read_bytes()
    if (root / LIBRARY_FILE).is_file():
        found[LIBRARY_FILE] = (root / LIBRARY_FILE).read_bytes()
    return found


def shown(origin: str, path: str, *, flat: bool) -> str:
    """Return a path inside a library as a person finds it.

    Args:
        origin: where the library is.
        path: as `library_files` has it.
        flat: whether the library is.
    """
    return f"{origin.rstrip('/')}/{path.removeprefix(f'{_INNER}/') if flat else path}"
