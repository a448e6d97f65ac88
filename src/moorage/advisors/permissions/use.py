"""Which grant was used for what: each request is held against everything that allows it.

A request that two bindings allow counts as used for both. So no proposal depends on another one: whichever of
them are carried out, in whatever order, what was used is still allowed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from moorage.advisors.permissions.evaluate import applies_to, in_scope, rules_allow
from moorage.advisors.permissions.model import Grant, Outcome, Rbac, Request, Role, Seen, Usage, Who
from moorage.advisors.permissions.unseen import Recorded, implied, recorded, verbs_of

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_FORMAT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_DAY_SECONDS: Final = 86_400
SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Window:
    """The time that counts.

    Args:
        begin: what was last seen before is not used any more.
        end: the last event, or now where that is earlier: clocks of events may be wrong.
        first: the first event of the log.
        days: how long it was asked to be.
        skewed: whether there are events of the future.
        empty_days: how many days of it, after the first event, have no event at all of anybody.
    """

    begin: datetime
    end: datetime
    first: datetime
    days: float
    skewed: bool = False
    empty_days: int = 0

    @property
    def covered(self) -> float:
        """How much of it the log covers, from 0 to 1."""
        whole = (self.end - self.begin).total_seconds()
        seen = (self.end - max(self.first, self.begin)).total_seconds()
        seen -= self.empty_days * _DAY_SECONDS
        return max(0.0, min(seen / whole, 1.0)) if whole > 0 else 0.0


@dataclass(slots=True)
class Used:
    """What a grant was used for.

    Args:
        requests: each with how often and when.
        members: who used it.
        failed: how many of the requests were allowed and failed for another reason.
        about: what the log tells of what it cannot show.
    """

    requests: dict[Request, Seen] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    failed: int = 0
    about: Recorded = field(default_factory=lambda: Recorded(frozenset()))

    @property
    def count(self) -> int:
        """How often it was used."""
        return sum(seen.count for seen in self.requests.values())


@dataclass(frozen=True, slots=True)
class Match:
    """A log, held against RBAC.

    Args:
        used: of each grant.
        seen: the names of all users in the window.
        unexplained: how often something was allowed that none of the grants allows.
        too_old: how many different requests were last seen before the window.
    """

    used: Mapping[Grant, Used]
    seen: frozenset[str]
    unexplained: int
    too_old: int


def window_of(usage: Usage, *, length: timedelta, now: datetime) -> Window:
    """Return the time that counts: as long as asked for, up to the end of the log."""
    times = [(moment(seen.first), moment(seen.last)) for seen in usage.seen.values()]
    firsts = [first for first, _ in times if first is not None]
    lasts = [last for _, last in times if last is not None]
    latest = max(lasts, default=now)
    end = min(latest, now)
    first = min(firsts, default=end)
    return Window(
        begin=end - length,
        end=end,
        first=first,
        empty_days=_empty_days(usage, max(first, end - length), end),
        days=length / timedelta(days=1),
        skewed=latest > now + SKEW,
    )


def _empty_days(usage: Usage, begin: datetime, end: datetime) -> int:
    """Count days of which a log has nothing: a cluster is never silent, so something is missing there."""
    days = ((begin + timedelta(days=number)).date() for number in range(1, (end - begin).days))
    return sum(day.isoformat() not in usage.days for day in days)


def moment(text: str) -> datetime | None:
    """Return the time of an event; nothing where it is none."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def grants_of(rbac: Rbac) -> list[Grant]:
    """Return all grants; a binding to a role that is not there grants nothing."""
    found = []
    for binding in rbac.bindings:
        role = rbac.role_of(binding)
        if role is not None:
            found += [Grant(binding, subject, role) for subject in binding.subjects]
    return found


def match(usage: Usage, grants: Sequence[Grant], window: Window) -> Match:
    """Hold what was seen against what is granted."""
    index = _Index(grants)
    used = {grant: Used() for grant in grants}
    verbs = verbs_of(request for _, request, _ in usage.seen)
    begin = window.begin.strftime(_FORMAT)
    of_who: dict[Who, list[tuple[Request, Outcome, Seen]]] = defaultdict(list)
    too_old = 0
    for (who, request, outcome), seen in usage.seen.items():
        if _is_before(seen.last, begin):
            too_old += 1
        else:
            of_who[who].append((request, outcome, seen))
    about: dict[Grant, list[Recorded]] = defaultdict(list)
    unexplained = 0
    for who, requests in of_who.items():
        mine = index.of(who)
        tells = recorded((request for request, _, _ in requests), verbs)
        for grant in mine:
            about[grant].append(tells)
        for request, outcome, seen in requests:
            explained = _take(used, mine, who, request, seen, outcome, index)
            if not explained and seen.count and outcome is not Outcome.FAILED:
                unexplained += seen.count
            for other in implied(request, outcome):
                _take(used, mine, who, other, Seen(0, seen.first, seen.last), outcome, index)
    for grant, each in used.items():
        each.about = _together(about[grant], verbs)
    return Match(used, frozenset(who.name for who in of_who), unexplained, too_old)


def _take(
    used: Mapping[Grant, Used],
    grants: Iterable[Grant],
    who: Who,
    request: Request,
    seen: Seen,
    outcome: Outcome,
    index: _Index,
) -> bool:
    """Count a request for each grant that allows it; say whether any does."""
    explained = False
    for grant in grants:
        if not in_scope(grant.binding, request) or not index.allows(grant.role, request):
            continue
        explained = True
        mine = used[grant]
        mine.requests.setdefault(request, Seen()).add(seen.count, seen.first, seen.last)
        mine.members.add(who.name)
        if outcome is Outcome.FAILED:
            mine.failed += seen.count
    return explained


def _is_before(last: str, begin: str) -> bool:
    # What has no time that can be understood is taken as used.
    return bool(_TIME.fullmatch(last)) and last < begin


def _together(tells: Sequence[Recorded], verbs: frozenset[str]) -> Recorded:
    return Recorded(
        verbs,
        impersonates=any(each.impersonates for each in tells),
        grants=any(each.grants for each in tells),
        writes=frozenset[str]().union(*(each.writes for each in tells)),
    )


class _Index:
    """Finds the grants of a user, and remembers what roles allow."""

    def __init__(self, grants: Sequence[Grant]) -> None:
        self._by_user: dict[str, list[Grant]] = defaultdict(list)
        self._by_group: dict[str, list[Grant]] = defaultdict(list)
        self._allows: dict[tuple[int, Request], bool] = {}
        for grant in grants:
            where = self._by_group if grant.subject.kind == "Group" else self._by_user
            key = grant.subject.name if grant.subject.kind == "Group" else grant.subject.username
            where[key].append(grant)

    def of(self, who: Who) -> list[Grant]:
        """Return the grants of a user: its own, and those of its groups."""
        found = [*self._by_user.get(who.name, ())]
        for group in dict.fromkeys(who.groups):
            found += self._by_group.get(group, ())
        return [grant for grant in found if applies_to(grant.subject, who)]

    def allows(self, role: Role, request: Request) -> bool:
        """Say whether a role allows a request, wherever it is bound."""
        key = (id(role), request._replace(namespace=""))
        known = self._allows.get(key)
        if known is None:
            known = self._allows[key] = rules_allow(role.rules, request)
        return known
