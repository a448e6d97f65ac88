"""Reading everything that is known about one project."""

from __future__ import annotations

from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError

from moorage.api.meta import PROJECT_LABEL
from moorage.api.project import Project
from moorage.clusters.claims import Ledger
from moorage.clusters.derived import Derived
from moorage.clusters.project.snapshot import Snapshot
from moorage.kube.controller import Cache
from moorage.kube.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    KUBERNETES_CLUSTER,
    NAMESPACE,
    PROJECT,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
)
from moorage.kube.objects import FORBIDDEN, is_status, list_objects


def observe(
    cache: Cache, ledger: Ledger, name: str, rights: tuple[Derived, ...] | None = None
) -> Snapshot | None:
    """Return what the cache has about a project, with its rights when somebody has read them."""
    obj = cache.get(PROJECT, name)
    if obj is None:
        return None
    declared = Project.parse(obj)
    clusters = cache.list(KUBERNETES_CLUSTER, declared.namespace)
    return Snapshot(
        declared=declared,
        namespace=cache.get(NAMESPACE, declared.namespace),
        clusters=tuple(sorted(item["metadata"]["name"] for item in clusters)),
        allotment=ledger.allotment(declared.namespace, declared.spec.quota),
        rights=rights,
    )


async def read_rights(client: AsyncClient, declared: Project, *, namespaced: bool) -> tuple[Derived, ...]:
    """Read the objects by which a project's members have their rights.

    They are read and not watched: the operator may see accounts and roles in the namespaces of projects only.
    """
    labels = {PROJECT_LABEL: declared.metadata.name}
    kinds = [CLUSTER_ROLE, CLUSTER_ROLE_BINDING]
    kinds += [SERVICE_ACCOUNT, ROLE, ROLE_BINDING] if namespaced else []
    found: list[Derived] = []
    for kind in kinds:
        namespace = declared.namespace if kind.namespaced else None
        try:
            objects = await list_objects(client, kind, namespace, labels=labels)
        except ApiError as error:  # the API server's own word; a proxy's would say nothing about rights
            if not is_status(error, FORBIDDEN):
                raise
            # A namespace that is new: the operator has no rights in it yet, so nothing of its own is there.
            objects = []
        found += [Derived(kind, obj) for obj in objects]
    return tuple(found)
