"""The script that starts kwok: it waits for the API server, and takes the nodes' old Leases away first."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from moorage.local import kubelets
from moorage.local.pki import Leaf, PkiFolder

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
UNREADY = 503
SECONDS = 30


class ApiServer(ThreadingHTTPServer):
    """Answers as an API server does that becomes ready at the third question."""

    def __init__(self, pki: PkiFolder, *, deletion: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.deletion = deletion
        self.asked: list[tuple[str, str, str]] = []
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki.certificate("ca")))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(str(pki.certificate("server")), str(pki.key("server")))
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def answer(self) -> None:
        subject = dict(item[0] for item in self.connection.getpeercert()["subject"])
        self.server.asked.append((self.command, self.path, subject["commonName"]))
        ready = sum(path == "/readyz" for _, path, _ in self.server.asked) >= 3
        status = self.server.deletion if self.command == "DELETE" else (200 if ready else UNREADY)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_DELETE = answer  # noqa: N815 - the names that the base class calls

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def pki(tmp_path: Path) -> PkiFolder:
    folder = PkiFolder(tmp_path / "pki")
    authority = folder.authority("ca", "test CA")
    folder.leaf("server", authority, Leaf("server", hosts=("127.0.0.1",), client=False))
    folder.leaf("kwok", authority, Leaf("moorage:kwok"))
    return folder


def serve(server: ApiServer) -> Iterator[ApiServer]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(params=[200, 403])
def api_server(pki: PkiFolder, request: pytest.FixtureRequest) -> Iterator[ApiServer]:
    yield from serve(ApiServer(pki, deletion=request.param))


def start(server: ApiServer, pki: PkiFolder, *command: str) -> subprocess.CompletedProcess[str]:
    options = {
        "server": server.address,
        "authority": pki.certificate("ca"),
        "certificate": pki.certificate("kwok"),
        "key": pki.key("kwok"),
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return subprocess.run(
        [sys.executable, "-I", "-S", kubelets.__file__, *flags, "--", *command],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_kwok_starts_when_the_api_server_is_ready_and_the_old_leases_are_gone(
    api_server: ApiServer, pki: PkiFolder
) -> None:
    done = start(api_server, pki, "/bin/echo", "--a=1", "b c")
    assert (done.returncode, done.stdout) == (0, "--a=1 b c\n")
    assert [(method, path) for method, path, _ in api_server.asked] == [
        ("GET", "/readyz"),
        ("GET", "/readyz"),
        ("GET", "/readyz"),
        ("DELETE", LEASES),
    ]
    assert {user for *_, user in api_server.asked} == {"moorage:kwok"}
    assert ("could not be taken away: 403" in done.stderr) is (api_server.deletion == 403)


def test_the_process_that_was_started_is_kwok_itself(api_server: ApiServer, pki: PkiFolder) -> None:
    """A supervisor that ends it must end kwok, not a parent of it."""
    done = start(api_server, pki, sys.executable, "-c", "import sys; sys.exit(7)")
    assert done.returncode == 7
