"""What live objects tell of who wrote them, and with which version: managed fields, last-applied. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from moorage.advisors.advice import Location
from moorage.advisors.apis.model import How, Object, Sighting
from moorage.advisors.apis.objects import dotted, named, own, registrations
from moorage.advisors.apis.table import Api, Table
from moorage.manifests.model import metadata_of, title_of

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
CLIENT_SIDE: Final = "kubectl-client-side-apply"
_OWN: Final = frozenset(
    {
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "kube-aggregator",
    }
)
_SURE_OF_FIELDS: Final = 0.7
"""A manager may have written once, long ago, and never again."""
_SURE_OF_LAST_APPLIED: Final = 0.9


def look(content: Object, table: Table) -> Iterator[Sighting]:
    """Yield the versions that go of a live object: of those who wrote it, and of what it names and admits."""
    thing = title_of(content)
    yield from _written(content, thing, table)
    for path, api in named(content, table):
        field = dotted((*path, "apiVersion"))
        yield Sighting(api, How.NAMED, thing, Location(thing), parts=(field,), field=field)
    for rule in registrations(content, table):
        field = dotted(rule.path)
        for each in rule.apis:
            yield Sighting(
                each,
                How.MATCHED,
                thing,
                Location(thing),
                who=rule.webhook,
                parts=(rule.webhook, field),
                evidence={"matchPolicy": "Exact" if rule.exact else "Equivalent"},
                field=field,
            )


def _written(content: Object, thing: str, table: Table) -> Iterator[Sighting]:
    times: dict[str, str] = {}
    last = last_applied(content)
    for entry in metadata_of(content).get("managedFields") or ():
        manager, version = str(entry.get("manager", "")), str(entry.get("apiVersion", ""))
        api = _going(version, str(content.get("kind")), table)
        if manager == CLIENT_SIDE:
            times[version] = str(entry.get("time") or "")
            if last is not None and last.get("apiVersion") == version:
                continue  # told below, with what was applied
        if api is None or manager in _OWN:
            continue
        yield Sighting(
            api,
            How.APPLIED,
            thing,
            Location(thing),
            who=manager,
            evidence={
                "manager": manager,
                "operation": entry.get("operation"),
                "subresource": entry.get("subresource") or None,
                "time": entry.get("time"),
            },
            confidence=_SURE_OF_FIELDS,
        )
    if last is not None and (api := own(last, table)) is not None:
        yield Sighting(
            api,
            How.APPLIED,
            thing,
            Location(thing),
            who=CLIENT_SIDE,
            evidence={
                "manager": CLIENT_SIDE,
                "annotation": LAST_APPLIED,
                "time": times.get(api.name.api_version) or None,
            },
            confidence=_SURE_OF_LAST_APPLIED,
            content=last,
        )


def _going(api_version: str, kind: str, table: Table) -> Api | None:
    api = table.by_name(api_version, kind)
    return api if api is not None and api.goes else None


def last_applied(content: Object) -> Mapping[str, Any] | None:
    """Return the manifest that kubectl applied last, as it has noted it; nothing where there is none."""
    annotations = metadata_of(content).get("annotations")
    text = annotations.get(LAST_APPLIED) if isinstance(annotations, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(found.get(k), str) for k in ("apiVersion", "kind")):
        return None
    return found
