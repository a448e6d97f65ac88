"""A proposal for one grant: the objects that put less in its place, and the proof that it is enough."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moorage.advisors.advice import Change
from moorage.advisors.permissions.least import as_object, joined, least
from moorage.advisors.permissions.model import RBAC, Binding, Grant, Rbac, Rule, Subject
from moorage.advisors.permissions.proof import Proof, prove
from moorage.advisors.permissions.unseen import not_seen
from moorage.advisors.permissions.use import Used
from moorage.reports.findings import Action

_VERSION: Final = f"{RBAC}/v1"
_LONGEST_NAME: Final = 253


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is put in a grant's place.

    Args:
        rules: those that stay; none where the grant goes.
        kept: of these, what stays though nothing was seen of it, because a log would not show it.
        namespace: the only one in which it is granted from now on; nothing where that does not change.
        in_place: whether the role itself is changed, because nobody else has it.
        proof: that it is enough, and no more than before.
    """

    rules: tuple[Rule, ...]
    kept: tuple[Rule, ...]
    namespace: str | None
    in_place: bool
    proof: Proof

    @property
    def removed(self) -> tuple[Rule, ...]:
        """What goes, put together for a person to read."""
        return joined(self.proof.removed)


def propose(grant: Grant, used: Used, rbac: Rbac) -> Proposal | None:
    """Return what to put in a grant's place; nothing where it is the least already, or the proof fails."""
    kept = tuple(part for rule in grant.role.rules for part in not_seen(rule, used.about))
    rules = least(grant.role.rules, used.requests, kept)
    namespace = _only_namespace(grant, used) if all(map(_goes_along, kept)) else None
    proof = prove(grant.role.rules, rules, used.requests, namespace=namespace)
    if not proof.holds or (not proof.removed and namespace is None):
        return None
    in_place = bool(rules) and namespace is None and _is_alone(grant, rbac)
    return Proposal(rules, kept, namespace, in_place, proof)


def nothing_left(grant: Grant) -> Proposal:
    """Return the proposal for a grant whose subject is not there."""
    return Proposal((), (), None, in_place=False, proof=prove(grant.role.rules, (), ()))


def change_of(binding: Binding, proposals: Mapping[Grant, Proposal]) -> tuple[Change, ...]:
    """Return the change of a binding: what each subject gets instead, and then the binding without them.

    It is one change for all of them, because a binding's subjects are one list: two changes that each take
    one subject out of it would put back the other's.

    Args:
        binding: which one.
        proposals: those for its subjects; a subject without one keeps what it has.
    """
    changes: list[Change] = []
    for grant, proposal in proposals.items():
        if proposal.in_place:
            role = grant.role
            was, to_be = (
                _role(role.kind, role.name, role.namespace, rules) for rules in (role.rules, proposal.rules)
            )
            return (Change(Action.APPLY, to_be, was),)
        if proposal.rules:
            changes += _instead(grant, proposal)
    gone = {grant.subject for grant in proposals}
    left = [subject for subject in binding.subjects if subject not in gone]
    was = _binding(binding, binding.name, binding.subjects, binding.role_kind, binding.role_name)
    if left:
        shrunk = _binding(binding, binding.name, left, binding.role_kind, binding.role_name)
        return (*changes, Change(Action.APPLY, shrunk, was))
    return (*changes, Change(Action.DELETE, _head(binding.kind, binding.name, binding.namespace), was))


def _instead(grant: Grant, proposal: Proposal) -> tuple[Change, Change]:
    where = grant.binding.namespace or proposal.namespace or ""
    kind = "Role" if where else "ClusterRole"
    name = _name(grant)
    new = Binding(name, where, (grant.subject,), kind, name)
    return (
        Change(Action.APPLY, _role(kind, name, where, proposal.rules), {}),
        Change(Action.APPLY, _binding(new, name, [grant.subject], kind, name), {}),
    )


def _goes_along(kept: Rule) -> bool:
    """Say whether a part that is not seen is asked for only where something is written that is seen."""
    return all(resource.endswith("/finalizers") for resource in kept.resources) and not kept.paths


def _only_namespace(grant: Grant, used: Used) -> str | None:
    """Return the one namespace in which something granted in all of them is used."""
    if grant.binding.namespace or not used.requests:
        return None
    namespaces = {request.namespace for request in used.requests}
    return next(iter(namespaces)) if len(namespaces) == 1 and "" not in namespaces else None


def _is_alone(grant: Grant, rbac: Rbac) -> bool:
    """Say whether a role is this grant's only: then it can be changed where it is."""
    role = grant.role
    if role.aggregated or role.selected or role.bootstrap:
        return False
    users = [binding for binding in rbac.bindings if rbac.role_of(binding) is role]
    return len(users) == 1 and len(users[0].subjects) == 1


def _name(grant: Grant) -> str:
    """Return a name for a role of the grant's own, the same in every run."""
    subject = grant.subject.name.rpartition(":")[2]
    wanted = f"{grant.role.name}-{subject}".replace(":", "-").lower()
    allowed = "".join(
        letter if (letter.isalnum() and letter.isascii()) or letter in "-." else "-" for letter in wanted
    )
    whole = "\0".join((str(grant.binding), str(grant.subject), str(grant.role)))
    digest = hashlib.sha256(whole.encode()).hexdigest()[:6]
    return f"{allowed[: _LONGEST_NAME - 16].strip('-.')}-least-{digest}"


def _role(kind: str, name: str, namespace: str, rules: Sequence[Rule]) -> Mapping[str, Any]:
    return {**_head(kind, name, namespace), "rules": [as_object(rule) for rule in rules]}


def _binding(
    like: Binding, name: str, subjects: Sequence[Subject], role_kind: str, role_name: str
) -> Mapping[str, Any]:
    return {
        **_head(like.kind, name, like.namespace),
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": role_name},
        "subjects": [_subject(subject) for subject in subjects],
    }


def _subject(subject: Subject) -> dict[str, str]:
    if subject.kind == "ServiceAccount":
        return {"kind": subject.kind, "name": subject.name, "namespace": subject.namespace}
    return {"apiGroup": RBAC, "kind": subject.kind, "name": subject.name}


def _head(kind: str, name: str, namespace: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": _VERSION, "kind": kind, "metadata": metadata}
