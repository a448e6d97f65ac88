"""The door before Gatekeeper. This file is run as a script and needs nothing but Python's own library.

Gatekeeper's webhook answers as soon as it listens, and until it has read its policies again it lets
everything pass. In a cluster, a Service keeps requests away from it until it says that it is ready; this is
that Service: a connection goes through only when, after it was made, Gatekeeper says so. TLS is between the
API server and Gatekeeper; nothing is read or changed here.

It also reads Gatekeeper's log, out of a named pipe: what an audit has found, one line a violation, is summed
up in a small file, and everything else is passed on. So ten thousand violations are ten thousand lines that
nobody stores, and no object of any API server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import stat
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 64 * 1024
_READY_SECONDS = 2.0
_LINE_BYTES = 4 * 1024 * 1024
# A constraint that everything violates fills no memory: counts are kept of all, examples of the first ones.
_EXAMPLES = 5
_MESSAGE_CHARACTERS = 512
_OK = b" 200 "
_FAILED = "audit manager audit() failed"
_AFTERWORDS_SECONDS = 0.5


def main(argv: list[str]) -> None:
    """Keep the door until told to end."""
    parser = argparse.ArgumentParser()
    for name in ("listen", "engine", "health"):
        parser.add_argument(f"--{name}", type=int, required=True, help="a port on loopback")
    parser.add_argument("--pipe", type=Path, required=True, help="where Gatekeeper logs into")
    parser.add_argument("--audit", type=Path, required=True, help="what the last audit has found")
    options = parser.parse_args(argv)
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_keep(options))


async def _keep(options: argparse.Namespace) -> None:
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: this and this.cancel())
    door = Door(options.engine, options.health)
    server = await asyncio.start_server(door.enter, "127.0.0.1", options.listen)
    async with server:
        await asyncio.gather(server.serve_forever(), _read_log(options.pipe, Ledger(options.audit)))


class Door:
    """Lets connections through to an engine that is ready."""

    def __init__(self, engine: int, health: int) -> None:
        self._engine = engine
        self._health = health

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, or close it at once."""
        inner: asyncio.StreamWriter | None = None
        try:
            # Connected first, asked then: who answers now is who listens, or its successor is not there yet.
            inner_reader, inner = await asyncio.open_connection("127.0.0.1", self._engine)
            if await self._ready():
                one = asyncio.create_task(_carry(reader, inner))
                other = asyncio.create_task(_carry(inner_reader, writer))
                await asyncio.wait({one, other})
        except OSError:
            pass  # nobody listens: whoever asked sees its connection closed
        finally:
            for end in (writer, inner):
                if end is not None:
                    end.close()

    async def _ready(self) -> bool:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._health)
                try:
                    writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    return _OK in await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()


class Ledger:
    """What audits find: counted, and written down when an audit is finished."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began = ""
        self._writing: asyncio.TimerHandle | None = None
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._examples: dict[tuple[str, str], list[dict[str, str]]] = {}

    def note(self, entry: dict[str, Any]) -> bool:
        """Take note of a line; say whether it was about one violation, which nobody needs to read again."""
        if entry.get("process") != "audit" and entry.get("msg") != _FAILED:
            return False
        match entry.get("event_type"):
            case "audit_started":
                self._began = str(entry.get("audit_id", ""))
                self._counts.clear()
                self._examples.clear()
            case "violation_audited":
                self._count(entry)
                return True
            case "constraint_audited":
                return True
            case "audit_finished":
                # Also one that has failed is finished, and says so afterwards.
                self._writing = asyncio.get_running_loop().call_later(
                    _AFTERWORDS_SECONDS, self._write, str(entry.get("audit_id", ""))
                )
            case _ if self._writing is not None and entry.get("msg") == _FAILED:
                self._writing.cancel()
        return False

    def _count(self, entry: dict[str, Any]) -> None:
        def word(name: str) -> str:
            return str(entry.get(name) or "")

        constraint = word("constraint_kind"), word("constraint_name")
        namespace = word("resource_namespace")
        if not namespace and word("resource_kind") == "Namespace" and not word("resource_group"):
            namespace = word("resource_name")  # it is judged by its own labels
        self._counts[(*constraint, word("constraint_action"), namespace, word("resource_kind"))] += 1
        examples = self._examples.setdefault(constraint, [])
        if len(examples) < _EXAMPLES:
            examples.append(
                {
                    "namespace": namespace,
                    "kind": word("resource_kind"),
                    "name": word("resource_name"),
                    "message": word("msg")[:_MESSAGE_CHARACTERS],
                }
            )

    def _write(self, audit: str) -> None:
        if not audit or audit != self._began:
            return  # its beginning was missed: this would be too few
        names = ("constraintKind", "constraint", "action", "namespace", "kind")
        content = {
            "audit": audit,
            "counts": [
                {**dict(zip(names, key, strict=True)), "count": count}
                for key, count in sorted(self._counts.items())
            ],
            "examples": [
                {"constraintKind": kind, "constraint": name, **example}
                for (kind, name), examples in sorted(self._examples.items())
                for example in examples
            ],
        }
        try:
            _replace(self._path, json.dumps(content))
        except OSError as error:  # a full disk: the next audit may find more room
            print(f"{self._path}: {error.strerror}", file=sys.stderr, flush=True)


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _open(pipe: Path) -> int:
    if not pipe.exists() or not stat.S_ISFIFO(pipe.stat().st_mode):
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe, 0o600)
    # For writing too: so it never ends when Gatekeeper does, and never waits for Gatekeeper to begin.
    return os.open(pipe, os.O_RDWR | os.O_NONBLOCK)


async def _read_log(pipe: Path, ledger: Ledger) -> None:
    descriptor = _open(pipe)
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    file = os.fdopen(descriptor, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            continue  # longer than anything that is worth reading; the rest of it follows, and is no JSON
        if not line:
            return
        try:
            entry = json.loads(line)
            noted = isinstance(entry, dict) and ledger.note(entry)
        except ValueError:
            noted = False
        if not noted:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
