"""Archives whose bytes depend on nothing but the files in them, and a reader that trusts none.

The writer is our own, and small: what a library of compression or of archives writes changes from one version
to the next, and a bundle's digest must not. For the same reason nothing is compressed: a library is a
megabyte or two, and "the same on every machine, for ever" is worth more than saving most of that.
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from moorage.policies.bundles.errors import BrokenBundleError

MAX_BYTES: Final = 64 << 20
"""How much a bundle may be, unpacked: far more than any library, far less than what would hurt."""
_MAX_FILES: Final = 20_000
_BLOCK: Final = 512
_STORED_BYTES: Final = 0xFFFF
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")


def write_tar(files: Mapping[str, bytes], *, below: str = "") -> bytes:
    """Return a POSIX tar of files, sorted, with their folders; without times, owners and modes of their own.

    Args:
        files: what they say, by path.
        below: a folder that they are put into.

    Raises:
        BrokenBundleError: a path cannot be in a bundle.
    """
    tar = bytearray()
    made: set[str] = set()
    for path in sorted(files):
        check_path(path)
        name = f"{below}/{path}" if below else path
        for folder in reversed(PurePosixPath(name).parents[:-1]):
            if str(folder) not in made:
                made.add(str(folder))
                tar += _header(f"{folder}/", 0, folder=True)
        content = files[path]
        tar += _header(name, len(content), folder=False)
        tar += content + bytes(-len(content) % _BLOCK)
    return bytes(tar + bytes(2 * _BLOCK))


def write_gzip(content: bytes) -> bytes:
    """Return the content as gzip that stores and does not compress (RFC 1951, 3.2.4; RFC 1952)."""
    packed = bytearray(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")  # no name, no time, no system
    for start in range(0, max(len(content), 1), _STORED_BYTES):
        part = content[start : start + _STORED_BYTES]
        packed.append(start + _STORED_BYTES >= len(content))
        packed += len(part).to_bytes(2, "little") + (len(part) ^ 0xFFFF).to_bytes(2, "little") + part
    packed += zlib.crc32(content).to_bytes(4, "little")
    packed += (len(content) & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(packed)


def read_gzip(content: bytes) -> bytes:
    """Return what a gzip holds; never more than a bundle may be.

    Raises:
        BrokenBundleError: it is broken, or holds more.
    """
    reader = zlib.decompressobj(wbits=31)
    try:
        found = reader.decompress(content, MAX_BYTES)
    except zlib.error as error:
        raise BrokenBundleError(f"its archive cannot be unpacked: {error}") from error
    if reader.unconsumed_tail or not reader.eof:
        why = f"it holds more than {MAX_BYTES >> 20} MiB" if reader.unconsumed_tail else "it ends too early"
        raise BrokenBundleError(f"its archive cannot be unpacked: {why}")
    return found


def read_tar(content: bytes, *, below: str = "") -> dict[str, bytes]:
    """Return the files of a tar by path. Only plain files and folders may be in it, at plain paths, once.

    Args:
        content: the tar.
        below: the folder that all of them are in; left out of the paths.

    Raises:
        BrokenBundleError: something else is in it.
    """
    try:
        return dict(_members(content, below))
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BrokenBundleError(f"its archive cannot be read: {error}") from error


def check_path(path: str) -> None:
    """Refuse a path that would not mean the same file everywhere, or that leads out of the folder.

    Raises:
        BrokenBundleError: it would.
    """
    if not all(_NAME.fullmatch(part) for part in path.split("/")):
        raise BrokenBundleError(
            f"{path!r} is not a path that a bundle can have",
            hint="name files with letters, digits and _ . - only, none beginning with a dot",
        )


def _members(content: bytes, below: str) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    room = MAX_BYTES
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for number, entry in enumerate(tar):
            name = entry.name.removesuffix("/")
            if number >= _MAX_FILES:
                raise BrokenBundleError(f"its archive has more than {_MAX_FILES} files")
            check_path(name)
            if entry.isdir():
                continue
            plain = entry.isreg() and not entry.issparse()
            if not plain or name in seen or (below and not name.startswith(f"{below}/")):
                raise BrokenBundleError(f"its archive has {name}, which is a link, twice there, or misplaced")
            seen.add(name)
            room -= entry.size
            if room < 0:
                raise BrokenBundleError(f"its archive holds more than {MAX_BYTES >> 20} MiB")
            file = tar.extractfile(entry)
            text = file.read() if file else b""
            if len(text) != entry.size:
                raise BrokenBundleError(f"its archive ends in the middle of {name}")
            yield name[len(below) + 1 if below else 0 :], text


def _header(name: str, size_bytes: int, *, folder: bool) -> bytes:
    """Return a header as POSIX.1-1988 (ustar) has it."""
    prefix, short = _split(name)
    fields = (
        (short.encode("ascii"), 100),
        (b"0000755\0" if folder else b"0000644\0", 8),
        (b"0000000\0", 8),  # owner
        (b"0000000\0", 8),  # group
        (f"{size_bytes:011o}\0".encode("ascii"), 12),
        (b"00000000000\0", 12),  # time
        (b" " * 8, 8),  # the checksum is over spaces
        (b"5" if folder else b"0", 1),
        (b"", 100),
        (b"ustar\x0000", 8),
        (b"", 32),
        (b"", 32),
        (b"0000000\0", 8),
        (b"0000000\0", 8),
        (prefix.encode("ascii"), 155),
    )
    header = b"".join(value.ljust(width, b"\0") for value, width in fields).ljust(_BLOCK, b"\0")
    return header[:148] + f"{sum(header):06o}\0 ".encode("ascii") + header[156:]


def _split(name: str) -> tuple[str, str]:
    """Divide a path into the two fields that a header has for it."""
    if len(name) <= 100:  # noqa: PLR2004 - the widths of the fields
        return "", name
    for cut, letter in enumerate(name):
        if letter == "/" and cut <= 155 and 0 < len(name) - cut - 1 <= 100:  # noqa: PLR2004
            return name[:cut], name[cut + 1 :]
    raise BrokenBundleError(f"{name} is too long a path for a bundle", hint="use shorter names")
