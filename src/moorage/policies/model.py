"""What a policy library says, as values: policies, sets, and what judges where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from moorage.errors import MoorageError
from moorage.manifests.model import Object
from moorage.reports.findings import Severity

POLICY_GROUP: Final = "policy.moorage.dev"
POLICY_API_VERSION: Final = f"{POLICY_GROUP}/v1alpha1"
SET_LABEL_PREFIX: Final = f"{POLICY_GROUP}/"
"""A namespace opts in to a set with the label ``policy.moorage.dev/SET: enforce | warn | audit``."""


class PolicyError(MoorageError):
    """Something about policies that a person must act on."""


class LibraryError(PolicyError):
    """A policy library that cannot be read, or that contradicts itself."""


class Action(StrEnum):
    """What happens to what a policy finds; the strongest comes first."""

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"

    @property
    def enforcement_action(self) -> str:
        """What Gatekeeper calls it."""
        return _ENFORCEMENT[self]

    @property
    def strength(self) -> int:
        """A number that is larger for the stronger action."""
        return _STRENGTH[self]


_ENFORCEMENT: Final = {Action.ENFORCE: "deny", Action.WARN: "warn", Action.AUDIT: "dryrun"}
_STRENGTH: Final = {action: len(Action) - place for place, action in enumerate(Action)}


class Scope(StrEnum):
    """Of what scope the kinds are that a policy judges."""

    NAMESPACED = "Namespaced"
    CLUSTER = "Cluster"
    NAMESPACE = "Namespace"
    MIXED = "Mixed"


class Engine(StrEnum):
    """The language that a policy's rule is written in."""

    CEL = "K8sNativeValidation"
    REGO = "Rego"


@dataclass(frozen=True, slots=True, order=True)
class GroupVersionKind:
    """A kind of object; the core group is the empty string."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """As an object says it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @classmethod
    def of(cls, api_version: str, kind: str) -> GroupVersionKind:
        """Return the kind that an object says it is of."""
        group, _, version = api_version.rpartition("/")
        return cls(group, version, kind)


@dataclass(frozen=True, slots=True)
class Reference:
    """A page to read on."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Mend:
    """How to mend what a policy refuses: in words, and as YAML before and after."""

    text: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something of a library was written: a file, as it is shown to a person, and a line from 1."""

    file: str
    line: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule.

    Args:
        name: its own, one among all libraries that are used together.
        library: the name of the library that it is from.
        title: the rule as a statement.
        severity: how bad it is to break it.
        category: what it is about, for grouping.
        scope: of what scope the kinds are that it judges.
        what: what it judges.
        why: why it matters.
        mend: how to mend what it refuses.
        references: pages to read on.
        inventory: which kinds it reads beside the object that it judges; empty for most.
        engine: the language of its rule.
        template: the ConstraintTemplate.
        constraint: the Constraint that it has unless a set says more.
        folder: its folder, as it is shown to a person.
        places: where its "policy", "template" and "constraint" were written.
        template_text: the template as it was written, to find a line in it.
    """

    name: str
    library: str
    title: str
    severity: Severity
    category: str
    scope: Scope
    what: str
    why: str
    mend: Mend
    references: tuple[Reference, ...]
    inventory: tuple[GroupVersionKind, ...]
    engine: Engine
    template: Object = field(repr=False)
    constraint: Object = field(repr=False)
    folder: str = ""
    places: Mapping[str, Place] = field(default_factory=dict, repr=False)
    template_text: str = field(default="", repr=False)

    @property
    def kind(self) -> str:
        """The kind of its constraints."""
        return str(self.template["spec"]["crd"]["spec"]["names"]["kind"])

    @property
    def parameters(self) -> Object:
        """The parameters that it has unless a set says otherwise."""
        found = self.constraint.get("spec", {}).get("parameters")
        return found if isinstance(found, Mapping) else {}

    @property
    def parameters_schema(self) -> Object:
        """The schema of its parameters: every property with a description; empty where it has none."""
        validation = self.template["spec"]["crd"]["spec"].get("validation") or {}
        found = validation.get("openAPIV3Schema")
        return found if isinstance(found, Mapping) else {}

    @property
    def match(self) -> Object:
        """Which objects it judges, in Gatekeeper's words."""
        found = self.constraint.get("spec", {}).get("match")
        return found if isinstance(found, Mapping) else {}

    def at(self, what: str) -> str:
        """Say where its "policy", "template" or "constraint" was written."""
        place = self.places.get(what)
        return str(place) if place else self.folder or self.name


@dataclass(frozen=True, slots=True)
class SetEntry:
    """A policy in a set.

    Args:
        policy: its name.
        parameters: what the set changes about its parameters, key by key.
    """

    policy: str
    parameters: Object = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policies that a namespace opts in to together."""

    name: str
    library: str
    title: str
    description: str
    entries: tuple[SetEntry, ...]
    place: Place = field(default=Place(""), repr=False)

    @property
    def label(self) -> str:
        """The label by which a namespace opts in."""
        return f"{SET_LABEL_PREFIX}{self.name}"


@dataclass(frozen=True, slots=True)
class Library:
    """Policies and sets that are published together.

    Args:
        name: as it calls itself.
        version: as it calls itself; empty where it does not.
        origin: where it was read from, for messages: a folder, a reference.
        policies: by name.
        sets: by name.
        expansions: Gatekeeper's ExpansionTemplates: what makes Pods.
        digest: of everything in it that decides a verdict or is shown: ``sha256:...``.
    """

    name: str
    version: str
    origin: str
    policies: Mapping[str, Policy] = field(repr=False)
    sets: Mapping[str, PolicySet] = field(repr=False)
    expansions: tuple[Object, ...] = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True)
class Target:
    """What an exception is for: everything that is left out is anything.

    Args:
        kind: the kind of the object, or of the workload that makes it.
        name: its name; a star at the end stands for any rest.
        labels: labels that it has, among others.
    """

    kind: str = ""
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicyException:
    """Somebody answers for it that one policy does not judge some objects, for a while.

    Args:
        namespace: where it holds; it holds nowhere else.
        name: its own.
        policy: which policy does not judge.
        target: what it does not judge.
        reason: why.
        owner: who answers for it.
        expires: when it counts no more.
        approved: whether whoever must approve it has.
        place: where it was read, where that is known.
        declared: when it expires, in the words of whoever wrote it: ``2027-03-31`` counts to its end.
    """

    namespace: str
    name: str
    policy: str
    target: Target
    reason: str
    owner: str
    expires: datetime
    approved: bool = True
    place: str = ""
    declared: str = ""
