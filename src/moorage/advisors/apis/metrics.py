"""The API server's own count of what was asked for: ``apiserver_requested_deprecated_apis``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from moorage.advisors.advice import Location
from moorage.advisors.apis.model import How, Sighting
from moorage.advisors.apis.table import Api, Name, Table
from moorage.advisors.apis.versions import parse

METRIC: Final = "apiserver_requested_deprecated_apis"
_LINE: Final = re.compile(rf"^{METRIC}\{{([^}}]*)\}}\s+([0-9.eE+]+)", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_SURE: Final = 0.9
"""It says that somebody asked since the API server has started; it may have been a person, once."""


def read_metrics(text: str, table: Table) -> Iterator[Sighting]:
    """Yield the versions that go and were asked for, out of what an API server says at ``/metrics``."""
    for labels, value in _LINE.findall(text):
        told = dict(_LABEL.findall(labels))
        if not float(value):
            continue
        group, version, resource = (told.get(name, "") for name in ("group", "version", "resource"))
        if not version or not resource:
            continue
        api = table.by_resource(group, version, resource)
        if api is None or not api.goes:
            api = _told(group, version, resource, told.get("removed_release", ""))
        subresource = told.get("subresource", "")
        thing = f"{resource}.{version}.{group}" if group else f"{resource}.{version}"
        yield Sighting(
            api,
            How.REQUESTED,
            f"{thing}/{subresource}" if subresource else thing,
            Location(f"metric {METRIC}"),
            parts=(subresource,),
            evidence={"metric": METRIC, "removedRelease": told.get("removed_release") or None},
            confidence=_SURE,
        )


def _told(group: str, version: str, resource: str, removed: str) -> Api:
    """Return what the API server says of a version that the table does not have."""
    api_version = f"{group}/{version}" if group else version
    try:
        gone = parse(removed) if removed else None
    except ValueError:
        gone = None
    return Api(Name(api_version, resource), resource, deprecated=(), removed=gone)
