"""kwokctl: what else makes a simulated cluster on a machine without containers, here of the same binaries.

It runs etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok for each cluster, and that is
all: no Cluster API, no machines, no tenancy; etcd without TLS, no audit log, no encryption at rest.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import BenchError, Stopwatch, say, undisturbed
from sandbox import ready_nodes, run, tools

NAME = "kwokctl"
_SECONDS = 300.0
_FLAGS = {
    "etcd": "etcd",
    "kube-apiserver": "kube-apiserver",
    "kube-controller-manager": "kube-controller-manager",
    "kube-scheduler": "kube-scheduler",
    "kwok-controller": "kwok",
}


@dataclass(frozen=True, slots=True)
class Kwokctl:
    """kwokctl, with a folder of its own for what it makes."""

    folder: Path
    binaries: dict[str, Path]

    def create(self, cluster: str) -> None:
        """Make a cluster and wait until it is ready."""
        binaries = [f"--{flag}-binary={self.binaries[tool]}" for flag, tool in _FLAGS.items()]
        self._run(
            "create", "cluster", "--name", cluster, "--runtime=binary", *binaries, "--wait=60s",
            f"--kubeconfig={self.kubeconfig(cluster)}",
        )  # fmt: skip

    def scale(self, cluster: str, nodes: int) -> None:
        """Give a cluster so many nodes."""
        self._run("scale", "node", "--name", cluster, "--replicas", str(nodes))

    def await_nodes(self, cluster: str, count: int) -> None:
        """Wait until kubectl has seen all Nodes Ready, and see to it that they are so many."""
        self.kubectl(cluster, "wait", "--for=condition=Ready", "node", "--all", "--timeout=120s")
        if (found := len(ready_nodes(self.kubectl(cluster, "get", "nodes", "-o", "json")))) != count:
            raise BenchError(f"{NAME}: {found} nodes are Ready, not {count}")

    def make(self, cluster: str, nodes: int) -> float:
        """Make a cluster with nodes; return the seconds until kubectl has seen all of them Ready."""
        watch = Stopwatch()
        self.create(cluster)
        self.scale(cluster, nodes)
        self.await_nodes(cluster, nodes)
        seconds = watch.seconds
        say(f"{NAME}: {cluster} with {nodes} nodes: {seconds:.1f} s")
        return seconds

    def delete(self, cluster: str) -> None:
        """Remove a cluster."""
        self._run("delete", "cluster", "--name", cluster, f"--kubeconfig={self.kubeconfig(cluster)}")

    def clusters(self) -> list[str]:
        """Return the clusters that there are."""
        return sorted(path.name for path in (self.folder / "clusters").glob("*"))

    def pids(self, cluster: str) -> list[int]:
        """Return a cluster's processes."""
        files = (self.folder / "clusters" / cluster / "pids").glob("*.pid")
        return [int(path.read_text()) for path in files]

    def kubeconfig(self, cluster: str) -> Path:
        """Return where a cluster's kubeconfig is."""
        return self.folder / f"{cluster}.kubeconfig"

    def kubectl(self, cluster: str, *arguments: str) -> str:
        """Run kubectl on a cluster."""
        return run(
            [self.binaries["kubectl"], f"--kubeconfig={self.kubeconfig(cluster)}", *arguments],
            environment={"KUBECACHEDIR": str(self.folder / "kubectl-cache")},
        )

    def _run(self, *arguments: str) -> None:
        run(
            [self.binaries["kwokctl"], *arguments],
            environment={"KWOK_WORKDIR": str(self.folder)},
            timeout_seconds=_SECONDS,
        )


@contextmanager
def kwokctl() -> Iterator[Kwokctl]:
    """Yield kwokctl; the clusters that it has made are gone afterwards."""
    peer = Kwokctl(Path(tempfile.mkdtemp(prefix="kb-")), tools())
    try:
        yield peer
    finally:
        with undisturbed(), ThreadPoolExecutor() as pool:
            list(pool.map(peer.delete, peer.clusters()))
        shutil.rmtree(peer.folder, ignore_errors=True)
