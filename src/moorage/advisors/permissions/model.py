"""The words of the permissions advisor: requests, rules, grants, and what an audit log shows of their use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Final, NamedTuple

from moorage.advisors.auditlogs.tally import Tally as Tally  # noqa: PLC0414 - it is a word of this advisor, too

ALL: Final = "*"
MANY: Final = "\u2026"
"""In place of a name or a path: more of them were used than are kept. No name can be this."""

ACCOUNT: Final = "system:serviceaccount:"
RBAC: Final = "rbac.authorization.k8s.io"
VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
"""The verbs that requests to the API have, as people order them."""


class Who(NamedTuple):
    """A user as the API server authenticated it.

    Args:
        name: the username.
        groups: in their order; the same user may have others at another time.
    """

    name: str
    groups: tuple[str, ...] = ()


class Request(NamedTuple):
    """What authorization is asked about: for a resource, or (with a path) for anything else.

    Args:
        verb: as RBAC has it.
        group: the API group; empty for the core.
        resource: in the plural; empty with a path.
        subresource: if any.
        namespace: if any.
        name: of the object; ``MANY`` where too many were seen to be told apart.
        path: of the URL, for what is no resource; ``MANY`` likewise.
    """

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def combined(self) -> str:
        """The resource as a rule has it: ``pods``, ``pods/log``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class Outcome(IntEnum):
    """What became of a request."""

    DONE = 0
    CREATED = 1
    """An update or a patch made the object; the API server has asked for ``create``, too."""
    FAILED = 2
    """It was allowed, and failed for another reason: not found, conflict, quota."""
    DENIED = 3


@dataclass(slots=True)
class Seen:
    """How often something was seen, and when."""

    count: int = 0
    first: str = ""
    last: str = ""

    def add(self, count: int, first: str, last: str) -> None:
        """Take in what was seen elsewhere; the order makes no difference."""
        self.count += count
        self.first = min(self.first, first) if self.first else first
        self.last = max(self.last, last)


@dataclass(frozen=True, slots=True)
class Usage:
    """What audit logs show.

    Args:
        seen: who asked for what, what became of it, and how often.
        denied: how often each user was denied something.
        tally: the log's lines by number.
        days: on which there is any event, as ``2026-01-31``.
        problems: some of the lines that cannot be read: where, and why.
        sources: what was read.
    """

    seen: Mapping[tuple[Who, Request, Outcome], Seen]
    denied: Mapping[Who, int] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    days: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a role, as Kubernetes has it."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object was read: a file and a line, or nothing for a cluster."""

    file: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """A Role, or (without a namespace) a ClusterRole.

    Args:
        name: its name.
        namespace: of a Role.
        rules: all of them, also those that aggregation gives.
        aggregated: whether a controller writes its rules.
        selected: whether it is itself a part of an aggregated one.
        bootstrap: whether it is Kubernetes' own.
        place: where it was read.
    """

    name: str
    namespace: str
    rules: tuple[Rule, ...]
    aggregated: bool = False
    selected: bool = False
    bootstrap: bool = False
    place: Place = Place()

    @property
    def kind(self) -> str:
        """Role or ClusterRole."""
        return "Role" if self.namespace else "ClusterRole"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a binding names.

    Args:
        kind: User, Group or ServiceAccount.
        name: its name.
        namespace: of a ServiceAccount.
    """

    kind: str
    name: str
    namespace: str = ""

    @property
    def username(self) -> str:
        """What the API server calls a User or a ServiceAccount."""
        return f"{ACCOUNT}{self.namespace}:{self.name}" if self.kind == "ServiceAccount" else self.name

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Binding:
    """A RoleBinding, or (without a namespace) a ClusterRoleBinding.

    Args:
        name: its name.
        namespace: of a RoleBinding.
        subjects: whom it names.
        role_kind: of what it refers to.
        role_name: of what it refers to.
        bootstrap: whether it is Kubernetes' own.
        created: when, where that is known.
        place: where it was read.
    """

    name: str
    namespace: str
    subjects: tuple[Subject, ...]
    role_kind: str
    role_name: str
    bootstrap: bool = False
    created: datetime | None = None
    place: Place = Place()

    @property
    def kind(self) -> str:
        """RoleBinding or ClusterRoleBinding."""
        return "RoleBinding" if self.namespace else "ClusterRoleBinding"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount, and when it was made."""

    namespace: str
    name: str
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rbac:
    """All that grants something.

    Args:
        roles: by kind, namespace and name.
        bindings: all of them.
        accounts: the ServiceAccounts that there are, by namespace and name.
        known_namespaces: of which all ServiceAccounts are known; ``ALL`` stands for every one.
        origin: where they were read: a context, or files.
    """

    roles: Mapping[tuple[str, str, str], Role]
    bindings: tuple[Binding, ...]
    accounts: Mapping[tuple[str, str], Account] = field(default_factory=dict)
    known_namespaces: frozenset[str] = frozenset()
    origin: str = ""

    def role_of(self, binding: Binding) -> Role | None:
        """Return what a binding refers to, if it is there."""
        namespace = binding.namespace if binding.role_kind == "Role" else ""
        return self.roles.get((binding.role_kind, namespace, binding.role_name))


@dataclass(frozen=True, slots=True)
class Grant:
    """What one binding gives one subject: the unit that is advised on."""

    binding: Binding
    subject: Subject
    role: Role
