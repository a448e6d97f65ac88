"""Helm releases as clusters keep them: what was installed, and is compared with by every upgrade. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moorage.advisors.advice import Location
from moorage.advisors.apis.model import How, Object, Seen, Sighting
from moorage.advisors.apis.objects import named, own
from moorage.advisors.apis.table import Table
from moorage.manifests.documents import BrokenManifestError, documents
from moorage.manifests.model import metadata_of, title_of
from moorage.manifests.reading import unroll

SELECTOR: Final = "owner=helm,status notin (superseded,uninstalled)"
_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_LARGEST: Final = 256 << 20
"""Of a release that is unpacked; a Secret holds a megabyte."""


class BrokenReleaseError(ValueError):
    """A release that cannot be read."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release that is installed.

    Args:
        namespace: where.
        name: its name.
        revision: its number.
        status: as Helm calls it.
        chart: the chart and its version.
        manifest: what was installed, hooks included.
    """

    namespace: str
    name: str
    revision: int
    status: str
    chart: str
    manifest: str

    def __str__(self) -> str:
        return f"Helm release {self.namespace}/{self.name}"


def read_releases(stored: Iterable[Object], table: Table) -> Seen:
    """Return where the releases of a cluster use versions that go.

    Args:
        stored: the Secrets and ConfigMaps in which Helm keeps them.
        table: what is known.
    """
    newest: dict[tuple[str, str, bool], Release] = {}
    unread = []
    for content in stored:
        try:
            release = decode(content)
        except BrokenReleaseError as error:
            unread.append(f"{title_of(content)}: this is no release of Helm: {error}")
            continue
        key = (release.namespace, release.name, release.status == "deployed")
        if key not in newest or newest[key].revision < release.revision:
            newest[key] = release
    # Helm compares with what is deployed, and goes on from the newest; of most releases that is the same.
    sightings, notes = [], []
    for release in newest.values():
        try:
            sightings += list(look(release, table))
        except BrokenReleaseError as error:
            notes.append(f"{release}: its manifest cannot be read: {error}")
    names = {(release.namespace, release.name) for release in newest.values()}
    return Seen(tuple(sightings), {"helmReleases": len(names)}, (), (*unread, *notes))


def decode(content: Object) -> Release:
    """Read a release as Helm stores it: JSON, packed with gzip, in base64, in a Secret or a ConfigMap.

    Raises:
        BrokenReleaseError: it is none.
    """
    data = content.get("data")
    text = data.get("release") if isinstance(data, Mapping) else None
    if not isinstance(text, str):
        raise BrokenReleaseError("it has no `release`")
    try:
        packed = base64.b64decode(text)
        if content.get("kind") != "ConfigMap":
            packed = base64.b64decode(packed)
        told = json.loads(_unpacked(packed) if packed.startswith(_GZIP) else packed)
    except (binascii.Error, ValueError, zlib.error, RecursionError) as error:
        raise BrokenReleaseError(str(error)) from None
    if not isinstance(told, dict):
        raise BrokenReleaseError("it is not an object")
    metadata = _mapping(_mapping(told.get("chart")).get("metadata"))
    hooks = [_mapping(hook).get("manifest") for hook in told.get("hooks") or ()]
    parts = [part for part in (told.get("manifest"), *hooks) if isinstance(part, str)]
    version = told.get("version")
    return Release(
        str(told.get("namespace") or metadata_of(content).get("namespace") or ""),
        str(told.get("name", "")),
        version if isinstance(version, int) else 0,
        str(_mapping(told.get("info")).get("status", "")),
        f"{metadata.get('name', '')} {metadata.get('version', '')}".strip(),
        "\n---\n".join(parts),
    )


def look(release: Release, table: Table) -> Iterator[Sighting]:
    """Yield the versions that go in what a release has installed.

    Raises:
        BrokenReleaseError: its manifest is not YAML.
    """
    if not table.going.search(release.manifest) and "\\" not in release.manifest:
        return
    evidence = {"release": release.name, "revision": release.revision, "status": release.status}
    if release.chart:
        evidence["chart"] = release.chart
    for document in documents(release.manifest):
        if isinstance(document, BrokenManifestError):
            raise BrokenReleaseError(document.problem)
        for content, _ in unroll(document.value):
            if not isinstance(content, dict) or not all(
                isinstance(content.get(name), str) for name in ("apiVersion", "kind")
            ):
                continue
            thing = title_of(content)
            going = [api for api in (own(content, table),) if api is not None]
            for api in (*going, *(api for _, api in named(content, table))):
                yield Sighting(
                    api,
                    How.RELEASED,
                    thing,
                    Location(f"{release}, {thing}"),
                    parts=(release.namespace, release.name),
                    evidence=evidence,
                )


def _unpacked(packed: bytes) -> bytes:
    inflate = zlib.decompressobj(_GZIP_WINDOW)
    found = inflate.decompress(packed, _LARGEST)
    if not inflate.eof:
        raise BrokenReleaseError("it is cut off, or too large")
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
