"""The supervisor, with programs that only sleep: when somebody is killed, when two speak at once."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from moorage.local.errors import NotRunningError, PlatformError
from moorage.local.home import Home
from moorage.local.programs import Program, program_config
from moorage.local.supervisor import Supervisor, platform_processes

SECONDS = 20.0
SLEEP = "import time; time.sleep(3600)"
# Says that it is asked to end, and does not.
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
# Puts and removes a program of its own and one that all share, again and again.
WORKER = """
import sys
from pathlib import Path
from moorage.local.home import Home
from moorage.local.programs import Program
from moorage.local.supervisor import Supervisor
supervisor = Supervisor(Home(Path(sys.argv[1])))
for name in sys.argv[2:]:
    supervisor.put([Program(name, (sys.executable, "-c", "import time; time.sleep(3600)"))])
for name in sys.argv[2::2]:
    supervisor.remove([name])
"""


def program(name: str, code: str = SLEEP, **changes: object) -> Program:
    return Program(name, (sys.executable, "-c", code), settle_seconds=0, stop_seconds=1, **changes)  # type: ignore[arg-type]


def wait_for(look: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"in {seconds} s this did not come: {look}"
        time.sleep(0.05)


def pid_of(supervisor: Supervisor, name: str) -> int | None:
    status = supervisor.statuses().get(name)
    return status.pid if status is not None and status.running else None


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: gone(pid))


@pytest.fixture
def sleeping(supervised: Supervisor) -> tuple[Supervisor, int]:
    """A supervisor that keeps one program, `sleeper`, and the program's process."""
    supervised.put([program("sleeper")])
    wait_for(lambda: pid_of(supervised, "sleeper"))
    pid = pid_of(supervised, "sleeper")
    assert pid
    return supervised, pid


def test_a_program_that_is_killed_comes_back(sleeping: tuple[Supervisor, int]) -> None:
    supervisor, pid = sleeping
    kill(pid)
    wait_for(lambda: pid_of(supervisor, "sleeper") not in (None, pid))


def test_a_second_start_changes_nothing(sleeping: tuple[Supervisor, int]) -> None:
    supervisor, pid = sleeping
    before = supervisor.pid
    assert not supervisor.start()
    assert (supervisor.pid, pid_of(supervisor, "sleeper")) == (before, pid)


def test_putting_the_same_program_again_does_not_restart_it(sleeping: tuple[Supervisor, int]) -> None:
    supervisor, pid = sleeping
    assert supervisor.put([program("sleeper")]) == []
    assert pid_of(supervisor, "sleeper") == pid


def test_a_program_that_has_changed_is_restarted(sleeping: tuple[Supervisor, int]) -> None:
    supervisor, pid = sleeping
    assert supervisor.put([program("sleeper", environment={"NEW": "1"})]) == ["sleeper"]
    wait_for(lambda: pid_of(supervisor, "sleeper"))
    assert gone(pid)
    # Between fork and exec a process has still the environment of the supervisor.
    wait_for(lambda: psutil.Process(pid_of(supervisor, "sleeper")).environ().get("NEW") == "1")


def test_other_programs_are_left_alone(sleeping: tuple[Supervisor, int]) -> None:
    supervisor, pid = sleeping
    supervisor.put([program("other")])
    supervisor.remove(["other"])
    assert pid_of(supervisor, "sleeper") == pid


def test_a_put_that_was_killed_before_it_told_the_supervisor_is_made_good(
    home: Home, sleeping: tuple[Supervisor, int]
) -> None:
    supervisor, pid = sleeping
    new, changed = program("new"), program("sleeper", environment={"NEW": "1"})
    for item in (new, changed):
        (home.programs / f"{item.name}.ini").write_text(program_config(item, home.log(item.name)))
    assert supervisor.put([new, changed]) == ["new", "sleeper"]
    wait_for(lambda: pid_of(supervisor, "new") and pid_of(supervisor, "sleeper") not in (None, pid))


