"""What the judging came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from moorage.policies.model import Action, PolicyError
from moorage.reports.findings import Severity


class Finding(NamedTuple):
    """One object breaks one policy.

    A tuple, because there can be a hundred thousand of them.

    Args:
        subject: which of the subjects, by its place in what was given.
        policy: the policy that it breaks.
        made: what the object makes and what is wrong in it, "Pod" say; empty where it is the object itself.
        message: what is wrong, in the policy's words.
        constraint: the name of the constraint that found it.
        action: what the cluster would do.
        severity: how bad it is.
        sets: the sets by which the policy came to be judged.
    """

    subject: int
    policy: str
    made: str
    message: str
    constraint: str
    action: Action
    severity: Severity
    sets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Effort:
    """What the judging took, for those who measure it.

    Args:
        judged: how many subjects were judged afresh.
        remembered: how many had been judged before.
        runs: how often the engine was started.
    """

    judged: int = 0
    remembered: int = 0
    runs: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be judged, and why.

    Args:
        error: says it to a person.
        subjects: which subjects have therefore no (or not the whole) verdict, by their places.
        policy: the policy that could not judge; empty where it is not one policy's fault.
    """

    error: PolicyError
    subjects: tuple[int, ...] = ()
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on all subjects.

    Args:
        findings: sorted by subject, then policy, then what is judged, then message.
        failures: what could not be judged; empty unless it was asked to keep going.
        policies: the names of those that were held against a subject, or against what one makes.
        strangers: the subjects whose kinds no policy is for, by their places.
        effort: what it took.
    """

    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...] = ()
    policies: frozenset[str] = frozenset()
    strangers: tuple[int, ...] = ()
    effort: Effort = field(default=Effort(), compare=False)
