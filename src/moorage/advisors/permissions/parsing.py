"""RBAC objects, parsed where they come in: of files or of a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from moorage.advisors.permissions.model import ALL, RBAC, Account, Binding, Place, Rbac, Role, Rule, Subject
from moorage.errors import MoorageError

Document = tuple[Mapping[str, Any], Place]
"""An object, and where it was read."""

_BOOTSTRAP: Final = ("kubernetes.io/bootstrapping", "rbac-defaults")
_SYSTEM: Final = "kube-system"


class RbacError(MoorageError):
    """RBAC objects that cannot be read."""


def parse(documents: Iterable[tuple[Any, Place]], *, origin: str, complete: bool = False) -> Rbac:
    """Return what some objects grant; kinds that have no part in it are passed over.

    Args:
        documents: the objects; a ``List`` is taken apart.
        origin: where they are from, for a person.
        complete: whether all ServiceAccounts of the cluster are among them.

    Raises:
        RbacError: an object is not what its kind says.
    """
    roles: dict[tuple[str, str, str], Role] = {}
    rules_of: list[tuple[Role, Mapping[str, Any], Any]] = []
    bindings: dict[tuple[str, str], Binding] = {}
    accounts: dict[tuple[str, str], Account] = {}
    for content, place in _flat(documents):
        kind, metadata = content.get("kind"), content.get("metadata") or {}
        group = str(content.get("apiVersion", "")).partition("/")[0]
        try:
            if kind in ("Role", "ClusterRole") and group == RBAC:
                role = _role(content, metadata, place)
                rules_of.append((role, metadata.get("labels") or {}, content.get("aggregationRule")))
            elif kind in ("RoleBinding", "ClusterRoleBinding") and group == RBAC:
                binding = _binding(content, metadata, place)
                bindings[binding.namespace, binding.name] = binding
            elif kind == "ServiceAccount":
                account = Account(
                    metadata.get("namespace") or "default", metadata["name"], _created(metadata)
                )
                accounts[account.namespace, account.name] = account
        except (AttributeError, KeyError, TypeError) as error:
            name = metadata.get("name", "?") if isinstance(metadata, Mapping) else "?"
            where = f"{place.file}:{place.line}: " if place.file else ""
            raise RbacError(f"{where}{kind} {name} is not one: {error!r}") from error
    for role in _aggregated(rules_of):
        roles[role.kind, role.namespace, role.name] = role
    # Each namespace has its `default` ServiceAccount: where that is known, the others are, too.
    known = {namespace for namespace, name in accounts if name == "default"}
    return Rbac(
        roles=roles,
        bindings=tuple(sorted(bindings.values(), key=lambda each: (each.namespace, each.name))),
        accounts=accounts,
        known_namespaces=frozenset({ALL} if complete else known),
        origin=origin,
    )


def _flat(documents: Iterable[tuple[Any, Place]]) -> Iterator[Document]:
    for content, place in documents:
        if not isinstance(content, Mapping):
            continue
        kind = str(content.get("kind", ""))
        if kind.endswith("List") and isinstance(content.get("items"), list):
            # The items of a typed list do not say what they are.
            head = {"apiVersion": content.get("apiVersion"), "kind": kind.removesuffix("List")}
            items = [{**head, **item} if kind != "List" else item for item in content["items"]]
            yield from _flat((item, place) for item in items)
        else:
            yield content, place


def _role(content: Mapping[str, Any], metadata: Mapping[str, Any], place: Place) -> Role:
    return Role(
        name=str(metadata["name"]),
        namespace=_namespace(content, metadata),
        rules=tuple(_rule(rule) for rule in content.get("rules") or ()),
        aggregated=bool(content.get("aggregationRule")),
        bootstrap=_is_bootstrap(metadata),
        place=place,
    )


def _rule(rule: Mapping[str, Any]) -> Rule:
    def words(field: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(word) for word in rule.get(field) or ()))

    return Rule(
        words("verbs"),
        words("apiGroups"),
        words("resources"),
        words("resourceNames"),
        words("nonResourceURLs"),
    )


def _binding(content: Mapping[str, Any], metadata: Mapping[str, Any], place: Place) -> Binding:
    namespace = _namespace(content, metadata)
    subjects = [
        Subject(
            str(each["kind"]),
            str(each["name"]),
            str(each.get("namespace") or namespace) if each["kind"] == "ServiceAccount" else "",
        )
        for each in content.get("subjects") or ()
    ]
    return Binding(
        name=str(metadata["name"]),
        namespace=namespace,
        subjects=tuple(dict.fromkeys(subjects)),
        role_kind=str(content["roleRef"]["kind"]),
        role_name=str(content["roleRef"]["name"]),
        bootstrap=_is_bootstrap(metadata),
        created=_created(metadata),
        place=place,
    )


def _namespace(content: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Return an object's namespace; a manifest that leaves it out is applied to the one of the context."""
    if content["kind"].startswith("Cluster"):
        return ""
    return str(metadata.get("namespace") or "default")


def _is_bootstrap(metadata: Mapping[str, Any]) -> bool:
    label, value = _BOOTSTRAP
    return bool((metadata.get("labels") or {}).get(label) == value)


def _created(metadata: Mapping[str, Any]) -> datetime | None:
    told = metadata.get("creationTimestamp")
    try:
        return datetime.fromisoformat(str(told)) if told else None
    except ValueError:
        return None


def _aggregated(found: list[tuple[Role, Mapping[str, Any], Any]]) -> Iterator[Role]:
    """Yield roles, the aggregated ones with the rules that Kubernetes' controller gives them."""
    ordered = sorted(
        ((role, labels) for role, labels, _ in found if not role.namespace), key=lambda each: each[0].name
    )
    selectors = [
        selector for _, _, rule in found for selector in ((rule or {}).get("clusterRoleSelectors") or ())
    ]
    for role, labels, rule in found:
        selected = not role.namespace and any(_selects(selector, labels) for selector in selectors)
        if not rule:
            yield replace(role, selected=selected)
            continue
        # What the cluster has put there stays; what only files say (there the list is empty) is added.
        rules = dict.fromkeys(role.rules)
        for selector in rule.get("clusterRoleSelectors") or ():
            for part, about in ordered:
                if part.name != role.name and _selects(selector, about):
                    rules |= dict.fromkeys(part.rules)
        yield replace(role, rules=tuple(rules), selected=selected)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_meets(each, labels) for each in selector.get("matchExpressions") or ())


def _meets(wanted: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, values = wanted["key"], wanted.get("values") or ()
    match wanted["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
