"""What every advisor comes to: findings, each with its evidence and the change that resolves it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moorage.errors import ExitCode
from moorage.reports.findings import Action, Severity


@dataclass(frozen=True, slots=True)
class Change:
    """One object of a change; those of a finding are carried out in their order.

    Args:
        action: what is done with it.
        content: the object as it shall be, or (of one that goes) what names it.
        was: those of its fields that the finding rests on, as they were; empty where there was no such
            object, ``None`` where the advisor does not say.
    """

    action: Action
    content: Mapping[str, Any]
    was: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Kind, namespace and name: ``RoleBinding shop/web``."""
        metadata = self.content["metadata"]
        namespace = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
        return f"{self.content['kind']} {namespace}{metadata['name']}"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a finding is.

    Args:
        thing: the object, in words: ``RoleBinding shop/web``.
        file: where it was read from; empty for a cluster.
        line: where in the file, from 1.
    """

    thing: str
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        if not self.file:
            return self.thing
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an advisor has found.

    Args:
        advisor: which one: ``permissions``, ``apis``, ``resources``.
        subject: whom or what it is about; the same in every run.
        code: what is wrong, in one word with hyphens.
        severity: how bad it is.
        confidence: how sure the advisor is, from 0 to 1.
        summary: what is wrong, in one line.
        evidence: what it rests on: counts, the window, the sources. In JSON's own types.
        change: what resolves it; empty where the advisor can say nothing for sure.
        consequence: what happens when nothing is done, and by when.
        location: the object, and the place in a file.
        parts: what else tells this finding from others about the subject: a binding, a rule.
        by: when the consequence comes, where that is known.
    """

    advisor: str
    subject: str
    code: str
    severity: Severity
    confidence: float
    summary: str
    evidence: Mapping[str, Any]
    change: tuple[Change, ...] = ()
    consequence: str = ""
    location: Location = field(default_factory=lambda: Location(""))
    parts: tuple[str, ...] = ()
    by: datetime | None = None

    def identity(self) -> str:
        """Return what names the finding in every run: never made of counts, times or severities."""
        told = "\0".join((self.advisor, self.code, self.subject, *self.parts))
        return hashlib.sha256(told.encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Advice:
    """All that one run of an advisor has to say.

    Args:
        advisor: which one.
        findings: what it found, the worst first.
        notes: what a person must know to judge the findings: what could not be read, what was left alone.
        facts: what the run rests on, in JSON's own types.
        time: of the evidence; not of the run, so that the same evidence gives the same advice.
    """

    advisor: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    time: datetime | None = None

    @property
    def exit_code(self) -> ExitCode:
        """What the command's exit status is."""
        return ExitCode.FINDINGS if self.findings else ExitCode.OK
