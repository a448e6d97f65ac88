"""`moorage tools`, as a person runs it: what it prints, where, and how it exits."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from moorage.toolchain import Toolchain, locate
from moorage.toolchain.catalog import default_catalog
from moorage.toolchain.platforms import Platform

ETCD = default_catalog().tool("etcd")
ARCHIVE = f"etcd-v{ETCD.version}-{Platform.current().slug}"
BASE = f"/github.com/etcd-io/etcd/releases/download/v{ETCD.version}"
MAIN = "from moorage.cli.main import main; main()"


@pytest.fixture
def environment(machine, upstream, tmp_path):
    """A user who has a mirror of the releases, no Go, and nothing installed."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PATH": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "MOORAGE_TOOLS_MIRROR": upstream.url,
        "MOORAGE_TOOLS_REGISTRY": f"{upstream.host}/images",
    }


@pytest.fixture
def tools(environment):
    """Run `moorage tools`."""

    def run(*arguments, **variables):
        return subprocess.run(
            [sys.executable, "-c", MAIN, "tools", *arguments],
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.fixture
def mirror(upstream, tar_gz):
    """Put a release of etcd into the mirror."""

    def publish(content=b"an etcd"):
        suffix = "tar.gz" if sys.platform == "linux" else "zip"
        if suffix == "zip":
            pytest.skip("the archive that this test makes is Linux's")
        archive = tar_gz({f"{ARCHIVE}/etcd": content})
        upstream.serve(f"{BASE}/{ARCHIVE}.{suffix}", archive)
        digest = hashlib.sha256(archive).hexdigest()
        upstream.serve(f"{BASE}/SHA256SUMS", f"{digest}  {ARCHIVE}.{suffix}\n".encode())

    return publish


def test_the_way_of_a_tool_from_missing_to_installed_to_altered_to_mended(tools, mirror):
    mirror()
    listed = json.loads(tools("list", "-o", "json").stdout)
    assert [tool["name"] for tool in listed] == list(default_catalog().names)
    assert {tool["where"] for tool in listed} == {"missing"}

    missing = tools("path", "etcd")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr == f"error: {ETCD} is not installed\nhint: moorage tools install etcd\n"

    installed = tools("install", "etcd")
    assert installed.returncode == 0, installed.stderr
    assert "etcd: download from 127.0.0.1:" in installed.stderr
    assert f"etcd: {ETCD.version} from release in" in installed.stderr
    assert installed.stdout.splitlines()[1].split()[:4] == ["etcd", ETCD.version, "cache", "release"]

    path = tools("path", "etcd")
    assert (path.returncode, path.stderr) == (0, "")
    binary = Path(path.stdout.removesuffix("\n"))
    assert binary.read_bytes() == b"an etcd"

    assert tools("verify", "etcd").returncode == 0
    binary.write_bytes(b"something else")
    altered = tools("verify")
    assert altered.returncode == 1
    assert "hint: moorage tools install --again etcd" in altered.stderr
    assert [line.split()[0] for line in altered.stdout.splitlines() if "altered" in line] == ["etcd"]

    assert tools("install", "--again", "etcd").returncode == 0
    assert tools("verify", "etcd").returncode == 0


def test_every_way_of_printing_says_the_same(tools, mirror):
    mirror()
    tools("install", "etcd")
    as_json = json.loads(tools("list", "etcd", "-o", "json").stdout)
    as_yaml = yaml.safe_load(tools("list", "etcd", "-o", "yaml").stdout)
    assert as_json == as_yaml
    assert as_json[0]["digest"] == f"sha256:{hashlib.sha256(b'an etcd').hexdigest()}"
    assert as_json[0]["source"] == "release"
    assert tools("list", "-o", "name").stdout.split() == list(default_catalog().names)


def test_a_tool_that_cannot_be_had_exits_2_with_both_ways_out_and_no_traceback(tools):
    failed = tools("install", "etcd")
    assert failed.returncode == 2
    assert failed.stdout == ""
    error, hint = failed.stderr.splitlines()[-2:]
    assert error.startswith(f"error: {ETCD}: not available (release: ")
    assert "oci: " in error
    assert "go: there is no `go` command" in error
    assert hint.startswith("hint: connect this machine")
    assert "Traceback" not in failed.stderr


def test_a_wrong_digest_exits_2(tools, mirror, upstream):
    mirror()
    upstream.serve(f"{BASE}/{ARCHIVE}.tar.gz", b"something else")
    failed = tools("install", "etcd")
    assert failed.returncode == 2
    assert "upstream publishes sha256:" in failed.stderr
    assert "go:" not in failed.stderr, "no other source was asked"


@pytest.mark.parametrize("command", ["list", "install", "verify", "path", "lock"])
def test_an_unknown_tool_exits_2_and_names_the_known(tools, command):
    failed = tools(command, "nope")
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: nope: no such tool\nhint: the tools are etcd, ")


def test_a_setting_that_cannot_be_exits_2(tools):
    failed = tools("list", MOORAGE_TOOLS="/does/not/exist")
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: MOORAGE_TOOLS is /does/not/exist, which is not a folder\n")


def test_the_folder_of_the_user_is_shown_as_such(tools, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kubectl").touch(0o755)
    listed = json.loads(tools("list", "kubectl", "-o", "json", MOORAGE_TOOLS=str(tmp_path / "mine")).stdout)
    assert listed[0]["where"] == "MOORAGE_TOOLS"
    assert listed[0]["path"] == str(tmp_path / "mine" / "kubectl")
    verified = tools("verify", "kubectl", MOORAGE_TOOLS=str(tmp_path / "mine"))
    assert verified.returncode == 0
    (tmp_path / "mine" / "kubectl").chmod(0o644)
    failed = tools("path", "kubectl", MOORAGE_TOOLS=str(tmp_path / "mine"))
    assert failed.returncode == 2
    assert "kubectl is not executable" in failed.stderr


def test_lock_prints_lines_that_a_lock_file_takes(tools, mirror, upstream):
    mirror()
    names = [f"etcd-v{ETCD.version}-{slug}" for slug in ("linux-amd64.tar.gz", "linux-arm64.tar.gz")]
    names += [f"etcd-v{ETCD.version}-{slug}" for slug in ("darwin-amd64.zip", "darwin-arm64.zip")]
    sums = "".join(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in names)
    upstream.serve(f"{BASE}/SHA256SUMS", sums.encode())
    content = b'{"layers": []}'
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    manifests = [
        {"digest": digest, "size": len(content), "platform": {"os": "linux", "architecture": arch}}
        for arch in ("amd64", "arm64")
    ]
    base = "/v2/images/etcd/manifests"
    upstream.serve(f"{base}/{ETCD.version}-0", json.dumps({"manifests": manifests}).encode())
    upstream.serve(f"{base}/{digest}", content)
    done = tools("lock", "etcd")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == 6
    assert {(line[0], line[1]) for line in lines} == {("etcd", ETCD.version)}
    assert {line[3] for line in lines} == {"release", "oci"}


def test_a_terminal_shows_what_how_much_and_how_long(environment, mirror, upstream, answer):
    mirror(os.urandom(5_000_000))
    path = f"{BASE}/{ARCHIVE}.tar.gz"
    body = upstream.replies[path][0].body
    reply = upstream.serve(path, answer(body, halt_at=2_000_000))
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "tools", "install", "etcd"],
        env={**environment, "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    )
    os.close(terminal)
    shown = ""
    try:
        assert reply.halted.wait(20)
        deadline = time.monotonic() + 20
        while "of 5.0 MB" not in shown and time.monotonic() < deadline:
            shown += os.read(controller, 65536).decode()
        reply.go_on.set()
        while chunk := _read(controller):
            shown += chunk
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(controller)
    assert "etcd" in shown
    assert "download from 127.0.0.1" in shown
    assert "of 5.0 MB" in shown
    assert "0:00:0" in shown
    assert f"etcd: {ETCD.version} from release in" in shown


def _read(controller) -> str:
    try:
        return os.read(controller, 65536).decode()
    except OSError:  # how Linux says that the other end is closed
        return ""


def test_the_python_interface_and_the_command_agree(tools, mirror, environment, monkeypatch):
    mirror()
    tools("install", "etcd")
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, environment[name])
    assert str(locate("etcd")) == tools("path", "etcd").stdout.strip()
    assert Toolchain.from_environment().problem(ETCD) is None
