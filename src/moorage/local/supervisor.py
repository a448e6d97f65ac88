"""The supervisor (supervisord): started, asked, told, stopped.

Its programs are files in ``programs/``: what is in the folder is what runs, so that a supervisor that comes
back brings everything back.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import psutil

from moorage.files import PRIVATE_FILE, write_if_changed
from moorage.local.errors import NotRunningError, PlatformError, explained
from moorage.local.home import Home
from moorage.local.ports import PORTS
from moorage.local.programs import SUPERVISED, Program, program_config, supervisor_config
from moorage.local.supervisor_rpc import Faults, call, forget, ignoring

_START_SECONDS = 15.0
_STOP_SECONDS = 60.0
_ANSWER_SECONDS = 30.0
_POLL_SECONDS = 0.05
_PASSED_ON = (
    *("HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER"),
    PORTS,  # for the clusters that the operator makes
)

_AT_REST = ("STOPPED", "EXITED", "FATAL", "UNKNOWN")
_NO_WAIT = False  # XML-RPC knows no keywords

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """What the supervisor says of a program."""

    name: str
    state: str
    pid: int | None
    started: float | None
    detail: str

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self.state in ("RUNNING", "STARTING") and self.pid is not None


class Supervisor:
    """The supervisor of one platform. Calls may be made from several processes at once.

    Args:
        home: the platform's.
        answer_seconds: after which it counts as hanging.
    """

    def __init__(self, home: Home, *, answer_seconds: float = _ANSWER_SECONDS) -> None:
        self._home = home
        self._answer_seconds = answer_seconds

    def is_running(self) -> bool:
        """Say whether the supervisor answers."""
        try:
            return bool(self._call(lambda rpc: rpc.supervisor.getState()["statename"] == "RUNNING"))
        except NotRunningError:
            return False

    @property
    def pid(self) -> int | None:
        """The supervisor's process, when it is alive."""
        try:
            pid = int(self._home.supervisor_pid.read_text())
            process = psutil.Process(pid)
            ours = process.environ().get(SUPERVISED) == str(self._home.root)
        except (OSError, ValueError, psutil.Error):
            return None
        return pid if ours and process.status() != psutil.STATUS_ZOMBIE else None

    def start(self) -> bool:
        """Start the supervisor, and with it every program that it is to keep; say whether that was needed.

        What a killed predecessor left running is ended first: a supervisor cannot adopt processes.

        Raises:
            PlatformError: it does not come up; its own words are in the message.
        """
        if self.is_running():
            return False
        self.end_orphans()
        home = self._home
        config = supervisor_config(
            socket=home.socket,
            pid_file=home.supervisor_pid,
            log=home.log("supervisor"),
            programs=home.programs,
        )
        with explained(home.root):
            write_if_changed(home.supervisor_config, config)
            home.socket.unlink(missing_ok=True)
            home.log("supervisor-start").touch(PRIVATE_FILE)
            output = home.log("supervisor-start").open("wb")
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment[SUPERVISED] = str(home.root)
        with output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "supervisor.supervisord",
                    "--nodaemon",
                    "-c",
                    str(home.supervisor_config),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=home.root,
                start_new_session=True,
                umask=0o077,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_running():
            if process.poll() is not None or time.monotonic() > deadline:
                said = home.log("supervisor-start").read_text(errors="replace").strip().splitlines()
                raise PlatformError(
                    f"the supervisor did not start: {said[-1] if said else 'it said nothing'}",
                    hint=f"its log is {home.log('supervisor')}",
                )
            time.sleep(_POLL_SECONDS)
        return True

    def stop(self, *, last: Container[str] = ()) -> None:
        """End every process of the platform, politely first.

        Args:
            last: programs that are ended when all others have.
        """
        pid = self.pid
        if pid is not None:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if self._quiesce(last):
                    process.terminate()
                    with suppress(psutil.TimeoutExpired):
                        process.wait(_STOP_SECONDS)
                process.kill()
                process.wait(_STOP_SECONDS)
        self.end_orphans()

    def end_orphans(self) -> list[int]:
        """Kill the platform's processes that no supervisor looks after, and return their ids."""
        ended: list[int] = []
        deadline = time.monotonic() + _STOP_SECONDS
        # Again until there are none: they may start others while they are looked for.
        while (orphans := self._orphans()) and time.monotonic() < deadline:
            for process in orphans:
                _kill(process)
            gone, _ = psutil.wait_procs(orphans, timeout=_STOP_SECONDS)
            ended += [process.pid for process in gone]
        return ended

    def hurry(self) -> None:
        """Start those programs now that failed to start and are waiting for their next attempt.

        Raises:
            NotRunningError: there is no supervisor.
        """

        def again(rpc: Any) -> None:
            for item in rpc.supervisor.getAllProcessInfo():
                if item["statename"] == "BACKOFF":
                    ignoring(Faults.NOT_RUNNING, partial(rpc.supervisor.stopProcess, item["name"]))
                    ignoring(
                        Faults.ALREADY_STARTED, partial(rpc.supervisor.startProcess, item["name"], _NO_WAIT)
                    )

        self._call(again)

    def put(self, programs: Iterable[Program]) -> list[str]:
        """Keep these programs alive; those that have changed are restarted. Return the names of what moved.

        Raises:
            NotRunningError: there is no supervisor.
            PlatformError: the disk is full, or the supervisor refuses.
        """
        programs = list(programs)
        with explained(self._home.root):
            for program in programs:
                path = self._home.programs / f"{program.name}.ini"
                write_if_changed(path, program_config(program, self._home.log(program.name)))
        return self._call(lambda rpc: self._bring_in(rpc, [program.name for program in programs]))

    def remove(self, names: Iterable[str]) -> None:
        """End programs and forget them; those that are not known are none.

        Raises:
            NotRunningError: there is no supervisor; the programs are forgotten all the same.
        """
        names = list(names)
        for name in names:
            (self._home.programs / f"{name}.ini").unlink(missing_ok=True)
        self._call(lambda rpc: self._take_out(rpc, names))
        for name in names:
            for log in self._home.logs.glob(f"{name}.log*"):
                log.unlink(missing_ok=True)

    def restart(self, name: str) -> None:
        """End a program's process and start it again."""

        def again(rpc: Any) -> None:
            rpc.supervisor.stopProcessGroup(name)
            rpc.supervisor.startProcess(name, _NO_WAIT)

        self._call(again)

    def declared(self, prefix: str = "") -> list[str]:
        """Return the names of the programs that are to be kept, whether or not a supervisor runs."""
        return sorted(path.stem for path in self._home.programs.glob("*.ini") if path.stem.startswith(prefix))

    def statuses(self) -> dict[str, ProcessStatus]:
        """Return what the supervisor says of each program.

        Raises:
            NotRunningError: there is no supervisor.
        """
        answer: list[dict[str, Any]] = self._call(lambda rpc: rpc.supervisor.getAllProcessInfo())
        return {
            item["name"]: ProcessStatus(
                name=item["name"],
                state=item["statename"],
                pid=item["pid"] or None,
                started=float(item["start"]) if item["pid"] else None,
                detail=item["spawnerr"] or item["description"],
            )
            for item in answer
        }

    def _orphans(self) -> list[psutil.Process]:
        spared = {os.getpid()}
        if self.is_running() and (pid := self.pid) is not None:
            with suppress(psutil.NoSuchProcess):
                spared |= {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
        return [process for process in platform_processes(self._home) if process.pid not in spared]

    def _quiesce(self, last: Container[str]) -> bool:
        """End all programs but the last ones side by side: the supervisor itself ends one after the other.

        Say whether the supervisor may be asked to end the rest.
        """

        def end(rpc: Any) -> None:
            deadline = time.monotonic() + _STOP_SECONDS
            # Told again until it is at rest: one that has just ended by itself is about to be started again,
            # and the operator may be putting what has been ended already.
            while time.monotonic() < deadline and (restless := _restless(rpc, last)):
                for name in [name for name, state in restless.items() if state != "STOPPING"]:
                    ignoring(Faults.BAD_NAME, partial(rpc.supervisor.stopProcessGroup, name, _NO_WAIT))
                time.sleep(_POLL_SECONDS)

        try:
            with suppress(NotRunningError):  # it is ending already
                self._call(end)
        except PlatformError:
            return False
        return True

    def _bring_in(self, rpc: Any, names: list[str]) -> list[str]:
        # The supervisor itself compares what runs with what the files say: nothing that a killed caller of
        # ours had written but not yet told it about is missed.
        added, changed, _ = rpc.supervisor.reloadConfig()[0]
        self._take_out(rpc, [name for name in names if name in changed])
        moved = [name for name in names if name in added or name in changed]
        for name in moved:
            ignoring(Faults.ALREADY_ADDED, partial(rpc.supervisor.addProcessGroup, name))
        # A caller that was killed while it removed a program has left it stopped, but known.
        for name in [name for name in names if name not in moved]:
            while (state := rpc.supervisor.getProcessInfo(name)["statename"]) == "STOPPING":
                time.sleep(_POLL_SECONDS)
            if state in _AT_REST:
                ignoring(Faults.ALREADY_STARTED, partial(rpc.supervisor.startProcess, name, _NO_WAIT))
                moved.append(name)
        return moved

    def _take_out(self, rpc: Any, names: list[str]) -> None:
        for name in names:  # all are told to end before the first is waited for
            ignoring(Faults.BAD_NAME, partial(rpc.supervisor.stopProcessGroup, name, _NO_WAIT))
        deadline = time.monotonic() + _STOP_SECONDS
        for name in names:
            # The supervisor kills what does not end in its time; until then it refuses to forget it.
            while not ignoring(Faults.BAD_NAME, partial(forget, rpc, name)):
                if time.monotonic() > deadline:
                    raise PlatformError(f"{name} does not end", hint="`moorage doctor` says what is wrong")
                time.sleep(_POLL_SECONDS)
                # Once more: whoever put it at the same time may have started it again.
                ignoring(Faults.BAD_NAME, partial(rpc.supervisor.stopProcessGroup, name, _NO_WAIT))

    def _call(self, ask: Callable[[Any], Answer]) -> Answer:
        return call(self._home, ask, answer_seconds=self._answer_seconds)


def platform_processes(home: Home) -> list[psutil.Process]:
    """Return every process that was started for a platform, by the mark in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.environ().get(SUPERVISED) == str(home.root)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


async def in_thread(work: Callable[[], Answer]) -> Answer:
    """Do blocking work beside the event loop; it is finished even when the caller is cancelled."""
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, work))


def _restless(rpc: Any, spared: Container[str]) -> dict[str, str]:
    """Return which programs run, or would without anybody's doing, and what state each is in."""
    return {
        item["name"]: item["statename"]
        for item in rpc.supervisor.getAllProcessInfo()
        if item["name"] not in spared and item["statename"] not in ("STOPPED", "FATAL", "UNKNOWN")
    }


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
