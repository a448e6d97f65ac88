"""What must be known about each subject: which rules are to be held against it, and against what it makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from moorage.manifests.model import Object
from moorage.policies.compiled import Compiled
from moorage.policies.engine.expanding import Expander, Expansion
from moorage.policies.engine.inventory import Inventory, Key
from moorage.policies.engine.matching import Candidate, candidate_of
from moorage.policies.engine.rules import Bound, RuleId, bind, short_digest
from moorage.policies.engine.subjects import Identity, Subject
from moorage.policies.model import GroupVersionKind

ITSELF: Final = -1
NO_LABELS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Need:
    """Whether a subject, or something that it makes, breaks a rule.

    Args:
        id: of the rule, of what it reads, and of how what is judged is made: what a verdict is remembered by.
        bound: the constraint.
        made: which of the things that the subject makes, or `ITSELF`.
        expansion: what makes it; ``None`` for the subject itself.
    """

    id: RuleId
    bound: Bound
    made: int = ITSELF
    expansion: Expansion | None = None


@dataclass(frozen=True, slots=True, eq=False)
class NeedList:
    """All needs of a subject; subjects alike share one."""

    needs: tuple[Need, ...]
    ids: frozenset[RuleId] = field(repr=False)
    by_key: Mapping[str, list[Need]] = field(repr=False)


class Needs:
    """Finds the needs of subjects.

    Args:
        compiled: what judges.
        namespaces: the labels of namespaces, by name; one that is not there has none.
        subjects: what is judged. All of it can be read by rules that read other objects.
        inventory: what else they can read; a subject takes the place of the same object here.

    Raises:
        MatchError: a constraint cannot be understood.
        ExpansionError: an expansion cannot be.
    """

    def __init__(
        self,
        compiled: Compiled,
        namespaces: Mapping[str, Mapping[str, str]],
        subjects: Sequence[Subject],
        inventory: Sequence[Subject],
    ) -> None:
        self.expander = Expander(compiled.expansions)
        self._bounds = bind(compiled)
        self._namespaces = namespaces
        keys = {key for bound in self._bounds for key in bound.rule.inventory}
        self.inventory = Inventory(keys, subjects, inventory)
        self._read: dict[tuple[Key, str | None], bytes] = {}
        self._by_kind: dict[GroupVersionKind, tuple[Bound, ...]] = {}
        self._met: dict[GroupVersionKind, bool] = {}
        self._alike: dict[tuple[GroupVersionKind, str], NeedList] = {}

    def of(self, subject: Subject) -> NeedList:
        """Return what must be known about a subject."""
        kind, namespace = subject.identity.kind, subject.identity.namespace
        if (found := self._alike.get((kind, namespace))) is not None:
            return found
        if self._looks_inside(kind):
            return self._list(subject.identity, subject.content())
        found = self._list(subject.identity, {})
        self._alike[kind, namespace] = found
        return found

    def is_for(self, kind: GroupVersionKind) -> bool:
        """Say whether anything that judges is for a kind, or for what its objects make."""
        if kind not in self._met:
            made = (expansion.makes for expansion in self.expander.chain(kind))
            self._met[kind] = any(self._of_kind(each) for each in (kind, *made))
        return self._met[kind]

    def _looks_inside(self, kind: GroupVersionKind) -> bool:
        """Say whether two objects of a kind, in one namespace, can have different needs."""
        if kind.kind == "Namespace" and kind.group == "":
            return True
        made = (expansion.makes for expansion in self.expander.chain(kind))
        return any(bound.match.looks_inside for each in (kind, *made) for bound in self._of_kind(each))

    def _of_kind(self, kind: GroupVersionKind) -> tuple[Bound, ...]:
        if kind not in self._by_kind:
            self._by_kind[kind] = tuple(bound for bound in self._bounds if bound.match.may_be_for(kind))
        return self._by_kind[kind]

    def _list(self, identity: Identity, content: Object) -> NeedList:
        needs = tuple(self._needs(identity, content))
        by_key: dict[str, list[Need]] = {}
        for need in needs:
            by_key.setdefault(need.id.hex(), []).append(need)
        return NeedList(needs, frozenset(need.id for need in needs), by_key)

    def _needs(self, identity: Identity, content: Object) -> Iterator[Need]:
        labels = self._namespaces.get(identity.namespace, NO_LABELS)
        metadata = {"name": identity.name, "namespace": identity.namespace}
        filled = {**content, "metadata": {**(content.get("metadata") or {}), **metadata}}
        candidate = candidate_of(filled, identity.kind, namespace_labels=labels)
        for bound in self._of_kind(identity.kind):
            if bound.match.is_for(candidate):
                yield Need(self._id(bound, identity.namespace), bound)
        for place, expansion in enumerate(self.expander.chain(identity.kind)):
            way = f"{place} {expansion.name}".encode()
            made = self._made_candidate(identity, content, place, labels)
            for bound in self._of_kind(expansion.makes):
                if bound.match.is_for(made):
                    yield Need(
                        self._id(bound, identity.namespace, self.expander.digest, way),
                        bound,
                        place,
                        expansion,
                    )

    def _made_candidate(
        self, identity: Identity, content: Object, place: int, labels: Mapping[str, str]
    ) -> Candidate:
        expansion = self.expander.chain(identity.kind)[place]
        if content:
            made = self.expander.expand_or_nothing(content, identity.kind)
            if made is not None:
                return candidate_of(
                    made[place].content, expansion.makes, generated=True, namespace_labels=labels
                )
        return Candidate(expansion.makes, identity.namespace, "", generated=True, namespace_labels=labels)

    def _id(self, bound: Bound, namespace: str, *way: bytes) -> RuleId:
        rule = bound.rule
        if not rule.inventory and not way:
            return rule.id
        where = namespace if rule.local else None
        return short_digest(rule.id, *(self._digest(key, where) for key in rule.inventory), *way)

    def _digest(self, key: Key, namespace: str | None) -> bytes:
        """Return a digest of what a rule can read of a kind."""
        if (key, namespace) not in self._read:
            found = self.inventory.read(key, None if namespace is None else [namespace])
            self._read[key, namespace] = short_digest(*sorted(subject.digest for subject in found))
        return self._read[key, namespace]
