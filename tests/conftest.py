"""What tests of every kind share: a home of their own, and that nothing outlives them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from moorage.local.home import Home
from moorage.local.supervisor import Supervisor, platform_processes

KILL_SECONDS = 20

NewHome = Callable[[], AbstractContextManager[Home]]


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A home that exists for a while; whatever was started in it is killed, and its files are removed.

    Its path is short, because there will be Unix sockets in it: pytest's own `tmp_path` is too deep.
    """
    root = Path(tempfile.mkdtemp(prefix="moorage-"))
    home = Home(root)
    try:
        yield home.create()
    finally:
        kill_all(home)
        shutil.rmtree(root, ignore_errors=True)


def kill_all(home: Home) -> None:
    """Kill -9 every process of a home, also those that are started meanwhile."""
    home.wanted.unlink(missing_ok=True)  # nobody brings it back
    while processes := [*_recoveries(home), *platform_processes(home)]:
        # The supervisor first, for it would start the others again.
        for process in sorted(processes, key=lambda process: process.pid != Supervisor(home).pid):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        _, alive = psutil.wait_procs(processes, timeout=KILL_SECONDS)
        assert not alive, f"these cannot be killed: {alive}"


def _recoveries(home: Home) -> list[psutil.Process]:
    """Whoever brings a killed platform back, and is no part of it."""
    command = ["-m", "moorage.local.recover", str(home.root)]
    return [p for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [])[1:] == command]


@pytest.fixture(scope="session")
def new_home() -> NewHome:
    """`with new_home() as home`: for tests that need several, or for longer than one test."""
    return temporary_home


@pytest.fixture
def home(new_home: NewHome) -> Iterator[Home]:
    """A home of the test's own, with its folders; nothing runs in it."""
    with new_home() as home:
        yield home


@pytest.fixture
def supervised(home: Home) -> Supervisor:
    """A supervisor that runs in `home`, with no programs yet: for tests that need no Kubernetes."""
    supervisor = Supervisor(home)
    assert supervisor.start()
    return supervisor
