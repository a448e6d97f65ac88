"""Versions of Kubernetes and of what else serves APIs, as far as they are compared here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from moorage.errors import MoorageError

Version = tuple[int, ...]

KUBERNETES: Final = "kubernetes"
_VERSION: Final = re.compile(r"v?(\d+(?:\.\d+){0,2})(?:[-+].*)?")
_MINOR: Final = 2


class TargetError(MoorageError):
    """A target that is no version."""


def parse(text: str) -> Version:
    """Read a version: ``1.38``, ``v1.38.2``, ``1.38.2-gke.100``.

    Raises:
        ValueError: it is none.
    """
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    return tuple(int(part) for part in match[1].split("."))


def shown(version: Version) -> str:
    """Return a version as a person writes it."""
    return ".".join(str(part) for part in version)


@dataclass(frozen=True, slots=True)
class Targets:
    """For which versions something is judged.

    Args:
        kubernetes: the minor.
        projects: of what else serves APIs; of those that are not named, the newest that is known.
    """

    kubernetes: Version
    projects: Mapping[str, Version] = field(default_factory=dict)

    def of(self, project: str) -> Version | None:
        """Return the version of a project; ``None`` for the newest that is known."""
        return self.kubernetes if project == KUBERNETES else self.projects.get(project)


def parse_targets(texts: Sequence[str], *, known: frozenset[str], default: Version) -> Targets:
    """Read what a person has named: ``1.38``, ``cert-manager=1.5``.

    Args:
        texts: what was named.
        known: the projects whose APIs are known.
        default: the Kubernetes that is judged for when none is named.

    Raises:
        TargetError: one of them is no version, or nobody's.
    """
    kubernetes, projects = default, dict[str, Version]()
    for text in texts:
        project, equals, told = text.rpartition("=")
        project = project or KUBERNETES
        try:
            version = parse(told)
        except ValueError:
            raise TargetError(
                f"--target {text} is no version",
                hint="such as 1.38, or cert-manager=1.6 for what else serves",
            ) from None
        if project == KUBERNETES:
            if len(version) < _MINOR or version[0] != default[0]:
                raise TargetError(f"--target {text} is no version of Kubernetes", hint="such as 1.38")
            kubernetes = version[:_MINOR]
        elif equals and project in known:
            projects[project] = version
        else:
            raise TargetError(
                f"--target {text}: nothing is known of the APIs of {project}",
                hint=f"known are {', '.join(sorted(known))}",
            )
    return Targets(kubernetes, projects)
