"""What a cluster's CRDs say of their versions: deprecated, not served, still stored. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from moorage.advisors.advice import Location
from moorage.advisors.apis.model import How, Object, Sighting
from moorage.advisors.apis.table import Api, Name, Table
from moorage.manifests.model import metadata_of, title_of

_VERSION: Final = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def apis_of(crds: Iterable[Object]) -> Iterator[Api]:
    """Yield the versions that CRDs call deprecated, or do not serve."""
    for crd in crds:
        spec = crd["spec"]
        kind, group, plural = spec["names"]["kind"], spec["group"], spec["names"]["plural"]
        staying = _staying(spec)
        for version in spec["versions"]:
            if version.get("served") and not version.get("deprecated"):
                continue
            yield Api(
                Name(f"{group}/{version['name']}", kind),
                plural,
                spec.get("scope") == "Namespaced",
                deprecated=() if version.get("deprecated") else None,
                removed=None if version.get("served") else (),
                replacement=Name(f"{group}/{staying}", kind) if staying else None,
                project=str(metadata_of(crd).get("name")),
                said=str(version.get("deprecationWarning") or ""),
            )


def stored(crds: Iterable[Object], table: Table) -> Iterator[Sighting]:
    """Yield the versions that go in which objects may be stored, although new ones are stored in another.

    Args:
        crds: of a live cluster.
        table: what is known, with what the CRDs themselves say.
    """
    for crd in crds:
        spec, status = crd["spec"], crd.get("status") or {}
        storage, kind = _storage(spec), spec["names"]["kind"]
        for version in status.get("storedVersions") or ():
            api = table.by_name(f"{spec['group']}/{version}", kind)
            if version == storage or api is None or not api.goes:
                continue
            yield Sighting(
                api,
                How.STORED,
                title_of(crd),
                Location(title_of(crd)),
                evidence={"storedVersions": list(status["storedVersions"]), "storageVersion": storage},
                field="status.storedVersions",
            )


def _staying(spec: Mapping[str, Any]) -> str:
    """Return the version to use: that of the storage, if it stays; or the highest that does."""
    staying = [
        version["name"]
        for version in spec["versions"]
        if version.get("served") and not version.get("deprecated")
    ]
    storage = _storage(spec)
    return storage if storage in staying else max(staying, key=_rank, default="")


def _rank(version: str) -> tuple[int, int, int]:
    """Order versions as Kubernetes does: stable after beta after alpha, and all of these after others."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (-1, 0, 0)
    return ({None: 2, "beta": 1, "alpha": 0}[match[2]], int(match[1]), int(match[3] or 0))


def _storage(spec: Mapping[str, Any]) -> str:
    return next((str(version["name"]) for version in spec["versions"] if version.get("storage")), "")
