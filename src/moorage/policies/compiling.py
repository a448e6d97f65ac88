"""Deciding what judges: libraries, floors and exceptions in, templates and constraints out. Pure.

The terminal and the controller both ask here, so that what judges is one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from moorage.manifests.model import Object
from moorage.policies import exceptions as excepting
from moorage.policies.compiled import Compiled, CompiledConstraint, CompiledTemplate
from moorage.policies.guard import PARAMETER, guarded
from moorage.policies.levels import EXEMPT_NAMESPACES, NO_FLOOR, Level, levels
from moorage.policies.load import combine
from moorage.policies.model import (
    POLICY_GROUP,
    Action,
    Library,
    LibraryError,
    Policy,
    PolicyError,
    PolicyException,
    PolicySet,
)

POLICY_LABEL: Final = f"{POLICY_GROUP}/policy"
SET_LABEL: Final = f"{POLICY_GROUP}/set"
MANAGED_BY_LABEL: Final = f"{POLICY_GROUP}/managed-by"
SEVERITY_ANNOTATION: Final = f"{POLICY_GROUP}/severity"
MANAGER: Final = "moorage"
NAME_MAX: Final = 63
"""Gatekeeper refuses constraints with longer names."""

_NAMESPACE: Final = {"apiGroups": [""], "kinds": ["Namespace"]}
_encode: Final = msgspec.json.Encoder(order="sorted").encode


def compile_policies(
    libraries: Sequence[Library],
    *,
    floor: Mapping[str, Action] = NO_FLOOR,
    exceptions: Sequence[PolicyException] = (),
    now: datetime,
    everything: bool = False,
) -> Compiled:
    """Decide what judges.

    Args:
        libraries: whose policies and sets there are.
        floor: the action below which no namespace can go, by set.
        exceptions: those that there are; what does not count at `now` is left aside.
        now: the time.
        everything: judge with every policy, everywhere, whoever opted in: for somebody who tries policies on
            files.

    Raises:
        LibraryError: two libraries contradict each other, or a template cannot be used.
        PolicyError: the floor names a set that there is not.
    """
    policies, sets = combine(libraries)
    for name in floor:
        if name not in sets:
            raise PolicyError(
                f"there is no set {name!r}", hint=f"there are: {', '.join(sorted(sets)) or 'none'}"
            )
    excepted: dict[str, list[PolicyException]] = {}
    for exception in excepting.active(exceptions, now):
        excepted.setdefault(exception.policy, []).append(exception)
    templates: list[CompiledTemplate] = []
    constraints: list[CompiledConstraint] = []
    used: dict[str, Policy] = {}
    for policy in sorted(policies.values(), key=lambda policy: policy.name):
        cases = [_everything(policy)] if everything else list(_cases(policy, sets.values(), floor))
        if not cases:
            continue
        used[policy.name] = policy
        templates.append(_template(policy))
        parameters = excepting.parameters(excepted.get(policy.name, ()))
        constraints.extend(_constraint(policy, case, parameters) for case in cases)
    expansions = _expansions(libraries)
    return Compiled(
        templates=tuple(templates),
        constraints=tuple(constraints),
        expansions=expansions,
        policies=used,
        digest=_digest(
            [[template.digest for template in templates], [item.object for item in constraints], expansions]
        ),
    )


class _Case:
    """One constraint of a policy: for whom, with which parameters."""

    def __init__(
        self,
        name: str,
        action: Action,
        match: Object,
        parameters: Object,
        sets: tuple[str, ...] = (),
    ) -> None:
        self.name = name if len(name) <= NAME_MAX else f"{name[: NAME_MAX - 9]}-{_short(name)}"
        self.action = action
        self.match = match
        self.parameters = parameters
        self.sets = sets


def _everything(policy: Policy) -> _Case:
    return _Case(policy.name, Action.ENFORCE, _with_exempt(policy.match), policy.parameters)


def _cases(policy: Policy, sets: Iterable[PolicySet], floor: Mapping[str, Action]) -> Iterator[_Case]:
    """Yield the constraints of a policy: sets that give it the same parameters share theirs."""
    alike: dict[bytes, tuple[Object, list[str]]] = {}
    for found in sorted(sets, key=lambda found: found.name):
        for entry in found.entries:
            if entry.policy == policy.name:
                parameters = {**policy.parameters, **entry.parameters}
                alike.setdefault(_encode(parameters), (parameters, []))[1].append(found.name)
    for said, names in alike.values():
        for level in levels(tuple(names), floor):
            for suffix, content in _matches(policy, level):
                name = f"{policy.name}.{level.name}{suffix}"
                yield _Case(name, level.action, content, said, (level.set,))


def _matches(policy: Policy, level: Level) -> Iterator[tuple[str, Object]]:
    """Yield what the constraints of a level match, with what their names end in.

    To Gatekeeper every namespace selector selects whatever is in no namespace. What namespaces chose by label
    is therefore kept to what is in one; Namespaces themselves have labels, and a constraint of their own.
    """
    match: dict[str, Any] = _with_exempt(policy.match)
    if level.selector:
        match["namespaceSelector"] = _both(match.get("namespaceSelector"), level.selector)
    if not level.by_label:
        yield "", match
        return
    kinds = match.get("kinds") or [{"apiGroups": ["*"], "kinds": ["*"]}]
    namespaced, namespaces = match.get("scope") != "Cluster", match.get("scope") != "Namespaced"
    if namespaced and any(_names_other_than_namespaces(entry) for entry in kinds):
        yield "", {**match, "scope": "Namespaced"}
    if namespaces and any(_names_namespaces(entry) for entry in kinds):
        yield ".namespaces", {**match, "kinds": [_NAMESPACE]}


def _with_exempt(match: Object) -> dict[str, Any]:
    excluded = [*match.get("excludedNamespaces", ()), *EXEMPT_NAMESPACES]
    return {**match, "excludedNamespaces": sorted(set(excluded))}


def _both(selector: Object | None, other: Object) -> dict[str, Any]:
    if not selector:
        return dict(other)
    expressions = [*(selector.get("matchExpressions") or ()), *(other.get("matchExpressions") or ())]
    return {**selector, "matchExpressions": expressions}


def _names_namespaces(entry: Mapping[str, Any]) -> bool:
    groups, kinds = entry.get("apiGroups") or ["*"], entry.get("kinds") or ["*"]
    return not {"*", ""}.isdisjoint(groups) and not {"*", "Namespace"}.isdisjoint(kinds)


def _names_other_than_namespaces(entry: Mapping[str, Any]) -> bool:
    groups, kinds = entry.get("apiGroups") or ["*"], entry.get("kinds") or ["*"]
    return any(kind != "Namespace" for kind in kinds) or any(group not in {"", "*"} for group in groups)


def _template(policy: Policy) -> CompiledTemplate:
    content = guarded(policy)
    content["metadata"] = {**content["metadata"], "labels": {**_labels(content, policy)}}
    return CompiledTemplate(
        policy=policy.name,
        kind=policy.kind,
        engine=policy.engine,
        inventory=policy.inventory,
        object=content,
        plain=policy.template,
        digest=_digest(content["spec"]),
    )


def _constraint(policy: Policy, case: _Case, exceptions: list[dict[str, Any]]) -> CompiledConstraint:
    if PARAMETER in case.parameters:
        raise LibraryError(
            f"{policy.at('constraint')}: policy {policy.name}: the parameter {PARAMETER} is Moorage's own",
            hint="write a PolicyException",
        )
    parameters = {**case.parameters, **({PARAMETER: exceptions} if exceptions else {})}
    labels = _labels(policy.constraint, policy)
    if case.sets:
        labels[SET_LABEL] = case.sets[0]
    annotations = {
        **(policy.constraint["metadata"].get("annotations") or {}),
        SEVERITY_ANNOTATION: policy.severity.value,
    }
    content = {
        "apiVersion": policy.constraint["apiVersion"],
        "kind": policy.kind,
        "metadata": {"name": case.name, "labels": labels, "annotations": annotations},
        "spec": {
            "enforcementAction": case.action.enforcement_action,
            "match": case.match,
            **({"parameters": parameters} if parameters else {}),
        },
    }
    return CompiledConstraint(
        name=case.name,
        kind=policy.kind,
        policy=policy.name,
        sets=case.sets,
        action=case.action,
        severity=policy.severity,
        object=content,
        digest=_digest(parameters),
    )


def _labels(content: Object, policy: Policy) -> dict[str, str]:
    return {
        **(content["metadata"].get("labels") or {}),
        POLICY_LABEL: policy.name,
        MANAGED_BY_LABEL: MANAGER,
    }


def _expansions(libraries: Iterable[Library]) -> tuple[Object, ...]:
    """Return the expansions of all libraries; of one name, the first library's counts."""
    found: dict[str, Object] = {}
    for library in libraries:
        for expansion in library.expansions:
            found.setdefault(expansion["metadata"]["name"], expansion)
    return tuple(found[name] for name in sorted(found))


def _digest(content: Any) -> str:
    return hashlib.sha256(_encode(content)).hexdigest()


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
