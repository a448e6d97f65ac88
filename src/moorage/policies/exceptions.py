"""Exceptions: what they are for, whether they count, and what they except. Pure.

`excepts` says in Python what `guard` says in each policy's own language; the tests hold the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from moorage.manifests.model import Object
from moorage.policies.model import POLICY_API_VERSION, PolicyError, PolicyException, Target

KIND: Final = "PolicyException"
EXPIRES_AT_MOST: Final = timedelta(days=365)
REASON_MIN: Final = 10
POD_TEMPLATE_HASH: Final = "pod-template-hash"
CONTROLLERS: Final = ("system:serviceaccount:kube-system:", "system:kube-controller-manager")
"""Who makes the Pods of a workload: nobody else may say that one belongs to it."""

_T = TypeVar("_T")
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


class ExceptionError(PolicyError):
    """A PolicyException that does not say what it has to."""


class State(StrEnum):
    """Whether an exception counts."""

    ACTIVE = "Active"
    AWAITING_APPROVAL = "AwaitingApproval"
    EXPIRED = "Expired"


def is_exception(content: Object) -> bool:
    """Say whether an object is a PolicyException, of whatever version."""
    group, _, _ = str(content.get("apiVersion", "")).partition("/")
    return content.get("kind") == KIND and group == POLICY_API_VERSION.partition("/")[0]


def parse_exception(content: Object, *, place: str = "", approval: bool = False) -> PolicyException:
    """Read a PolicyException.

    Args:
        content: the object; its namespace is filled in already.
        place: where it was written, for messages.
        approval: whether an owner must have approved it; what is not approved does not count.

    Raises:
        ExceptionError: everything that is missing, or cannot be.
    """
    metadata, spec = content.get("metadata") or {}, content.get("spec")
    name, namespace = metadata.get("name"), metadata.get("namespace")
    where = f"{place}: {KIND} {name or '?'}" if place else f"{KIND} {namespace or '?'}/{name or '?'}"
    if content.get("apiVersion") != POLICY_API_VERSION:
        raise ExceptionError(
            f"{where}: apiVersion is {content.get('apiVersion')}; write {POLICY_API_VERSION}"
        )
    if not isinstance(spec, Mapping):
        raise ExceptionError(f"{where}: spec is missing")
    if not isinstance(name, str) or not name or not isinstance(namespace, str) or not namespace:
        raise ExceptionError(f"{where}: metadata.{'namespace' if name else 'name'} is missing")
    read = _Reading(spec)
    found = PolicyException(
        namespace=namespace,
        name=name,
        policy=read.of(_text, "policy") or "",
        target=read.of(_target, "target") or Target(),
        reason=read.of(_reason, "reason") or "",
        owner=read.of(_text, "owner") or "",
        expires=read.of(_expiry, "expires") or _NEVER,
        approved=not approval or spec.get("approved") is True,
        place=place,
        declared=str(spec.get("expires")).strip(),
    )
    if read.problems:
        raise ExceptionError(f"{where}: {'; '.join(read.problems)}")
    return found


class _Reading:
    """Reads the fields of a spec; whoever wrote it is told all that is wrong with it at once."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self.problems: list[str] = []

    def of(self, read: Callable[[Mapping[str, Any], str], _T], name: str) -> _T | None:
        """Return a field; ``None`` where something is wrong with it."""
        try:
            return read(self._spec, name)
        except ExceptionError as error:
            self.problems.append(error.message)
            return None


def parse_expiry(text: str) -> datetime:
    """Read when an exception expires: a time with its zone, or a day, which counts to its end (UTC).

    Raises:
        ExceptionError: it is neither.
    """
    try:
        if _DAY.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ExceptionError(
            f"spec.expires is {text!r}; write a day or a time: 2027-03-31, 2027-03-31T12:00:00Z"
        )
    return moment.astimezone(UTC)


def state(exception: PolicyException, now: datetime) -> State:
    """Say whether an exception counts now."""
    if now >= exception.expires:
        return State.EXPIRED
    return State.ACTIVE if exception.approved else State.AWAITING_APPROVAL


def active(exceptions: Iterable[PolicyException], now: datetime) -> list[PolicyException]:
    """Return the exceptions that count now."""
    return [exception for exception in exceptions if state(exception, now) is State.ACTIVE]


def next_expiry(exceptions: Iterable[PolicyException], now: datetime) -> datetime | None:
    """Return when the next of them stops counting: when what judges must be made anew."""
    return min((exception.expires for exception in active(exceptions, now)), default=None)


