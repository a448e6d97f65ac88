"""A live cluster, through kubectl: objects, Helm releases, CRDs, admission, the API server's metrics.

Nothing is written. What a person may not read is named, and everything else is read all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from moorage.advisors.apis import applied
from moorage.advisors.apis.crds import apis_of, stored
from moorage.advisors.apis.metrics import read_metrics
from moorage.advisors.apis.model import Object, Seen
from moorage.advisors.apis.objects import wanted
from moorage.advisors.apis.releases import SELECTOR, read_releases
from moorage.advisors.apis.table import Table
from moorage.errors import MoorageError
from moorage.toolchain.kubectl import kubectl

_CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"


class ClusterError(MoorageError):
    """A cluster that cannot be read."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """How a cluster is reached.

    Args:
        context: as the kubeconfig calls it; empty for the current one.
        kubeconfig: the file; empty for kubectl's own.
    """

    context: str
    kubeconfig: str

    def ask(self, *arguments: str, partial: bool = False) -> str:
        """Return the answer of kubectl.

        Args:
            arguments: what is asked.
            partial: whether what it did say counts although it failed.

        Raises:
            ClusterError: there is none.
        """
        answer = kubectl(
            *arguments,
            context=self.context,
            kubeconfig=self.kubeconfig,
            error=ClusterError,
            partial=partial,
        )
        return answer or ""

    def resources(self) -> set[str]:
        """Return what can be listed, as ``deployments.apps``."""
        # One aggregated API that does not answer is no reason to know nothing of the others.
        answer = self.ask("api-resources", "--verbs=list", "--output=name", "--cached=false", partial=True)
        return set(answer.split())

    def list(self, resource: str, *arguments: str) -> list[Object]:
        """Return all objects of a resource (or of several, with commas between), managed fields included."""
        answer = self.ask(
            "get", resource, "--all-namespaces", "--output=json", "--show-managed-fields", *arguments
        )
        found: list[Object] = msgspec.json.decode(answer)["items"]
        return found


def read_cluster(context: str, kubeconfig: str, table: Table) -> Seen:
    """Read a cluster, and return where it uses versions that go.

    Raises:
        ClusterError: it does not answer at all.
    """
    cluster = Cluster(context, kubeconfig)
    resources = cluster.resources()
    seen = Seen(facts={"context": context or "(current)"})
    crds: list[Object] = []
    unread: list[str] = []
    for part in _guarded(unread, lambda: cluster.list(_CRDS) if _CRDS in resources else []):
        crds = part
    table = table.extended(apis_of(crds))
    seen += _objects(cluster, wanted(resources, table), table, unread)
    seen += Seen(tuple(stored(crds, table)), {"crds": len(crds)})
    for part in _guarded(unread, lambda: cluster.list("secrets,configmaps", f"--selector={SELECTOR}")):
        seen += read_releases(part, table)
    for part in _guarded(unread, lambda: cluster.ask("get", "--raw", "/metrics")):
        seen += Seen(tuple(read_metrics(part, table)))
    return seen + Seen(unread=tuple(unread))


def _objects(cluster: Cluster, resources: list[str], table: Table, unread: list[str]) -> Seen:
    count, sightings = 0, []
    for content in _listed(cluster, resources, unread):
        count += 1
        sightings += list(applied.look(content, table))
    return Seen(tuple(sightings), {"objects": count, "resources": resources})


def _listed(cluster: Cluster, resources: list[str], unread: list[str]) -> list[Object]:
    """Return the objects of some resources; of those that are refused none, and that is noted."""
    if not resources:
        return []
    try:
        return cluster.list(",".join(resources))
    except ClusterError:
        found: list[Object] = []
        for resource in resources:
            for part in _guarded(unread, partial(cluster.list, resource)):
                found += part
        return found


def _guarded(unread: list[str], read: Callable[[], Any]) -> Iterator[Any]:
    """Yield what is read; nothing where that is refused, which is noted."""
    try:
        yield read()
    except ClusterError as error:
        unread.append(error.message)
