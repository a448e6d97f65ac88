"""Deciding what to write about the findings of a run. Pure: objects and findings in, steps out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from moorage.advisors.advice import Advice as Found
from moorage.advisors.advice import Finding
from moorage.advisors.keeping import life
from moorage.advisors.keeping.written import Part, digest_of, name_of, spec_of
from moorage.api.advice import (
    ADVISOR_LABEL,
    CHANGE_LABEL,
    Advice,
    AdviceSpec,
    AdviceState,
    AdviceStatus,
)
from moorage.api.meta import CLUSTER_LABEL
from moorage.durations import DurationError, duration, short

OPEN_MAX: Final = 500
"""How many objects one advisor has about one cluster: the worst findings; the others are counted."""

KEPT: Final = timedelta(days=30)
"""How long what is resolved can still be looked up."""

REFRESHED: Final = timedelta(hours=1)
"""How often evidence is written that says nothing new but its counts."""

_SURER: Final = 10


@dataclass(frozen=True, slots=True)
class Create:
    """Write an advice that there was not."""

    name: str
    labels: tuple[tuple[str, str], ...]
    spec: AdviceSpec
    status: AdviceStatus
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """Write what is found now; unless somebody else has written since we looked."""

    name: str
    labels: tuple[tuple[str, str], ...]
    spec: AdviceSpec
    version: str | None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """Write what becomes of an advice; unless somebody has decided otherwise since we looked."""

    name: str
    before: AdviceState
    status: AdviceStatus
    version: str | None


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove an advice that has been resolved for long."""

    name: str
    version: str | None


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Write nothing about a finding: there are too many that are worse."""

    name: str


Step = Create | Update | Move | Remove | LeaveOut


def plan_advice(
    existing: Iterable[Advice],
    advice: Found,
    cluster: str,
    now: datetime,
    *,
    stores: bool = False,
    unjudged: Collection[str] = (),
) -> tuple[Step, ...]:
    """Decide what to write, so that the objects tell what is found and what became of it.

    What was planned and carried out once gives no steps the second time; the order of findings and of
    objects makes no difference. Only advice of the same advisor and cluster is looked at.

    Args:
        existing: the objects that there are.
        advice: all that one run of the advisor has found in the cluster.
        cluster: the cluster's name.
        now: the time.
        stores: whether what is too large has a place to go.
        unjudged: subjects about which the run could say nothing: their advice stays as it is.
    """
    known = {
        item.metadata.name: item
        for item in existing
        if item.spec.advisor == advice.advisor and item.spec.cluster == cluster
    }
    found = {name_of(finding, cluster): finding for finding in sorted(advice.findings, key=_worst_last)}
    steps: list[Step] = []
    room = OPEN_MAX - sum(name in found for name in known)
    for name, finding in sorted(found.items(), key=lambda item: _worst_last(item[1]), reverse=True):
        spec, parts = spec_of(finding, cluster, advice.time, stores=stores)
        labels = _labels(finding, cluster)
        if (item := known.get(name)) is not None:
            steps += _kept(item, spec, labels, parts, now)
        elif room > 0:
            room -= 1
            steps.append(Create(name, labels, spec, life.new(spec.severity, now), parts))
        else:
            steps.append(LeaveOut(name))
    for name in sorted(known.keys() - found.keys()):
        if known[name].spec.subject not in unjudged:
            steps += _gone(known[name], now)
    return tuple(steps)


def plan_outgrown(existing: Iterable[Advice], window: timedelta, now: datetime) -> tuple[Move, ...]:
    """Decide which advice to withdraw because a longer window is asked for than it was made with.

    It says that something was not used for some time, and somebody has said that this is not long enough.
    When that is known of a longer time, and the advisor still finds it, the advice opens again by itself.

    Args:
        existing: the advice of an advisor about a cluster.
        window: what is asked for now.
        now: the time.
    """
    steps: list[Move] = []
    for item in existing:
        had = _window_of(item.spec)
        if had is None or had >= window:
            continue
        before = item.status or AdviceStatus()
        why = f"it was made with a window of {short(had)}, which is {short(window)} now"
        status = life.when_outgrown(before, why=why, now=now)
        if status != before:
            steps.append(Move(item.metadata.name, item.state, status, item.metadata.resource_version))
    return tuple(steps)


def _window_of(spec: AdviceSpec) -> timedelta | None:
    """Return the window that an advice was made with; nothing where its evidence does not say."""
    told = spec.evidence.get("window")
    try:
        return duration(told) if isinstance(told, str) else None
    except DurationError:
        return None


def _kept(
    item: Advice,
    spec: AdviceSpec,
    labels: tuple[tuple[str, str], ...],
    parts: tuple[Part, ...],
    now: datetime,
) -> list[Step]:
    """Return the steps for a finding that has its object: the status first, which is under its version."""
    steps: list[Step] = []
    before = item.status or AdviceStatus()
    status = life.when_found(before, severity=spec.severity, before=item.spec.severity, now=now)
    version = item.metadata.resource_version
    if status != before:
        steps.append(Move(item.metadata.name, item.state, status, version))
        version = None
    if _says_more(item.spec, spec) or dict(labels).items() - item.metadata.labels.items():
        steps.append(Update(item.metadata.name, labels, spec, version, parts))
    return steps


def _gone(item: Advice, now: datetime) -> list[Step]:
    before = item.status or AdviceStatus()
    status = life.when_gone(before, now)
    name, version = item.metadata.name, item.metadata.resource_version
    if status != before:
        return [Move(name, item.state, status, version)]
    moved = life.last_moved(status)
    dismissed = status.dismissal is not None and (
        status.dismissal.until is None or status.dismissal.until > now
    )
    old = moved is not None and now - moved >= KEPT
    # A dismissal is remembered as long as it holds: what comes back is not to be asked about again.
    if status.state is AdviceState.RESOLVED and old and not dismissed:
        return [Remove(name, version)]
    return []


def _says_more(old: AdviceSpec, new: AdviceSpec) -> bool:
    """Say whether something new is found, rather than the same once more."""
    if _lasting(old) != _lasting(new) or _window_of(old) != _window_of(new):
        return True
    if abs(old.confidence - new.confidence) >= _SURER:
        return True
    if (old.evidence, old.confidence, old.stored_evidence) == (
        new.evidence,
        new.confidence,
        new.stored_evidence,
    ):
        return False
    return old.time is None or new.time is None or abs(new.time - old.time) >= REFRESHED


def _lasting(spec: AdviceSpec) -> AdviceSpec:
    return spec.model_copy(update={"evidence": {}, "confidence": 0, "time": None, "stored_evidence": None})


def _labels(finding: Finding, cluster: str) -> tuple[tuple[str, str], ...]:
    labels = {CLUSTER_LABEL: cluster, ADVISOR_LABEL: finding.advisor}
    if finding.change:
        labels[CHANGE_LABEL] = digest_of(finding.change)
    return tuple(sorted(labels.items()))


def _worst_last(finding: Finding) -> tuple[int, float, str, str]:
    """Order findings by what they are; of two with one identity, the worse counts."""
    return finding.severity.rank, finding.confidence, finding.identity(), repr(finding)
