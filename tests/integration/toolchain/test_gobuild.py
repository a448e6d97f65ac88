"""Builds: by the real `go`, of small modules, some of them from a module proxy on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import os
import shutil
import signal
import subprocess
import sys
import zipfile

import psutil
import pytest

from moorage.toolchain.errors import DiskError, IntegrityError, ToolUnavailableError
from moorage.toolchain.settings import Source

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")

MAIN = """package main

import "fmt"

var version = "none"

func main() { fmt.Println(%s, version) }
"""


@pytest.fixture(autouse=True)
def only_builds(machine, monkeypatch):
    machine.allow(Source.GO)
    # Neither the network nor what is in the user's caches has a part in these tests.
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOFLAGS", "-modcacherw")


@pytest.fixture
def graph(machine):
    """Write a graph whose own module holds the main package."""

    def write(main=MAIN % '"hello"', go="1.21", **files):
        folder = machine.graphs / "g"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "go.mod").write_text(f"module moorage.test/tool\n\ngo {go}\n")
        (folder / "go.sum").write_text("")
        (folder / "main.go").write_text(main)
        for name, content in files.items():
            (folder / name).write_text(content)
        machine.declare_go("g", "moorage.test/tool", ldflags=["-X main.version=1.2.3"])
        return folder

    return write


def run(path):
    return subprocess.run([path], capture_output=True, text=True, check=True).stdout.strip()


async def test_a_tool_is_built_with_its_linker_flags(machine, graph):
    graph()
    path = (await machine.ensure("tool"))["tool"]
    assert run(path) == "hello 1.2.3"
    record = machine.toolchain.status(machine.catalog.tool("tool")).record
    assert record.source == "go"
    assert record.origin == "moorage.test/tool@1.2.3"
    assert record.made_with.startswith("go1.")
    assert [step for _, step in machine.events.steps][:2] == ["look for Go", "go build"]
    assert "from go" in machine.events.outcomes["tool"]
    assert machine.leftovers() == []


async def test_that_builds_take_long_is_said_once_and_only_where_something_is_built(
    machine, graph, monkeypatch, tmp_path
):
    graph(main="package main\n\nfunc main() {}\n")
    machine.declare_go("g", "moorage.test/tool", name="other")
    monkeypatch.setenv("GOCACHE", str(tmp_path / "cold"))
    await machine.ensure("tool", "other")
    [announced] = machine.events.announced
    assert "about 15 minutes for all" in announced
    machine.events.announced.clear()
    await machine.ensure("tool", again=True)
    assert machine.events.announced == [], "all of it was compiled before"


async def test_a_build_is_the_same_bytes_wherever_it_runs(machine, graph, monkeypatch, tmp_path):
    graph()
    first = (await machine.ensure("tool"))["tool"].read_bytes()
    machine.allow(cache_dir=tmp_path / "another" / "cache")
    again = (await machine.ensure("tool"))["tool"].read_bytes()
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(again).hexdigest()
    assert str(tmp_path).encode() not in first


async def test_what_the_user_sets_for_other_builds_does_not_count(machine, graph, monkeypatch, tmp_path):
    graph()
    (tmp_path / "go.work").write_text("go 1.21\n\nuse ./nothing\n")
    (tmp_path / "goenv").write_text("GOFLAGS=-mod=vendor -tags=evil\nGO111MODULE=off\n")
    for name, value in {
        "GOENV": str(tmp_path / "goenv"),
        "GOOS": "windows",
        "GOARCH": "386",
        "CGO_ENABLED": "1",
        "GOFLAGS": "",
        "GOWORK": str(tmp_path / "go.work"),
    }.items():
        monkeypatch.setenv(name, value)
    path = (await machine.ensure("tool"))["tool"]
    monkeypatch.undo()
    assert run(path) == "hello 1.2.3"


async def test_the_committed_graph_is_not_written_to(machine, graph):
    folder = graph()
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    await machine.ensure("tool")
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


async def test_builds_run_one_after_the_other(machine, graph):
    graph()
    machine.tables.append(machine.tables[0].replace('name = "tool"', 'name = "other"'))
    machine.declare("")
    await machine.ensure()
    waited = ("other", "wait for the build before it")
    assert waited in machine.events.steps
    tools = [tool for tool, step in machine.events.steps if (tool, step) != waited]
    assert [tool for tool, _ in itertools.groupby(tools)] == ["tool", "other"]


async def test_a_source_that_does_not_compile_is_said_in_gos_words(machine, graph):
    graph(MAIN % "undefinedName")
    with pytest.raises(ToolUnavailableError, match=r"go: .*undefined: undefinedName"):
        await machine.ensure("tool")
    assert machine.installed() == machine.leftovers() == []


async def test_without_go_and_network_one_error_says_both_ways_out(machine, graph, monkeypatch, tmp_path):
    graph()
    machine.tables[0] += (
        '[tool.image]\nreference = "127.0.0.1:1/tool:v1"\nfile = "/tool"\n'
        '[[tool.release]]\nplatforms = ["linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"]\n'
        'url = "http://127.0.0.1:1/tool"\n'
        'checksum.url = "http://127.0.0.1:1/tool.sha256"\nchecksum.format = "digest"\n'
    )
    machine.tables.append(machine.tables[0].replace('name = "tool"', 'name = "other"'))
    machine.declare("")
    machine.allow(Source.RELEASE, Source.OCI, Source.GO)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolUnavailableError) as caught:
        await machine.ensure()
    assert len(caught.value.message.splitlines()) == 1
    for part in (
        "tool 1.2.3, other 1.2.3: not available",
        "release: 127.0.0.1:1 cannot be reached",
        "oci: ",
        "go: ",
    ):
        assert part in caught.value.message
    assert "there is no `go` command (Go 1.21 or later)" in caught.value.message
    for way in ("network", "MOORAGE_TOOLS_MIRROR", "install Go", "MOORAGE_TOOLS"):
        assert way in caught.value.hint


async def test_a_go_that_is_too_old_is_told_before_anything_is_tried(machine, graph, monkeypatch):
    graph(go="1.999.0")
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    with pytest.raises(ToolUnavailableError, match=r"go: Go 1.999.0 or later is needed, here is go1.*local"):
        await machine.ensure("tool")


async def test_a_newer_go_that_cannot_be_fetched_is_told(machine, graph, monkeypatch):
    graph(go="1.999.0")
    monkeypatch.setenv("GOTOOLCHAIN", "auto")
    with pytest.raises(ToolUnavailableError, match=r"go: Go has to download modules, and GOPROXY=off"):
        await machine.ensure("tool")


async def test_a_go_that_does_not_work_is_told(machine, graph, monkeypatch, tmp_path):
    graph()
    (tmp_path / "go").write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(ToolUnavailableError, match=rf"go: {tmp_path}/go does not work: broken"):
        await machine.ensure("tool")


# A module from a proxy, as all real ones are.

MODULE, VERSION = "moorage.test/far", "v1.2.3"


def module_zip(main: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr(f"{MODULE}@{VERSION}/go.mod", f"module {MODULE}\n\ngo 1.21\n")
        zipped.writestr(f"{MODULE}@{VERSION}/main.go", main)
    return buffer.getvalue()


def serve_module(proxy, content):
    base = f"/{MODULE}/@v/{VERSION}"
    proxy.serve(f"{base}.info", b'{"Version":"v1.2.3","Time":"2020-01-01T00:00:00Z"}')
    proxy.serve(f"{base}.mod", f"module {MODULE}\n\ngo 1.21\n".encode())
    return proxy.serve(f"{base}.zip", content)


@pytest.fixture
def far_graph(machine, upstream, monkeypatch, tmp_path):
    """A graph whose main package is a module of a proxy, with the go.sum that Go itself makes of it."""
    serve_module(upstream, module_zip(MAIN % '"from afar"'))
    folder = machine.graphs / "far"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text(f"module moorage.test/graph\n\ngo 1.21\n\nrequire {MODULE} {VERSION}\n")
    environment = {
        **os.environ,
        "GOPROXY": upstream.url,
        "GONOSUMDB": "moorage.test/*",
        "GOMODCACHE": str(tmp_path / "first-modules"),
        "GOFLAGS": "-mod=mod -modcacherw",
        "GOTOOLCHAIN": "local",
    }
    subprocess.run(
        ["go", "mod", "download", "all"], cwd=folder, env=environment, check=True, capture_output=True
    )
    upstream.requests.clear()
    monkeypatch.setenv("GOPROXY", upstream.url)
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    machine.declare_go("far", MODULE)
    return folder


async def test_modules_come_from_the_users_proxy(machine, far_graph, upstream):
    path = (await machine.ensure("tool"))["tool"]
    assert run(path) == "from afar none"
    assert upstream.count(f"/{MODULE}/@v/{VERSION}.zip") == 1
    assert ("tool", "download Go modules") in machine.events.steps


async def test_modules_that_are_here_are_asked_of_nobody(machine, far_graph, upstream, monkeypatch):
    await machine.ensure("tool")
    upstream.requests.clear()
    await machine.ensure("tool", again=True)
    assert upstream.requests == []


async def test_a_module_that_is_not_what_go_sum_says_is_refused(machine, far_graph, upstream):
    serve_module(upstream, module_zip(MAIN % '"a virus"'))
    with pytest.raises(IntegrityError, match=r"not what go.sum says.*checksum mismatch"):
        await machine.ensure("tool")
    assert machine.installed() == machine.leftovers() == []


async def test_a_module_that_the_graph_does_not_pin_is_not_used(machine, far_graph):
    (far_graph / "go.sum").write_text("")
    with pytest.raises(ToolUnavailableError, match=r"go: .*missing go.sum entry"):
        await machine.ensure("tool")


@pytest.mark.parametrize(
    ("goproxy", "complaint"),
    [
        ("off", "Go has to download modules, and GOPROXY=off"),
        ("http://127.0.0.1:1", "Go has to download modules, and 127.0.0.1:1 cannot be reached"),
        ("http://127.0.0.1:1|http://127.0.0.1:2,direct", "127.0.0.1:1 cannot .*; 127.0.0.1:2 cannot"),
    ],
)
async def test_without_a_proxy_in_reach_go_is_not_left_to_try_for_minutes(
    machine, far_graph, monkeypatch, goproxy, complaint
):
    monkeypatch.setenv("GOPROXY", goproxy)
    with pytest.raises(ToolUnavailableError, match=complaint):
        await asyncio.wait_for(machine.ensure("tool"), 10)


async def test_the_second_proxy_is_used_when_the_first_is_down(machine, far_graph, upstream, monkeypatch):
    monkeypatch.setenv("GOPROXY", f"http://127.0.0.1:1|{upstream.url}")
    assert run((await machine.ensure("tool"))["tool"]) == "from afar none"


async def test_a_folder_of_modules_is_a_proxy(machine, far_graph, upstream, monkeypatch, tmp_path):
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path}/first-modules/cache/download")
    assert run((await machine.ensure("tool"))["tool"]) == "from afar none"
    assert upstream.requests == []


async def test_a_binary_with_a_module_that_go_sum_does_not_know_is_refused(machine, far_graph, monkeypatch):
    """As when a `go` of somebody else's making puts other sources in."""
    tool_dir = machine.root / "bin"
    tool_dir.mkdir()
    real = shutil.which("go")
    (tool_dir / "go").write_text(
        f'#!/bin/sh\n[ "$1" = version ] || exec "{real}" "$@"\n"{real}" "$@" | sed s/h1:./h1:X/\n'
    )
    (tool_dir / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(tool_dir), prepend=os.pathsep)
    with pytest.raises(IntegrityError, match=rf"holds {MODULE} {VERSION}, which go.sum does not know"):
        await machine.ensure("tool")


