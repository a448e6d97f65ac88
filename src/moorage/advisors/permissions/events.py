"""Audit events, decoded only as far as they are needed: the rest of a line is skipped, not parsed.

The fields are those of ``audit.k8s.io/v1``; versions to come are read as far as they have the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from moorage.advisors.auditlogs.users import decode_user


class User(msgspec.Struct, frozen=True, gc=False):
    """Who asks."""

    username: str | None = ""
    groups: tuple[str, ...] | None = ()


class Ref(msgspec.Struct, frozen=True, gc=False):
    """What is asked for; of a new object the name may be the body's, and not the URL's."""

    resource: str = ""
    namespace: str = ""
    name: str = ""
    apiGroup: str = ""  # noqa: N815 - the field's name
    subresource: str = ""


class Status(msgspec.Struct, gc=False):
    """How it ended."""

    code: int | None = 0


class Annotations(msgspec.Struct, gc=False, rename={"decision": "authorization.k8s.io/decision"}):
    """What authorization said."""

    decision: str | None = ""


class Event(msgspec.Struct, gc=False):
    """One audit event."""

    stage: str = ""
    verb: str = ""
    auditID: str = ""  # noqa: N815 - the field's name
    requestURI: str = ""  # noqa: N815 - the field's name
    stageTimestamp: str | None = ""  # noqa: N815 - the field's name
    user: msgspec.Raw = msgspec.Raw()  # a few users come again and again: each is decoded once
    impersonatedUser: User | None = None  # noqa: N815 - the field's name
    objectRef: Ref | None = None  # noqa: N815 - the field's name
    responseStatus: Status | None = None  # noqa: N815 - the field's name
    annotations: Annotations | None = None
    requestObject: msgspec.Raw = msgspec.Raw()  # noqa: N815 - the field's name


DECODER: Final = msgspec.json.Decoder(Event)
_USER: Final = msgspec.json.Decoder(User)


def user_of(text: bytes) -> User | None:
    """Return the user of an event; nothing where that is none."""
    return decode_user(text, _USER, User())


_WRAPPERS: Final = (
    "log", "message", "@message", "msg", "MESSAGE", "line", "_raw", "event", "Event", "data", "body",
    "textPayload", "jsonPayload", "items", "events", "logEvents", "Records", "records", "values",
)  # fmt: skip
"""Where shippers and log services put what they carry."""

_DEEPEST: Final = 6
_LONGEST_PREFIX: Final = 200
_BOM: Final = b"\xef\xbb\xbf"


class BrokenLineError(ValueError):
    """A line that is not JSON, or an event whose fields are not what they should be."""


def unwrap(line: bytes) -> list[Event]:
    """Return the events of a line that is not simply one: what a log service wrapped, a list, a prefix.

    Raises:
        BrokenLineError: it cannot be read.
    """
    return [_converted(content) for content in unwrapped(line)]


def unwrapped(line: bytes) -> list[dict[str, Any]]:
    """Return the events of such a line as they were written.

    Raises:
        BrokenLineError: it cannot be read.
    """
    start = line.find(b"{")
    if start < 0 or start > _LONGEST_PREFIX:
        raise BrokenLineError("it is not JSON")
    text = line[start:] if start else line.removeprefix(_BOM)
    try:
        content = msgspec.json.decode(text)
    except UnicodeDecodeError:
        content = _decoded_anyhow(text)
    except msgspec.DecodeError as error:
        content = _decoded_anyhow(text) if "utf-8" in str(error).lower() else None
        if content is None:
            raise BrokenLineError(str(error)) from None
    except RecursionError:
        raise BrokenLineError("it is nested too deep") from None
    return list(_events(content, 0))


def _decoded_anyhow(text: bytes) -> Any:
    """Read a line whose text is not all UTF-8: a name that a client sent is no reason to lose a request."""
    try:
        return msgspec.json.decode(text.decode("utf-8", "replace"))
    except msgspec.DecodeError as error:
        raise BrokenLineError(str(error)) from None


def _events(content: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > _DEEPEST:
        return
    if isinstance(content, list):
        for item in content:
            yield from _events(item, depth + 1)
    elif isinstance(content, str):
        if "{" in content[:_LONGEST_PREFIX]:
            yield from unwrapped(content.encode("utf-8", "replace"))
    elif isinstance(content, dict):
        if content.get("stage") and "verb" in content:
            yield content
            return
        for key in _WRAPPERS:
            if isinstance(content.get(key), str | dict | list):
                yield from _events(content[key], depth + 1)


def _converted(content: dict[str, Any]) -> Event:
    user, request = content.pop("user", None), content.pop("requestObject", None)
    try:
        event = msgspec.convert(content, Event, strict=False)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BrokenLineError(str(error)) from None
    event.user = msgspec.Raw(msgspec.json.encode(user or {}))
    if event.objectRef is not None and event.objectRef.resource in REVIEWS:
        event.requestObject = msgspec.Raw(msgspec.json.encode(request))
    return event


REVIEWS: Final = frozenset({"subjectaccessreviews", "localsubjectaccessreviews"})
"""By these, other servers ask about requests that come to them: kubelets, proxies, webhooks."""


class _Attributes(msgspec.Struct):
    verb: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


class _ReviewSpec(msgspec.Struct):
    user: str = ""
    groups: tuple[str, ...] = ()
    resourceAttributes: _Attributes | None = None  # noqa: N815 - the field's name
    nonResourceAttributes: _Attributes | None = None  # noqa: N815 - the field's name


class _Review(msgspec.Struct):
    spec: _ReviewSpec = msgspec.field(default_factory=_ReviewSpec)


_REVIEW: Final = msgspec.json.Decoder(_Review)


def reviewed(event: Event) -> tuple[User, str, Ref | str] | None:
    """Return what a review is about: who, the verb, what it is; nothing where it is not logged."""
    if not bytes(event.requestObject):
        return None
    try:
        spec = _REVIEW.decode(event.requestObject).spec
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    user = User(spec.user, spec.groups)
    if (about := spec.resourceAttributes) is not None:
        return (
            user, about.verb, Ref(about.resource, about.namespace, about.name, about.group, about.subresource)
        )  # fmt: skip
    if (other := spec.nonResourceAttributes) is not None:
        return user, other.verb, other.path
    return None
