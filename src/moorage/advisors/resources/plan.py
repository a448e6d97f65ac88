"""What the resources advisor says: what was used in, advice out. Pure; time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from moorage.advisors.advice import Advice, Finding
from moorage.advisors.resources.backtest import back_test
from moorage.advisors.resources.changes import request
from moorage.advisors.resources.findings import ADVISOR, Judged, findings_of, sort_key
from moorage.advisors.resources.fit import fit
from moorage.advisors.resources.model import DAY, GIB, Resource, Use, World
from moorage.advisors.resources.recommenders import NotYet, Recommender
from moorage.advisors.resources.savings import Fleet, Pod, Prices, nodes_needed
from moorage.advisors.resources.signals import BATCH, lasting, signals
from moorage.reports.words import counted

_SOME: Final = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Args:
        recommender: the method.
        begin: since when use counts, in seconds of the epoch.
        now: until when.
        prices: what a core and a GiB cost, if that is known.
        fleet: the nodes, if all that runs on them was read.
    """

    recommender: Recommender
    begin: float
    now: float
    prices: Prices | None = None
    fleet: Fleet = field(default_factory=Fleet)


@dataclass(frozen=True, slots=True)
class Planned:
    """What one look comes to.

    Args:
        advice: what is to say.
        judged: of how many containers anything could be said.
        not_yet: of how many there is too little history.
        unjudged: subjects of which nothing could be said, neither good nor bad.
        until: when there is first enough history of one of them, in seconds of the epoch, if that is known.
    """

    advice: Advice
    judged: int
    not_yet: int
    unjudged: frozenset[str]
    until: float | None


@dataclass(slots=True)
class _Sums:
    """What all of it comes to."""

    containers: int = 0
    workloads: int = 0
    judged: set[str] = field(default_factory=set)
    left_alone: set[str] = field(default_factory=set)
    asked: dict[Resource, float] = field(default_factory=lambda: dict.fromkeys(Resource, 0.0))
    saved: dict[Resource, float] = field(default_factory=lambda: dict.fromkeys(Resource, 0.0))
    added: dict[Resource, float] = field(default_factory=lambda: dict.fromkeys(Resource, 0.0))
    not_yet: list[tuple[str, NotYet]] = field(default_factory=list)
    vpas: list[str] = field(default_factory=list)
    hpas: list[str] = field(default_factory=list)
    gone: int = 0
    added_by_others: list[str] = field(default_factory=list)
    then: dict[Pod, tuple[float, float]] = field(default_factory=dict)
    daemons: set[Pod] = field(default_factory=set)


def plan(batches: Iterable[list[Use]], world: World, wanted: Wanted) -> Planned:
    """Decide what each container should ask for. The order of batches and pods makes no difference."""
    findings: list[Finding] = []
    sums = _Sums()
    for batch in batches:
        ordered = sorted(batch, key=lambda use: (use.workload, use.container))
        for _, group in groupby(ordered, lambda use: use.workload):
            findings += _workload(list(group), world, wanted, sums)
    findings.sort(key=sort_key)
    advice = Advice(
        ADVISOR,
        tuple(findings),
        notes=tuple(_notes(sums, wanted)),
        facts=_facts(sums, world, wanted),
        time=datetime.fromtimestamp(wanted.now, UTC),
    )
    # What is there and was not seen is as little judged as what is too young.
    known = world.subjects | {subject for subject, _ in sums.not_yet}
    times = [each.when for _, each in sums.not_yet if each.when is not None]
    return Planned(
        advice,
        judged=len(sums.judged),
        not_yet=len(sums.not_yet),
        unjudged=known - sums.judged - sums.left_alone,
        until=min(times, default=None),
    )


def _workload(uses: list[Use], world: World, wanted: Wanted, sums: _Sums) -> list[Finding]:
    workload = uses[0].workload
    sums.workloads += 1
    sums.containers += len(uses)
    if workload.kind == "DaemonSet":
        sums.daemons |= {(workload.namespace, pod.pod) for use in uses for pod in use.pods}
    for use in uses:
        for resource in Resource:
            sums.asked[resource] += (request(use.setting, resource) or 0.0) * use.replicas
    vpa = world.vpas.get(workload)
    if vpa is not None and vpa.acts:
        sums.vpas.append(f"{workload} ({vpa.name})")
        sums.left_alone |= {use.subject for use in uses}
        return []
    judged = []
    for use in uses:
        if _is_left_out(use, world, sums):
            continue
        found = _judge(use, world, wanted)
        if isinstance(found, NotYet):
            sums.not_yet.append((use.subject, found))
            continue
        judged.append(found)
        if found.fitted.said and world.hpas.get(workload):
            sums.hpas.append(use.subject)
        _remember(found, sums)
    if not judged:
        return []
    return findings_of(judged, world.api_versions.get(workload, ""), wanted.prices, wanted.now)


def _is_left_out(use: Use, world: World, sums: _Sums) -> bool:
    """Say whether nothing can be said of a container, and remember why."""
    if not use.running and use.workload.kind not in BATCH:
        sums.gone += 1
        return True
    if use.workload in world.api_versions and (use.workload, use.container) not in world.settings:
        sums.added_by_others.append(use.subject)
        return True
    return False