# Interruptions, in a build that takes long because nothing of it is in Go's cache.

LONG = 'package main\n\nimport "net/http"\n\nfunc main() { _ = http.ListenAndServe("", nil) }\n'


@pytest.fixture
def long_build(graph, spawn, tmp_path):
    """Begin a build in another process, and return it and its `go` when packages are being compiled."""
    graph(LONG)

    def begin():
        process = spawn("tool", environment={"GOCACHE": str(tmp_path / "gocache"), "GOPROXY": "off"})
        for line in iter(process.stdout.readline, ""):
            words = line.split()
            if words[0] == "amount" and int(words[2]) >= 2:
                break
        else:
            pytest.fail(f"no build: {process.stderr.read()}")
        children = psutil.Process(process.pid).children()
        assert [child.name() for child in children] == ["go"]
        return process, children[0]

    return begin


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_an_interrupted_build_ends_go_and_leaves_nothing(machine, long_build, until):
    process, go = long_build()
    compilers = go.children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    for one in (go, *compilers):
        until(lambda one=one: gone(one), what=f"the end of {one}")
    assert machine.installed() == machine.leftovers() == []


async def test_a_killed_build_ends_go_soon_and_is_swept_by_the_next(machine, long_build, until):
    process, go = long_build()
    process.kill()
    process.communicate()
    await asyncio.to_thread(until, lambda: gone(go), what="the end of go")
    assert machine.installed() == []
    assert len(machine.leftovers()) == 1
    await machine.ensure("tool")
    assert machine.leftovers() == []
    assert machine.toolchain.problem(machine.catalog.tool("tool")) is None


FULL_DISK = 'mount -t tmpfs -o size=2m none "$0" || exit 77; exec "$@"'


def test_a_full_disk_below_go_is_one_clear_error(machine, graph):
    if sys.platform != "linux" or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("needs Linux user namespaces")
    graph(LONG)
    machine.cache.mkdir(parents=True)
    argv, environment = machine.process("tool")
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", FULL_DISK, machine.cache, *argv],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode == 77:
        pytest.skip("this kernel lets no user mount a tmpfs")
    assert done.returncode == 1, done.stdout
    error, hint = done.stderr.splitlines()
    assert error == f"{DiskError.__name__}: {machine.cache}: no space left to build tool 1.2.3"
    assert "XDG_CACHE_HOME" in hint
