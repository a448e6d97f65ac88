"""A real OCI registry on loopback, and `moorage policy bundle`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from moorage.cli.main import run as main
from moorage.errors import ExitCode
from moorage.toolchain import ensure
from moorage.toolchain.errors import ToolUnavailableError

from ..registries import Running, registries


class Registry(Running):
    """A registry, and where a test's things are in it."""

    def reference(self, tag: str = "1.0") -> str:
        """A reference in a repository that no other test has."""
        return f"{self.host}/test/{secrets.token_hex(6)}:{tag}"

    def file(self, digest: str) -> Path:
        """Where a blob is on the registry's disk."""
        hexadecimal = digest.removeprefix("sha256:")
        return self.folder / f"docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data"

    def alter(self, digest: str) -> None:
        """Change one byte of a blob, as a burglar would: a manifest is still one that the registry serves."""
        content = self.file(digest).read_bytes()
        changed = content.replace(b'"true"', b'"TRUE"', 1)
        if changed == content:
            changed = bytes([content[0] ^ 1]) + content[1:]
        self.file(digest).write_bytes(changed)

    def manifest(self, reference: str) -> dict[str, Any]:
        """What is at a reference."""
        name, _, selector = reference.removeprefix(f"{self.host}/").replace("@", ":", 1).partition(":")
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        url = f"http://{self.host}/v2/{name}/manifests/{selector}"
        return httpx2.get(url, headers=accept, trust_env=False).raise_for_status().json()


@pytest.fixture(scope="session")
def gator() -> Path:
    """Gatekeeper's engine."""
    return asyncio.run(ensure(["gator"]))["gator"]


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what `moorage policy` runs: a test with a cache of its own has none there."""
    folder = tmp_path_factory.mktemp("tools")
    for name, path in asyncio.run(ensure(["gator", "helm", "kubectl"])).items():
        (folder / name).symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def start_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Registry]]:
    """`start_registry(auth=None)`: one of its own; none survives the session."""
    try:
        binary = asyncio.run(ensure(["registry"]))["registry"]
    except ToolUnavailableError as error:
        pytest.skip(error.message)
    with registries(binary, lambda: tmp_path_factory.mktemp("registry")) as start:

        def start_ours(auth: dict[str, Any] | None = None) -> Registry:
            running = start(auth)
            return Registry(running.host, running.folder, running.process)

        yield start_ours


@pytest.fixture(scope="session")
def registry(start_registry: Callable[..., Registry]) -> Registry:
    """The registry that tests share, each with a repository of its own."""
    return start_registry()


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    stdout: str
    stderr: str


Bundle = Callable[..., Done]


@pytest.fixture
def bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tools: Path
) -> Bundle:
    """`bundle("push", ...)`: `moorage policy bundle`, with a cache, logins and a password of the test's own.

    It must succeed unless `code=` says how else it ends; then it says one error.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOORAGE_POLICY_KEYS", raising=False)
    for name, value in {
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "MOORAGE_TOOLS": str(tools),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "COSIGN_PASSWORD": "s3cret",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object, code: int = 0, **environ: str) -> Done:
        capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            ended = main(["policy", "bundle", *map(str, arguments)])
        done = Done(*capsys.readouterr())
        assert ended == code, f"{arguments} ended with {ended}:\n{done.stdout}\n{done.stderr}"
        if code == ExitCode.FAILURE:
            assert done.stdout == ""
            said = [line.partition(":")[0] for line in done.stderr.splitlines()]
            assert said in (["error"], ["error", "hint"]), done.stderr
        return done

    return run
