"""Exceptions of a cluster: read, judged by the time, and told what has become of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from lightkube import AsyncClient

from moorage.api.policyexception import ExceptionState
from moorage.kube.kinds import Kind, Object
from moorage.kube.objects import FAILED, apply_status, explain, list_objects
from moorage.policies import exceptions as excepting
from moorage.policies.cluster.gatekeeper_kinds import FIELD_MANAGER, POLICY_EXCEPTION
from moorage.policies.cluster.resources import known_kind
from moorage.policies.exceptions import ExceptionError, State, parse_exception
from moorage.policies.model import Policy, PolicyException

logger = logging.getLogger(__name__)

CHECK: Final = timedelta(minutes=5)
"""How often it is looked whether there is anything that an exception is for."""


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The exceptions of a cluster.

    Args:
        parsed: those that say what they have to.
        objects: as they are in the cluster, by namespace and name.
        broken: those that do not, and why.
        shortened: those that ask to count for longer than they can.
    """

    parsed: tuple[PolicyException, ...]
    objects: Mapping[tuple[str, str], Object] = field(repr=False)
    broken: Mapping[tuple[str, str], str] = field(default_factory=dict)
    shortened: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """What has become of an exception, and why where that needs saying."""

    state: ExceptionState
    message: str = ""


def read(objects: Iterable[Object], *, approval: bool) -> Exceptions:
    """Read exceptions. None counts for longer than a year after it was made. Pure."""
    parsed: list[PolicyException] = []
    found: dict[tuple[str, str], Object] = {}
    broken: dict[tuple[str, str], str] = {}
    shortened: set[tuple[str, str]] = set()
    for obj in objects:
        metadata = obj["metadata"]
        key = metadata["namespace"], metadata["name"]
        if "deletionTimestamp" in metadata:
            continue
        found[key] = obj
        try:
            exception = parse_exception(obj, approval=approval)
        except ExceptionError as error:
            broken[key] = error.message
            continue
        latest = datetime.fromisoformat(metadata["creationTimestamp"]) + excepting.EXPIRES_AT_MOST
        if exception.expires > latest:
            shortened.add(key)
        parsed.append(replace(exception, expires=min(exception.expires, latest)))
    return Exceptions(tuple(parsed), found, broken, frozenset(shortened))


def states(
    exceptions: Exceptions, known: Iterable[str], unused: Iterable[PolicyException], now: datetime
) -> dict[tuple[str, str], Standing]:
    """Return what is to be said of each exception. Pure.

    Args:
        exceptions: all of them.
        known: the names of the policies that judge.
        unused: those of them that there is nothing for.
        now: the time.
    """
    policies, idle = set(known), {(item.namespace, item.name) for item in unused}
    found = {
        key: Standing(ExceptionState.INVALID, f"it does not count: {why}")
        for key, why in exceptions.broken.items()
    }
    for exception in exceptions.parsed:
        key = exception.namespace, exception.name
        state = excepting.state(exception, now)
        if state is State.EXPIRED:
            found[key] = Standing(ExceptionState.EXPIRED, "it counts no more")
        elif exception.policy not in policies:
            message = f"no policy {exception.policy} judges in this cluster"
            found[key] = Standing(ExceptionState.UNKNOWN_POLICY, message)
        elif state is State.AWAITING_APPROVAL:
            message = "it does not count until an owner of the project sets spec.approved to true"
            found[key] = Standing(ExceptionState.AWAITING_APPROVAL, message)
        elif key in idle:
            found[key] = Standing(ExceptionState.UNUSED, "nothing in this namespace is meant by it")
        else:
            until = f"{exception.expires:%Y-%m-%d %H:%M} UTC"
            year = f"it counts until {until}, a year after it was made"
            found[key] = Standing(ExceptionState.ACTIVE, year if key in exceptions.shortened else "")
    return found


async def find_unused(
    client: AsyncClient, exceptions: Sequence[PolicyException], policies: Mapping[str, Policy]
) -> list[PolicyException]:
    """Return the exceptions that nothing in their namespaces is meant by.

    One for a kind that is not known here counts as used: nobody can tell.
    """
    wanted: dict[tuple[Kind, str], list[PolicyException]] = {}
    left: dict[tuple[str, str], PolicyException] = {}
    for exception in exceptions:
        kinds = _kinds(exception, policies.get(exception.policy))
        if kinds is None:
            continue
        left[exception.namespace, exception.name] = exception
        for kind in kinds:
            wanted.setdefault((kind, exception.namespace), []).append(exception)
    for (kind, namespace), meant in wanted.items():
        if not any((item.namespace, item.name) in left for item in meant):
            continue
        for obj in await list_objects(client, kind, namespace):
            content = {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
            for item in meant:
                if excepting.excepts(item, content):
                    left.pop((item.namespace, item.name), None)
    return list(left.values())


async def write_states(
    client: AsyncClient, exceptions: Exceptions, found: Mapping[tuple[str, str], Standing]
) -> None:
    """Say of each exception what has become of it, where that is not said already."""
    for key, standing in found.items():
        status: dict[str, Any] = {"state": str(standing.state)}
        if standing.message:
            status["message"] = standing.message
        said = exceptions.objects[key].get("status") or {}
        if {name: said.get(name, "") for name in ("state", "message")} == {"message": "", **status}:
            continue
        namespace, name = key
        content = {"metadata": {"name": name, "namespace": namespace}, "status": status}
        try:
            await apply_status(client, POLICY_EXCEPTION, content, field_manager=FIELD_MANAGER)
        except FAILED as error:  # it may just be going
            logger.info("PolicyException %s/%s: %s", namespace, name, explain(error))


def _kinds(exception: PolicyException, policy: Policy | None) -> list[Kind] | None:
    """Return the kinds among which to look for what is excepted; ``None`` when they are not known."""
    if policy is None:
        return []
    asked = [
        (group, kind)
        for match in policy.match.get("kinds") or [{}]
        for group in match.get("apiGroups") or ["*"]
        for kind in match.get("kinds") or ["*"]
    ]
    if exception.target.kind:
        found = [known_kind(None, exception.target.kind)]
    else:
        found = [known_kind(group, kind) for group, kind in asked]
    if any(kind is None or not kind.namespaced for kind in found):
        return None
    return [kind for kind in found if kind is not None]