def parameters(exceptions: Iterable[PolicyException]) -> list[dict[str, Any]]:
    """Return exceptions of one policy as its constraints carry them, in a stable order."""
    found = {_sort_key(item): item for item in map(_parameter, exceptions)}
    return [found[key] for key in sorted(found)]


def unused(exceptions: Sequence[PolicyException], objects: Iterable[Object]) -> list[PolicyException]:
    """Return the exceptions that none of some objects (and nothing that they own) is meant by."""
    left = list(exceptions)
    for content in objects:
        left = [exception for exception in left if not excepts(exception, content)]
    return left


def excepts(exception: PolicyException, content: Object, *, username: str = "") -> bool:
    """Say whether an exception is meant for an object: itself, or what a workload that it names has made.

    Args:
        exception: which one; whether it counts is another question.
        content: the object. A Namespace is in itself.
        username: who makes it, at admission; empty elsewhere.
    """
    metadata = content.get("metadata") or {}
    kind, name = content.get("kind"), metadata.get("name") or metadata.get("generateName") or ""
    namespace = name if kind == "Namespace" else metadata.get("namespace") or ""
    labels = metadata.get("labels") or {}
    target = exception.target
    if namespace != exception.namespace:
        return False
    if any(labels.get(key) != value for key, value in target.labels.items()):
        return False
    if target.kind in {"", kind} and _is_named(target.name, name):
        return True
    by_controller = not username or username.startswith(CONTROLLERS)
    owners = metadata.get("ownerReferences") or []
    return by_controller and any(_made_by(target, kind, labels, owner) for owner in owners)


def _made_by(target: Target, kind: Any, labels: Mapping[str, str], owner: Mapping[str, Any]) -> bool:
    owner_kind, owner_name = owner.get("kind"), owner.get("name") or ""
    if target.kind in {"", owner_kind} and _is_named(target.name, owner_name):
        return True
    if kind != "Pod":
        return False
    if target.kind in {"", "Deployment"} and owner_kind == "ReplicaSet":
        suffix = f"-{labels.get(POD_TEMPLATE_HASH, '')}"
        deployment = owner_name.removesuffix(suffix)
        return suffix != "-" and deployment != owner_name and _is_named(target.name, deployment)
    if target.kind in {"", "CronJob"} and owner_kind == "Job":
        cron_job, _, number = owner_name.rpartition("-")
        numbered = number == "job" or (number.isascii() and number.isdigit())
        return numbered and _is_named(target.name, cron_job)
    return False


def _is_named(wanted: str, name: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else wanted in {"", name}


def _parameter(exception: PolicyException) -> dict[str, Any]:
    target = exception.target
    found: dict[str, Any] = {"namespace": exception.namespace}
    if target.kind:
        found["kind"] = target.kind
    if target.name.endswith("*"):
        found["prefix"] = target.name[:-1]
    elif target.name:
        found["name"] = target.name
    if target.labels:
        found["labels"] = dict(sorted(target.labels.items()))
    return found


def _sort_key(parameter: Mapping[str, Any]) -> str:
    return repr(sorted(parameter.items()))


def _text(spec: Mapping[str, Any], name: str) -> str:
    found = spec.get(name)
    if not isinstance(found, str) or not found.strip():
        raise ExceptionError(f"spec.{name} is {'missing' if found is None else 'not text, or empty'}")
    return found.strip()


def _reason(spec: Mapping[str, Any], name: str) -> str:
    found = _text(spec, name)
    if len(found) < REASON_MIN:
        raise ExceptionError(f"spec.{name} has fewer than {REASON_MIN} characters: say why")
    return found


def _expiry(spec: Mapping[str, Any], name: str) -> datetime:
    return parse_expiry(_text(spec, name))


def _target(spec: Mapping[str, Any], field: str) -> Target:
    content = spec.get(field)
    if not isinstance(content, Mapping):
        raise ExceptionError(f"spec.{field} is missing: say what is excepted, by name or by labels")
    kind, name, labels = content.get("kind") or "", content.get("name") or "", content.get("labels") or {}
    if not isinstance(kind, str) or not isinstance(name, str):
        raise ExceptionError(f"spec.{field}.{'name' if isinstance(kind, str) else 'kind'} is not text")
    if not isinstance(labels, Mapping) or not all(
        isinstance(key, str) and isinstance(value, str) for key, value in labels.items()
    ):
        raise ExceptionError(f"spec.{field}.labels are not text")
    if not name and not labels:
        raise ExceptionError(f"spec.{field} names nothing: write a name (a trailing * is any rest) or labels")
    if "*" in name[:-1]:
        raise ExceptionError(f"spec.{field}.name is {name!r}: a star stands only at the end")
    return Target(kind, name, dict(labels))
