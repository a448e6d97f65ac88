"""Which objects a constraint is for: Gatekeeper's match, as its webhook decides it.

`gator` decides it a little differently from a cluster (it takes what is in no namespace for namespaced),
and slowly (it parses the object anew for each constraint); so the engine decides it here, and hands over
only rules and objects that belong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from moorage.manifests.model import Object
from moorage.policies.model import GroupVersionKind, PolicyError

_FIELDS: Final = frozenset(
    {
        "kinds",
        "scope",
        "namespaces",
        "excludedNamespaces",
        "labelSelector",
        "namespaceSelector",
        "name",
        "source",
    }
)
_SOURCES: Final = ("All", "Original", "Generated")


class MatchError(PolicyError):
    """A match that says something that Gatekeeper would refuse."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a match can see of an object.

    Args:
        kind: of the object.
        namespace: of the object; empty for what is in none.
        name: of the object.
        generate_name: the beginning of a name that is still to be made.
        labels: of the object.
        generated: whether an expansion made it.
        namespace_labels: of its namespace.
    """

    kind: GroupVersionKind
    namespace: str
    name: str
    generate_name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    generated: bool = False
    namespace_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_namespace(self) -> bool:
        """Whether it is a Namespace."""
        return self.kind.kind == "Namespace" and self.kind.group == ""

    @property
    def lives_in(self) -> str:
        """The namespace that it is in: a Namespace is in itself."""
        return self.name if self.is_namespace else self.namespace


@dataclass(frozen=True, slots=True)
class Match:
    """A constraint's match, read once."""

    kinds: tuple[tuple[frozenset[str], frozenset[str]], ...] = ()
    scope: str = ""
    namespaces: tuple[str, ...] = ()
    excluded_namespaces: tuple[str, ...] = ()
    label_selector: Object | None = None
    namespace_selector: Object | None = None
    name: str = ""
    source: str = "All"

    @classmethod
    def of(cls, content: Object, *, where: str) -> Match:
        """Read a match.

        Raises:
            MatchError: it says something that Gatekeeper does not know.
        """
        if unknown := sorted(set(content) - _FIELDS):
            raise MatchError(f"{where}: spec.match.{unknown[0]} is not a field that Gatekeeper knows")
        source = content.get("source") or "All"
        if source not in _SOURCES:
            raise MatchError(f"{where}: spec.match.source is {source!r}; it is one of {', '.join(_SOURCES)}")
        return cls(
            kinds=tuple(
                (frozenset(entry.get("apiGroups") or "*"), frozenset(entry.get("kinds") or "*"))
                for entry in content.get("kinds") or ()
            ),
            scope=content.get("scope") or "*",
            namespaces=tuple(content.get("namespaces") or ()),
            excluded_namespaces=tuple(content.get("excludedNamespaces") or ()),
            label_selector=content.get("labelSelector"),
            namespace_selector=content.get("namespaceSelector"),
            name=content.get("name") or "",
            source=source,
        )

    @property
    def looks_inside(self) -> bool:
        """Whether it asks for more than an object's kind and namespace."""
        return self.label_selector is not None or bool(self.name)

    def is_for(self, candidate: Candidate) -> bool:
        """Say whether a constraint is for an object."""
        return (
            self._is_of_kind(candidate.kind)
            and self._is_of_scope(candidate)
            and self._is_in_namespace(candidate)
            and selects(self.label_selector, candidate.labels)
            and self._selects_namespace(candidate)
            and self._is_named(candidate)
            and self.source in {"All", "Generated" if candidate.generated else "Original"}
        )

    def may_be_for(self, kind: GroupVersionKind) -> bool:
        """Say whether a constraint can be for any object of a kind."""
        return self._is_of_kind(kind)

    def _is_of_kind(self, kind: GroupVersionKind) -> bool:
        return not self.kinds or any(
            ("*" in kinds or kind.kind in kinds) and ("*" in groups or kind.group in groups)
            for groups, kinds in self.kinds
        )

    def _is_of_scope(self, candidate: Candidate) -> bool:
        in_one = bool(candidate.namespace) and not candidate.is_namespace
        if self.scope == "Cluster":
            return not in_one
        return in_one or self.scope != "Namespaced"

    def _is_in_namespace(self, candidate: Candidate) -> bool:
        namespace = candidate.lives_in
        if not namespace:
            return True
        if any(wildcard(pattern, namespace) for pattern in self.excluded_namespaces):
            return False
        return not self.namespaces or any(wildcard(pattern, namespace) for pattern in self.namespaces)

    def _selects_namespace(self, candidate: Candidate) -> bool:
        if candidate.is_namespace:
            return selects(self.namespace_selector, candidate.labels)
        return not candidate.namespace or selects(self.namespace_selector, candidate.namespace_labels)

    def _is_named(self, candidate: Candidate) -> bool:
        if not self.name:
            return True
        # The beginning of a name cannot end as a pattern wants it to.
        ends_open = self.name.endswith("*")
        return wildcard(self.name, candidate.name) or (
            ends_open and wildcard(self.name, candidate.generate_name)
        )


def wildcard(pattern: str, text: str) -> bool:
    """Say whether a text is as a pattern says, which may begin and end with a star."""
    first, last = pattern.startswith("*"), pattern.endswith("*")
    if first and last:
        return pattern[1:].removesuffix("*") in text
    if first:
        return text.endswith(pattern[1:])
    return text.startswith(pattern[:-1]) if last else text == pattern


def selects(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Say whether a label selector selects what has these labels; an absent or empty one selects all."""
    if not selector:
        return True
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    expressions: Sequence[Mapping[str, Any]] = selector.get("matchExpressions") or ()
    return all(_holds(expression, labels) for expression in expressions)


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case operator:
            raise MatchError(f"a label selector has an operator that Kubernetes does not know: {operator}")


def candidate_of(
    content: Object,
    kind: GroupVersionKind,
    *,
    generated: bool = False,
    namespace_labels: Mapping[str, str] | None = None,
) -> Candidate:
    """Return what a match can see of an object."""
    metadata = content.get("metadata") or {}
    labels = metadata.get("labels")
    plain = isinstance(labels, Mapping) and all(isinstance(value, str) for value in labels.values())
    generate_name = metadata.get("generateName")
    return Candidate(
        kind=kind,
        namespace=metadata.get("namespace") or "",
        name=metadata.get("name") or "",
        generate_name=generate_name if isinstance(generate_name, str) else "",
        labels=labels if plain and labels is not None else {},  # like Gatekeeper: all of them, or none
        generated=generated,
        namespace_labels=namespace_labels or {},
    )
