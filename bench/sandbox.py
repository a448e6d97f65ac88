"""A platform of a benchmark's own: made from nothing, and gone afterwards, however the benchmark ends."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness import BenchError, Stopwatch, say, undisturbed
from moorage.api.meta import project_namespace
from moorage.local.home import Home
from moorage.local.management import BINARIES
from moorage.local.supervisor import platform_processes
from moorage.toolchain import ensure

PROJECT = "bench"
VERSION = "1.37"
"""What all clusters run: what the binaries are, so that a peer with the same binaries runs the same."""

COMMAND_SECONDS = 900.0
_PEER_TOOLS = ("kubectl", "kwokctl")


def tools(*names: str) -> dict[str, Path]:
    """Return the executables, got beforehand: getting them is not what is measured."""
    return asyncio.run(ensure([*BINARIES, *_PEER_TOOLS, *names]))


def run(
    argv: Iterable[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout_seconds: float = COMMAND_SECONDS,
) -> str:
    """Run a command and return what it printed.

    Raises:
        BenchError: it failed, or took too long.
    """
    words = [str(word) for word in argv]
    shown = " ".join([Path(words[0]).name, *words[1:]])
    try:
        done = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"`{shown}` takes more than {timeout_seconds:.0f} s") from None
    if done.returncode:
        raise BenchError(f"`{shown}` failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A platform in a folder of its own, and the commands that a user of it has."""

    home: Home
    kubectl_binary: Path

    def moorage(self, *arguments: str, timeout_seconds: float = COMMAND_SECONDS) -> str:
        """Run ``moorage``, as a user would: a process of its own, from its start to its end."""
        return run(
            [sys.executable, "-m", "moorage", *arguments],
            environment=self._environment,
            timeout_seconds=timeout_seconds,
        )

    def timed(self, *arguments: str) -> float:
        """Run ``moorage`` and return how many seconds it took."""
        watch = Stopwatch()
        self.moorage(*arguments)
        seconds = watch.seconds
        say(f"moorage {' '.join(arguments)}: {seconds:.1f} s")
        return seconds

    def kubectl(self, *arguments: str, kubeconfig: Path | None = None, stdin: str = "") -> str:
        """Run the real kubectl; without a kubeconfig, on the management cluster, as the platform team."""
        return run(
            [self.kubectl_binary, f"--kubeconfig={kubeconfig or self.home.admin_kubeconfig}", *arguments],
            environment={"KUBECACHEDIR": str(self.home.root / "kubectl-cache")},
            stdin=stdin,
        )

    def up(self) -> None:
        """Start the platform, with a project to make clusters in."""
        self.timed("up")
        self.moorage("project", "create", PROJECT)

    def create(self, cluster: str, *, nodes: int) -> None:
        """Make a cluster and wait until it is ready."""
        self.timed("cluster", "create", f"{PROJECT}/{cluster}", "--nodes", str(nodes), *AT_VERSION)

    def kubeconfig(self, cluster: str) -> Path:
        """Return the platform team's kubeconfig of a user cluster."""
        path = self.home.root / f"{cluster}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(self.moorage("cluster", "kubeconfig", f"{PROJECT}/{cluster}", "--admin", "--stdout"))
        return path

    def apply_clusters(self, names: Iterable[str], *, nodes: int) -> None:
        """Declare clusters, all in one request to kubectl."""
        items = [declared(name, nodes=nodes) for name in names]
        listed = {"apiVersion": "v1", "kind": "List", "items": items}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(listed))

    def await_clusters(self) -> None:
        """Wait until all clusters are ready, by their own word."""
        self.kubectl(
            "wait",
            "--for=condition=Ready",
            "kubernetesclusters",
            "--all",
            f"--namespace={project_namespace(PROJECT)}",
            "--timeout=800s",
        )

    def ready_nodes(self, kubeconfig: Path) -> int:
        """Return how many Nodes a user cluster's API server shows as Ready."""
        return len(ready_nodes(self.kubectl("get", "nodes", "-o", "json", kubeconfig=kubeconfig)))

    def await_nodes(self, kubeconfig: Path, count: int) -> None:
        """Wait until kubectl has seen all Nodes Ready, and see to it that they are as many as they should be.

        Raises:
            BenchError: they are not.
        """
        self.kubectl(
            "wait", "--for=condition=Ready", "node", "--all", "--timeout=120s", kubeconfig=kubeconfig
        )
        if (found := self.ready_nodes(kubeconfig)) != count:
            raise BenchError(f"{found} nodes are Ready, not {count}")

    def kill_everything(self) -> None:
        """End every process of the platform at once, as a power cut does."""
        processes = platform_processes(self.home)
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=30)

    @property
    def _environment(self) -> dict[str, str]:
        return {"MOORAGE_HOME": str(self.home.root)}


AT_VERSION = ("--kubernetes-version", VERSION)


def declared(name: str, *, nodes: int) -> dict[str, Any]:
    """Return a KubernetesCluster with one pool."""
    return {
        "apiVersion": "moorage.dev/v1alpha1",
        "kind": "KubernetesCluster",
        "metadata": {"name": name, "namespace": project_namespace(PROJECT)},
        "spec": {
            "version": VERSION,
            "provider": "local",
            "nodePools": [{"name": "workers", "machineType": "small", "replicas": nodes}],
        },
    }


def ready_nodes(listed: str) -> list[str]:
    """Return which Nodes are Ready, of what ``kubectl get nodes -o json`` printed."""
    return [
        node["metadata"]["name"]
        for node in json.loads(listed)["items"]
        if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))
    ]


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """Yield a platform that is not started yet; whatever becomes of it, it is gone afterwards."""
    found = tools()
    # Short: there are sockets in it.
    root = Path(tempfile.mkdtemp(prefix="mb-"))
    platform = Sandbox(Home(root), found["kubectl"])
    try:
        yield platform
    finally:
        with undisturbed():
            _remove(platform)


def _remove(platform: Sandbox) -> None:
    try:
        run(
            [sys.executable, "-m", "moorage", "down", "--delete", "--yes"],
            environment={"MOORAGE_HOME": str(platform.home.root)},
            timeout_seconds=180,
        )
    finally:
        platform.kill_everything()
        shutil.rmtree(platform.home.root, ignore_errors=True)
