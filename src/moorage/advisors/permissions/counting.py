"""Counting the events of a log: the inner loop, which decides how fast an audit log is read."""

from __future__ import annotations

import zlib
from collections.abc import MutableSequence
from typing import Any, Final
from urllib.parse import unquote

from moorage.advisors.auditlogs.lines import LineCounter
from moorage.advisors.permissions.events import (
    DECODER,
    REVIEWS,
    Event,
    Ref,
    User,
    converted,
    reviewed,
    user_of,
)
from moorage.advisors.permissions.model import ACCOUNT, Outcome
from moorage.advisors.permissions.store import Key, Store, Times

SLOTS: Final = 1 << 22
"""How many audit IDs are remembered: 32 MiB."""

_FOLD_AT: Final = 100_000
_USERS: Final = 50_000
_NOBODY: Final = -1
_DAY: Final = len("2026-01-31")
_MASK: Final = SLOTS - 1
_COMPLETE: Final = ("ResponseComplete", "Panic")
_STARTED: Final = "ResponseStarted"
_DONE, _CREATED, _FAILED, _DENIED = Outcome.DONE, Outcome.CREATED, Outcome.FAILED, Outcome.DENIED
_REFUSALS: Final = (401, 403)
_BAD: Final = 400
_CREATED_CODE: Final = 201


class Counter(LineCounter[Event]):
    """Counts events, one block of whole lines at a time.

    A request is one however often its event is there: audit IDs are remembered in a table of fixed size, in
    which a new one takes the place of an old one. So no request is ever taken for another and lost, and a
    duplicate may be counted again only when millions of events lie between. What was used never depends on
    it.

    Args:
        remembered: the table, of `SLOTS` integers; several processes may share one.
    """

    def __init__(self, remembered: MutableSequence[int]) -> None:
        super().__init__(DECODER)
        self.store = Store()
        self._remembered = remembered
        self._counts: dict[Key, Times] = {}
        self._numbers: dict[User, int] = {}
        self._known: dict[bytes, int] = {}

    def block(self, lines: bytes, *, source: str, offset: int) -> None:
        """Count the events of a block of whole lines, and hand them over when they are many."""
        super().block(lines, source=source, offset=offset)
        if len(self._counts) > _FOLD_AT or len(self._known) > _USERS:
            self.flush()

    def flush(self) -> None:
        """Hand over to the store what was counted since the last time."""
        self.store.fold(self._counts, list(self._numbers))
        self._counts.clear()
        if len(self._known) > _USERS:  # each token has texts of its own
            self._known.clear()

    def converted(self, content: dict[str, Any]) -> Event:
        """Return an event that was in a line as one."""
        return converted(content)

    def count(self, events: list[Event]) -> bool:  # noqa: C901, PLR0912, PLR0915 - a call costs a tenth of it
        """Count events; say whether all of them were such."""
        counts, remembered, known = self._counts, self._remembered, self._known
        days = self.store.days
        plain, requests, duplicates, stages = True, 0, 0, 0
        for event in events:
            text = bytes(event.user)
            user = known.get(text)
            if user is None:
                user = self._user(text)
                if user == _NOBODY:
                    continue
            if event.stage in _COMPLETE:
                one = 1
                if audit_id := event.auditID:
                    try:
                        number = int(audit_id[-12:], 16) + 1
                    except ValueError:
                        number = _hash(audit_id)
                    slot = number & _MASK
                    if remembered[slot] == number:
                        one = 0
                        duplicates += 1
                    else:
                        remembered[slot] = number
                requests += one
            elif event.stage == _STARTED:
                # It was allowed, and may go on after the log ends; it is counted when it is complete.
                one = 0
                stages += 1
            else:
                plain = plain and bool(event.stage)
                stages += bool(event.stage)
                continue
            verb, status = event.verb, event.responseStatus
            code = (status.code or 0) if status is not None else 0
            if code < _BAD:
                outcome = _CREATED if code == _CREATED_CODE and verb in ("patch", "update") else _DONE
            else:
                outcome = _failure(event, code)
            about: Ref | str
            ref = event.objectRef
            if ref is None or not ref.resource:
                about = unquote(event.requestURI.partition("?")[0])
            else:
                about = ref
                if verb == "create" and ref.name and not ref.subresource:
                    about = _as_asked(ref, event.requestURI)
                if ref.resource in REVIEWS:
                    self._review(event, one)
            if event.impersonatedUser is not None:
                self._impersonation(event, user, outcome, one)
                user = self._number(event.impersonatedUser)
            key = (verb, user, about, outcome)
            at = event.stageTimestamp or ""
            days.add(at[:_DAY])
            seen = counts.get(key)
            if seen is None:
                counts[key] = [one, at, at]
            else:
                seen[0] += one
                if at > seen[2]:
                    seen[2] = at
                elif at < seen[1]:
                    seen[1] = at
        tally = self.tally
        tally.events += requests
        tally.duplicates += duplicates
        tally.stages += stages
        return plain

    def _user(self, text: bytes) -> int:
        """Return the number of the user that a text says."""
        user = user_of(text)
        if user is None:
            self.tally.corrupt += 1
            self.problem("an event has no user that can be read")
            return _NOBODY
        number = self._known[text] = self._number(user)
        return number

    def _number(self, user: User) -> int:
        return self._numbers.setdefault(user, len(self._numbers))

    def _impersonation(self, event: Event, user: int, outcome: Outcome, one: int) -> None:
        """Count that a user acted as another: authorization was asked about each part of it."""
        if outcome is _DENIED:
            return
        other = event.impersonatedUser or User()
        name = other.username or ""
        if name.startswith(ACCOUNT):
            namespace, _, account = name.removeprefix(ACCOUNT).partition(":")
            refs = [Ref("serviceaccounts", namespace, account)]
        else:
            refs = [Ref("users", name=name)]
        refs += [Ref("groups", name=group) for group in other.groups or ()]
        self._derived(event, "impersonate", user, refs, one)

    def _review(self, event: Event, one: int) -> None:
        """Count what another server has asked about, where the log says what that was."""
        about = reviewed(event)
        if about is not None:
            user, verb, ref = about
            self._derived(event, verb, self._number(user), [ref], one)

    def _derived(
        self, event: Event, verb: str, user: int, about: list[Ref] | list[Ref | str], one: int
    ) -> None:
        at = event.stageTimestamp or ""
        for each in about:
            seen = self._counts.setdefault((verb, user, each, _DONE), [0, at, at])
            seen[0] += one
            seen[1], seen[2] = min(seen[1], at), max(seen[2], at)


def _failure(event: Event, code: int) -> Outcome:
    """Tell what was denied from what was allowed and failed: admission and quota answer 403, too."""
    decision = event.annotations.decision if event.annotations is not None else ""
    if decision:
        return _FAILED if decision == "allow" else _DENIED
    return _DENIED if code in _REFUSALS else _FAILED


def _as_asked(ref: Ref, uri: str) -> Ref:
    """Return what authorization was asked about: the name in the body of a new object is not known to it."""
    path = uri.partition("?")[0].rstrip("/")
    if path.endswith(f"/{ref.resource}/{ref.name}"):
        return ref
    return Ref(ref.resource, ref.namespace, "", ref.apiGroup, ref.subresource)


def _hash(audit_id: str) -> int:
    text = audit_id.encode("utf-8", "replace")
    return (zlib.crc32(text) << 20 ^ zlib.adler32(text)) + 1
