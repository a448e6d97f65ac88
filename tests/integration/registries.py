"""Real OCI registries on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

START_SECONDS = 30


@dataclass(frozen=True)
class Running:
    """A registry that runs, and its disk."""

    host: str
    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def registries(
    binary: Path, new_folder: Callable[[], Path]
) -> Iterator[Callable[[dict[str, Any] | None], Running]]:
    """Start registries, by how one logs in to them; none survives."""
    started: list[Running] = []

    def start(auth: dict[str, Any] | None = None) -> Running:
        folder = new_folder()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            host = f"127.0.0.1:{probe.getsockname()[1]}"
        config = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(folder)}},
            "http": {"addr": host},
            **({"auth": auth} if auth else {}),
        }
        (folder / "config.yml").write_text(json.dumps(config))
        process = subprocess.Popen(
            [binary, "serve", str(folder / "config.yml")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
        started.append(Running(host, folder, process))
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                httpx2.get(f"http://{host}/v2/", trust_env=False)
                return started[-1]
            except httpx2.TransportError:
                if time.monotonic() > deadline or process.poll() is not None:
                    pytest.fail("the registry does not start")
                time.sleep(0.05)

    try:
        yield start
    finally:
        for registry in started:
            registry.stop()
