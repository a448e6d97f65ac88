"""A machine of one's own, an upstream that misbehaves on demand, and a real registry; all on loopback."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from moorage.toolchain.catalog import Catalog, load_catalog
from moorage.toolchain.installer import Installer
from moorage.toolchain.inventory import Toolchain
from moorage.toolchain.network import Patience
from moorage.toolchain.platforms import Platform
from moorage.toolchain.settings import Settings, Source

QUICK = Patience(pauses_seconds=(0.01, 0.02))


@dataclass
class Reply:
    """One answer of an upstream."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    """Close the connection after so many bytes, having promised all."""
    says_length: bool = True
    halt_at: int | None = None
    """After so many bytes, wait for `go_on`."""
    go_on: threading.Event = field(default_factory=threading.Event)
    halted: threading.Event = field(default_factory=threading.Event)


class Upstream:
    """An HTTP server whose every answer is decided by the test; the last reply for a path repeats."""

    def __init__(self, context: ssl.SSLContext | None = None):
        self.replies: dict[str, list[Reply]] = {}
        self.requests: list[str] = []
        self.targets: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._open: list[Reply] = []
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                upstream.answer(self)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None
        scheme = "https" if context else "http"
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{scheme}://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def serve(self, path: str, *replies: Reply | bytes) -> Reply:
        """Answer a path; return the last reply."""
        made = [Reply(reply) if isinstance(reply, bytes) else reply for reply in replies]
        self.replies[path] = made
        self._open += made
        return made[-1]

    def count(self, path: str) -> int:
        return self.requests.count(path)

    def close(self):
        for reply in self._open:
            reply.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler):
        path = handler.path.partition("?")[0]
        self.requests.append(path)
        self.targets.append(handler.path)
        self.headers.append({key.lower(): value for key, value in handler.headers.items()})
        replies = self.replies.get(path) or [Reply(b"not here", 404)]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        body = reply.body
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if reply.says_length:
            handler.send_header("Content-Length", str(len(body)))
        else:
            handler.send_header("Connection", "close")
            handler.close_connection = True
        handler.end_headers()
        body = body if reply.cut_at is None else body[: reply.cut_at]
        if reply.halt_at is not None:
            handler.wfile.write(body[: reply.halt_at])
            handler.wfile.flush()
            reply.halted.set()
            reply.go_on.wait(60)
            body = body[reply.halt_at :]
        handler.wfile.write(body)
        if reply.cut_at is not None:
            handler.close_connection = True


@pytest.fixture
def upstream():
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def new_upstream():
    """Start more upstreams, with TLS if a context is given."""
    servers = []

    def start(context=None):
        servers.append(Upstream(context))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@dataclass
class Events:
    """A `Progress` that remembers."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    amounts: list[tuple[str, int, int | None]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)

    def started(self, tool, step, unit):
        self.steps.append((tool, step))

    def advanced(self, tool, done, total):
        self.amounts.append((tool, done, total))

    def note(self, tool, text):
        self.notes.append((tool, text))

    def announce(self, text):
        self.announced.append(text)

    def finished(self, tool, outcome):
        self.outcomes[tool] = outcome


