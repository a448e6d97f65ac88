"""What the admission webhook has to know, read when it is asked.

Read from the API server, not from a cache: whoever declares a machine type and a cluster that uses it in one
breath must not be told that there is no such type.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightkube import AsyncClient

from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.machinetype import MachineType
from moorage.api.meta import SYSTEM_NAMESPACE, project_namespace, project_of
from moorage.api.project import Project
from moorage.clusters import admission, claims
from moorage.clusters.admission import ALLOWED, ClusterFacts, Verdict
from moorage.clusters.checks import Offer
from moorage.clusters.cluster.observe import offer_of
from moorage.kube.kinds import CLUSTER_CLASS, KUBERNETES_CLUSTER, MACHINE_TYPE, PROJECT, Object
from moorage.kube.objects import get, list_objects


@dataclass(frozen=True, slots=True)
class Question:
    """A request that the API server asks about.

    Args:
        resource: what kind of object, in the plural.
        operation: CREATE, UPDATE or DELETE.
        namespace: where, for namespaced kinds.
        name: of the object.
        new: the object as it would be; ``None`` when it is deleted.
        old: the object as it is; ``None`` when it is created.
    """

    resource: str
    operation: str
    namespace: str
    name: str
    new: Object | None
    old: Object | None

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> Question:
        """Read the request of an AdmissionReview."""
        return cls(
            resource=asked["resource"]["resource"],
            operation=asked["operation"],
            namespace=asked.get("namespace", ""),
            name=asked.get("name", ""),
            new=asked.get("object"),
            old=asked.get("oldObject"),
        )

    @property
    def where(self) -> str:
        """Which object, for a person."""
        name = self.name or "(a name is chosen)"
        return f"{self.resource} {self.namespace}/{name}" if self.namespace else f"{self.resource} {name}"


class Reader:
    """Reads facts from the API server."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def project(self, namespace: str) -> Project | None:
        """Return the project that a namespace belongs to."""
        name = project_of(namespace)
        found = await get(self._client, PROJECT, name) if name else None
        return Project.parse(found) if found is not None else None

    async def offers(self) -> dict[str, Offer]:
        """Return what each provider offers."""
        classes = await list_objects(self._client, CLUSTER_CLASS, SYSTEM_NAMESPACE)
        return {offer.provider: offer for item in classes if (offer := offer_of(item)) is not None}

    async def machine_types(self) -> dict[str, MachineType]:
        """Return all machine types."""
        found = await list_objects(self._client, MACHINE_TYPE)
        return {item["metadata"]["name"]: MachineType.parse(item) for item in found}

    async def clusters(self, namespace: str | None = None) -> list[KubernetesCluster]:
        """Return the clusters of a project, or all of them."""
        found = await list_objects(self._client, KUBERNETES_CLUSTER, namespace)
        return [KubernetesCluster.parse(item) for item in found]

    async def cluster_facts(self, cluster: KubernetesCluster) -> ClusterFacts:
        """Return what a cluster is judged by."""
        namespace = cluster.metadata.namespace or ""
        project, offers, types = await asyncio.gather(
            self.project(namespace), self.offers(), self.machine_types()
        )
        siblings: list[KubernetesCluster] = []
        if project is not None and not claims.limits(project.spec.quota).unlimited:
            siblings = [
                item for item in await self.clusters(namespace) if item.metadata.name != cluster.metadata.name
            ]
        sizes = {name: claims.size_of(item) for name, item in types.items()}
        return ClusterFacts(project, offers, types, tuple(siblings), sizes)


async def ask(question: Question, reader: Reader) -> Verdict:
    """Read what is needed to judge a request, and judge it.

    Raises:
        InvalidObjectError: the object does not follow its schema.
    """
    match question.resource:
        case "kubernetesclusters":
            return await _cluster(question, reader)
        case "projects":
            return await _project(question, reader)
        case "machinetypes":
            return await _machine_type(question, reader)
    return ALLOWED


async def _cluster(question: Question, reader: Reader) -> Verdict:
    if question.new is None:
        return ALLOWED
    new = KubernetesCluster.parse(question.new)
    old = KubernetesCluster.parse(question.old) if question.old is not None else None
    return admission.judge_cluster(new, old, await reader.cluster_facts(new))


async def _project(question: Question, reader: Reader) -> Verdict:
    if question.new is None:
        clusters = await reader.clusters(project_namespace(question.name))
        names = sorted(cluster.metadata.name for cluster in clusters)
        return admission.judge_project_deletion(question.name, names)
    new = Project.parse(question.new)
    old = Project.parse(question.old) if question.old is not None else None
    offers, types = await asyncio.gather(reader.offers(), reader.machine_types())
    return admission.judge_project(new, old, offers, types)


async def _machine_type(question: Question, reader: Reader) -> Verdict:
    if question.old is None:
        return ALLOWED
    clusters = await reader.clusters()
    if question.new is None:
        return admission.judge_machine_type_deletion(question.name, clusters)
    new, old = MachineType.parse(question.new), MachineType.parse(question.old)
    return admission.judge_machine_type(new, old, clusters)
