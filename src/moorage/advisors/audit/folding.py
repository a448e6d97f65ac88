"""From a segment's lines to counts: each event once, whatever was sent twice. Pure but for the reading."""

from __future__ import annotations

import hashlib
from array import array
from collections import deque
from collections.abc import Iterable, Mapping, MutableSequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from moorage.advisors.apis import counting as apis
from moorage.advisors.apis.table import table
from moorage.advisors.audit.events import FOLLOWED
from moorage.advisors.permissions.counting import Counter
from moorage.advisors.permissions.events import DECODER, Event, User, user_of
from moorage.advisors.permissions.model import RBAC, Outcome, Request, Tally, Who
from moorage.advisors.permissions.store import Store

REMEMBERED: Final = 1 << 17
"""Of how many events of a cluster it is remembered that they were there: about 10 MB."""

DENIALS: Final = 16
"""How many different refusals of one user a segment tells in full."""

_BLOCK: Final = 256
_FOLLOWED: Final = f'?{FOLLOWED}"'.encode()
_WORD_MAX: Final = 253
_FORBIDDEN: Final = 403
_REFUSED: Final = (401, _FORBIDDEN)
_ONCE: Final = ("ResponseComplete", "Panic")
_WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_GRANTS: Final = frozenset({"roles", "clusterroles", "rolebindings", "clusterrolebindings"})


class Recent:
    """The events of a cluster that were counted last, by their digests.

    An API server that got no answer sends a list again, for some minutes. Beyond what is remembered here, an
    event that comes again counts again; what was used never depends on that.
    """

    def __init__(self, digests: Iterable[bytes] = ()) -> None:
        self._groups: deque[array[int]] = deque()
        self._known: set[int] = set()
        for each in digests:
            self.add(each)

    def __contains__(self, digest: int) -> bool:
        return digest in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, digests: bytes) -> None:
        """Take note of the digests of a segment that is counted."""
        group = array("Q", digests)
        self._groups.append(group)
        self._known.update(group)
        while len(self._known) > REMEMBERED and len(self._groups) > 1:
            self._known.difference_update(self._groups.popleft())


@dataclass(slots=True)
class Denial:
    """A request that was refused, as often as it was in one segment.

    Args:
        request: what was asked for.
        count: how often.
        last: the last time, as the event has it.
    """

    request: Request
    count: int
    last: str


@dataclass(frozen=True, slots=True)
class Folded:
    """What a segment comes to.

    Args:
        store: what was seen, by whom.
        tally: the segment's lines by number.
        digests: of the events that were not there before, for `Recent`.
        denials: what each user was refused: some of it, where it was very much.
        changes: whether roles, bindings or ServiceAccounts were written.
        calls: who called what in a version that goes.
        followed: whether an advice was followed, or taken back.
    """

    store: Store
    tally: Tally
    digests: bytes = field(repr=False)
    denials: Mapping[Who, list[Denial]]
    changes: bool
    calls: Mapping[apis.Call, apis.Times] = field(default_factory=dict)
    followed: bool = False


def fold(content: bytes, recent: Recent) -> Folded:
    """Count the events of a segment.

    Args:
        content: its lines. What follows the last line break is a line that was not written to its end: nobody
            was told that it is kept, and it was sent again.
        recent: what was counted before; it is not changed, for these counts are not stored yet.
    """
    counter = Counter(cast("MutableSequence[int]", _Slots()))
    new: dict[int, bytes] = {}
    duplicates = 0
    lines = content.split(b"\n")
    counter.tally.incomplete += bool(lines.pop())
    for line in lines:
        digest = int.from_bytes(hashlib.blake2b(line, digest_size=8).digest(), "big")
        if digest in new or digest in recent:
            # Of the other stages Kubernetes' own log has as many as requests; they are counted nowhere.
            duplicates += _is_counted(line)
        elif line:
            new[digest] = line
    kept = list(new.values())
    for at in range(0, len(kept), _BLOCK):
        counter.block(b"\n".join(kept[at : at + _BLOCK]) + b"\n", source="audit events", offset=0)
    counter.flush()
    counter.tally.duplicates += duplicates
    return Folded(
        counter.store,
        counter.tally,
        array("Q", new).tobytes(),
        _denials(kept),
        _changes(counter.store),
        _calls(kept),
        any(_FOLLOWED in line for line in kept),
    )


class _Slots(dict[int, int]):
    """The table of audit IDs, of one segment alone: as large as that, where a log's is of a fixed size."""

    def __missing__(self, slot: int) -> int:
        return 0


def _is_counted(line: bytes) -> bool:
    try:
        return DECODER.decode(line).stage in _ONCE
    except msgspec.DecodeError:
        return False


def _denials(lines: Iterable[bytes]) -> dict[Who, list[Denial]]:
    found: dict[Who, dict[Request, Denial]] = {}
    for line in lines:
        if b'"forbid"' not in line and b'"code":40' not in line:
            continue
        event = DECODER.decode(line)
        if not _is_denial(event):
            continue
        user: User | None = event.impersonatedUser or user_of(bytes(event.user))
        if user is None:
            continue
        who = Who(user.username or "", tuple(user.groups or ()))
        mine = found.setdefault(who, {})
        request, at = _request(event), event.stageTimestamp or ""
        known = mine.get(request)
        if known is not None:
            known.count += 1
            known.last = max(known.last, at)
        elif len(mine) < DENIALS:
            mine[request] = Denial(request, 1, at)
    return {who: list(mine.values()) for who, mine in found.items()}


def _calls(lines: Iterable[bytes]) -> dict[apis.Call, apis.Times]:
    """Count calls of versions that go; of other requests the version was not kept."""
    counter = apis.Counter(table(), cast("MutableSequence[int]", _Slots()))
    for line in lines:
        if b'"apiVersion":' in line:
            counter.block(line, source="audit events", offset=0)
    return counter.result().seen


def _is_denial(event: Event) -> bool:
    """Tell what authorization refused from what admission or a quota did."""
    if event.stage not in _ONCE:
        return False
    decision = event.annotations.decision if event.annotations is not None else ""
    if decision:
        return decision != "allow"
    code = (event.responseStatus.code or 0) if event.responseStatus is not None else 0
    return code in _REFUSED


def _request(event: Event) -> Request:
    ref = event.objectRef
    if ref is None or not ref.resource:
        return Request(event.verb[:_WORD_MAX], path=event.requestURI[:_WORD_MAX])
    # Anybody may ask for anything, by names as long as they like.
    words: list[Any] = [
        word[:_WORD_MAX]
        for word in (event.verb, ref.apiGroup, ref.resource, ref.subresource, ref.namespace, ref.name)
    ]
    return Request(*words)


def _changes(store: Store) -> bool:
    for (_, request, outcome), _ in store.seen():
        if request.verb not in _WRITES or request.subresource or outcome is Outcome.FAILED:
            continue
        if request.group == RBAC and request.resource in _GRANTS:
            return True
        if not request.group and request.resource == "serviceaccounts":
            return True
    return False
