"""What is said about a workload: findings about its containers, and one change for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from moorage.advisors.advice import Change, Finding, Location
from moorage.advisors.resources.backtest import Odds
from moorage.advisors.resources.changes import Wish, change_of, limit, matters, names, request
from moorage.advisors.resources.fit import Fitted, told
from moorage.advisors.resources.model import DAY, GIB, MIB, Resource, Setting, Use, Vpa, Workload
from moorage.advisors.resources.recommenders import Proposal
from moorage.advisors.resources.savings import Prices
from moorage.advisors.resources.signals import WAITS, Signals, lasting
from moorage.reports.findings import Severity
from moorage.reports.words import counted

ADVISOR: Final = "resources"
_MUCH: Final = {Resource.CPU: 1.0, Resource.MEMORY: 2.0 * GIB}
_NEAR_LIMIT: Final = 0.9
_SURE: Final = 0.95
_UNTESTED: Final = 0.7
_WEEKS: Final = 14.0
_FEW: Final = 3.0 - 0.01
"""Days: the evidence of fewer is weak, whatever it is. Samples end a step before the days are full."""
_SHORT: Final = 0.3
_FULL: Final = 0.5
_NAMES: Final = {Resource.CPU: "CPU", Resource.MEMORY: "memory"}


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found out about a container.

    Args:
        use: what it used.
        seen: what else its history tells.
        proposal: what the method says.
        fitted: what of it can be applied.
        odds: how the method would have done; ``None`` where that could not be seen.
        method: what the method is called.
        vpa: the workload's VerticalPodAutoscaler, where it has one.
        managed_by: what keeps the workload as it is, where something does.
    """

    use: Use
    seen: Signals
    proposal: Proposal
    fitted: Fitted
    odds: Odds | None
    method: str
    vpa: Vpa | None = None
    managed_by: Workload | None = None

    def saved(self, resource: Resource) -> float:
        """Return how much less all its pods would ask for, if that is worth a change."""
        now, then = request(self.use.setting, resource), request(self.fitted.setting, resource)
        if self.fitted.refused or now is None or then is None or not matters(resource, now, then):
            return 0.0
        return (now - then) * self.use.replicas


def findings_of(
    judged: Sequence[Judged], api_version: str, prices: Prices | None, now: float
) -> list[Finding]:
    """Return what is to say about the containers of one workload."""
    wishes = [
        Wish(each.use.container, each.use.setting, each.fitted.setting)
        for each in judged
        if not each.fitted.refused
    ]
    # What a controller keeps as it is, it would put back.
    managed = judged[0].managed_by is not None
    change = () if managed else change_of(judged[0].use.workload, wishes, api_version)
    return [finding for each in judged for finding in _About(each, change, prices, now).findings()]