def _judge(use: Use, world: World, wanted: Wanted) -> Judged | NotYet:
    recommender = wanted.recommender
    proposal = recommender.recommend(use, world, wanted.now)
    if isinstance(proposal, NotYet):
        return proposal
    seen = signals(use)
    odds = back_test(recommender, use, world, begin=wanted.begin, now=wanted.now)
    workload = use.workload
    return Judged(
        use,
        seen,
        proposal,
        fit(proposal, use, world),
        odds,
        recommender.name,
        vpa=world.vpas.get(workload),
        managed_by=world.managed_by.get(workload),
    )


def _remember(judged: Judged, sums: _Sums) -> None:
    """Keep that a container was judged, what that comes to, and by how much its pods' requests change."""
    use = judged.use
    sums.judged.add(use.subject)
    for resource in Resource:
        saved = judged.saved(resource)
        sums.saved[resource] += max(saved, 0.0)
        sums.added[resource] += max(-saved, 0.0)
    less = tuple(judged.saved(resource) / use.replicas if use.replicas else 0.0 for resource in Resource)
    if any(less):
        for pod in use.pods:
            cpu, memory = sums.then.get((use.workload.namespace, pod.pod), (0.0, 0.0))
            sums.then[use.workload.namespace, pod.pod] = (cpu - less[0], memory - less[1])


def _facts(sums: _Sums, world: World, wanted: Wanted) -> dict[str, Any]:
    found: dict[str, Any] = {
        "method": wanted.recommender.name,
        "workloads": sums.workloads,
        "containers": sums.containers,
        "notYet": len(sums.not_yet),
        "window": {
            "days": round((wanted.now - wanted.begin) / DAY, 2),
            "from": datetime.fromtimestamp(wanted.begin, UTC).isoformat(),
            "to": datetime.fromtimestamp(wanted.now, UTC).isoformat(),
        },
        "surroundings": world.origin,
        "requested": _amounts(sums.asked),
        "saved": _amounts(sums.saved),
        "added": _amounts(sums.added),
    }
    if wanted.prices is not None:
        prices = wanted.prices
        found["money"] = {
            "currency": prices.currency,
            "perCoreHour": round(prices.core, 6),
            "perGibHour": round(prices.gib, 6),
            "savedPerMonth": round(prices.month(sums.saved[Resource.CPU], sums.saved[Resource.MEMORY]), 2),
            "addedPerMonth": round(prices.month(sums.added[Resource.CPU], sums.added[Resource.MEMORY]), 2),
        }
    return found


def _amounts(amounts: dict[Resource, float]) -> dict[str, float]:
    return {"cores": round(amounts[Resource.CPU], 3), "gib": round(amounts[Resource.MEMORY] / GIB, 3)}


def _notes(sums: _Sums, wanted: Wanted) -> Iterator[str]:
    saved, added = sums.saved, sums.added
    yield (
        f"{counted(sums.containers, 'container')} of {counted(sums.workloads, 'workload')} over "
        f"{lasting((wanted.now - wanted.begin) / DAY)}. What asks for too much would give back "
        f"{saved[Resource.CPU]:.1f} cores and {saved[Resource.MEMORY] / GIB:.1f} GiB, and what asks for too "
        f"little needs {added[Resource.CPU]:.1f} cores and {added[Resource.MEMORY] / GIB:.1f} GiB more"
        f"{_money(sums, wanted.prices)}."
    )
    then = {
        pod: (max(0.0, now[0] + sums.then[pod][0]), max(0.0, now[1] + sums.then[pod][1]))
        for pod, now in wanted.fleet.pods.items()
        if pod in sums.then
    }
    needed = nodes_needed(wanted.fleet, then, sums.daemons)
    if needed is not None:
        yield (
            f"Of {counted(needed.nodes, 'node')}, requests need {needed.now} now and {needed.then} then: "
            f"{needed.spare} could go (an estimate by first fit that knows no affinities, taints or volumes)."
        )
    if sums.not_yet:
        yield f"Not yet: {_some([_told(*each) for each in sums.not_yet])}."
    if sums.hpas:
        yield (
            "Left as they are, because a HorizontalPodAutoscaler scales by them (the evidence says which): "
            f"{_some(sums.hpas)}."
        )
    if sums.vpas:
        yield f"Left alone, because a VerticalPodAutoscaler changes them by itself: {_some(sums.vpas)}."
    if sums.added_by_others:
        yield (
            "Left out, because the object that makes the pods does not name them (an admission webhook adds "
            f"them): {_some(sums.added_by_others)}."
        )
    if sums.gone:
        yield f"{counted(sums.gone, 'container')} no longer run anywhere and were left out."


def _money(sums: _Sums, prices: Prices | None) -> str:
    if prices is None:
        return ""
    less = prices.month(sums.saved[Resource.CPU], sums.saved[Resource.MEMORY])
    more = prices.month(sums.added[Resource.CPU], sums.added[Resource.MEMORY])
    return f": {less:,.2f} less and {more:,.2f} {prices.currency} more a month"


def _told(subject: str, not_yet: NotYet) -> str:
    when = f", from {datetime.fromtimestamp(not_yet.when, UTC):%Y-%m-%d %H:%M} UTC on" if not_yet.when else ""
    return f"{subject} ({not_yet.why}{when})"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SOME:,} more" if len(names) > _SOME else ""
    return f"{'; '.join(sorted(names)[:_SOME])}{more}"
