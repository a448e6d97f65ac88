"""A binary out of an official OCI image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moorage.toolchain.errors import NotPublished
from moorage.toolchain.fetched import Fetched
from moorage.toolchain.images import Descriptor, Images, Manifest, Reference
from moorage.toolchain.layers import extract_from_layers
from moorage.toolchain.lock import Artifact, Pin, check
from moorage.toolchain.settings import Source

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.toolchain.catalog import Image, Tool
    from moorage.toolchain.platforms import Platform
    from moorage.toolchain.progress import Reporter


def image_artifact(tool: Tool, platform: Platform) -> Artifact:
    """Name an image in lock files."""
    return Artifact(tool.name, tool.version, str(platform), Source.OCI)


async def read_manifest(
    tool: Tool, platform: Platform, *, images: Images, registry: str | None
) -> tuple[Reference, Manifest]:
    """Read the manifest of a tool's image.

    Raises:
        SourceUnavailable: there is no image for the platform, or it cannot be had.
    """
    image = _image_for(tool, platform)
    reference = Reference.parse(tool.fill(image.reference, platform)).mirrored(registry)
    return reference, await images.manifest(reference, platform)


async def fetch_image(
    tool: Tool,
    platform: Platform,
    workspace: Path,
    *,
    images: Images,
    pins: tuple[Pin, ...],
    registry: str | None,
    report: Reporter,
) -> Fetched:
    """Take a tool's binary out of its image.

    Raises:
        SourceUnavailable: there is no image for the platform, or it cannot be had.
        IntegrityError: it is not what was promised.
    """
    file_in_image = tool.fill(_image_for(tool, platform).file, platform)
    report.started("read the image")
    reference, manifest = await read_manifest(tool, platform, images=images, registry=registry)
    artifact = image_artifact(tool, platform)
    check(artifact, manifest.digest, pins, origin=str(reference))
    report.started(f"download from {reference.host}")

    async def fetch(layer: Descriptor) -> Path:
        path = workspace / layer.digest.replace(":", "-")
        if not path.exists():
            with path.open("wb") as file:
                await images.blob(reference, layer, file, report.advanced)
        return path

    binary = workspace / f"{tool.name}.binary"
    await extract_from_layers(manifest.layers, file_in_image, binary, fetch)
    return Fetched(binary, origin=str(reference), artifact=artifact, artifact_digest=manifest.digest)


def _image_for(tool: Tool, platform: Platform) -> Image:
    if tool.image is None:
        raise NotPublished("upstream publishes none")
    if str(platform) not in tool.image.platforms:
        raise NotPublished(f"upstream publishes none for {platform}")
    return tool.image
