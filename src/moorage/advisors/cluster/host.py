"""Where a cluster's events are counted and its metrics kept, and how it is entered to be read.

On the embedded platform both are files of this machine. Another provider's clusters are another
implementation of the same promises; there is none yet, and such clusters get no advice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from moorage.advisors.audit.counts import Counts
from moorage.advisors.evidence import EvidenceStore, open_store
from moorage.local.home import Home
from moorage.local.metrics import MetricsEndpoint, metrics_endpoint
from moorage.local.supervisor import in_thread
from moorage.local.usercluster import advisor_kubeconfig


class AdviceHost(Protocol):
    """Knows some clusters, by what their provider calls them."""

    def access(self, cluster_id: str) -> Path | dict[str, Any] | None:
        """Return the advisors' own access to a cluster; ``None`` when the cluster is not one of these."""

    async def open(self) -> tuple[Counts, EvidenceStore]:
        """Return what is counted, and where evidence goes.

        Raises:
            DatabaseError: the database cannot be used.
        """

    def metrics(self) -> MetricsEndpoint:
        """Return where the metrics of all clusters are kept; those of one have its name as ``cluster_id``.

        Raises:
            PlatformError: that cannot be said.
        """


class LocalAdviceHost:
    """Clusters of the embedded platform."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._opened: tuple[Counts, EvidenceStore] | None = None

    def access(self, cluster_id: str) -> Path | dict[str, Any] | None:
        """Return the kubeconfig that the platform has written beside the control plane."""
        path = advisor_kubeconfig(self._home, cluster_id)
        return path if path.exists() else None

    async def open(self) -> tuple[Counts, EvidenceStore]:
        """Return the platform's database, opened once."""
        if self._opened is None:

            def work() -> tuple[Counts, EvidenceStore]:
                store = open_store(self._home.evidence_database)
                return Counts(store.database), store

            self._opened = await in_thread(work)
        return self._opened

    def metrics(self) -> MetricsEndpoint:
        """Return the platform's own store."""
        return metrics_endpoint(self._home)
