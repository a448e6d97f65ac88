"""Kubernetes versions: as they are asked for, and which of those on offer is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from moorage.errors import MoorageError

VERSION_PATTERN: Final = r"^1\.(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2}))?$"
"""A minor or a patch: ``1.36``, ``1.36.0``. The same expression is in the CRD."""

_VERSION: Final = re.compile(r"v?(?P<major>[0-9]+)\.(?P<minor>[0-9]+)(\.(?P<patch>[0-9]+))?(?P<rest>[-+].*)?")


class InvalidVersionError(MoorageError):
    """A text that is not a Kubernetes version."""


@dataclass(frozen=True, slots=True, order=True)
class KubernetesVersion:
    """One release of Kubernetes. They are in order of age."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """The version as Kubernetes and Cluster API write it: ``v1.36.0``."""
        return f"v{self}"

    @property
    def minor_version(self) -> str:
        """The minor that it is a release of: ``1.36``."""
        return f"{self.major}.{self.minor}"

    def minors_after(self, older: KubernetesVersion) -> int:
        """Return how many minors this is after another one; negative when before."""
        return self.minor - older.minor


def parse_version(text: str) -> KubernetesVersion:
    """Read a version; a minor stands for its first release. A leading ``v`` and a build suffix are dropped.

    Raises:
        InvalidVersionError: the text is not a version.
    """
    matched = _VERSION.fullmatch(text)
    if matched is None:
        raise InvalidVersionError(f'"{text}" is not a Kubernetes version', hint="write 1.36 or 1.36.0")
    return KubernetesVersion(int(matched["major"]), int(matched["minor"]), int(matched["patch"] or 0))


def is_minor(text: str) -> bool:
    """Say whether a version names a minor (``1.36``) and leaves the patch open."""
    matched = _VERSION.fullmatch(text)
    return matched is not None and matched["patch"] is None


def resolve(requested: str, offered: Iterable[KubernetesVersion]) -> KubernetesVersion | None:
    """Return the release that a request means: a minor's newest patch on offer, or that very patch.

    ``None`` when nothing on offer is meant.

    Raises:
        InvalidVersionError: the request is not a version.
    """
    wanted = parse_version(requested)
    if is_minor(requested):
        return max(
            (v for v in offered if (v.major, v.minor) == (wanted.major, wanted.minor)),
            default=None,
        )
    return wanted if wanted in set(offered) else None


def minors(offered: Iterable[KubernetesVersion]) -> list[str]:
    """Return the minors on offer, oldest first, as a person reads them: ``1.34, 1.35``."""
    found = sorted({(v.major, v.minor) for v in offered})
    return [f"{major}.{minor}" for major, minor in found]
