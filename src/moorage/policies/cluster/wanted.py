"""What there is to be in a cluster, as it follows from what judges. Pure.

Names tell contents: a template's kind and a constraint's name end in a digest of what they say. A change is
therefore never a change in place: what is new comes up beside what it replaces, and that goes when the engine
has said that it judges by the new. An exception alone changes a constraint in place, which the engine does in
one step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from moorage.kube.kinds import Object
from moorage.policies.cluster.resources import Resources, resources
from moorage.policies.compiled import Compiled, CompiledConstraint
from moorage.policies.compiling import MANAGED_BY_LABEL, MANAGER, NAME_MAX
from moorage.policies.guard import PARAMETER
from moorage.policies.model import Action, GroupVersionKind

NAME_ANNOTATION: Final = "policy.moorage.dev/name"
"""On a constraint: its name without the digest, as the terminal shows it."""

SYNC_SET: Final = "moorage"
_DIGITS: Final = 8
_DIGITS_OF_KIND: Final = 8
_encode: Final = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True, order=True)
class ConstraintKey:
    """Which constraint: its kind, its name."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a constraint of a cluster stands for.

    Args:
        policy: the policy that it is of.
        constraint: its name as the terminal shows it.
        sets: the sets by which the policy came to be judged.
        action: what happens to what it finds.
        severity: the policy's.
    """

    policy: str
    constraint: str
    sets: tuple[str, ...]
    action: Action
    severity: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything that there is to be.

    Args:
        templates: by name.
        constraints: by kind and name.
        expansions: by name.
        inventory: the kinds that policies read beside what they judge.
        sets: the sets that a namespace can opt in to.
        judged: the resources that policies judge, and those that make what they judge.
        read: the resources that the engine has to read.
        meanings: what each constraint stands for.
        policies: the policy of each template, by the template's name.
    """

    templates: Mapping[str, Object] = field(repr=False)
    constraints: Mapping[ConstraintKey, Object] = field(repr=False)
    expansions: Mapping[str, Object] = field(repr=False)
    inventory: tuple[GroupVersionKind, ...]
    sets: tuple[str, ...]
    judged: tuple[Resources, ...]
    read: tuple[Resources, ...]
    meanings: Mapping[ConstraintKey, Meaning] = field(repr=False)
    policies: Mapping[str, str] = field(repr=False)


def wanted(compiled: Compiled, without: Collection[str] = ()) -> Wanted:
    """Return what there is to be in a cluster.

    Args:
        compiled: what judges.
        without: policies that cannot judge. What they were to judge is asked about all the same: what the
            cluster has of them from before may judge it.
    """
    kinds: dict[str, str] = {}
    templates: dict[str, Object] = {}
    policies: dict[str, str] = {}
    for template in compiled.templates:
        if template.policy in without:
            continue
        content = _renamed_template(template.object, template.kind)
        kinds[template.kind] = content["spec"]["crd"]["spec"]["names"]["kind"]
        templates[content["metadata"]["name"]] = content
        policies[content["metadata"]["name"]] = template.policy
    constraints: dict[ConstraintKey, Object] = {}
    meanings: dict[ConstraintKey, Meaning] = {}
    for constraint in compiled.constraints:
        if constraint.policy in without:
            continue
        content = _renamed_constraint(constraint, kinds[constraint.kind])
        key = ConstraintKey(content["kind"], content["metadata"]["name"])
        constraints[key] = content
        meanings[key] = Meaning(
            constraint.policy,
            constraint.name,
            constraint.sets,
            constraint.action,
            str(constraint.severity),
        )
    expansions = {str(item["metadata"]["name"]): _managed(item) for item in compiled.expansions}
    inventory = tuple(sorted({kind for template in compiled.templates for kind in template.inventory}))
    asked = [
        match
        for constraint in compiled.constraints
        if constraint.action is not Action.AUDIT
        for match in _kinds(constraint.object)
    ]
    every = [match for constraint in compiled.constraints for match in _kinds(constraint.object)]
    makers = _makers(compiled.expansions, every)
    read = [{"apiGroups": [kind.group], "kinds": [kind.kind]} for kind in inventory]
    return Wanted(
        templates=templates,
        constraints=constraints,
        expansions=expansions,
        inventory=inventory,
        sets=tuple(sorted({name for item in compiled.constraints for name in item.sets})),
        judged=resources([*asked, *_makers(compiled.expansions, asked)]) if asked else (),
        read=resources([*every, *makers, *read, {"apiGroups": [""], "kinds": ["Namespace"]}]),
        meanings=meanings,
        policies=policies,
    )