def test_a_removal_that_was_killed_half_way_is_undone_by_a_put(
    home: Home, sleeping: tuple[Supervisor, int]
) -> None:
    supervisor, _ = sleeping
    (home.programs / "sleeper.ini").unlink()
    supervisor._call(lambda rpc: rpc.supervisor.stopProcessGroup("sleeper"))
    assert pid_of(supervisor, "sleeper") is None
    assert supervisor.put([program("sleeper")]) == ["sleeper"]
    wait_for(lambda: pid_of(supervisor, "sleeper"))


def test_a_removal_that_was_killed_half_way_can_be_finished(
    home: Home, sleeping: tuple[Supervisor, int]
) -> None:
    supervisor, pid = sleeping
    (home.programs / "sleeper.ini").unlink()
    supervisor.remove(["sleeper"])
    assert gone(pid)
    assert supervisor.statuses() == {}


def test_what_is_removed_leaves_no_process_and_no_file(home: Home, sleeping: tuple[Supervisor, int]) -> None:
    supervisor, pid = sleeping
    supervisor.remove(["sleeper", "never-known"])
    assert gone(pid)
    assert supervisor.declared() == []
    assert not home.log("sleeper").exists()


def test_a_program_that_does_not_end_is_killed(supervised: Supervisor) -> None:
    supervised.put([program("stubborn", STUBBORN)])
    wait_for(lambda: pid_of(supervised, "stubborn"))
    pid = pid_of(supervised, "stubborn")
    time.sleep(0.5)  # it has set its signal handler by then
    supervised.remove(["stubborn"])
    assert pid
    assert gone(pid)


def test_a_program_that_cannot_start_is_tried_again_at_once_when_asked_to_hurry(
    home: Home, supervised: Supervisor
) -> None:
    mended = home.root / "mended"
    code = (
        f"import pathlib, sys, time; pathlib.Path({str(mended)!r}).exists() or sys.exit(1); time.sleep(3600)"
    )
    failing = Program("failing", (sys.executable, "-c", code), settle_seconds=2)
    supervised.put([failing])
    wait_for(lambda: "Exited too quickly" in supervised.statuses()["failing"].detail)
    mended.touch()
    supervised.hurry()
    wait_for(lambda: supervised.statuses()["failing"].state == "RUNNING")


def test_a_killed_supervisor_is_followed_by_one_that_runs_the_same(
    home: Home, sleeping: tuple[Supervisor, int]
) -> None:
    supervisor, orphan = sleeping
    kill(supervisor.pid)
    assert not gone(orphan)
    assert not supervisor.is_running()
    with pytest.raises(NotRunningError):
        supervisor.statuses()
    assert supervisor.start()
    assert gone(orphan), "two processes of one program would run"
    wait_for(lambda: pid_of(supervisor, "sleeper"))


def test_everything_killed_at_once_is_everything_back_with_a_start(
    home: Home, sleeping: tuple[Supervisor, int]
) -> None:
    supervisor, _ = sleeping
    for process in platform_processes(home):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for(lambda: not supervisor.is_running())
    assert supervisor.start()
    wait_for(lambda: pid_of(supervisor, "sleeper"))


def test_stop_leaves_no_process_and_keeps_what_is_declared(
    home: Home, sleeping: tuple[Supervisor, int]
) -> None:
    supervisor, _ = sleeping
    supervisor.put([program(f"p{number}") for number in range(5)])
    supervisor.stop(last=("sleeper",))
    assert platform_processes(home) == []
    assert len(supervisor.declared()) == 6
    assert supervisor.start()
    wait_for(lambda: len([s for s in supervisor.statuses().values() if s.running]) == 6)


def test_stop_ends_many_programs_side_by_side(supervised: Supervisor) -> None:
    slow = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit()))"
    code = f"{slow}; time.sleep(3600)"
    names = [f"slow{number}" for number in range(8)]
    supervised.put([Program(name, (sys.executable, "-c", code), stop_seconds=10) for name in names])
    wait_for(lambda: all(status.state == "RUNNING" for status in supervised.statuses().values()))
    started = time.monotonic()
    supervised.stop()
    assert time.monotonic() - started < len(names)


def test_stop_ends_what_was_left_without_a_supervisor(home: Home, sleeping: tuple[Supervisor, int]) -> None:
    supervisor, orphan = sleeping
    kill(supervisor.pid)
    supervisor.stop()
    assert gone(orphan)


