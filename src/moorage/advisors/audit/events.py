"""What an API server sends, cut down to what the advisors need. Pure.

Of a request for a resource that is its authorization, and (of one in a version that goes) the version and the
program that asks; no body is kept but those of access reviews, which are about the rights of others. The same
event always becomes the same line, so that a line tells whether an event was there before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from moorage.advisors.apis.table import table
from moorage.advisors.permissions.events import REVIEWS
from moorage.errors import MoorageError

_GROUP: Final = "audit.k8s.io/"
_KIND: Final = "EventList"
_SHOWN: Final = 200
_WORD_MAX: Final = 253
"""How much of a user agent is kept: whoever asks may call itself anything."""


FOLLOWED: Final = "fieldManager=moorage-advice"
"""In the query of a request by which somebody follows an advice, or takes one back."""


class BatchError(MoorageError):
    """A body that is no list of audit events."""


class _Part(msgspec.Struct, omit_defaults=True, gc=False):
    """What is left out has its default; nothing of an event that is not named here is kept."""


class _User(_Part):
    username: str | None = ""
    groups: tuple[str, ...] | None = ()


class _Ref(_Part):
    resource: str = ""
    namespace: str = ""
    name: str = ""
    apiGroup: str = ""  # noqa: N815 - the field's name
    apiVersion: str = ""  # noqa: N815 - the field's name
    subresource: str = ""


class _Status(_Part):
    code: int | None = 0


class _Annotations(
    _Part,
    rename={
        "decision": "authorization.k8s.io/decision",
        "deprecated": "k8s.io/deprecated",
        "removed": "k8s.io/removed-release",
    },
):
    decision: str | None = ""
    deprecated: str | None = ""
    removed: str | None = ""


class _Kept(_Part):
    stage: str
    verb: str
    auditID: str = ""  # noqa: N815 - the field's name
    requestURI: str = ""  # noqa: N815 - the field's name
    userAgent: str | None = ""  # noqa: N815 - the field's name
    stageTimestamp: str | None = ""  # noqa: N815 - the field's name
    user: _User | None = None
    impersonatedUser: _User | None = None  # noqa: N815 - the field's name
    objectRef: _Ref | None = None  # noqa: N815 - the field's name
    responseStatus: _Status | None = None  # noqa: N815 - the field's name
    annotations: _Annotations | None = None
    requestObject: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # noqa: N815 - the field's name


class _List(msgspec.Struct, gc=False):
    kind: str
    apiVersion: str  # noqa: N815 - the field's name
    items: list[_Kept] | None = None


class _RawList(msgspec.Struct, gc=False):
    kind: str
    apiVersion: str  # noqa: N815 - the field's name
    items: list[msgspec.Raw] | None = None


_LIST: Final = msgspec.json.Decoder(_List)
_RAW_LIST: Final = msgspec.json.Decoder(_RawList)
_ITEM: Final = msgspec.json.Decoder(_Kept)
_ENCODER: Final = msgspec.json.Encoder()
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one body has come to.

    Args:
        lines: the events, each a line of JSON with its line break.
        events: how many they are.
        broken: how many items of the list are no events; they are left out.
        problem: what is wrong with the first of those.
    """

    lines: bytes
    events: int
    broken: int = 0
    problem: str = ""


def parse(body: bytes) -> Batch:
    """Read a list of events as an API server's webhook backend sends it.

    One event that cannot be read does not cost the others: an API server would send the whole list again,
    and give up on it in the end.

    Raises:
        BatchError: it is no list of audit events.
    """
    try:
        found = _LIST.decode(body)
    except _UNREADABLE:
        return _one_by_one(body)
    _check(found.kind, found.apiVersion)
    return _batch(found.items or (), 0, "")


def _one_by_one(body: bytes) -> Batch:
    try:
        found = _RAW_LIST.decode(body)
    except _UNREADABLE as error:
        raise BatchError(f"this is no list of audit events: {str(error)[:_SHOWN]}") from None
    _check(found.kind, found.apiVersion)
    kept, broken, problem = [], 0, ""
    for item in found.items or ():
        try:
            kept.append(_event(bytes(item)))
        except _UNREADABLE as error:
            broken += 1
            problem = problem or str(error)[:_SHOWN]
    return _batch(kept, broken, problem)


def _event(item: bytes) -> _Kept:
    try:
        return _ITEM.decode(item)
    except UnicodeDecodeError:
        pass
    except msgspec.DecodeError as error:
        if "utf-8" not in str(error).lower():
            raise
    # A name that a client sent is no reason to lose a request.
    return _ITEM.decode(item.decode("utf-8", "replace"))


def _check(kind: str, version: str) -> None:
    if kind != _KIND or not version.startswith(_GROUP):
        raise BatchError(f"this is a {kind[:_SHOWN]} of {version[:_SHOWN]}, and no {_KIND} of {_GROUP}*")


def _batch(events: Sequence[_Kept], broken: int, problem: str) -> Batch:
    for event in events:
        _lean(event)
    return Batch(_ENCODER.encode_lines(events), len(events), broken, problem)


def _lean(event: _Kept) -> None:
    """Leave out what nobody asks for: bodies, queries, addresses of what has an object reference."""
    ref = event.objectRef
    if ref is None or ref.resource not in REVIEWS:
        event.requestObject = msgspec.UNSET
    named = ref is not None and bool(ref.resource) and event.verb != "create"
    path, _, query = event.requestURI.partition("?")
    follows = FOLLOWED in query and "dryRun=" not in query
    event.requestURI = ("" if named else path) + (f"?{FOLLOWED}" if follows else "")
    if _goes(event):
        event.userAgent = (event.userAgent or "")[:_WORD_MAX]
        return
    event.userAgent = ""
    if ref is not None:
        ref.apiVersion = ""


def _goes(event: _Kept) -> bool:
    """Say whether a version is asked for that goes, as far as the API server or we know."""
    ref, told = event.objectRef, event.annotations
    if ref is None or not ref.resource:
        return False
    annotated = told is not None and told.deprecated == "true"
    return annotated or (ref.apiGroup, ref.apiVersion, ref.resource) in table().called
