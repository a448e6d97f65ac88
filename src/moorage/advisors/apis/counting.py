"""Counting the calls of versions that go: every event of a log is decoded, as far as that needs it."""

from __future__ import annotations

import zlib
from collections.abc import MutableSequence
from typing import Any, Final, NamedTuple

import msgspec

from moorage.advisors.apis.table import Table
from moorage.advisors.auditlogs.lines import BrokenLineError, LineCounter
from moorage.advisors.auditlogs.tally import Tally
from moorage.advisors.auditlogs.users import decode_user

SLOTS: Final = 1 << 20
"""How many audit IDs are remembered: 8 MiB."""

MOST: Final = 20_000
"""How many different calls are kept apart; beyond that, user agents are not."""

OTHER: Final = "\N{HORIZONTAL ELLIPSIS}"
"""In place of a user agent: there are too many to tell apart."""

MOST_NAMESPACES: Final = 10
"""How many namespaces are told of a call; of one in more, none."""

_COMPLETE: Final = frozenset({"ResponseComplete", "Panic"})
_STARTED: Final = "ResponseStarted"
_MASK: Final = SLOTS - 1
_NOT_FOUND: Final = 404


class _Ref(msgspec.Struct, gc=False):
    resource: str = ""
    namespace: str = ""
    apiGroup: str = ""  # noqa: N815 - the field's name
    apiVersion: str = ""  # noqa: N815 - the field's name


class _User(msgspec.Struct, gc=False):
    username: str | None = ""


class _Status(msgspec.Struct, gc=False):
    code: int | None = 0


class _Annotations(
    msgspec.Struct,
    gc=False,
    rename={"deprecated": "k8s.io/deprecated", "removed": "k8s.io/removed-release"},
):
    deprecated: str | None = ""
    removed: str | None = ""


class _Event(msgspec.Struct, gc=False):
    stage: str = ""
    verb: str = ""
    auditID: str = ""  # noqa: N815 - the field's name
    userAgent: str | None = ""  # noqa: N815 - the field's name
    stageTimestamp: str | None = ""  # noqa: N815 - the field's name
    user: msgspec.Raw = msgspec.Raw()
    impersonatedUser: _User | None = None  # noqa: N815 - the field's name
    objectRef: _Ref | None = None  # noqa: N815 - the field's name
    responseStatus: _Status | None = None  # noqa: N815 - the field's name
    annotations: _Annotations | None = None


_DECODER: Final = msgspec.json.Decoder(_Event)
_USER: Final = msgspec.json.Decoder(_User)
_NOBODY: Final = _User()


class Call(NamedTuple):
    """What somebody asks for, in a version that goes.

    Args:
        group: the API group.
        version: in it.
        resource: in the plural.
        username: who asks.
        agent: the program, as it calls itself.
        removed: the release in which the API server says it is removed; empty where it does not.
    """

    group: str
    version: str
    resource: str
    username: str
    agent: str
    removed: str


class Times:
    """How often something was asked for, and when; the order makes no difference."""

    __slots__ = ("count", "failed", "first", "last", "namespaces", "verbs")

    def __init__(self) -> None:
        self.count = self.failed = 0
        self.first = self.last = ""
        self.verbs: set[str] = set()
        self.namespaces: set[str] = set()

    def see(self, at: str, verb: str, namespace: str, *, one: int, failed: bool) -> None:
        """Take in one request."""
        self.count += one
        self.failed += one and failed
        self.first = min(self.first, at) if self.first else at
        self.last = max(self.last, at)
        self.verbs.add(verb)
        self.namespaces.add(namespace)

    def add(self, other: Times) -> None:
        """Take in what was seen elsewhere."""
        self.count += other.count
        self.failed += other.failed
        self.first = min(self.first, other.first) if self.first and other.first else self.first or other.first
        self.last = max(self.last, other.last)
        self.verbs |= other.verbs
        self.namespaces |= other.namespaces

    def some_namespaces(self) -> list[str]:
        """Return the namespaces, if they are few."""
        found = sorted(self.namespaces - {""})
        return found if len(found) <= MOST_NAMESPACES else []


class Calls(NamedTuple):
    """What one process has counted."""

    seen: dict[Call, Times]
    first: str
    last: str
    tally: Tally
    problems: list[str]


class Counter(LineCounter[_Event]):
    """Counts events, one block of whole lines at a time.

    Args:
        table: which versions go.
        remembered: of audit IDs: `SLOTS` integers; several processes may share them.
    """

    def __init__(self, table: Table, remembered: MutableSequence[int]) -> None:
        super().__init__(_DECODER)
        self._going = table.called
        self._remembered = remembered
        self._seen: dict[Call, Times] = {}
        self._first = self._last = ""

    def converted(self, content: dict[str, Any]) -> _Event:
        """Return an event that was in a line as one."""
        return _converted(content)

    def result(self) -> Calls:
        """Return what was counted."""
        return Calls(self._seen, self._first, self._last, self.tally, self.problems)

    def count(self, events: list[_Event]) -> bool:
        """Count events; say whether all of them were such."""
        going, tally, first, last = self._going, self.tally, self._first, self._last
        plain = True
        for event in events:
            if event.stage in _COMPLETE:
                tally.events += 1
            elif not event.stage:
                plain = False
                continue
            else:
                tally.stages += 1
                if event.stage != _STARTED:
                    continue
            at = event.stageTimestamp or ""
            last = max(last, at)
            if at and (not first or at < first):
                first = at
            ref = event.objectRef
            if ref is None:
                continue
            told = event.annotations
            if (told is not None and told.deprecated == "true") or (
                (ref.apiGroup, ref.apiVersion, ref.resource) in going
            ):
                self._see(event, ref, at)
        self._first, self._last = first, last
        return plain

    def _see(self, event: _Event, ref: _Ref, at: str) -> None:
        user = event.impersonatedUser or decode_user(bytes(event.user), _USER, _NOBODY)
        if user is None:
            self.tally.corrupt += 1
            self.problem("an event has no user that can be read")
            return
        told = event.annotations
        removed = (told.removed or "") if told is not None else ""
        agent = event.userAgent or ""
        call = Call(ref.apiGroup, ref.apiVersion, ref.resource, user.username or "", agent, removed)
        if len(self._seen) >= MOST and call not in self._seen:
            call = call._replace(agent=OTHER)
        times = self._seen.setdefault(call, Times())
        one = 1
        if event.stage == _STARTED:
            one = 0  # it is counted when it is complete; a watch may go on after the log ends
        elif self._is_known(event.auditID):
            self.tally.duplicates += 1
            one = 0
        code = (event.responseStatus.code or 0) if event.responseStatus is not None else 0
        times.see(at, event.verb, ref.namespace, one=one, failed=code == _NOT_FOUND)

    def _is_known(self, audit_id: str) -> bool:
        """Say whether a request was counted, and remember it."""
        if not audit_id:
            return False
        text = audit_id.encode("utf-8", "replace")
        number = (zlib.crc32(text) << 24 ^ zlib.adler32(text[::-1])) + 1
        slot = number & _MASK
        if self._remembered[slot] == number:
            return True
        self._remembered[slot] = number
        return False


def _converted(content: dict[str, Any]) -> _Event:
    user = content.pop("user", None)
    try:
        event = msgspec.convert(content, _Event, strict=False)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BrokenLineError(str(error)) from None
    event.user = msgspec.Raw(msgspec.json.encode(user or {}))
    return event
