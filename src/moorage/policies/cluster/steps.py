"""What can be done next in a cluster, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from moorage.kube.kinds import Object
from moorage.policies.cluster.wanted import ConstraintKey
from moorage.policies.model import GroupVersionKind


@dataclass(frozen=True, slots=True)
class ApplyReading:
    """Say what the engine may read."""

    rules: list[Object] = field(repr=False)

    def __str__(self) -> str:
        return "let the engine read what it judges"


@dataclass(frozen=True, slots=True)
class ApplySyncSet:
    """Say which kinds the engine keeps at hand."""

    inventory: frozenset[GroupVersionKind]

    def __str__(self) -> str:
        return f"keep at hand: {', '.join(sorted(kind.kind for kind in self.inventory))}"


@dataclass(frozen=True, slots=True)
class ApplyTemplate:
    """Write a template."""

    name: str
    content: Object = field(repr=False)

    def __str__(self) -> str:
        return f"apply template {self.name}"


@dataclass(frozen=True, slots=True)
class ApplyConstraint:
    """Write a constraint."""

    key: ConstraintKey
    content: Object = field(repr=False)

    def __str__(self) -> str:
        return f"apply constraint {self.key.name}"


@dataclass(frozen=True, slots=True)
class ApplyExpansion:
    """Write an expansion."""

    name: str
    content: Object = field(repr=False)

    def __str__(self) -> str:
        return f"apply expansion {self.name}"


@dataclass(frozen=True, slots=True)
class ApplyWebhooks:
    """Have the API server ask."""

    configuration: Object = field(repr=False)

    def __str__(self) -> str:
        return f"apply {len(self.configuration['webhooks'])} webhooks"


@dataclass(frozen=True, slots=True)
class RemoveConstraint:
    """Remove a constraint, if it is ours."""

    key: ConstraintKey

    def __str__(self) -> str:
        return f"remove constraint {self.key.name}"


@dataclass(frozen=True, slots=True)
class RemoveTemplate:
    """Remove a template of ours, and its constraints with it."""

    name: str

    def __str__(self) -> str:
        return f"remove template {self.name}"


@dataclass(frozen=True, slots=True)
class RemoveExpansion:
    """Remove an expansion of ours."""

    name: str

    def __str__(self) -> str:
        return f"remove expansion {self.name}"


Step = (
    ApplyReading
    | ApplySyncSet
    | ApplyTemplate
    | ApplyConstraint
    | ApplyExpansion
    | ApplyWebhooks
    | RemoveConstraint
    | RemoveTemplate
    | RemoveExpansion
)
