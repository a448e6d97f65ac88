"""The words of the APIs advisor: where a version that goes was seen, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from moorage.advisors.advice import Location
from moorage.advisors.apis.table import Api

Object = Mapping[str, Any]


class How(StrEnum):
    """How a version was seen; the value begins the code of the finding."""

    WRITTEN = "manifest"
    """A manifest is written in it."""
    NAMED = "reference"
    """A field of an object names another object by it, or holds one."""
    RELEASED = "helm-release"
    """The manifest of an installed Helm release is written in it."""
    APPLIED = "applied"
    """A live object was last written with it by somebody."""
    CALLED = "call"
    """Somebody asks for it, as the audit log says."""
    REQUESTED = "requested"
    """It was asked for since the API server has started, as its metric says."""
    STORED = "stored"
    """Objects of a custom resource may be stored in it."""
    MATCHED = "admission"
    """A webhook or a policy of admission is registered for it, and for nothing that stays."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A version that goes, somewhere.

    Args:
        api: which one.
        how: it was seen.
        thing: the object or the caller, in words; the same in every run.
        location: where.
        who: by whom; empty where that is not told.
        parts: what else tells this sighting from others.
        evidence: in JSON's own types.
        confidence: how sure it is that this breaks, from 0 to 1.
        content: the object, where it can be changed.
        field: the place in the object, where it is not the object itself; in words.
        path: the same, in steps: of what is named, or of the versions that a rule matches.
    """

    api: Api
    how: How
    thing: str
    location: Location
    who: str = ""
    parts: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    confidence: float = 1.0
    content: Object | None = None
    field: str = ""
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was looked at.

    Args:
        sightings: of versions that go, sooner or later.
        facts: what was looked at, in JSON's own types.
        notes: what a person must know.
        unread: what could not be looked at; the verdict lacks it.
    """

    sightings: tuple[Sighting, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def __add__(self, other: Seen) -> Seen:
        """Return what both have seen."""
        return Seen(
            self.sightings + other.sightings,
            {**self.facts, **other.facts},
            self.notes + other.notes,
            self.unread + other.unread,
        )
