"""Audit events, decoded only as far as they are needed: the rest of a line is skipped, not parsed.

The fields are those of ``audit.k8s.io/v1``; versions to come are read as far as they have the same ones.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from moorage.advisors.auditlogs.lines import BrokenLineError
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


def converted(content: dict[str, Any]) -> Event:
    """Return an event that was in a line as one.

    Raises:
        BrokenLineError: its fields are not what they should be.
    """
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
