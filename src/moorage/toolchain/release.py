"""An official release: downloaded, held against its digest, unpacked."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from moorage.toolchain.archives import extract_member
from moorage.toolchain.checksums import published_digest
from moorage.toolchain.errors import IntegrityError, NotPublished
from moorage.toolchain.fetched import Fetched
from moorage.toolchain.lock import Artifact, Pin, check
from moorage.toolchain.settings import Source

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.toolchain.catalog import Release, Tool
    from moorage.toolchain.network import Network
    from moorage.toolchain.platforms import Platform
    from moorage.toolchain.progress import Reporter


def release_artifact(tool: Tool, platform: Platform) -> Artifact:
    """Name a release in lock files."""
    return Artifact(tool.name, tool.version, str(platform), Source.RELEASE)


async def fetch_release(
    tool: Tool,
    platform: Platform,
    workspace: Path,
    *,
    network: Network,
    pins: tuple[Pin, ...],
    mirror: str | None,
    report: Reporter,
) -> Fetched:
    """Download a tool's release and take the binary out of it.

    What a lock file says goes before what upstream publishes, which is asked only for what none knows.

    Raises:
        SourceUnavailable: there is none for the platform, or it cannot be had.
        IntegrityError: it is not what was promised.
    """
    release = _release_for(tool, platform)
    url = mirrored(tool.fill(release.url, platform), mirror)
    report.started(f"download from {urlsplit(url).netloc}")
    promised = None if pins else await read_published_digest(tool, platform, network=network, mirror=mirror)
    download = workspace / PurePosixPath(urlsplit(url).path).name
    with download.open("wb") as file:
        digest = await network.download(url, file, advanced=report.advanced)
    check(release_artifact(tool, platform), digest, pins, origin=url)
    if promised not in {None, digest}:
        raise IntegrityError(
            f"{tool}: {url} is {digest}, but upstream publishes {promised}: damaged on the way, or replaced",
            hint="do not use it; try again later, or from another network",
        )
    binary = workspace / f"{tool.name}.binary"
    if release.member is None:
        download.rename(binary)
    else:
        await asyncio.to_thread(extract_member, download, tool.fill(release.member, platform), binary)
        download.unlink()
    return Fetched(binary, origin=url, artifact=release_artifact(tool, platform), artifact_digest=digest)


async def read_published_digest(
    tool: Tool, platform: Platform, *, network: Network, mirror: str | None
) -> str:
    """Ask upstream for the digest of a tool's release.

    Raises:
        SourceUnavailable: it does not say.
    """
    release = _release_for(tool, platform)
    checksum_url = mirrored(tool.fill(release.checksum.url, platform), mirror)
    text = (await network.document(checksum_url)).decode("utf-8", "replace")
    file_name = PurePosixPath(urlsplit(tool.fill(release.url, platform)).path).name
    return published_digest(release.checksum.format, text, file_name)


def mirrored(url: str, mirror: str | None) -> str:
    """Return the address in a copy of the releases: host and path below the mirror, as ``wget -x`` does."""
    if mirror is None:
        return url
    parts = urlsplit(url)
    return f"{mirror}/{parts.netloc}{parts.path}"


def _release_for(tool: Tool, platform: Platform) -> Release:
    release = tool.release_for(platform)
    if release is None:
        raise NotPublished(
            f"upstream publishes none for {platform}" if tool.release else "upstream publishes none"
        )
    return release
