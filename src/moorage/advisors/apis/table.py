"""What serves which versions of which kinds, and until when: read from the files in ``data``.

Those are written by ``scripts/kubernetes_apis.py`` and ``scripts/custom_apis.py`` out of what Kubernetes and
the other projects say of themselves; nothing in them is typed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from moorage.advisors.apis.versions import KUBERNETES, Targets, Version, parse

_DATA: Final = Path(__file__).with_name("data")
_NAMES: Final = {KUBERNETES: "Kubernetes"}


class State(Enum):
    """What a version is at a target."""

    SERVED = auto()
    DEPRECATED = auto()
    REMOVED = auto()


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """What an object says that it is."""

    api_version: str
    kind: str

    @property
    def group(self) -> str:
        """Its API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """Its version in the group."""
        return self.api_version.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.api_version} {self.kind}"


@dataclass(frozen=True, slots=True)
class Api:
    """A version of a kind, and its life.

    Args:
        name: what it is.
        resource: in the plural; empty where nothing is known of it.
        namespaced: whether its objects are in namespaces.
        introduced: since when it is served; ``None`` where that is not known.
        deprecated: since when it is deprecated.
        removed: since when it is not served.
        replacement: what to use.
        project: whose it is.
        said: what its own CRD says about it.
    """

    name: Name
    resource: str = ""
    namespaced: bool = True
    introduced: Version | None = None
    deprecated: Version | None = None
    removed: Version | None = None
    replacement: Name | None = None
    project: str = KUBERNETES
    said: str = ""

    @property
    def goes(self) -> bool:
        """Whether it is deprecated or removed at any version that is known."""
        return self.deprecated is not None or self.removed is not None

    @property
    def owner(self) -> str:
        """The project, as a person calls it."""
        return _NAMES.get(self.project, self.project)

    def state(self, targets: Targets) -> State:
        """Return what it is at a target."""
        target = targets.of(self.project)
        if self.removed is not None and (target is None or target >= self.removed):
            return State.REMOVED
        if self.deprecated is not None and (target is None or target >= self.deprecated):
            return State.DEPRECATED
        return State.SERVED


class Table:
    """All that is known.

    Args:
        apis: the versions.
        newest: the newest Kubernetes among what was read.
        source: which release of it.
    """

    def __init__(self, apis: Iterable[Api], *, newest: Version, source: str = "") -> None:
        self.newest = newest
        self.source = source
        self._by_name = {api.name: api for api in apis}
        self._by_resource = {
            (api.name.group, api.name.version, api.resource): api
            for api in self._by_name.values()
            if api.resource
        }

    def __iter__(self) -> Iterator[Api]:
        return iter(self._by_name.values())

    def by_name(self, api_version: str, kind: str) -> Api | None:
        """Return what is known of what an object says that it is."""
        return self._by_name.get(Name(api_version, kind))

    def by_resource(self, group: str, version: str, resource: str) -> Api | None:
        """Return what is known of a resource in the plural."""
        return self._by_resource.get((group, version, resource))

    def versions_of(self, group: str, resource: str) -> list[Api]:
        """Return the versions of a resource."""
        return [api for api in self if (api.name.group, api.resource) == (group, resource)]

    def extended(self, apis: Iterable[Api]) -> Table:
        """Return this table with more in it; what is known already stays."""
        return Table((*apis, *self), newest=self.newest, source=self.source)

    @cached_property
    def projects(self) -> frozenset[str]:
        """Whose APIs are known, beside Kubernetes."""
        return frozenset(api.project for api in self) - {KUBERNETES}

    @cached_property
    def called(self) -> frozenset[tuple[str, str, str]]:
        """What is asked for by whoever uses a version that goes: group, version, resource."""
        return frozenset(
            (api.name.group, api.name.version, api.resource) for api in self if api.goes and api.resource
        )

    @cached_property
    def going(self) -> re.Pattern[str]:
        """Finds the ``apiVersion`` of anything that goes, in any text."""
        words = {re.escape(api.name.api_version) for api in self if api.goes}
        return re.compile("|".join(sorted(words, key=len, reverse=True)))


@cache
def table() -> Table:
    """Return the table that comes with Moorage."""
    kubernetes, custom = (_read(name) for name in ("kubernetes.json", "custom.json"))
    apis = (_api(row) for row in (*kubernetes["apis"], *custom["apis"]))
    return Table(apis, newest=parse(kubernetes["newest"]), source=kubernetes["source"])


def read_changes() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """Return what is different in the replacement of a version, by what both are called."""
    return {(row["from"], row["to"]): row for row in _read("changes.json")["changes"]}


def _read(name: str) -> Any:
    return msgspec.json.decode((_DATA / name).read_bytes())


def _api(row: Mapping[str, Any]) -> Api:
    introduced, deprecated, removed = (
        parse(row[name]) if row.get(name) else None for name in ("introduced", "deprecated", "removed")
    )
    return Api(
        Name(row["apiVersion"], row["kind"]),
        row["resource"] or "",
        row["namespaced"] is not False,
        introduced,
        deprecated,
        removed,
        Name(*row["replacement"].split(" ")) if row["replacement"] else None,
        row.get("project", KUBERNETES),
        row.get("said", ""),
    )
