"""Releases: downloaded from a real server on loopback, by the code that downloads them from GitHub."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from moorage.toolchain.errors import DiskError, IntegrityError, ToolUnavailableError
from moorage.toolchain.lock import parse_lock
from moorage.toolchain.network import Patience
from moorage.toolchain.platforms import Platform
from moorage.toolchain.settings import Source

BIG = os.urandom(700_000)


@pytest.fixture(autouse=True)
def only_releases(machine):
    machine.allow(Source.RELEASE)


async def test_a_release_is_downloaded_checked_and_kept(machine, release, upstream):
    release(BIG)
    paths = await machine.ensure("tool")
    binary = paths["tool"]
    assert binary.read_bytes() == BIG
    assert stat.S_IMODE(binary.stat().st_mode) == 0o755
    assert machine.events.amounts[-1] == ("tool", len(BIG), len(BIG))
    assert "from release" in machine.events.outcomes["tool"]
    record = machine.toolchain.status(machine.catalog.tool("tool")).record
    assert record.origin == f"{upstream.url}/1.2.3/tool-{Platform.current().slug}"
    assert record.artifact == record.digest
    assert machine.leftovers() == []


async def test_what_is_there_is_not_asked_for_again(machine, release, upstream):
    release()
    first = await machine.ensure("tool")
    asked = len(upstream.requests)
    assert await machine.ensure("tool") == first == {"tool": machine.toolchain.locate("tool")}
    assert len(upstream.requests) == asked


async def test_the_folder_of_the_user_goes_before_everything(machine, release, upstream, tmp_path):
    release()
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "tool").write_text("#!/bin/sh\n")
    (folder / "tool").chmod(0o755)
    machine.allow(folder=folder)
    assert await machine.ensure("tool") == {"tool": folder / "tool"}
    assert upstream.requests == []


async def test_the_one_file_comes_out_of_a_tar_gz(machine, upstream, tar_gz):
    archive = tar_gz({"d-1.2.3/other": b"other", "d-1.2.3/tool": b"binary"})
    path = machine.declare_release(
        upstream, suffix=".tar.gz", member="d-{version}/tool", kind="list", checksum="/SUMS"
    )
    upstream.serve(path, archive)
    upstream.serve("/SUMS", f"{sha(archive)}  {path.rpartition('/')[2]}\n".encode())
    paths = await machine.ensure("tool")
    assert paths["tool"].read_bytes() == b"binary"
    record = machine.toolchain.status(machine.catalog.tool("tool")).record
    assert record.artifact == f"sha256:{sha(archive)}"
    assert record.digest == f"sha256:{sha(b'binary')}"


async def test_the_one_file_comes_out_of_a_zip(machine, upstream):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("d/tool", b"binary")
    path = machine.declare_release(upstream, suffix=".zip", member="d/tool", kind="github-release")
    upstream.serve(path, buffer.getvalue())
    asset = {"name": path.rpartition("/")[2], "digest": f"sha256:{sha(buffer.getvalue())}"}
    upstream.serve(f"{path}.sha256", json.dumps({"assets": [asset]}).encode())
    paths = await machine.ensure("tool")
    assert paths["tool"].read_bytes() == b"binary"


async def test_a_wrong_digest_is_refused_and_no_other_source_is_asked(machine, release, upstream):
    path = release(b"what was built")
    upstream.serve(path, b"what was put in its place")
    machine.allow(Source.RELEASE, Source.OCI, Source.GO)
    with pytest.raises(IntegrityError) as caught:
        await machine.ensure("tool")
    assert sha(b"what was built") in caught.value.message
    assert sha(b"what was put in its place") in caught.value.message
    assert caught.value.hint
    assert machine.installed() == machine.leftovers() == machine.events.notes == []
    assert not machine.settings.user_lock.exists()


async def test_what_was_once_seen_must_not_change_upstream(machine, release):
    release(b"first")
    await machine.ensure("tool")
    remembered = parse_lock(machine.settings.user_lock.read_text(), machine.settings.user_lock)
    assert list(remembered.values()) == [f"sha256:{sha(b'first')}"]

    release(b"changed, with a digest to match")
    with pytest.raises(IntegrityError, match="upstream has changed it") as caught:
        await machine.ensure("tool", again=True)
    assert str(machine.settings.user_lock) in caught.value.message
    assert machine.toolchain.locate("tool").read_bytes() == b"first"


async def test_the_committed_lock_file_goes_before_what_upstream_says(
    machine, release, upstream, monkeypatch
):
    path = release(b"binary")
    committed = machine.root / "committed.lock"
    committed.write_text(f"tool 1.2.3 {Platform.current()} release sha256:{sha(b'binary')}\n")
    monkeypatch.setattr("moorage.toolchain.inventory.Locks", _locks_with(committed))
    await machine.ensure("tool")
    assert upstream.requests == [path], "the digest is known: nobody is asked for it"


def _locks_with(committed):
    from moorage.toolchain.lock import Locks

    return lambda user: Locks(user, committed=committed)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_server_that_hiccups_is_asked_again(machine, release, upstream, status, answer):
    path = release(BIG, "tool", answer(b"oops", status), answer(b"oops", status), answer(BIG))
    assert (await machine.ensure("tool"))["tool"].read_bytes() == BIG
    assert upstream.count(path) == 3


async def test_a_server_that_says_when_is_asked_then(machine, release, answer):
    release(b"binary", "tool", answer(b"", 503, {"Retry-After": "1"}), answer(b"binary"))
    began = time.monotonic()
    await machine.ensure("tool")
    assert time.monotonic() - began >= 1


async def test_a_server_that_only_hiccups_is_given_up(machine, release, upstream, answer):
    path = release(b"binary", "tool", answer(b"oops", 500))
    with pytest.raises(ToolUnavailableError, match=r"release: 127.0.0.1:\d+: answered 500, 3 times"):
        await machine.ensure("tool")
    assert upstream.count(path) == 3


async def test_a_connection_that_breaks_is_made_again_from_the_start(machine, release, upstream, answer):
    path = release(BIG, "tool", answer(BIG, cut_at=300_000), answer(BIG))
    assert (await machine.ensure("tool"))["tool"].read_bytes() == BIG
    assert upstream.count(path) == 2


async def test_a_body_that_ends_early_without_a_length_is_refused(machine, release, answer):
    release(BIG, "tool", answer(BIG[:300_000], says_length=False))
    with pytest.raises(IntegrityError):
        await machine.ensure("tool")
    assert machine.installed() == machine.leftovers() == []


async def test_a_server_that_falls_silent_is_not_waited_for_forever(machine, release, answer):
    release(BIG, "tool", answer(BIG, halt_at=1000))
    patience = Patience(connect_seconds=1, silence_seconds=0.2, pauses_seconds=(0.01,))
    with pytest.raises(ToolUnavailableError, match=r"silent for 0.2 s, 2 times"):
        await machine.ensure("tool", patience=patience)


async def test_redirects_are_followed(machine, release, new_upstream, answer):
    cdn = new_upstream()
    cdn.serve("/blob", BIG)
    release(BIG, "tool", answer(b"", 302, {"Location": f"{cdn.url}/blob?signature=x"}))
    assert (await machine.ensure("tool"))["tool"].read_bytes() == BIG


@pytest.mark.parametrize(
    ("location", "complaint"),
    [
        ("http://example.invalid/tool", "only https is trusted"),
        ("{self}", "redirects"),
        ("ftp://x/y", "only https"),
    ],
)
async def test_redirects_to_where_nothing_is_trusted_are_not(
    machine, release, upstream, location, complaint, answer
):
    path = release(BIG)
    upstream.serve(path, answer(b"", 302, {"Location": location.format(self=upstream.url + path)}))
    with pytest.raises(ToolUnavailableError, match=complaint):
        await machine.ensure("tool")


async def test_a_release_that_is_not_there_is_one_source_that_has_nothing(machine, upstream):
    machine.declare_release(upstream)
    with pytest.raises(ToolUnavailableError, match=r"release: .*says 404 Not Found"):
        await machine.ensure("tool")


async def test_a_release_without_a_digest_is_not_used(machine, release, upstream):
    path = release(BIG)
    upstream.serve(f"{path}.sha256", b"<html>maintenance</html>")
    with pytest.raises(ToolUnavailableError, match="publishes no sha256"):
        await machine.ensure("tool")
    assert upstream.count(path) == 0


async def test_a_mirror_is_asked_in_place_of_every_host(machine, upstream):
    machine.declare_release(type("Far", (), {"url": "https://far.example.invalid"}))
    path = f"/copies/far.example.invalid/1.2.3/tool-{Platform.current().slug}"
    upstream.serve(path, b"binary")
    upstream.serve(f"{path}.sha256", sha(b"binary").encode())
    machine.allow(mirror=f"{upstream.url}/copies")
    assert (await machine.ensure("tool"))["tool"].read_bytes() == b"binary"


async def test_netrc_logs_in_to_the_host_it_names_only(
    machine, release, upstream, new_upstream, monkeypatch, answer
):
    elsewhere = new_upstream()
    elsewhere.serve("/blob", b"binary")
    release(b"binary", "tool", answer(b"", 302, {"Location": f"{elsewhere.url}/blob"}))
    netrc = machine.root / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    await machine.ensure("tool")
    assert all(headers.get("authorization") == "Basic bWU6c2VjcmV0" for headers in upstream.headers)
    assert all("authorization" not in headers for headers in elsewhere.headers)


async def test_downloads_run_side_by_side(machine, release, answer):
    halted = [answer(b"binary", halt_at=3) for _ in range(3)]
    for number, reply in enumerate(halted):
        release(b"binary", f"tool{number}", reply)
    work = asyncio.create_task(machine.ensure(patience=Patience(silence_seconds=30, pauses_seconds=())))
    for reply in halted:
        assert await asyncio.to_thread(reply.halted.wait, 10)
    for reply in halted:
        reply.go_on.set()
    assert sorted(await work) == ["tool0", "tool1", "tool2"]


async def test_the_first_grave_error_stops_the_other_downloads(machine, release, upstream, answer):
    release(BIG, "slow", answer(BIG, halt_at=1000))
    path = release(b"right", "wrong")
    upstream.serve(path, b"wrong")
    with pytest.raises(IntegrityError):
        await machine.ensure(patience=Patience(silence_seconds=60))
    assert machine.installed() == machine.leftovers() == []


class BlackHole:
    """An address that takes no connection and refuses none, as a firewall makes them."""

    def __init__(self):
        self._server = socket.socket()
        self._server.bind(("127.0.0.1", 0))
        self._server.listen(0)
        self.host = f"127.0.0.1:{self._server.getsockname()[1]}"
        self.url = f"http://{self.host}"
        self._fill = []
        while True:
            one = socket.socket()
            one.settimeout(0.3)
            self._fill.append(one)
            try:
                one.connect(self._server.getsockname())
            except TimeoutError:
                break

    def close(self):
        for one in (*self._fill, self._server):
            one.close()


@pytest.fixture
def black_hole():
    hole = BlackHole()
    yield hole
    hole.close()


async def test_with_no_way_out_many_tools_fail_as_fast_as_one(machine, black_hole):
    for number in range(24):
        machine.declare_release(black_hole, f"tool{number}")
    began = time.monotonic()
    with pytest.raises(ToolUnavailableError) as caught:
        await machine.ensure(patience=Patience(connect_seconds=1))
    assert time.monotonic() - began < 4, "1 s for all, and not for each"
    assert len(caught.value.message.splitlines()) == 1, "the same reason is told once, for all of them"
    assert "tool0 1.2.3, tool1 1.2.3" in caught.value.message
    silence = f"{black_hole.host} cannot be reached (no answer in 1 s)"
    assert silence in caught.value.message
    assert machine.events.announced == [silence, *machine.events.announced[1:]]
    assert not any(black_hole.host in said for said in machine.events.announced[1:])
    assert machine.events.notes == [], "what no tool is to blame for is said once, and of none"
    assert "MOORAGE_TOOLS" in caught.value.hint


async def test_tools_that_differ_in_why_they_are_not_there_are_told_by_source(machine, upstream):
    machine.declare_release(upstream, "gone")
    machine.declare_image("127.0.0.1:1/imaged:v1", "imaged")
    machine.allow(Source.RELEASE, Source.OCI)
    with pytest.raises(ToolUnavailableError) as caught:
        await machine.ensure()
    tools, releases, images = caught.value.message.splitlines()
    assert tools == "not available: gone 1.2.3, imaged 1.2.3"
    assert re.fullmatch(r"  release: .* says 404 Not Found: gone; upstream publishes none: imaged", releases)
    assert re.fullmatch(r"  oci: upstream publishes none: gone; 127.0.0.1:1 cannot be .*: imaged", images)


async def test_a_host_that_refuses_connections_is_told(machine):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    machine.declare_release(type("Down", (), {"url": address}))
    with pytest.raises(ToolUnavailableError, match="cannot be reached"):
        await machine.ensure("tool")


def sha(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def tls(tmp_path):
    """A CA of one's own and a server's context under it."""
    now = datetime.now(UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a corporate CA")])

    def certificate(subject, public_key, *extensions):
        builder = x509.CertificateBuilder(
            ca_name,
            subject,
            public_key,
            x509.random_serial_number(),
            now - timedelta(days=1),
            now + timedelta(1),
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(ca_key, hashes.SHA256())

    ca = certificate(
        ca_name,
        ca_key.public_key(),
        x509.BasicConstraints(ca=True, path_length=None),
        x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()),
    )
    leaf = certificate(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mirror")]),
        key.public_key(),
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
    )
    pem = serialization.Encoding.PEM
    (tmp_path / "ca.pem").write_bytes(ca.public_bytes(pem))
    (tmp_path / "server.pem").write_bytes(
        leaf.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    return context


@pytest.fixture
def tls_release(machine, new_upstream, tls):
    server = new_upstream(tls)
    path = machine.declare_release(server)
    server.serve(path, b"binary")
    server.serve(f"{path}.sha256", sha(b"binary").encode())
    return server


async def test_a_certificate_of_a_ca_that_is_trusted_is(machine, tls_release, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert (await machine.ensure("tool"))["tool"].read_bytes() == b"binary"


async def test_a_certificate_of_anybody_is_not_and_the_remedy_is_named(machine, tls_release):
    with pytest.raises(ToolUnavailableError, match=r"certificate is not trusted here.*SSL_CERT_FILE"):
        await machine.ensure("tool")
    assert tls_release.requests == []


FULL_DISK = """
mount -t tmpfs -o size=1m none "$1" || exit 77
exec "$2" -c 'from moorage.cli.main import main; main()' tools install etcd
"""


def test_a_full_disk_is_one_clear_error_that_names_the_folder(machine, upstream, tmp_path, tar_gz):
    """On a real file system of one megabyte, in a mount namespace of its own."""
    if sys.platform != "linux" or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("needs Linux user namespaces")
    slug = Platform.current().slug
    archive = tar_gz({f"etcd-v3.7.0-{slug}/etcd": os.urandom(3_000_000)})
    base = "/github.com/etcd-io/etcd/releases/download/v3.7.0"
    upstream.serve(f"{base}/etcd-v3.7.0-{slug}.tar.gz", archive)
    upstream.serve(f"{base}/SHA256SUMS", f"{sha(archive)}  etcd-v3.7.0-{slug}.tar.gz\n".encode())
    full = tmp_path / "full"
    full.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "XDG_CACHE_HOME": str(full),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "MOORAGE_TOOLS_MIRROR": upstream.url,
    }
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", FULL_DISK, "sh", str(full), sys.executable],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode == 77:
        pytest.skip("this kernel lets no user mount a tmpfs")
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith(("error:", "hint:"))]
    assert errors == [
        f"error: {full}/moorage/tools: no space left for tools",
        "hint: free some space, or set XDG_CACHE_HOME to another disk",
    ]


async def test_a_cache_that_cannot_be_made_is_said_with_its_path(machine, release):
    release()
    machine.settings.cache_dir.write_text("a file in the way")
    with pytest.raises(DiskError, match=str(machine.settings.cache_dir)) as caught:
        await machine.ensure("tool")
    assert "XDG_CACHE_HOME" in caught.value.hint
