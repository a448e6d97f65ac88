"""A file in the layers of an image: what the image's root would show at a path, without building that root.

The layers are read from the top down, and only as far as needed. Links are followed as a running container
would: inside the image. What is taken is the bytes of one regular file; no name in a layer is a path here.
"""

from __future__ import annotations

import asyncio
import posixpath
import shutil
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moorage.toolchain.archives import BROKEN_ARCHIVE, normal_name
from moorage.toolchain.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from moorage.toolchain.images import Descriptor

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MAX_LINKS = 40  # as many as Linux follows


@dataclass(frozen=True, slots=True)
class Found:
    """The file was here, and has been copied."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A link: the image means another path."""

    path: str


@dataclass(frozen=True, slots=True)
class Hidden:
    """This layer removes the path: what lower layers say of it does not count."""


Answer = Found | Moved | Hidden | None


async def extract_from_layers(
    layers: Sequence[Descriptor],
    path: str,
    destination: Path,
    fetch: Callable[[Descriptor], Awaitable[Path]],
) -> None:
    """Copy the file that an image has at a path.

    Args:
        layers: The image's layers, the lowest first.
        path: The absolute path in the image.
        destination: Where its bytes go.
        fetch: Gives a layer as a file, whenever it is asked for one.

    Raises:
        SourceUnavailable: the image has no such file, or a layer cannot be read.
    """
    wanted = normal_name(path)
    for _ in range(_MAX_LINKS):
        answer: Answer = None
        for layer in reversed(layers):
            archive = await fetch(layer)
            answer = await asyncio.to_thread(_search, archive, layer, wanted, destination)
            if answer is not None:
                break
        match answer:
            case Found():
                return
            case Moved(target):
                wanted = target
            case _:
                raise SourceUnavailable(f"the image has no file {path}")
    raise SourceUnavailable(f"the image's links for {path} go in a circle")


def _search(archive: Path, layer: Descriptor, wanted: str, destination: Path) -> Answer:
    try:
        with tarfile.open(archive, "r:*") as tar:
            return _search_tar(tar, wanted, destination)
    except BROKEN_ARCHIVE as error:
        how = "zstd, which Python reads from 3.14 on" if layer.media_type.endswith("zstd") else str(error)
        raise SourceUnavailable(f"layer {layer.digest[:19]} cannot be unpacked: {how}") from error


def _search_tar(tar: tarfile.TarFile, wanted: str, destination: Path) -> Answer:
    parents = _parents(wanted)
    whiteouts = {_whiteout(path) for path in (*parents, wanted)}
    opaque = {posixpath.join(parent, _OPAQUE) for parent in ("", *parents)}
    links: dict[str, str] = {}
    hidden = False
    for entry in tar:
        name = normal_name(entry.name)
        if name == wanted and (entry.isreg() or entry.islnk()):
            # A hard link is another name of a file of the same layer; tarfile reads through it.
            return _copy(tar, entry, destination)
        if name == wanted and entry.issym():
            return Moved(_target(name, entry.linkname))
        if name in parents and entry.issym():
            links[name] = entry.linkname
        hidden = hidden or name in whiteouts or name in opaque
    for parent in parents:
        if parent in links:
            return Moved(posixpath.join(_target(parent, links[parent]), wanted[len(parent) + 1 :]))
    return Hidden() if hidden else None


def _copy(tar: tarfile.TarFile, entry: tarfile.TarInfo, destination: Path) -> Answer:
    try:
        content = tar.extractfile(entry)
    except KeyError as error:
        raise SourceUnavailable(f"{entry.name} is a link to nothing in its layer") from error
    if content is None:
        raise SourceUnavailable(f"{entry.name} is not a regular file")
    with content, destination.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
    return Found()


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def _whiteout(path: str) -> str:
    folder, name = posixpath.split(path)
    return posixpath.join(folder, _WHITEOUT + name)


def _target(link: str, target: str) -> str:
    """Resolve a link inside the image; ``..`` stops at its root, as in a container."""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(link), target)).lstrip("/")
