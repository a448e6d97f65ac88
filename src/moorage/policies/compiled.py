"""What judges: templates, constraints and expansions, as Gatekeeper gets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from moorage.manifests.model import Object
from moorage.policies.model import Action, Engine, GroupVersionKind, Policy
from moorage.reports.findings import Severity


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """A ConstraintTemplate that knows exceptions.

    Args:
        policy: the policy that it is of.
        kind: of its constraints.
        engine: the language of its rule.
        inventory: which kinds the rule reads beside the object that it judges.
        object: the template, ready to be applied.
        plain: the same as its author wrote it: judges alike where nothing is excepted, and compiles faster.
        digest: of the template.
    """

    policy: str
    kind: str
    engine: Engine
    inventory: tuple[GroupVersionKind, ...]
    object: Object = field(repr=False)
    plain: Object = field(repr=False)
    digest: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CompiledConstraint:
    """A Constraint: one policy, with one action, for the namespaces that it falls to.

    Args:
        name: its own; one among all constraints of its policy, and stable.
        kind: of the constraint.
        policy: the policy that it is of.
        sets: the sets by which the policy came to be judged; empty where none was asked for.
        action: what happens to what it finds.
        severity: the policy's.
        object: the constraint, ready to be applied.
        digest: of what decides its verdict on an object that it matches: its rule's parameters.
    """

    name: str
    kind: str
    policy: str
    sets: tuple[str, ...]
    action: Action
    severity: Severity
    object: Object = field(repr=False)
    digest: str = field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it in a cluster."""
        return self.kind, self.name


@dataclass(frozen=True, slots=True)
class Compiled:
    """Everything that judges, in the order in which it is to be applied.

    Args:
        templates: one for each policy that is judged.
        constraints: at least one for each.
        expansions: ExpansionTemplates: what makes Pods.
        policies: the policies that these were made from, by name.
        digest: of all of it: when it is the same, the verdicts are.
    """

    templates: tuple[CompiledTemplate, ...]
    constraints: tuple[CompiledConstraint, ...]
    expansions: tuple[Object, ...] = field(repr=False)
    policies: Mapping[str, Policy] = field(repr=False)
    digest: str
