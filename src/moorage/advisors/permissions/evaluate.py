"""Kubernetes' own decision, in Python: what a rule allows, whom a binding is for, what rules cover.

The names and the order follow ``plugin/pkg/auth/authorizer/rbac`` and
``pkg/apis/rbac/v1/evaluation_helpers.go`` of Kubernetes, and ``auth/rbac/validation`` of component-helpers,
so that both can be read side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from moorage.advisors.permissions.model import ALL, MANY, Binding, Rbac, Request, Rule, Subject, Who


def rule_allows(rule: Rule, request: Request) -> bool:
    """Say whether a rule allows a request.

    Of a request for many names it says whether the rule allows at least one of them, as far as can be told.
    """
    if request.verb not in rule.verbs and ALL not in rule.verbs:
        return False
    if request.resource:
        return (
            (request.group in rule.groups or ALL in rule.groups)
            and resource_matches(rule, request)
            and (not rule.names or request.name in rule.names or request.name == MANY)
        )
    return any(path_matches(path, request.path) for path in rule.paths)


def resource_matches(rule: Rule, request: Request) -> bool:
    """Say whether a rule names a request's resource, itself or by a wildcard."""
    return (
        ALL in rule.resources
        or request.combined in rule.resources
        or (bool(request.subresource) and f"*/{request.subresource}" in rule.resources)
    )


def path_matches(path: str, requested: str) -> bool:
    """Say whether a rule's path is the requested one, or begins it and ends in ``*``."""
    if path in (ALL, requested) or requested == MANY:
        return True
    return path.endswith(ALL) and requested.startswith(path.rstrip(ALL))


def rules_allow(rules: Iterable[Rule], request: Request) -> bool:
    """Say whether any of some rules allows a request."""
    return any(rule_allows(rule, request) for rule in rules)


def applies_to(subject: Subject, who: Who) -> bool:
    """Say whether a binding's subject is a user."""
    if subject.kind == "Group":
        return subject.name in who.groups
    if subject.kind == "ServiceAccount":
        return bool(subject.namespace) and subject.username == who.name
    return subject.kind == "User" and subject.name == who.name


def in_scope(binding: Binding, request: Request) -> bool:
    """Say whether a binding is asked about a request: a RoleBinding is in its own namespace only."""
    return not binding.namespace or (bool(request.resource) and binding.namespace == request.namespace)


def allows(rbac: Rbac, who: Who, request: Request) -> bool:
    """Say whether RBAC allows a user's request, as the API server does."""
    for binding in rbac.bindings:
        if not in_scope(binding, request) or not any(applies_to(each, who) for each in binding.subjects):
            continue
        role = rbac.role_of(binding)
        if role is not None and rules_allow(role.rules, request):
            return True
    return False


def breakdown(rule: Rule) -> Iterator[Rule]:
    """Yield a rule in its smallest parts: each with one verb, one resource, at most one name."""
    for verb in rule.verbs:
        for group in rule.groups:
            for resource in rule.resources:
                for name in rule.names or ("",):
                    yield Rule((verb,), (group,), (resource,), (name,) if name else ())
        for path in rule.paths:
            yield Rule((verb,), paths=(path,))


def part_covered(owner: Rule, part: Rule) -> bool:
    """Say whether a rule covers one of the smallest parts of another."""
    if not _has_all(owner.verbs, part.verbs):
        return False
    if part.paths:
        return any(
            path == part.paths[0] or (path.endswith(ALL) and part.paths[0].startswith(path.rstrip(ALL)))
            for path in owner.paths
        )
    if not _has_all(owner.groups, part.groups):
        return False
    resource = part.resources[0]
    if ALL not in owner.resources and resource not in owner.resources:
        _, slash, subresource = resource.partition("/")
        if not slash or f"*/{subresource}" not in owner.resources:
            return False
    return not owner.names or (bool(part.names) and part.names[0] in owner.names)


def uncovered(owners: Iterable[Rule], rules: Iterable[Rule]) -> list[Rule]:
    """Return the smallest parts of some rules that no single other rule covers."""
    held = list(owners)
    return [
        part
        for rule in rules
        for part in breakdown(rule)
        if not any(part_covered(owner, part) for owner in held)
    ]


def _has_all(held: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return ALL in held or wanted[0] in held
