"""The digest that upstream publishes for a file, in each of the forms upstreams have."""

from __future__ import annotations

import json
import re

from moorage.toolchain.catalog import ChecksumFormat
from moorage.toolchain.errors import SourceUnavailable

_HEX = re.compile(r"[0-9a-f]{64}")


def published_digest(kind: ChecksumFormat, text: str, file_name: str) -> str:
    """Find a file's digest in what upstream publishes, as ``sha256:HEX``.

    Raises:
        SourceUnavailable: there is none for this file, so the file could not be checked.
    """
    found = _FINDERS[kind](text, file_name)
    if found is None or not _HEX.fullmatch(found):
        raise SourceUnavailable(f"upstream publishes no sha256 of {file_name}")
    return f"sha256:{found}"


def _digest(text: str, _file_name: str) -> str | None:
    words = text.split()
    return words[0].lower() if words else None


def _list(text: str, file_name: str) -> str | None:
    for line in text.splitlines():
        digest, _, name = line.strip().partition(" ")
        # "*" marks a binary file; some lists name files as "./file".
        if name.strip().removeprefix("*").removeprefix("./") == file_name:
            return digest.lower()
    return None


def _github_release(text: str, file_name: str) -> str | None:
    try:
        assets = json.loads(text)["assets"]
        digests = {str(asset["name"]): str(asset.get("digest") or "") for asset in assets}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    algorithm, _, digest = digests.get(file_name, "").partition(":")
    return digest if algorithm == "sha256" else None


_FINDERS = {
    ChecksumFormat.DIGEST: _digest,
    ChecksumFormat.LIST: _list,
    ChecksumFormat.GITHUB_RELEASE: _github_release,
}
