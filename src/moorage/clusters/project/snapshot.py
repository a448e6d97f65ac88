"""Everything that is known about one project, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from moorage.api.project import Project
from moorage.clusters.claims import Allotment
from moorage.clusters.derived import Derived
from moorage.kube.kinds import Object


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One project: what is declared, and what there is.

    Args:
        declared: the Project.
        namespace: its namespace, when there is one.
        clusters: the names of its clusters, also of those that are on their way out.
        allotment: how its quota is shared out among them.
        rights: its members' accounts, roles and bindings; ``None`` when nobody has looked, because they were
            as they should be a short while ago.
    """

    declared: Project
    namespace: Object | None
    clusters: tuple[str, ...]
    allotment: Allotment
    rights: tuple[Derived, ...] | None

    @property
    def name(self) -> str:
        """The project's name."""
        return self.declared.metadata.name

    @property
    def deleting(self) -> bool:
        """Whether the project is to go."""
        return self.declared.metadata.deletion_timestamp is not None

    @property
    def namespace_deleting(self) -> bool:
        """Whether its namespace is on its way out."""
        return self.namespace is not None and "deletionTimestamp" in self.namespace["metadata"]
