"""A report: what breaks policies and where, what could not be judged, and what became of exceptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import groupby

from moorage.errors import ExitCode, MoorageError
from moorage.manifests.model import Where
from moorage.policies.model import Action, GroupVersionKind, Policy
from moorage.reports.findings import Severity

SEVERITIES = tuple(Severity)
"""The worst comes first."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object, as reports name it.

    Args:
        kind: what kind it is of.
        namespace: where it is; empty where it is in none.
        name: its own.
        where: it was written.
    """

    kind: GroupVersionKind
    namespace: str
    name: str
    where: Where

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind.kind} {place}{self.name or '(no name)'}"


@dataclass(frozen=True, slots=True)
class Result:
    """A thing breaks a policy.

    Args:
        thing: which one.
        policy: which one.
        message: what is wrong, in the policy's words.
        action: what the cluster would do about it.
        made: what the thing makes and what is wrong in it, "Pod" say; empty where it is the thing itself.
        sets: the sets by which the policy came to be judged.
        spot: where what is wrong was written, where there is telling.
    """

    thing: Thing
    policy: Policy = field(repr=False)
    message: str
    action: Action
    made: str = ""
    sets: tuple[str, ...] = ()
    spot: Where | None = None

    @property
    def where(self) -> Where:
        """Where a person should look."""
        return self.spot or self.thing.where

    @property
    def title(self) -> str:
        """The thing, with what it makes."""
        return f"{self.thing} → {self.made}" if self.made else str(self.thing)

    @property
    def link(self) -> str:
        """A page to read on; empty where the policy names none."""
        return self.policy.references[0].url if self.policy.references else ""

    @property
    def identity(self) -> tuple[str, str, str, str, str, str]:
        """What makes it the same finding in another version of the files; its lines may differ."""
        kind = self.thing.kind
        return (
            kind.group,
            kind.kind,
            f"{self.thing.namespace}/{self.thing.name}",
            self.policy.name,
            self.made,
            self.message,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be read or judged.

    Args:
        message: what and why.
        hint: what to do about it.
        where: where it is, where that is a place.
    """

    message: str
    hint: str = ""
    where: Where | None = None

    @classmethod
    def of(cls, error: MoorageError, where: Where | None = None) -> Failure:
        """Take what an error says."""
        return cls(error.message, error.hint or "", where)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to know about a PolicyException.

    Args:
        name: which one, with its namespace.
        policy: which policy it is for.
        owner: who answers for it.
        text: what there is to know.
        where: it was written; empty where that is a cluster.
        state: "expired", "expiring", "unused", "unknown", "broken" or "awaiting".
    """

    name: str
    policy: str
    owner: str
    text: str
    where: str
    state: str


@dataclass(frozen=True, slots=True)
class Change:
    """What is different from another version of the files.

    Args:
        base: which version.
        new: what breaks a policy now and did not.
        mended: what broke a policy and does not any more.
        same: how many findings there were before and are still there.
    """

    base: str
    new: Sequence[Result]
    mended: Sequence[Result]
    same: int


@dataclass(frozen=True)
class Report:
    """What the judging came to.

    Args:
        results: what breaks a policy, by file and line.
        failures: what could not be judged.
        remarks: what there is to know about exceptions.
        notes: what else a person should know.
        things: every object that was judged, in order.
        policies: those that judged one of them, by name.
        loaded: how many policies there were to judge.
        exceptions: how many exceptions count.
        time: when.
        change: what is different from another version; then only what is new counts.
    """

    results: Sequence[Result]
    failures: Sequence[Failure] = ()
    remarks: Sequence[Remark] = ()
    notes: Sequence[str] = ()
    things: Sequence[Thing] = ()
    policies: Mapping[str, Policy] = field(default_factory=dict, repr=False)
    loaded: int = 0
    exceptions: int = 0
    time: datetime | None = None
    change: Change | None = None

    @property
    def shown(self) -> Sequence[Result]:
        """What is reported one by one: everything, or what a change brings."""
        return self.results if self.change is None else self.change.new

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with: 2 where something could not be judged, 1 where something is refused."""
        if self.failures:
            return ExitCode.FAILURE
        refused = any(result.action is Action.ENFORCE for result in self.shown)
        return ExitCode.FINDINGS if refused else ExitCode.OK

    @cached_property
    def counts(self) -> Mapping[Action, int]:
        """How many findings there are of each action, of those that are shown."""
        found = Counter(result.action for result in self.shown)
        return {action: found.get(action, 0) for action in Action}

    @cached_property
    def broken(self) -> Sequence[Policy]:
        """The policies that something breaks, of what is shown: the worst first."""
        return worst_first(self.shown)


def refused_first(results: Iterable[Result]) -> list[tuple[Result, ...]]:
    """Return results by object: what is refused before what is warned of, and otherwise in order."""
    groups = [
        tuple(group) for _, group in groupby(results, lambda result: (result.thing.where, result.title))
    ]
    for place, group in enumerate(groups):
        groups[place] = tuple(sorted(group, key=lambda result: -result.action.strength))
    return sorted(groups, key=lambda group: -group[0].action.strength)


def worst_first(results: Iterable[Result]) -> list[Policy]:
    """Return the policies of some results: by action, severity, and name."""
    strongest: dict[str, tuple[int, int, str]] = {}
    policies: dict[str, Policy] = {}
    for result in results:
        policy = result.policy
        rank = (-result.action.strength, SEVERITIES.index(policy.severity), policy.name)
        strongest[policy.name] = min(strongest.get(policy.name, rank), rank)
        policies[policy.name] = policy
    return [policies[name] for name in sorted(policies, key=lambda name: strongest[name])]
