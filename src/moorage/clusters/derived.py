"""Objects that follow from a declaration as they are: what to write and what to remove. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from moorage.kube.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    Kind,
    Object,
)

_REVOKED_FIRST = (CLUSTER_ROLE_BINDING, ROLE_BINDING, CLUSTER_ROLE, ROLE, SERVICE_ACCOUNT)
_AMONG_OTHERS = ("labels", "annotations")


@dataclass(frozen=True, slots=True)
class Derived:
    """One object, and its kind."""

    kind: Kind
    object: Object = field(repr=False)

    @property
    def namespace(self) -> str | None:
        """Its namespace, if it has one."""
        namespace: str | None = self.object["metadata"].get("namespace")
        return namespace

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.object["metadata"]["name"])

    @property
    def identity(self) -> tuple[Kind, str | None, str]:
        """Which object it is."""
        return self.kind, self.namespace, self.name

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind.kind} {where}{self.name}"


@dataclass(frozen=True, slots=True)
class Apply:
    """Write an object as it follows."""

    derived: Derived

    def __str__(self) -> str:
        return f"apply {self.derived}"


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove an object that follows no more, or that has to be made anew."""

    derived: Derived

    def __str__(self) -> str:
        return f"remove {self.derived}"


Step = Apply | Remove


def difference(desired: Iterable[Derived], observed: Iterable[Derived]) -> list[Step]:
    """Return what to do, in order: rights are taken away before others are given.

    Args:
        desired: what there is to be, in the order in which it can be made.
        observed: what there is, of those kinds and of this owner.
    """
    wanted = {item.identity: item for item in desired}
    found = {item.identity: item for item in observed}
    superfluous = [item for identity, item in found.items() if identity not in wanted]
    steps: list[Step] = [Remove(item) for item in sorted(superfluous, key=_removal_order)]
    for identity, item in wanted.items():
        there = found.get(identity)
        if there is not None and there.object.get("roleRef") != item.object.get("roleRef"):
            steps.append(Remove(there))  # a binding's role cannot be changed
            there = None
        if there is None or not is_as_derived(there.object, item.object):
            steps.append(Apply(item))
    return steps


def is_as_derived(observed: Object, desired: Object) -> bool:
    """Say whether an object is what it should be.

    Somebody else's labels and annotations are left alone. Anything else that is more than was given is drift:
    a subject or a rule that was added is a right that nobody gave.
    """
    metadata = observed["metadata"]
    for part in _AMONG_OTHERS:
        there = metadata.get(part) or {}
        if any(there.get(key) != value for key, value in (desired["metadata"].get(part) or {}).items()):
            return False
    content = {key: value for key, value in desired.items() if key != "metadata"}
    return all(
        _empty_is_absent(observed.get(key)) == _empty_is_absent(value) for key, value in content.items()
    )


def _empty_is_absent(value: Any) -> Any:
    return None if value in ([], {}, "") else value


def _removal_order(item: Derived) -> tuple[int, str]:
    order = _REVOKED_FIRST.index(item.kind) if item.kind in _REVOKED_FIRST else len(_REVOKED_FIRST)
    return order, item.name