@dataclass
class Machine:
    """A machine with its own cache, lock file and catalog."""

    root: Path
    settings: Settings
    tables: list[str] = field(default_factory=list)
    events: Events = field(default_factory=Events)

    @property
    def catalog_file(self) -> Path:
        return self.root / "tools.toml"

    @property
    def graphs(self) -> Path:
        return self.root / "graphs"

    @property
    def cache(self) -> Path:
        return self.settings.tools_dir

    def declare(self, table: str):
        """Add a tool's declaration."""
        self.tables.append(table)
        self.catalog_file.write_text("\n".join(self.tables))

    def declare_release(self, upstream, name="tool", *, suffix="", member="", kind="digest", checksum=""):
        """Add a tool that an upstream releases, and return the path of its download."""
        member = f'member = "{member}"' if member else ""
        checksum = checksum or "/{version}/" + f"{name}-{{os}}-{{arch}}{suffix}.sha256"
        self.declare(
            f"""
[[tool]]
name = "{name}"
version = "1.2.3"
summary = "a tool"
[[tool.release]]
platforms = ["linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"]
url = "{upstream.url}/{{version}}/{name}-{{os}}-{{arch}}{suffix}"
{member}
checksum.url = "{upstream.url}{checksum}"
checksum.format = "{kind}"
"""
        )
        return f"/1.2.3/{name}-{Platform.current().slug}{suffix}"

    def declare_image(self, reference, name="tool", file="/bin/tool"):
        self.declare(
            f"""
[[tool]]
name = "{name}"
version = "1.2.3"
summary = "a tool"
[tool.image]
reference = "{reference}"
file = "{file}"
"""
        )

    def declare_go(self, graph, package, name="tool", ldflags=()):
        self.declare(
            f"""
[[tool]]
name = "{name}"
version = "1.2.3"
summary = "a tool"
[tool.go]
graph = "{graph}"
module = "{package}"
package = "{package}"
ldflags = {json.dumps(list(ldflags))}
"""
        )

    def allow(self, *sources: Source, **settings):
        self.settings = replace(self.settings, sources=sources or self.settings.sources, **settings)

    @property
    def catalog(self) -> Catalog:
        return load_catalog(self.catalog_file, graphs_dir=self.graphs)

    @property
    def toolchain(self) -> Toolchain:
        return Toolchain(self.catalog, self.settings, Platform.current())

    async def ensure(self, *names, again=False, patience=QUICK):
        """Do what `moorage tools install` does."""
        installer = Installer(self.toolchain, patience)
        return await installer.ensure(names, progress=self.events, again=again)

    def leftovers(self) -> list[str]:
        """What is in the cache beside whole tools and lock files."""
        return sorted(path.name for path in (self.cache / ".partial").glob("*"))

    def installed(self) -> list[str]:
        return sorted(path.name for path in self.cache.glob("[!.]*/*/*") if path.name != "record.json")

    def process(self, *names, again=False) -> tuple[list[str], dict[str, str]]:
        """Return the argv and environment of a process that ensures tools."""
        job = {
            "catalog": str(self.catalog_file),
            "graphs": str(self.graphs),
            "cache_dir": str(self.settings.cache_dir),
            "state_dir": str(self.settings.state_dir),
            "sources": [str(source) for source in self.settings.sources],
            "names": names,
            "again": again,
        }
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return [sys.executable, "-c", _PROCESS, json.dumps(job)], environment


_PROCESS = """
import asyncio, json, signal, sys
from pathlib import Path
from moorage.toolchain.catalog import load_catalog
from moorage.toolchain.errors import ToolchainError
from moorage.toolchain.installer import Installer
from moorage.toolchain.inventory import Toolchain
from moorage.toolchain.platforms import Platform
from moorage.toolchain.settings import Settings, Source

# Whoever runs the tests in the background has it ignored in all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
job = json.loads(sys.argv[1])
settings = Settings(
    Path(job["cache_dir"]), Path(job["state_dir"]), sources=tuple(Source(s) for s in job["sources"])
)

class Progress:
    def started(self, tool, step, unit): print("step", tool, step, flush=True)
    def advanced(self, tool, done, total): print("amount", tool, done, total, flush=True)
    def note(self, tool, text): print("note", tool, text, flush=True)
    def announce(self, text): print("announced", text, flush=True)
    def finished(self, tool, outcome): print("done", tool, outcome, flush=True)

catalog = load_catalog(Path(job["catalog"]), graphs_dir=Path(job["graphs"]))
installer = Installer(Toolchain(catalog, settings, Platform.current()))
try:
    asyncio.run(installer.ensure(job["names"], progress=Progress(), again=job["again"]))
except ToolchainError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose user has no settings of their own, and whose catalog is empty."""
    for name in [name for name in os.environ if name.startswith("MOORAGE_") or name.endswith("_PROXY")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    settings = Settings(cache_dir=tmp_path / "cache", state_dir=tmp_path / "state")
    return Machine(tmp_path, settings)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def tar_gz():
    """Make an archive of files."""

    def make(files: dict[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()

    return make


@pytest.fixture
def release(machine, upstream):
    """Declare a tool, and publish it and its digest; publishing again is a change upstream."""

    def publish(content: bytes = b"a binary", name: str = "tool", *replies: Reply) -> str:
        path = f"/1.2.3/{name}-{Platform.current().slug}"
        if not any(f'name = "{name}"' in table for table in machine.tables):
            machine.declare_release(upstream, name)
        upstream.serve(path, *(replies or [content]))
        upstream.serve(f"{path}.sha256", sha256(content).encode())
        return path

    return publish


@pytest.fixture
def spawn(machine):
    """Start processes that ensure tools; none survives the test."""
    started = []

    def start(*names, environment=None):
        argv, inherited = machine.process(*names)
        process = subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**inherited, **(environment or {})},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_until(condition, seconds: float = 20, what: str = "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what or condition} has not come true within {seconds:g} s")
        time.sleep(0.02)


@pytest.fixture
def until():
    return wait_until


@pytest.fixture
def answer():
    """Make an upstream's answer."""
    return Reply
