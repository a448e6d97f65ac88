"""A copy of files in which changes are tried out: the person's own are not touched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from moorage.advisors.sources.model import Texts
from moorage.errors import MoorageError
from moorage.files import private_folder

MOST_BYTES: Final = 200_000_000


class Workspace:
    """A copy of some files, at the same places to each other.

    Args:
        files: absolute paths.
        stack: to it belongs the folder.

    Raises:
        MoorageError: they are too many, or cannot be read.
    """

    def __init__(self, files: Iterable[Path], stack: ExitStack) -> None:
        self._files = sorted(files)
        self._root = Path(os.path.commonpath([file.parent for file in self._files]))
        folder = tempfile.TemporaryDirectory(prefix="moorage-sources-")
        self._folder = Path(stack.enter_context(folder))
        self._different: dict[Path, str | None] = {}
        self._contents: dict[Path, bytes] = {}
        size = 0
        for file in self._files:
            try:
                size += file.stat().st_size
                if size > MOST_BYTES:
                    raise MoorageError(
                        f"{self._root}: more than {MOST_BYTES:,} bytes would be copied to try changes out"
                    )
                self._contents[file] = file.read_bytes()
            except OSError as error:
                raise MoorageError(f"{file}: {(error.strerror or str(error)).lower()}") from error
            self._write(file, self._contents[file])

    def at(self, path: Path) -> Path:
        """Return where a path is in the copy."""
        return self._folder / path.relative_to(self._root)

    def texts(self, suffixes: Iterable[str], names: Iterable[str] = ()) -> Mapping[Path, str]:
        """Return what those files say that are text, by their suffixes or names."""
        wanted, called = tuple(suffixes), set(names)
        found: dict[Path, str] = {}
        for file, content in self._contents.items():
            if file.suffix in wanted or file.name in called:
                try:
                    found[file] = content.decode()
                except UnicodeDecodeError:
                    continue
        return found

    def change(self, texts: Texts) -> None:
        """Let files say something else, and those that were changed before say what they do."""
        for file in list(self._different):
            if file not in texts:
                del self._different[file]
                self._write(file, self._contents[file])
        for file, text in texts.items():
            if file in self._different and self._different[file] == text:
                continue
            self._different[file] = text
            if text is None:
                self.at(file).unlink(missing_ok=True)
            else:
                self._write(file, text.encode())

    def _write(self, file: Path, content: bytes) -> None:
        place = self.at(file)
        if not place.parent.is_dir():
            private_folder(place.parent)
        place.write_bytes(content)
