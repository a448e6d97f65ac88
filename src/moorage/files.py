"""Files that are whole or not there, and that nobody else reads."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def replace_file(path: Path, content: str | bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Write a file whole or not at all; a crash at any point leaves the old one or the new one.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    content = content.encode() if isinstance(content, str) else content
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_if_changed(path: Path, content: str | bytes, *, mode: int = PRIVATE_FILE) -> bool:
    """Write a file unless it says the same already; say whether it was written."""
    content = content.encode() if isinstance(content, str) else content
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return False
    replace_file(path, content, mode=mode)
    return True


def private_folder(path: Path) -> Path:
    """Make a folder (and those above it) that only its owner may enter, and return it."""
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    return path
