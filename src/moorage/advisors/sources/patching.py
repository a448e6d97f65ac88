"""A patch of files as a unified diff, and writing it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from moorage.errors import MoorageError
from moorage.files import replace_file

_CONTEXT: Final = 3
_NO_END: Final = "\\ No newline at end of file\n"


def unified_diff(before: Mapping[Path, str], after: Mapping[Path, str | None]) -> str:
    """Return a patch that ``git apply`` and ``patch -p1`` take, with paths as seen from this folder."""
    return "".join(_diff(file, before[file], after[file]) for file in sorted(after))


def _diff(file: Path, before: str, after: str | None) -> str:
    name = os.path.relpath(file).replace(os.sep, "/")
    old = _lines(before)
    new = _lines(after or "")
    lines = list(difflib.unified_diff(old, new, n=_CONTEXT, lineterm=""))[2:]
    head = [
        f"--- {_quoted(f'a/{name}')}\n",
        "+++ /dev/null\n" if after is None else f"+++ {_quoted(f'b/{name}')}\n",
    ]
    return "".join([*head, *_whole(lines)])


def _lines(text: str) -> list[str]:
    """Return the lines of a text; only a line feed ends one, whatever Unicode calls a line break."""
    return [f"{line}\n" for line in text.split("\n")[:-1]] + (
        [last] if (last := text.rsplit("\n", maxsplit=1)[-1]) else []
    )


def _whole(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("@@"):
            yield f"{line}\n"
        elif line.endswith("\n"):
            yield line
        else:
            yield f"{line}\n{_NO_END}"


def _quoted(name: str) -> str:
    """Return a name as git writes it: with quotes, where something in it could be misread."""
    if name.isascii() and name.isprintable() and not set(name) & set('"\\'):
        return f"{name}\t" if " " in name else name
    special = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n"}
    encoded = (
        special.get(chr(byte), chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}")  # noqa: PLR2004 - printable ASCII
        for byte in os.fsencode(name)
    )
    return f'"{"".join(encoded)}"'


def write(before: Mapping[Path, str], after: Mapping[Path, str | None]) -> None:
    """Write files: all of them, or none.

    Raises:
        MoorageError: a file is not what was read, or cannot be written; then all are as before.
    """
    for file in after:
        if _read(file) != before[file].encode():
            raise MoorageError(f"{file} was changed meanwhile", hint="run the command again")
    done: list[Path] = []
    try:
        for file in sorted(after, key=lambda each: after[each] is None):  # what goes goes last
            done.append(file)
            _put(file, after[file])
    except OSError as error:
        for file in done:
            with suppress(OSError):
                _restore(file, before[file])
        raise MoorageError(
            f"{done[-1]} cannot be written: {error.strerror or error}; nothing was changed"
        ) from error


def _put(file: Path, text: str | None) -> None:
    if text is None:
        file.unlink()
    else:
        target = file.resolve()  # a link stays one
        replace_file(target, text.encode(), mode=target.stat().st_mode & 0o7777)


def _restore(file: Path, text: str) -> None:
    target = file.resolve()
    if not target.exists() or target.read_bytes() != text.encode():
        mode = target.stat().st_mode & 0o7777 if target.exists() else 0o644
        replace_file(target, text.encode(), mode=mode)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise MoorageError(f"{file}: {(error.strerror or str(error)).lower()}") from error
