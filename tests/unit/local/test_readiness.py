"""What is said when a component does not come up."""

from __future__ import annotations

import pytest

from moorage.local import readiness
from moorage.local.errors import NotRunningError, PlatformError
from moorage.local.home import Home
from moorage.local.probe import Probe
from moorage.local.supervisor import ProcessStatus

NOBODY = Probe("http://127.0.0.1:1/readyz")


class Statuses:
    """A supervisor that says the same thing every time."""

    def __init__(self, state: str) -> None:
        self.state = state

    def __call__(self, _: Home) -> Statuses:
        return self

    def statuses(self) -> dict[str, ProcessStatus]:
        return {"etcd": ProcessStatus("etcd", self.state, None, None, "")}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("READY_SECONDS", 0.5), ("_FAILING_SECONDS", 0.05), ("_LOOK_SECONDS", 0.01)):
        monkeypatch.setattr(readiness, name, seconds)


async def test_one_that_keeps_failing_is_given_up_with_its_own_last_words(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "Supervisor", Statuses("BACKOFF"))
    home.log("etcd").write_text("starting\nunknown flag: --x\n")
    with pytest.raises(PlatformError, match="etcd does not stay up: unknown flag: --x") as raised:
        await readiness.wait_until_ready(home, {"etcd": NOBODY}, ["etcd"])
    assert "moorage logs etcd" in (raised.value.hint or "")


async def test_a_full_disk_is_recognised_in_what_it_wrote(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "Supervisor", Statuses("BACKOFF"))
    home.log("etcd").write_text(
        "panic: write wal: no space left on device\ngoroutine 1 [running]:\nmain.go:31\n"
    )
    with pytest.raises(PlatformError, match="no space is left for"):
        await readiness.wait_until_ready(home, {"etcd": NOBODY}, ["etcd"])


async def test_one_that_runs_and_says_nothing_has_its_time(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "Supervisor", Statuses("RUNNING"))
    with pytest.raises(PlatformError, match="etcd does not listen after"):
        await readiness.wait_until_ready(home, {"etcd": NOBODY}, ["etcd"])


async def test_a_supervisor_that_goes_away_ends_the_waiting(home: Home) -> None:
    with pytest.raises(NotRunningError):
        await readiness.wait_until_ready(home, {"etcd": NOBODY}, ["etcd"])


def test_only_the_end_of_a_long_log_is_read(home: Home) -> None:
    home.log("etcd").write_text("x" * 10**6 + "\nlast\n")
    assert readiness.last_lines(home, "etcd")[-1] == "last"
    assert len("".join(readiness.last_lines(home, "etcd"))) < 10**5
    assert readiness.last_lines(home, "never-ran") == []
