"""The digests that upstream has now: what a maintainer adds to the committed lock file with a new version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moorage.toolchain.errors import SourceUnavailable, ToolUnavailableError
from moorage.toolchain.images import Images
from moorage.toolchain.lock import Artifact, check
from moorage.toolchain.network import Network
from moorage.toolchain.oci import image_artifact, read_manifest
from moorage.toolchain.platforms import Platform
from moorage.toolchain.release import read_published_digest, release_artifact
from moorage.toolchain.settings import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from moorage.toolchain.catalog import Tool
    from moorage.toolchain.inventory import Toolchain


async def read_digests(toolchain: Toolchain, names: Iterable[str]) -> dict[Artifact, str]:
    """Ask upstream for the digests of tools, for every platform and from every source that has one.

    Raises:
        ToolUnavailableError: one cannot be had; half an answer would be taken for a whole one.
        IntegrityError: one is not what a lock file says.
    """
    digests: dict[Artifact, str] = {}
    async with Network() as network:
        images = Images(network)
        for tool in toolchain.catalog.select(names):
            for artifact in artifacts(tool):
                try:
                    digest = await _read(tool, artifact, toolchain, network, images)
                except SourceUnavailable as error:
                    raise ToolUnavailableError(
                        f"{artifact}: {error}", hint="this asks upstream; connect this machine to the network"
                    ) from error
                check(artifact, digest, toolchain.locks.pins(artifact), origin="what upstream has now")
                digests[artifact] = digest
    return digests


def artifacts(tool: Tool) -> Iterator[Artifact]:
    """List all that upstream publishes of a tool."""
    for release in tool.release:
        for platform in release.platforms:
            yield release_artifact(tool, Platform.parse(platform))
    for platform in tool.image.platforms if tool.image else ():
        yield image_artifact(tool, Platform.parse(platform))


async def _read(
    tool: Tool, artifact: Artifact, toolchain: Toolchain, network: Network, images: Images
) -> str:
    platform = Platform.parse(artifact.platform)
    if artifact.source == Source.RELEASE:
        return await read_published_digest(tool, platform, network=network, mirror=toolchain.settings.mirror)
    _, manifest = await read_manifest(tool, platform, images=images, registry=toolchain.settings.registry)
    return manifest.digest
