"""Who calls versions that go, as audit logs show it."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from moorage.advisors.advice import Location
from moorage.advisors.apis.counting import SLOTS, Call, Calls, Counter, Times
from moorage.advisors.apis.model import How, Seen, Sighting
from moorage.advisors.apis.table import Api, Name, Table
from moorage.advisors.apis.versions import parse
from moorage.advisors.auditlogs.lines import PROBLEMS
from moorage.advisors.auditlogs.processes import Logs
from moorage.advisors.auditlogs.tally import Tally
from moorage.reports.words import counted

ACCOUNT: Final = "system:serviceaccount:"
_OWN_USERS: Final = frozenset(
    {"system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"}
)
_OWN_AGENTS: Final = ("kube-controller-manager/", "kube-apiserver/", "kube-scheduler/", "kubelet/")
_OWN_NAMESPACE: Final = f"{ACCOUNT}kube-system:"
_NODE: Final = "system:node:"
_PLATFORM: Final = frozenset(
    f"moorage:{name}" for name in ("advisor", "auto", "cluster-api", "gatekeeper", "kwok", "operator")
)
"""Members are users of ``moorage:``, too, and their own."""

_SHOWN: Final = 5


def read_calls(paths: Sequence[str], table: Table, *, workers: int | None = None) -> Seen:
    """Read audit logs, and return who calls versions that go.

    Args:
        paths: files, folders, or ``-``.
        table: what is known.
        workers: how many processes read.

    Raises:
        LogError: a log cannot be read.
    """
    remembered: Any = memoryview(mmap.mmap(-1, SLOTS * 8)).cast("Q")
    logs = Logs[Calls](paths, lambda: Counter(table, remembered))
    calls = together(logs.count(workers))
    return as_seen(calls, table, sources=logs.names)


def together(results: Iterable[Calls]) -> Calls:
    """Return what several processes have counted."""
    seen: dict[Call, Times] = {}
    tally, problems, first, last = Tally(), list[str](), "", ""
    for each in results:
        for call, times in each.seen.items():
            seen.setdefault(call, Times()).add(times)
        tally.add(each.tally)
        problems += each.problems
        first = min(first, each.first) if first and each.first else first or each.first
        last = max(last, each.last)
    return Calls(seen, first, last, tally, sorted(problems)[:PROBLEMS])


def as_seen(calls: Calls, table: Table, *, sources: Sequence[str]) -> Seen:
    """Return what was counted as sightings, by caller, program and version."""
    tally = calls.tally
    found: dict[tuple[Name, str, str], tuple[Api, Times]] = {}
    own: dict[str, int] = {}
    for call, times in calls.seen.items():
        api = _api(call, table)
        if _is_own(call):
            own[call.username] = own.get(call.username, 0) + times.count
            continue
        _, known = found.setdefault((api.name, call.username, call.agent), (api, Times()))
        known.add(times)
    return Seen(
        tuple(_sighting(api, key[1], key[2], times, calls) for key, (api, times) in sorted(found.items())),
        {
            "auditLogs": list(sources),
            "requests": tally.events,
            "firstEvent": calls.first or None,
            "lastEvent": calls.last or None,
            "duplicates": tally.duplicates,
            "corruptLines": tally.corrupt,
            "foreignLines": tally.foreign,
            "incompleteLines": tally.incomplete,
        },
        tuple(_notes(calls, own)),
        () if tally.events or tally.stages else (f"there is no audit event in {', '.join(sources)}",),
    )


def time_of(text: str | None) -> datetime | None:
    """Return a time of the log; nothing where it is none."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except ValueError:
        return None


def caller(username: str) -> str:
    """Return a user as a person knows it."""
    if username.startswith(ACCOUNT):
        namespace, _, name = username.removeprefix(ACCOUNT).partition(":")
        return f"ServiceAccount {namespace}/{name}"
    return f"User {username or '(nobody)'}"


def _api(call: Call, table: Table) -> Api:
    """Return what is known of what was called; if nothing, what the API server says of it."""
    known = table.by_resource(call.group, call.version, call.resource)
    if known is not None and known.goes:
        return known
    api_version = f"{call.group}/{call.version}" if call.group else call.version
    try:
        removed = parse(call.removed) if call.removed else None
    except ValueError:
        removed = None
    name = known.name if known else Name(api_version, call.resource)
    return Api(name, call.resource, deprecated=(), removed=removed)


def _is_own(call: Call) -> bool:
    """Say whether this is a part of Kubernetes or of the platform, which moves on by itself.

    Those that look after all objects of whatever kind ask for the version that the API server prefers.
    """
    if call.username in _OWN_USERS | _PLATFORM or call.username.startswith(_NODE):
        return True
    return call.username.startswith(_OWN_NAMESPACE) and call.agent.startswith(_OWN_AGENTS)


def _sighting(api: Api, username: str, agent: str, times: Times, calls: Calls) -> Sighting:
    who = caller(username)
    return Sighting(
        api,
        How.CALLED,
        who,
        Location(who),
        who=agent,
        evidence={
            "userAgent": agent or None,
            "requests": times.count,
            "since": times.first or None,
            "last": times.last or None,
            "verbs": sorted(times.verbs),
            "namespaces": times.some_namespaces(),
            **({"notFound": times.failed} if times.failed else {}),
            "window": {"from": calls.first or None, "to": calls.last or None},
        },
    )


def _notes(calls: Calls, own: dict[str, int]) -> Iterator[str]:
    tally = calls.tally
    if own:
        more = f" and {len(own) - _SHOWN} more" if len(own) > _SHOWN else ""
        names = ", ".join(sorted(own, key=lambda name: (-own[name], name))[:_SHOWN]) + more
        yield (
            f"left alone: {counted(sum(own.values()), 'request')} by parts of Kubernetes itself, which are "
            f"upgraded with it ({names})"
        )
    if tally.corrupt:
        yield (
            f"skipped {counted(tally.corrupt, 'line')} of the log that cannot be read: "
            f"{'; '.join(calls.problems)}"
        )
    if tally.foreign:
        yield f"the log has {counted(tally.foreign, 'line')} without an audit event"
    if tally.incomplete:
        yield f"{counted(tally.incomplete, 'log')} ended in the middle of a line, which was skipped"
