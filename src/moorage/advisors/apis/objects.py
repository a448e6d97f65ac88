"""Versions that go, in one object: its own, those that its fields name, those that it admits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moorage.advisors.apis.table import Api, Table
from moorage.advisors.apis.versions import KUBERNETES, Version

Path = tuple[str | int, ...]

_DEEPEST: Final = 60
_LEFT_OUT: Final = frozenset({("status",), ("metadata", "managedFields")})
_RULES: Final = {
    "ValidatingWebhookConfiguration": ("webhooks", "rules"),
    "MutatingWebhookConfiguration": ("webhooks", "rules"),
    "ValidatingAdmissionPolicy": ("spec", "matchConstraints"),
    "MutatingAdmissionPolicy": ("spec", "matchConstraints"),
}
_ADMISSION: Final = "admissionregistration.k8s.io/"
_ALL: Final = "*"
_TOO_MANY: Final = frozenset({"events"})
"""Resources that are not looked through: there are many, and they are gone within hours."""


def wanted(resources: Collection[str], table: Table, *, since: Version = ()) -> list[str]:
    """Return which resources are looked through: those that have, or had elsewhere, a version that goes.

    Args:
        resources: what can be listed, as ``deployments.apps``.
        table: what is known.
        since: the oldest Kubernetes that a cluster may have had; what went before nobody can have used.
    """
    found = set()
    for api in table:
        if not api.goes or not api.resource or api.resource in _TOO_MANY:
            continue
        if api.project == KUBERNETES and api.removed is not None and api.removed <= since:
            continue
        groups = {api.name.group, api.replacement.group if api.replacement else api.name.group}
        found |= {f"{api.resource}.{group}" if group else api.resource for group in groups}
    found |= {each for each in resources if each.endswith(f".{_ADMISSION[:-1]}")}
    return sorted(found & set(resources))


def own(content: Mapping[str, Any], table: Table) -> Api | None:
    """Return the version that an object is written in, if it goes."""
    api = table.by_name(content["apiVersion"], content["kind"])
    return api if api is not None and api.goes else None


def named(content: Mapping[str, Any], table: Table) -> Iterator[tuple[Path, Api]]:
    """Yield the versions that go of what the fields of an object name or hold, with their paths."""
    stack: list[tuple[Any, Path]] = [(content, ())]
    while stack:
        value, path = stack.pop()
        if path in _LEFT_OUT or len(path) > _DEEPEST:
            continue
        if isinstance(value, Mapping):
            if path:
                version, kind = value.get("apiVersion"), value.get("kind")
                if isinstance(version, str) and isinstance(kind, str):
                    api = table.by_name(version, kind)
                    if api is not None and api.goes:
                        yield path, api
            stack += [(item, (*path, key)) for key, item in reversed(list(value.items()))]
        elif isinstance(value, list):
            stack += [(item, (*path, index)) for index, item in reversed(list(enumerate(value)))]


@dataclass(frozen=True, slots=True)
class Registration:
    """A rule of admission that matches only versions of which all go.

    Args:
        path: where it is in the object.
        webhook: the webhook's name; empty for a policy.
        exact: whether it matches requests in these versions alone.
        apis: what it matches, of what is known.
    """

    path: Path
    webhook: str
    exact: bool
    apis: tuple[Api, ...]


def registrations(content: Mapping[str, Any], table: Table) -> Iterator[Registration]:
    """Yield the rules of a webhook configuration or an admission policy that match only versions that go."""
    kind, version = content.get("kind"), content.get("apiVersion")
    if kind not in _RULES or not str(version).startswith(_ADMISSION):
        return
    if _RULES[kind][0] == "webhooks":
        for number, webhook in enumerate(_list(content.get("webhooks"))):
            yield from _rules(
                _list(webhook.get("rules")),
                ("webhooks", number, "rules"),
                str(webhook.get("name", "")),
                webhook,
                table,
            )
        return
    constraints = _mapping(_mapping(content.get("spec")).get("matchConstraints"))
    rules = _list(constraints.get("resourceRules"))
    yield from _rules(rules, ("spec", "matchConstraints", "resourceRules"), "", constraints, table)


def _rules(
    rules: list[Mapping[str, Any]], path: Path, webhook: str, policy: Mapping[str, Any], table: Table
) -> Iterator[Registration]:
    exact = policy.get("matchPolicy") == "Exact"
    for number, rule in enumerate(rules):
        groups, versions, resources = (
            [each for each in _values(rule.get(name)) if isinstance(each, str)]
            for name in ("apiGroups", "apiVersions", "resources")
        )
        if _ALL in groups or _ALL in versions:
            continue
        apis = [
            api
            for api in table
            if api.name.group in groups and api.resource and _is_one_of(api.resource, resources)
        ]
        matched = [api for api in apis if api.name.version in versions]
        staying = {(group, version) for group in groups for version in versions} - {
            (api.name.group, api.name.version) for api in matched
        }
        if matched and not staying and all(api.goes for api in matched):
            yield Registration((*path, number, "apiVersions"), webhook, exact, tuple(matched))


def _is_one_of(resource: str, wanted: list[str]) -> bool:
    return any(each in (_ALL, "*/*", resource) or each.partition("/")[0] == resource for each in wanted)


def dotted(path: Path) -> str:
    """Return a path as a person writes it: ``spec.rules[0].host``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
