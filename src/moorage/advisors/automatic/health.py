"""How a workload is, and whether that is worse than it was. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final

from moorage.advisors.applying.watch import health_of
from moorage.reports.words import counted

_LOOPING: Final = frozenset({"CrashLoopBackOff"})
_OOM: Final = "OOMKilled"
_ROLLING: Final = 4
"""A quarter of the pods may be missing while they are replaced."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a workload is.

    Args:
        wanted: how many pods it is to have.
        ready: how many are ready.
        settled: whether all pods are of what is declared now.
        failing: how many containers were started again, or wait for it.
        oom_killed: how many of these were killed for want of memory.
    """

    wanted: int = 0
    ready: int = 0
    settled: bool = True
    failing: int = 0
    oom_killed: int = 0

    @property
    def well(self) -> bool:
        """Whether all pods that are wanted are there, and as declared."""
        return self.settled and self.ready >= self.wanted


class Verdict(Enum):
    """What is to be said of a workload after a change."""

    OPEN = auto()
    """Not yet."""
    WELL = auto()
    WORSE = auto()


def condition_of(obj: Mapping[str, Any], pods: Iterable[Mapping[str, Any]], since: datetime) -> Condition:
    """Read how a workload is.

    Args:
        obj: the workload.
        pods: its pods.
        since: since when failures of containers count.
    """
    ends = [end for pod in pods for end in _ends(pod, since)]
    failing, oom_killed = len(ends), ends.count(_OOM)
    if obj["kind"] == "CronJob":
        return Condition(failing=failing, oom_killed=oom_killed)
    health = health_of(obj)
    return Condition(health.wanted, health.ready, health.settled, failing, oom_killed)


def judge(before: Condition, now: Condition, *, over: bool, overdue: bool) -> tuple[Verdict, str]:
    """Say whether a workload is worse off than before a change, and how.

    That containers fail is seen at once. Pods that are missing are given time, as they are while they are
    replaced; and a rollout that is on its way with most pods there is given more of it.

    Args:
        before: how it was.
        now: how it is.
        over: whether the time to watch it is over.
        overdue: whether it has been over for long.
    """
    if failure := _failure(before, now):
        return Verdict.WORSE, failure
    if not over:
        return Verdict.OPEN, ""
    is_there = now.well or (now.settled and now.ready >= before.ready)
    was_no_better = not before.well and now.ready >= min(before.ready, now.wanted)
    if is_there or was_no_better:
        return Verdict.WELL, ""
    if not now.settled and not overdue and now.ready >= now.wanted - now.wanted // _ROLLING:
        return Verdict.OPEN, ""
    why = "" if now.settled else "the change does not get rolled out; "
    return Verdict.WORSE, f"{why}{now.ready} of {now.wanted} pods are ready (before: {before.ready})"


def _failure(before: Condition, now: Condition) -> str:
    """Say which containers fail that did not; empty where there are no more of them."""
    if now.oom_killed > before.oom_killed:
        killed = counted(now.oom_killed, "container")
        return f"{killed} killed for want of memory since the change (before: {before.oom_killed})"
    if now.failing > before.failing:
        failing = counted(now.failing, "container")
        return f"{failing} ended and started again since the change (before: {before.failing})"
    return ""


def _ends(pod: Mapping[str, Any], since: datetime) -> Iterator[str]:
    """Yield for each container of a pod that failed how it last ended; what is told to end fails not."""
    if pod["metadata"].get("deletionTimestamp"):
        return
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        state, last = container.get("state") or {}, container.get("lastState") or {}
        ended = state.get("terminated") or last.get("terminated") or {}
        looping = (state.get("waiting") or {}).get("reason") in _LOOPING
        again = bool(container.get("restartCount")) or bool(state.get("terminated") and ended.get("exitCode"))
        if looping or (again and _time(ended.get("finishedAt")) >= since):
            yield str(ended.get("reason") or "")


def _time(text: str | None) -> datetime:
    return datetime.fromisoformat(text or "1970-01-01T00:00:00+00:00")
