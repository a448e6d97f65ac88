"""One platform for all end-to-end tests, started and asked through the command line, as a person does it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from moorage.local.home import Home
from moorage.local.supervisor import platform_processes
from moorage.toolchain import locate

from .waiting import eventually

GOING_SECONDS = 120
COMMAND_SECONDS = 400

NewHome = Callable[[], AbstractContextManager[Home]]


@dataclass(frozen=True)
class Moorage:
    """`moorage(...)` runs a command; it must succeed unless ``check=False``."""

    home: Home
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def environ(self) -> dict[str, str]:
        """What a command finds: this platform, and a person's home that is the test's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
        kept |= {name: os.environ[name] for name in ("MOORAGE_TOOLS", "MOORAGE_PORTS") if name in os.environ}
        own = {
            "MOORAGE_HOME": str(self.home.root),
            "KUBECONFIG": str(self.kubeconfig),
            # The cache of tools stays where it is; everything else of a person is the test's own.
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
            "HOME": str(self.folder),
            "KUBECACHEDIR": str(self.folder / "kubectl-cache"),
        }
        return {**kept, **own, **self.environment}

    @property
    def kubeconfig(self) -> Path:
        """Where kubeconfigs go when nothing else is said."""
        return self.folder / "kubeconfig"

    def using(self, **environment: str) -> Moorage:
        """Return the same with other variables."""
        return Moorage(self.home, self.folder, {**self.environment, **environment})

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and return at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "moorage", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environ(),
        )

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*arguments)
        try:
            stdout, stderr = process.communicate(timeout=COMMAND_SECONDS)
        except BaseException:
            process.kill()
            raise
        done = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
        assert not check or done.returncode == 0, f"moorage {' '.join(arguments)}: {stderr or stdout}"
        return done

    def json(self, *arguments: str) -> Any:
        """Run a command with ``-o json`` and return what it printed."""
        return json.loads(self(*arguments, "-o", "json").stdout)

    def kubectl(
        self, *arguments: str, check: bool = True, stdin: str = "", kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl."""
        done = subprocess.run(
            [locate("kubectl"), *([f"--kubeconfig={kubeconfig}"] if kubeconfig else []), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=self.folder,
            env=self.environ(),
        )
        assert not check or done.returncode == 0, (
            f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}"
        )
        return done


@pytest.fixture(scope="session")
def platform(new_home: NewHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moorage]:
    """A platform that a person started; at the end it is taken away, and nothing of it is left."""
    with new_home() as home:
        moorage = Moorage(home, tmp_path_factory.mktemp("person"))
        moorage("tools", "install")
        moorage("up")
        yield moorage
        _assert_clusters_go(moorage)
        moorage("down", "--delete", "--yes")
        assert not platform_processes(home)
        assert not home.root.exists() or not list(home.root.iterdir())


@pytest.fixture
def moorage(platform: Moorage, tmp_path: Path) -> Moorage:
    """The command line of a person whose kubeconfig is still empty."""
    return Moorage(platform.home, tmp_path)


@pytest.fixture
def project(moorage: Moorage) -> Iterator[str]:
    """A project of the test's own, with members ada (owner), ed (editor) and bob (viewer)."""
    with _project(moorage) as name:
        yield name


@pytest.fixture(scope="module")
def common_project(platform: Moorage) -> Iterator[str]:
    """One that looks the same, for tests that change nothing of it."""
    with _project(platform) as name:
        yield name


@contextmanager
def _project(moorage: Moorage) -> Iterator[str]:
    name = f"e2e-{secrets.token_hex(4)}"
    moorage("project", "create", name, "--owner", "ada")
    for user, role in (("ed", "editor"), ("bob", "viewer")):
        moorage("project", "member", "add", name, user, "--role", role)
    yield name
    clusters = _clusters(moorage, "-p", name)
    for cluster in clusters:
        # Nobody has to wait for it here: that all of them go is seen at the end. It may be gone by now.
        moorage("cluster", "delete", cluster, "--yes", "--no-wait", check=False)
    if not clusters:
        moorage("project", "delete", name, "--yes")


def _assert_clusters_go(moorage: Moorage) -> None:
    """See that clusters go.

    One that was deleted while its first machine was being made may stay for minutes, as Cluster API's pauses
    grow (docs/explanation/why-cluster-api.md): it has to be on its way, and is not waited for.
    """
    for cluster in _clusters(moorage, "--all"):
        moorage("cluster", "delete", cluster, "--yes", "--no-wait", check=False)
    eventually(lambda: not _clusters(moorage, "--all"), seconds=GOING_SECONDS, between=2)
    left = [item["metadata"] for item in moorage.json("cluster", "list", "--all")["items"]]
    assert all(metadata.get("deletionTimestamp") for metadata in left)
    assert len(left) <= 2, [metadata["name"] for metadata in left]


def _clusters(moorage: Moorage, *arguments: str) -> list[str]:
    found = [item["metadata"] for item in moorage.json("cluster", "list", *arguments)["items"]]
    return [f"{item['namespace'].removeprefix('project-')}/{item['name']}" for item in found]