def test_a_process_that_ran_away_is_ended_too(home: Home, supervised: Supervisor) -> None:
    code = (
        "import subprocess, sys, time;"
        f"subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True);"
        "time.sleep(3600)"
    )
    supervised.put([program("parent", code)])
    wait_for(lambda: len(platform_processes(home)) == 3)
    supervised.stop()
    assert platform_processes(home) == []


def test_a_supervisor_that_hangs_gives_an_error_in_time_and_can_be_stopped(
    home: Home, sleeping: tuple[Supervisor, int]
) -> None:
    running, pid = sleeping
    impatient = Supervisor(home, answer_seconds=0.5)
    assert running.pid
    os.kill(running.pid, signal.SIGSTOP)
    started = time.monotonic()
    for ask in (impatient.statuses, impatient.start, lambda: impatient.put([program("new")])):
        with pytest.raises(PlatformError, match="does not answer") as raised:
            ask()
        assert not isinstance(raised.value, NotRunningError)
    impatient.stop()
    assert time.monotonic() - started < 10
    assert gone(pid)
    assert platform_processes(home) == []


def test_many_processes_may_put_and_remove_at_once(home: Home, supervised: Supervisor) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(home.root), f"gone{number}", f"kept{number}"],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(10)
    ]
    said = [worker.communicate(timeout=60)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 10, "\n".join(said)
    kept = [f"kept{number}" for number in range(10)]
    assert supervised.declared() == kept
    wait_for(lambda: sorted(n for n, status in supervised.statuses().items() if status.running) == kept)
    assert len(platform_processes(home)) == 11


def test_two_who_change_the_same_program_at_once_both_come_to_an_end(
    home: Home, sleeping: tuple[Supervisor, int]
) -> None:
    supervisor, _ = sleeping
    code = WORKER.replace('"-c", ', '"-c", "#" + sys.argv[2] + chr(10) + ').replace(
        "sys.argv[2:]", "['sleeper'] * 3"
    )
    code = code[: code.index("for name in sys.argv[2::2]")]
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(home.root), str(number)], stderr=subprocess.PIPE)
        for number in range(3)
    ]
    for worker in workers:
        worker.communicate(timeout=60)
    supervisor.put([program("sleeper")])
    wait_for(lambda: pid_of(supervisor, "sleeper"))
    assert len(platform_processes(home)) == 2


def test_everything_is_the_owners_alone(home: Home, sleeping: tuple[Supervisor, int]) -> None:
    wait_for(lambda: home.log("sleeper").exists())
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in home.root.rglob("*")}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_unusual_characters_in_paths_and_arguments_arrive_as_they_are(home: Home) -> None:
    unusual = Home(home.root / "it's a;b, c#d ü").create()
    supervisor = Supervisor(unusual)
    said = unusual.root / "said"
    code = (
        "import json, os, sys, time;"
        "open(sys.argv[1], 'w').write(json.dumps([sys.argv[1:], os.environ['X']]));"
        "time.sleep(3600)"
    )
    arguments = [str(said), "a b", "it's", '"quoted"', "%(x)s", "a ; b", "a # b", "\\", "$HOME", ""]
    value = "a b,c=%d;'e'#f"
    try:
        supervisor.start()
        supervisor.put(
            [Program("writer", (sys.executable, "-c", code, *arguments), environment={"X": value})]
        )
        wait_for(lambda: said.exists() and said.read_text())
        assert json.loads(said.read_text()) == [arguments, value]
    finally:
        supervisor.stop()
    assert platform_processes(unusual) == []


def test_the_longest_path_that_is_accepted_works(home: Home) -> None:
    room = 95 - len(os.fsencode(home.socket)) - 1
    longest = Home(home.root / ("x" * room))
    with pytest.raises(PlatformError, match="too long a path"):
        Home(home.root / ("x" * (room + 1))).create()
    supervisor = Supervisor(longest.create())
    try:
        assert supervisor.start()
        assert supervisor.statuses() == {}
    finally:
        supervisor.stop()
