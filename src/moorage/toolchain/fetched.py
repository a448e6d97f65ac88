"""What every source hands over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.toolchain.lock import Artifact


@dataclass(frozen=True, slots=True)
class Fetched:
    """A binary in a workspace, checked, and where it came from."""

    binary: Path
    origin: str
    artifact: Artifact | None = None
    """What lock files know it by; None when it was built here."""
    artifact_digest: str | None = None
    made_with: str | None = None
