"""What objects make: Gatekeeper's expansion of workloads to their Pods."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from moorage.manifests.model import Object
from moorage.policies.model import Action, GroupVersionKind, PolicyError

_DEPTH_MAX: Final = 30
_ACTIONS: Final = {action.enforcement_action: action for action in Action}


class ExpansionError(PolicyError):
    """An object that cannot be expanded, or an expansion that cannot be."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """One ExpansionTemplate, read once."""

    name: str
    applies_to: tuple[tuple[frozenset[str], frozenset[str], frozenset[str]], ...]
    source: tuple[str, ...]
    makes: GroupVersionKind
    action: Action | None

    @classmethod
    def of(cls, content: Object) -> Expansion:
        """Read an ExpansionTemplate.

        Raises:
            ExpansionError: it says something that Gatekeeper would refuse.
        """
        name, spec = content["metadata"]["name"], content["spec"]
        made = spec.get("generatedGVK") or {}
        makes = GroupVersionKind(made.get("group") or "", made.get("version") or "", made.get("kind") or "")
        action = spec.get("enforcementAction") or ""
        if not spec.get("templateSource") or not spec.get("applyTo") or not makes.kind:
            raise ExpansionError(
                f"ExpansionTemplate {name}: spec needs applyTo, templateSource and generatedGVK"
            )
        if action and action not in _ACTIONS:
            raise ExpansionError(f"ExpansionTemplate {name}: enforcementAction is {action!r}")
        return cls(
            name=name,
            applies_to=tuple(
                (
                    frozenset(entry.get("groups") or ()),
                    frozenset(entry.get("versions") or ()),
                    frozenset(entry.get("kinds") or ()),
                )
                for entry in spec["applyTo"]
            ),
            source=tuple(spec["templateSource"].split(".")),
            makes=makes,
            action=_ACTIONS.get(action),
        )

    def is_for(self, kind: GroupVersionKind) -> bool:
        """Say whether it expands objects of a kind."""
        return any(
            kind.group in groups and kind.version in versions and kind.kind in kinds
            for groups, versions, kinds in self.applies_to
        )


@dataclass(frozen=True, slots=True)
class Made:
    """What an object makes."""

    expansion: Expansion
    content: Object


class Expander:
    """Expands objects as Gatekeeper does, without its mutations.

    Raises:
        ExpansionError: an expansion is not one.
    """

    def __init__(self, expansions: Sequence[Object]) -> None:
        self._expansions = tuple(Expansion.of(content) for content in expansions)
        self.digest = hashlib.sha256(msgspec.json.encode(list(expansions), order="sorted")).digest()
        self._chains: dict[GroupVersionKind, tuple[Expansion, ...]] = {}

    def chain(self, kind: GroupVersionKind) -> tuple[Expansion, ...]:
        """Return the expansions of everything that objects of a kind make, directly or not.

        Raises:
            ExpansionError: they never end.
        """
        if kind not in self._chains:
            self._chains[kind] = tuple(self._follow(kind, 0))
        return self._chains[kind]

    def _follow(self, kind: GroupVersionKind, depth: int) -> Iterator[Expansion]:
        if depth >= _DEPTH_MAX:
            raise ExpansionError(
                f"the expansion of {kind.kind} does not end: templates make each other's kinds"
            )
        for expansion in self._expansions:
            if expansion.is_for(kind):
                yield expansion
                yield from self._follow(expansion.makes, depth + 1)

    def expand(self, content: Object, kind: GroupVersionKind) -> list[Made]:
        """Return everything that an object makes, in the order of `chain`.

        Raises:
            ExpansionError: it has nothing to make it from.
        """
        found: list[Made] = []
        for expansion in self._expansions:
            if expansion.is_for(kind):
                made = _make(content, expansion)
                found.append(Made(expansion, made))
                found.extend(self.expand(made, expansion.makes))
        return found

    def expand_or_nothing(self, content: Object, kind: GroupVersionKind) -> list[Made] | None:
        """Return everything that an object makes, or ``None`` where it has nothing to make it from."""
        try:
            return self.expand(content, kind)
        except ExpansionError:
            return None


def _make(parent: Object, expansion: Expansion) -> dict[str, Any]:
    part: Any = parent
    for name in expansion.source:
        part = part.get(name) if isinstance(part, dict) else None
    metadata = parent.get("metadata") or {}
    name = metadata.get("name") or ""
    if not isinstance(part, dict):
        raise ExpansionError(
            f"{parent.get('kind')} {name}: it has no {'.'.join(expansion.source)} "
            f"to make a {expansion.makes.kind} from"
        )
    made = {**part, "apiVersion": expansion.makes.api_version, "kind": expansion.makes.kind}
    own = made.get("metadata")
    own = made["metadata"] = dict(own) if isinstance(own, dict) else {}
    own["namespace"] = metadata.get("namespace") or ""
    if not own["namespace"]:
        del own["namespace"]
    own["name"] = f"{name}-{expansion.makes.kind}".lower()
    owner = {"apiVersion": parent.get("apiVersion"), "kind": parent.get("kind"), "name": name}
    owners = own.get("ownerReferences") or []
    if name and not any(all(other.get(key) == owner[key] for key in owner) for other in owners):
        own["ownerReferences"] = [*owners, {**owner, "uid": ""}]
    return made
