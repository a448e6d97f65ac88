"""The door before Gatekeeper, and what it keeps of audits; against servers of the test's own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from moorage.local import gate
from moorage.local.gatekeeper import Found, parse_audit

SOON_SECONDS = 10


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Gate:
    listen: int
    engine: int
    health: int
    pipe: Path
    audit: Path
    process: subprocess.Popen


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Gate]:
    listen, engine, health = free_port(), free_port(), free_port()
    pipe, audit = tmp_path / "pipe", tmp_path / "audit.json"
    argv = [sys.executable, "-I", "-S", gate.__file__, f"--listen={listen}", f"--engine={engine}"]
    argv += [f"--health={health}", f"--pipe={pipe}", f"--audit={audit}"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    deadline = time.monotonic() + SOON_SECONDS
    while not pipe.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    yield Gate(listen, engine, health, pipe, audit, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=SOON_SECONDS) == 0
    assert process.stdout
    process.stdout.close()


@asynccontextmanager
async def server(port: int, answer: bytes) -> AsyncIterator[None]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if await reader.read(1000):
                writer.write(answer)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield


async def knock(port: int) -> bytes:
    """Say something through the door; nothing comes back from one that is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"who is there?")
        return await asyncio.wait_for(reader.read(1000), SOON_SECONDS)
    except OSError:
        return b""
    finally:
        writer.close()


READY = b"HTTP/1.1 200 OK\r\n\r\nok"
NOT_READY = b"HTTP/1.1 500 Internal Server Error\r\n\r\n"


async def test_only_an_engine_that_is_ready_is_reached(running: Gate) -> None:
    assert await knock(running.listen) == b""  # nobody is there
    async with server(running.engine, b"judged"):
        assert await knock(running.listen) == b""  # it listens, and says nothing of its health
        async with server(running.health, NOT_READY):
            assert await knock(running.listen) == b""
        async with server(running.health, READY):
            assert await knock(running.listen) == b"judged"
        assert await knock(running.listen) == b""


def line(event: str, message: str = "", **more: str) -> str:
    said = {"msg": message, "process": "audit", "audit_id": "2026-11-24T12:00:00Z", "event_type": event}
    return json.dumps({**said, **more}) + "\n"


def violation(namespace: str, name: str, *, kind: str = "Pod") -> str:
    return line(
        "violation_audited",
        f"{name} is wrong",
        constraint_kind="Kind",
        constraint_name="one",
        constraint_action="deny",
        resource_kind=kind,
        resource_namespace=namespace,
        resource_name=name,
    )


def write(pipe: Path, *lines: str) -> None:
    descriptor = os.open(pipe, os.O_WRONLY)  # as Gatekeeper does; it never waits for a reader
    with os.fdopen(descriptor, "w") as file:
        file.writelines(lines)


def written(path: Path) -> dict:
    deadline = time.monotonic() + SOON_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, "nothing was written down"
        time.sleep(0.02)
    return json.loads(path.read_text())


def test_ten_thousand_violations_become_a_few_lines_and_no_log(running: Gate) -> None:
    many = [violation("a" if number % 4 else "b", f"web-{number}") for number in range(10_000)]
    about = line("something_else", "hello")
    write(
        running.pipe,
        line("audit_started"),
        *many,
        violation("", "prod", kind="Namespace"),
        "no json\n",
        about,
        line("audit_finished"),
    )
    audit = parse_audit(written(running.audit))
    assert set(audit.found) == {
        Found("Kind", "one", "deny", "a", "Pod", 7500),
        Found("Kind", "one", "deny", "b", "Pod", 2500),
        Found("Kind", "one", "deny", "prod", "Namespace", 1),
    }
    assert len(audit.examples) == 5
    assert running.audit.stat().st_size < 5000
    assert running.process.stdout
    passed_on = [running.process.stdout.readline().decode() for _ in range(4)]
    assert passed_on == [line("audit_started"), "no json\n", about, line("audit_finished")]


def test_an_audit_that_has_failed_counts_for_nothing(running: Gate) -> None:
    failed = json.dumps({"msg": "audit manager audit() failed", "level": "error"}) + "\n"
    write(running.pipe, line("audit_started"), violation("a", "web"), line("audit_finished"), failed)
    time.sleep(1.0)
    assert not running.audit.exists()
    write(running.pipe, line("audit_started"), line("audit_finished"))
    assert written(running.audit)["counts"] == []


def test_an_audit_whose_beginning_was_missed_is_not_told(running: Gate) -> None:
    write(running.pipe, violation("a", "web"), line("audit_finished"))
    time.sleep(1.0)
    assert not running.audit.exists()
