"""What was seen, kept in bounded memory: where a user touches very many names, they are no longer told apart.

Whether they are told apart does not depend on the order in which they come, nor on how a log is split: a set
of names is given up exactly when all of it together has more than `NAMES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from sys import intern
from typing import Any, Final

from moorage.advisors.permissions.events import Ref, User
from moorage.advisors.permissions.model import MANY, Outcome, Request, Seen, Who

NAMES: Final = 64
"""How many names of one resource, or paths, are told apart for one user and verb."""

Key = tuple[str, int, Ref | str, Outcome]
"""Verb, number of the user, object or path, outcome: what events are counted by."""

Times = list[Any]
"""How often, the first time, the last time. A list, for there are very many."""

_DAYS: Final = 10_000
_DAY: Final = re.compile(r"20\d\d-[01]\d-[0-3]\d")

_Base = tuple[str, str, str, str, str, int]
"""Verb, group, resource, subresource, namespace, outcome."""


class Store:
    """Collects counts of one part of a log after the other."""

    def __init__(self) -> None:
        self._seen: dict[Who, dict[_Base, dict[str, Times]]] = {}
        self._known: dict[User, Who] = {}
        self.denied: dict[Who, int] = {}
        self.days: set[str] = set()

    def fold(self, counts: Mapping[Key, Times], users: Sequence[User]) -> None:
        """Take in what the events of one part of a log come to.

        Args:
            counts: how often, and when.
            users: by their number.
        """
        if len(self.days) > _DAYS:
            self.days = set(filter(_DAY.fullmatch, self.days))
        for (verb, number, about, outcome), times in counts.items():
            user = users[number]
            who = self._known.get(user)
            if who is None:
                who = self._known[user] = Who(user.username or "", tuple(user.groups or ()))
            if outcome is Outcome.DENIED:
                # Names in what was denied are anybody's invention: only how often is kept.
                self.denied[who] = self.denied.get(who, 0) + times[0]
                continue
            if isinstance(about, str):
                base, name = (intern(verb), "", "", "", "", int(outcome)), about
            else:
                group, resource, subresource = (
                    intern(about.apiGroup),
                    intern(about.resource),
                    intern(about.subresource),
                )
                base = (intern(verb), group, resource, subresource, intern(about.namespace), int(outcome))
                name = about.name
            _add(self._seen.setdefault(who, {}), base, intern(name), times)

    def rows(self) -> list[tuple[Who, list[tuple[_Base, dict[str, Times]]]]]:
        """Return what it has, made of what is quickly sent to another process."""
        return [(who, list(bases.items())) for who, bases in self._seen.items()]

    def merge(
        self, rows: list[tuple[Who, list[tuple[_Base, dict[str, Times]]]]], denied: Mapping[Who, int]
    ) -> None:
        """Take in what another store has."""
        for who, bases in rows:
            mine = self._seen.setdefault(who, {})
            for base, names in bases:
                if base not in mine:
                    mine[base] = names
                    continue
                for name, times in names.items():
                    _add(mine, base, name, times)
        for who, count in denied.items():
            self.denied[who] = self.denied.get(who, 0) + count

    def seen(self) -> Iterator[tuple[tuple[Who, Request, Outcome], Seen]]:
        """Yield what was seen."""
        outcomes = {int(each): each for each in Outcome}
        for who, bases in self._seen.items():
            for (verb, group, resource, subresource, namespace, outcome), names in bases.items():
                for name, (count, first, last) in names.items():
                    if resource:
                        request = Request(verb, group, resource, subresource, namespace, name)
                    else:
                        request = Request(verb, path=name)
                    yield (who, request, outcomes[outcome]), Seen(count, first, last)


def _add(bases: dict[_Base, dict[str, Times]], base: _Base, name: str, times: Times) -> None:
    names = bases.get(base)
    if names is None:
        names = bases[base] = {}
    elif name and MANY in names:
        name = MANY
    elif name == MANY and any(names):
        _collapse(names)  # another store has given them up: together they are more, too
    seen = names.get(name)
    if seen is None:
        names[name] = list(times)
        # No name at all (a list, a create) is not one of the names: it stays apart from them.
        if len(names) > NAMES and len(names) - ("" in names) > NAMES:
            _collapse(names)
    else:
        _join(seen, times)


def _collapse(names: dict[str, Times]) -> None:
    together: Times = []
    for each in [each for each in names if each]:
        times = names.pop(each)
        if together:
            _join(together, times)
        else:
            together = times
    names[MANY] = together


def _join(seen: Times, times: Times) -> None:
    count, first, last = times
    seen[0] += count
    # An event without a time says nothing of when: the first is the first that is known.
    if first and (not seen[1] or first < seen[1]):
        seen[1] = first
    seen[2] = max(seen[2], last)