def sync_set(inventory: Iterable[GroupVersionKind]) -> Object:
    """Return what tells the engine to keep kinds at hand that policies read beside what they judge."""
    kinds = [
        {"group": kind.group, "version": kind.version, "kind": kind.kind} for kind in sorted(set(inventory))
    ]
    return {"metadata": {"name": SYNC_SET, "labels": {MANAGED_BY_LABEL: MANAGER}}, "spec": {"gvks": kinds}}


def reading_rules(read: Iterable[Resources]) -> list[Object]:
    """Return what the engine may read, as the rules of a role."""
    return [
        {"apiGroups": [item.group], "resources": list(item.names), "verbs": ["get", "list", "watch"]}
        for item in read
    ]


def _renamed_template(content: Mapping[str, Any], kind: str) -> Object:
    """Return a template whose kind ends in a digest of it."""
    full = f"{kind}{_digest(content['spec'])[:_DIGITS_OF_KIND]}"
    crd = content["spec"]["crd"]
    names = {**crd["spec"]["names"], "kind": full}
    named = {**crd, "spec": {**crd["spec"], "names": names}}
    metadata = {**content["metadata"], "name": full.lower()}
    return {**content, "metadata": metadata, "spec": {**content["spec"], "crd": named}}


def _renamed_constraint(constraint: CompiledConstraint, kind: str) -> Object:
    """Return a constraint whose name ends in a digest of it, exceptions aside."""
    content = constraint.object
    spec = dict(content["spec"])
    parameters = {key: value for key, value in spec.get("parameters", {}).items() if key != PARAMETER}
    suffix = _digest({**spec, "parameters": parameters})[:_DIGITS]
    name = f"{constraint.name[: NAME_MAX - _DIGITS - 1].rstrip('.-')}-{suffix}"
    annotations = {**(content["metadata"].get("annotations") or {}), NAME_ANNOTATION: constraint.name}
    metadata = {**content["metadata"], "name": name, "annotations": annotations}
    return {**content, "kind": kind, "metadata": metadata}


def _managed(content: Mapping[str, Any]) -> Object:
    metadata = content["metadata"]
    labels = {**(metadata.get("labels") or {}), MANAGED_BY_LABEL: MANAGER}
    return {**content, "metadata": {**metadata, "labels": labels}}


def _kinds(constraint: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = constraint["spec"]["match"].get("kinds") or [{}]
    return found


def _makers(expansions: Iterable[Mapping[str, Any]], judged: Sequence[Mapping[str, Any]]) -> list[Object]:
    """Return the kinds that make what is judged, and their makers: CronJobs make Jobs, which make Pods."""
    left, found = list(expansions), [dict(match) for match in judged]
    while making := [item for item in left if _makes(item, found)]:
        left = [item for item in left if item not in making]
        found += [
            {"apiGroups": entry.get("groups") or [""], "kinds": entry.get("kinds") or []}
            for item in making
            for entry in item["spec"]["applyTo"]
        ]
    return found[len(judged) :]


def _makes(expansion: Mapping[str, Any], judged: Iterable[Mapping[str, Any]]) -> bool:
    made = expansion["spec"]["generatedGVK"]
    return any(_names(match, made.get("group", ""), made["kind"]) for match in judged)


def _names(match: Mapping[str, Any], group: str, kind: str) -> bool:
    groups, kinds = match.get("apiGroups") or ["*"], match.get("kinds") or ["*"]
    return not {"*", group}.isdisjoint(groups) and not {"*", kind}.isdisjoint(kinds)


def _digest(content: Any) -> str:
    return hashlib.sha256(_encode(content)).hexdigest()
