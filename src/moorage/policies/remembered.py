"""What is remembered about policies between runs, and what an engine is known by."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from moorage.cache import Cache, Room

VERDICTS: Final = Room("verdicts")
LIBRARIES: Final = Room("libraries")
ENGINES: Final = Room("engines")


def engine_digest(executable: Path, cache: Cache | None) -> bytes:
    """Return the digest of an engine's executable: another one may judge otherwise.

    To read 100 MB at each run would cost more than all the rest. What was read once is remembered by
    everything that the file system says about the file, which changes whenever its content can have.
    """
    try:
        path = executable.resolve()
        found = path.stat()
        said = f"{path} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino} {found.st_dev}"
        key = hashlib.sha256(said.encode()).digest()
        known = cache.read(ENGINES, [key]).get(key) if cache else None
        if known is None:
            with path.open("rb") as file:
                known = hashlib.file_digest(file, "sha256").digest()
            if cache:
                cache.write(ENGINES, {key: known})
    except OSError:  # whoever runs it will say so
        return hashlib.sha256(b"").digest()
    return known
