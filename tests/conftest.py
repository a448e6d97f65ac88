"""What tests of every kind share: a home of their own, that nothing outlives them, and who runs them.

`make test` has two workers. Each has servers and platforms of its own, started when the first test wants them
and shared by all that it runs; a file stays together, and so does what shares a platform that others do not.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import hypothesis
import psutil
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from moorage.local.home import Home
from moorage.local.ports import PORTS
from moorage.local.programs import SUPERVISED
from moorage.local.supervisor import Supervisor, platform_processes

# No test asserts a time, so that none fails on a busy machine.
hypothesis.settings.register_profile("moorage", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "moorage")

KILL_SECONDS = 20
ALL_PORTS = range(20000, 32000)
# What takes longest, the longest first; each is for one worker. At the end there are short ones to share out.
LONG = (
    # Not long, but to be run soon after they were read: their "now" is then.
    "tests/integration/advisors/test_resources.py",
    "tests/integration/advisors/test_resources_on_platform.py",
    "tests/integration/survival",
    "tests/e2e/test_docs.py",
    "tests/integration/policies/test_cluster_verdicts.py",
    "tests/e2e/test_policy.py",
    "tests/e2e",  # the rest of it
)

NewHome = Callable[[], AbstractContextManager[Home]]
NewFolder = Callable[[], Path]


def pytest_configure() -> None:
    """Give each worker ports that no other takes, while it has stopped a platform on purpose."""
    if worker := _worker():
        count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        number = int(worker.removeprefix("gw")) % count  # one more comes in the place of one that crashed
        size = len(ALL_PORTS) // count
        first = ALL_PORTS.start + number * size
        os.environ[PORTS] = f"{first}-{first + size - 1}"


def pytest_unconfigure() -> None:
    """Leave nothing of a run that was interrupted: its workers are ended before they could clear away."""
    if _worker():
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_prefix()}*"):
        for root in _platforms_in(folder):
            kill_all(Home(root))
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the quick tests, and then with the longest; what is equal keeps its order."""
    items.sort(key=lambda item: _turn(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Give out tests in that order, and those that belong together to one worker."""
    config.option.loadscopereorder = False

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _together(nodeid)

    return Together(config, log)


def _together(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return next((long for long in LONG if Path(file).is_relative_to(long)), file)


def _turn(nodeid: str) -> tuple[bool, int]:
    group = _together(nodeid)
    return not nodeid.startswith("tests/unit/"), LONG.index(group) if group in LONG else len(LONG)


def _worker() -> str | None:
    return os.environ.get("PYTEST_XDIST_WORKER")


def _prefix() -> str:
    """How all folders are called that this run makes, whichever worker it is."""
    return f"moorage-{os.getppid() if _worker() else os.getpid()}-"


def short_folder() -> Path:
    """A new folder for a platform. There will be Unix sockets in it: pytest's own `tmp_path` is too deep."""
    return Path(tempfile.mkdtemp(prefix=_prefix()))


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A home that exists for a while; whatever was started in it is killed, and its files are removed."""
    root = short_folder()
    home = Home(root)
    try:
        yield home.create()
    finally:
        kill_all(home)
        shutil.rmtree(root, ignore_errors=True)


def kill_all(home: Home) -> None:
    """Kill -9 every process of a home, also those that are started meanwhile."""
    home.wanted.unlink(missing_ok=True)  # nobody brings it back
    deadline = time.monotonic() + KILL_SECONDS
    while processes := [*_recoveries(home), *platform_processes(home)]:
        assert time.monotonic() < deadline, f"these cannot be killed: {processes}"
        # The supervisor first, for it would start the others again.
        for process in sorted(processes, key=lambda process: process.pid != Supervisor(home).pid):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        # Not for long: nobody may be there to take in the dead.
        psutil.wait_procs(processes, timeout=1)


def _platforms_in(folder: Path) -> set[Path]:
    """The roots of the platforms in a folder of which there are processes."""
    found = set()
    for process in psutil.process_iter():
        try:
            found.add(Path(process.environ().get(SUPERVISED, "/")))
        except psutil.Error:
            continue
    return {root for root in found if root.is_relative_to(folder)}


def _recoveries(home: Home) -> list[psutil.Process]:
    """Whoever brings a killed platform back, and is no part of it."""
    command = ["-m", "moorage.local.recover", str(home.root)]
    return [p for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [])[1:] == command]


@pytest.fixture(scope="session")
def new_folder() -> NewFolder:
    """`new_folder()`: for tests that start platforms by the command line, and remove them."""
    return short_folder


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