class _About:
    """Words the findings about one container."""

    def __init__(self, judged: Judged, change: tuple[Change, ...], prices: Prices | None, now: float) -> None:
        self._judged, self._change, self._prices, self._now = judged, change, prices, now
        self._use, self._seen = judged.use, judged.seen
        self._before, self._after = judged.use.setting, judged.fitted.setting

    def findings(self) -> Iterator[Finding]:
        killed, waits = self._killed(), self._waits()
        if killed:
            yield self._oom_killed()
        if waits:
            yield self._throttled()
        if self._seen.growth:
            yield self._leak()
        for resource in Resource:
            if (killed and resource is Resource.MEMORY) or (waits and resource is Resource.CPU):
                continue
            finding = self._request(resource)
            if finding is not None:
                yield finding

    def _killed(self) -> bool:
        last = self._seen.last_oom
        return last is not None and last > self._now - 7 * DAY

    def _waits(self) -> bool:
        return self._seen.throttled >= WAITS

    def _oom_killed(self) -> Finding:
        seen, last = self._seen, self._seen.last_oom or self._now
        had = limit(self._before, Resource.MEMORY)
        at = f" at its limit of {told(Resource.MEMORY, had)}" if had else ""
        return self._finding(
            "oom-killed",
            Severity.CRITICAL if seen.oom_days > 2 else Severity.HIGH,  # noqa: PLR2004 - again and again
            f"It was killed for want of memory {counted(seen.ooms, 'time')} on "
            f"{counted(seen.oom_days, 'day')}{at}; "
            f"{self._proposed(Resource.MEMORY)}.",
            consequence=f"It is killed again: the last time was {_day(last)}.",
            confidence=_SURE,
            more={"oomKills": seen.ooms, "daysWithKills": seen.oom_days, "lastKill": _time(last)},
        )

    def _throttled(self) -> Finding:
        had = limit(self._before, Resource.CPU) or 0.0
        return self._finding(
            "cpu-throttled",
            Severity.HIGH if self._seen.throttled > _FULL else Severity.MEDIUM,
            f"Its CPU limit of {told(Resource.CPU, had)} made it wait in {self._seen.throttled:.0%} of the "
            f"hours; {self._proposed(Resource.CPU)}.",
            consequence="It answers late when it is busy, however idle its node is.",
            more={"hoursThrottled": round(self._seen.throttled, 3)},
        )

    def _leak(self) -> Finding:
        seen, most = self._seen, limit(self._before, Resource.MEMORY)
        growth = told(Resource.MEMORY, seen.growth // MIB * MIB)
        full = self._now + max(0.0, (most - seen.peak) / seen.growth) * DAY if most else None
        when = (
            f"It reaches its limit about {_day(full)}, and is killed."
            if full
            else "It takes its node's memory."
        )
        soon = full is not None and full < self._now + _WEEKS * DAY
        return self._finding(
            "memory-grows",
            Severity.HIGH if soon else Severity.MEDIUM,
            f"Its memory grows by {growth} a day as long as a pod lives: no request fits that.",
            consequence=when,
            confidence=0.8,
            more={"growthBytesPerDay": round(seen.growth), "limitReached": _time(full) if full else None},
            change=False,
        )

    def _request(self, resource: Resource) -> Finding | None:
        now, then = request(self._before, resource), request(self._after, resource)
        if then is None or not matters(resource, now, then):
            return None
        if now is None:
            return self._missing(resource)
        return self._too_small(resource, now, then) if then > now else self._too_large(resource, now, then)

    def _missing(self, resource: Resource) -> Finding:
        memory = resource is Resource.MEMORY
        return self._finding(
            f"{resource}-request-missing",
            Severity.MEDIUM if memory else Severity.LOW,
            f"It has no {_NAMES[resource]} request; {self._proposed(resource)}.",
            consequence="It is the first that is evicted when its node is short of memory."
            if memory
            else "The scheduler puts it on nodes that are full, and it gets what others leave.",
        )

    def _too_small(self, resource: Resource, now: float, then: float) -> Finding:
        memory = resource is Resource.MEMORY
        most = limit(self._before, resource)
        near = memory and most is not None and self._seen.peak >= _NEAR_LIMIT * most
        severity = Severity.HIGH if near else Severity.MEDIUM if memory or then > 2 * now else Severity.LOW
        return self._finding(
            f"{resource}-request-small",
            severity,
            f"Its {_NAMES[resource]} request of {told(resource, now)} is less than it uses; "
            f"{self._proposed(resource)}.",
            consequence=(
                f"It has used {self._seen.peak / (most or 1):.0%} of its memory limit: the next peak ends it."
                if near
                else "It is evicted first when its node is short of memory."
                if memory
                else "It gets less than it uses as soon as its node is busy."
            ),
        )

    def _too_large(self, resource: Resource, now: float, then: float) -> Finding:
        saved = self._judged.saved(resource)
        return self._finding(
            f"{resource}-request-large",
            Severity.MEDIUM if saved >= _MUCH[resource] else Severity.LOW,
            f"Its {_NAMES[resource]} request of {told(resource, now)} is {now / then:.1f} times what it "
            f"needs; {self._proposed(resource)}.",
            consequence=self._wasted(resource, saved),
        )

    def _wasted(self, resource: Resource, saved: float) -> str:
        amount = f"{saved:.1f} cores" if resource is Resource.CPU else f"{saved / GIB:.1f} GiB"
        if self._prices is None:
            return f"{amount} are kept from others."
        memory = resource is Resource.MEMORY
        cost = self._prices.month(0.0 if memory else saved, saved if memory else 0.0)
        return f"{amount} are kept from others: {cost:,.2f} {self._prices.currency} a month."

    def _proposed(self, resource: Resource) -> str:
        now, then = request(self._before, resource), request(self._after, resource)
        before, after = limit(self._before, resource), limit(self._after, resource)
        said = []
        if then is not None and then != now:
            said.append(f"{told(resource, then)} would fit")
        if after is not None and after != before:
            said.append(f"a limit of {told(resource, after)}")
        if not said:
            return "nothing is proposed" + (
                f", as {self._judged.fitted.refused}" if self._judged.fitted.refused else ""
            )
        return ", with ".join(said)

    def _finding(
        self,
        code: str,
        severity: Severity,
        summary: str,
        *,
        consequence: str,
        confidence: float | None = None,
        more: dict[str, Any] | None = None,
        change: bool = True,
    ) -> Finding:
        workload = self._use.workload
        refused = self._judged.fitted.refused
        applies = change and not refused and any(names(each, self._use.container) for each in self._change)
        return Finding(
            advisor=ADVISOR,
            subject=self._use.subject,
            code=code,
            severity=severity,
            confidence=round(self._at_most(self._confidence() if confidence is None else confidence), 3),
            summary=summary,
            evidence={**self._evidence(), **(more or {})},
            change=self._change if applies else (),
            consequence=consequence + (f" It cannot be applied now: {refused}." if refused else ""),
            location=Location(str(workload)),
        )

    def _at_most(self, confidence: float) -> float:
        return min(confidence, _SHORT) if self._seen.days < _FEW else confidence

    def _confidence(self) -> float:
        """Two weeks, and a back-test in which nothing happened, are as sure as it gets."""
        full = min(1.0, _FULL + _FULL * self._seen.days / _WEEKS)
        odds = self._judged.odds
        if odds is None:
            return _UNTESTED * full
        return full * _SURE * (1 - odds.over_memory / odds.pod_days)

    def _length(self) -> float:
        """Return how long the history is in days; the first sample tells of the time before it, too."""
        steps = [pod.cpu.step for pod in self._use.pods if len(pod.cpu.values)]
        return self._seen.days + max(steps, default=0.0) / DAY

    def _evidence(self) -> dict[str, Any]:
        seen, odds = self._seen, self._judged.odds
        found: dict[str, Any] = {
            "now": _told(self._before),
            "proposed": _told(self._after),
            "method": f"{self._judged.method}: {'; '.join(self._judged.proposal.why)}",
            "odds": odds.told() if odds else "back-test: there is too little history for one",
            "history": f"{lasting(self._length())}, {seen.samples:,} samples of {counted(seen.pods, 'pod')}, "
            f"{self._use.replicas:.1f} running at a time",
            "cpu": {"busiest": round(max(seen.busy, seen.hot), 4), "usual": round(seen.usual, 4),
                    "atStart": round(seen.starting, 4)},
            "memory": {"peak": told(Resource.MEMORY, -(-seen.peak // MIB) * MIB)},
        }  # fmt: skip
        if odds:
            found["backTest"] = odds.as_json()
        if self._judged.fitted.said:
            found["fitted"] = list(self._judged.fitted.said)
        if seen.restarts:
            found["restarts"] = seen.restarts
        if seen.days < _FEW:
            found["caution"] = (
                f"only {lasting(self._length())} of history: little is known of peaks and weekdays"
            )
        if (vpa := self._judged.vpa) is not None and (target := vpa.recommended.get(self._use.container)):
            found["vpa"] = {"name": vpa.name, "recommended": dict(target)}
        if (owner := self._judged.managed_by) is not None:
            found["managedBy"] = f"{owner}: it would put back what is changed here"
        return found


def _told(setting: Setting) -> dict[str, str]:
    found = {}
    for resource in Resource:
        for kind, value in (("requests", request(setting, resource)), ("limits", limit(setting, resource))):
            if value is not None:
                found[f"{kind}.{resource}"] = told(resource, value)
    return found or {"requests": "none"}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def sort_key(finding: Finding) -> tuple[int, str, str]:
    """Order findings: the worst first, then by name."""
    return -finding.severity.rank, finding.subject, finding.code
