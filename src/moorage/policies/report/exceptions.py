"""What became of exceptions: which count, which expire soon, and which nobody needs any more."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from moorage.manifests.model import Item, Object, metadata_of
from moorage.manifests.places import where
from moorage.policies import exceptions as excepting
from moorage.policies.inputs.model import Inputs
from moorage.policies.model import PolicyException, Target
from moorage.policies.report.model import Remark

EXPIRING: Final = timedelta(days=14)
"""What expires sooner is told of."""

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Listed:
    """An exception, and how it stands.

    Args:
        namespace: where it holds.
        name: its own.
        policy: which policy it is for.
        target: what it is for, in words.
        state: "active", "expiring", "expired", "awaiting", "unused", "unknown" (a policy) or "broken".
        expires: when it counts no more: RFC 3339; empty where it does not say.
        until: the same as it was declared: a day, which still counts, or a time.
        owner: who answers for it.
        reason: why there is one.
        problem: what is wrong with it; empty where nothing is.
        place: where it was written; empty for one of a cluster.
        exception: the exception itself; ``None`` where it is broken.
    """

    namespace: str
    name: str
    policy: str
    target: str
    state: str
    expires: str
    until: str
    owner: str
    reason: str
    problem: str
    place: str
    exception: PolicyException | None = None


def listed(
    inputs: Inputs, policies: Collection[str], now: datetime, *, approval: bool = False
) -> list[Listed]:
    """Return all exceptions that were read, with how they stand.

    Args:
        inputs: what was read.
        policies: the names of those that there are.
        now: the time.
        approval: whether an exception counts only when an owner approved it.
    """
    contents = [item.content for item in inputs.items if not excepting.is_exception(item.content)]
    return [_listed(item, contents, policies, now, approval=approval) for item in inputs.exceptions]


def remarks(found: Sequence[Listed]) -> Iterator[Remark]:
    """Yield what there is to know about exceptions; of those that just count there is nothing."""
    for each in found:
        if each.problem:
            owner = f" (owner: {each.owner})" if each.owner else ""
            name = f"{each.namespace}/{each.name}"
            yield Remark(name, each.policy, each.owner, f"{each.problem}{owner}", each.place, each.state)


def _listed(
    item: Item, contents: Sequence[Object], policies: Collection[str], now: datetime, *, approval: bool
) -> Listed:
    live = item.manifest.rendered and not item.manifest.text
    place = "" if live else str(where(item))
    try:
        exception = excepting.parse_exception(item.content, place=place, approval=approval)
    except excepting.ExceptionError as error:
        return _broken(item, place, error)
    state, problem = _state(exception, item, contents, policies, now, live=live)
    return Listed(
        namespace=exception.namespace,
        name=exception.name,
        policy=exception.policy,
        target=_words(exception.target),
        state=state,
        expires=exception.expires.isoformat(),
        until=exception.declared,
        owner=exception.owner,
        reason=exception.reason,
        problem=problem,
        place=place,
        exception=exception,
    )


def _broken(item: Item, place: str, error: excepting.ExceptionError) -> Listed:
    """Return an exception that cannot be read, with what of it can."""
    metadata = metadata_of(item.content)
    namespace, name = str(metadata.get("namespace") or ""), str(metadata.get("name") or "?")
    said = error.message.removeprefix(f"{place}: ").partition(": ")[2] or error.message
    found = item.content.get("spec")
    spec = found if isinstance(found, dict) else {}

    def text(content: Any, field: str) -> str:
        value = content.get(field) if isinstance(content, dict) else None
        return value.strip() if isinstance(value, str) else ""

    target = spec.get("target")
    kind, named = text(target, "kind"), text(target, "name")
    return Listed(
        namespace=namespace,
        name=name,
        policy=text(spec, "policy"),
        target=f"{kind or 'anything'} {named or '*'}" if kind or named else "",
        state="broken",
        expires="",
        until=text(spec, "expires"),
        owner=text(spec, "owner"),
        reason=text(spec, "reason"),
        problem=f"it does not count: {said}",
        place=place,
    )


def _state(
    exception: PolicyException,
    item: Item,
    contents: Sequence[Object],
    policies: Collection[str],
    now: datetime,
    *,
    live: bool,
) -> tuple[str, str]:
    day = exception.declared
    state = excepting.state(exception, now)
    if exception.policy not in policies:
        return "unknown", f"there is no policy {exception.policy}"
    if state is excepting.State.EXPIRED:
        return "expired", f"it expired on {day} and counts no more"
    if state is excepting.State.AWAITING_APPROVAL or (live and _says(item, "AwaitingApproval")):
        return "awaiting", "no owner has approved it, so it does not count"
    if _says(item, "Unused") if live else contents and excepting.unused([exception], contents):
        return "unused", "nothing is meant by it any more"
    if exception.expires - now <= EXPIRING:
        return "expiring", f"it expires on {day}"
    too_far = exception.expires - now > excepting.EXPIRES_AT_MOST + _DAY
    return "active", f"it counts for a year from when it is made, not until {day}" if too_far else ""


def _says(item: Item, state: str) -> bool:
    """Say whether the cluster says so of one of its exceptions."""
    status = item.content.get("status")
    return isinstance(status, dict) and status.get("state") == state


def _words(target: Target) -> str:
    labels = ",".join(f"{key}={value}" for key, value in target.labels.items())
    named = f"{target.kind or 'anything'} {target.name or '*'}"
    return f"{named} ({labels})" if labels else named
