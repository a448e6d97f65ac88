"""The platform on this machine: ``moorage up``, ``down``, ``status``, ``logs``, ``doctor``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli._output import Column, Output, OutputOption, print_records, print_table, say, write
from moorage.errors import ExitCode, MoorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moorage.cli._live import Board
    from moorage.local.home import Home
    from moorage.local.platform import Step

_SECONDS_BETWEEN_LOOKS = 0.2


def up() -> None:
    """Start the platform; return when it is ready.

    What runs is left as it is: after a reboot, or when parts were killed, it brings back what is missing.
    """
    from moorage.cli._run import run

    started = time.monotonic()
    try:
        home, was_running = run(start())
    except KeyboardInterrupt:
        say("`moorage up` goes on from here; `moorage down` stops what was started")
        raise
    if was_running:
        say(f"the platform is already running, and nothing had to be started; its state is in {home.root}")
    else:
        say(f"the platform is ready after {time.monotonic() - started:.1f} s; its state is in {home.root}")


def _processes(home: Home) -> dict[str, int]:
    """Return the platform's own processes, when all of them are there; nothing otherwise."""
    from moorage.local.errors import NotRunningError
    from moorage.local.management import MANAGEMENT_PROGRAMS
    from moorage.local.supervisor import Supervisor

    try:
        statuses = Supervisor(home).statuses()
    except NotRunningError:
        return {}
    running = {
        name: found.pid
        for name, found in statuses.items()
        if name in MANAGEMENT_PROGRAMS and found.running and found.pid is not None
    }
    return running if len(running) == len(MANAGEMENT_PROGRAMS) else {}


async def start() -> tuple[Home, bool]:
    """Start the platform as ``moorage up`` does; return where it is, and whether all of it ran."""
    from moorage.cli._live import Board
    from moorage.cli._tool_progress import shown
    from moorage.local import platform
    from moorage.local.home import Home
    from moorage.local.management import BINARIES
    from moorage.toolchain import ensure

    home = Home.from_environment()
    with shown() as progress:
        await ensure(BINARIES, progress=progress)
    before = _processes(home)
    with Board("Looking after the platform" if before else "Starting the platform") as board:
        await platform.up(home, on(board))
    return home, bool(before) and _processes(home) == before


def down(
    *,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove everything it stores too: projects, clusters, keys.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop the platform; what it stores is kept.

    User clusters stop with it, and are back with the next `moorage up`.
    """
    from moorage.cli._confirm import confirm
    from moorage.cli._live import Board
    from moorage.cli._run import run
    from moorage.local import platform
    from moorage.local.home import Home

    home = Home.from_environment()
    if delete:
        confirm(f"all projects and clusters in {home.root} will be gone", yes=yes)
    existed = home.root.exists()
    with Board("Stopping the platform") as board:
        run(platform.down(home, on(board), delete=delete))
    if not existed:
        say(f"there is no platform in {home.root}")
    elif delete:
        say(f"the platform is gone, with everything that it stored in {home.root}")
    else:
        say(f"the platform is stopped; its state is kept in {home.root}")


def status(*, output: OutputOption = Output.TABLE) -> None:
    """Show what runs, and how well. Exits 1 when something is not well."""
    from dataclasses import asdict

    from moorage.cli._run import run
    from moorage.local.home import Home
    from moorage.local.status import platform_status

    records = [asdict(found) for found in run(platform_status(Home.from_environment()))]
    if output is Output.TABLE:
        for number, part in enumerate(dict.fromkeys(record["part"] for record in records)):
            if number:
                write("")
            print_table(_components_of(part), [record for record in records if record["part"] == part])
    else:
        print_records(records, output, columns=(), name=lambda record: str(record["component"]))
    if not all(record["healthy"] for record in records):
        say("hint: `moorage doctor` says what to do")
        raise typer.Exit(ExitCode.FINDINGS)


def _components_of(part: str) -> tuple[Column, ...]:
    return (
        Column(part, lambda record: str(record["component"]).rpartition(".")[2]),
        Column(
            "Health", lambda record: str(record["health"]), lambda text: "green" if text == "ready" else "red"
        ),
        Column("Up", lambda record: _duration(record["uptime_seconds"])),
        Column("Memory", lambda record: _mebibytes(record["memory_bytes"])),
        Column("Version", lambda record: str(record["version"])),
        Column("Address", lambda record: str(record["address"])),
    )


def _duration(seconds: float | None) -> str:
    from moorage.cli._columns import span

    return "" if seconds is None else span(int(seconds))


def _mebibytes(size: int | None) -> str:
    return "" if size is None else f"{size / 2**20:.0f} MiB"


def doctor(*, output: OutputOption = Output.TABLE) -> None:
    """Say what is missing or wrong, and the mend.

    Exits 1 when there is something; nothing is changed.
    """
    from dataclasses import asdict

    from moorage.cli._run import run
    from moorage.local.doctor import diagnose
    from moorage.local.home import Home

    records = [asdict(found) for found in run(diagnose(Home.from_environment()))]
    columns = (
        Column("Check", lambda record: str(record["check"])),
        Column("", lambda record: "ok" if record["ok"] else "!!", {"ok": "green", "!!": "red"}.get),
        Column("Found", lambda record: str(record["finding"])),
    )
    print_records(records, output, columns=columns, name=lambda record: str(record["check"]), whole=True)
    wrong = [record for record in records if not record["ok"]]
    if output is Output.TABLE:
        for mend in dict.fromkeys(record["mend"] for record in wrong):
            say(f"hint: {mend}")
    if wrong:
        raise typer.Exit(ExitCode.FINDINGS)


def on(board: Board) -> Callable[[Step], None]:
    """Return what shows the platform's steps on a board."""
    from moorage.cli._live import Row, State

    def report(step: Step) -> None:
        board.show(Row(step.title, state=State.DONE if step.done else State.WAITING))

    return report


def _complete_component(incomplete: str) -> list[str]:
    from moorage.local.home import Home

    return [name for name in _components(Home.from_environment()) if name.startswith(incomplete)]


def logs(
    component: Annotated[
        str | None,
        typer.Argument(
            metavar="[COMPONENT]",
            help="Whose log; without it, the names there are.",
            autocompletion=_complete_component,
        ),
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=0, help="How many of the last lines; 0 is all.")
    ] = 50,
) -> None:
    """Show what a component writes."""
    from moorage.local.home import Home

    home = Home.from_environment()
    components = _components(home)
    if not components:
        raise MoorageError(f"there are no logs in {home.logs}", hint="`moorage up` starts what writes them")
    if component is None:
        for name in components:
            write(name)
        return
    path = home.log(_meant(component, components))
    for line in last_lines(path, lines or None):
        write(line, end="")
    if follow:
        for text in growth(path):
            write(text, end="")


def last_lines(path: Path, count: int | None) -> list[str]:
    """Return the last lines of a file, or (``None``) all."""
    from collections import deque

    with path.open(errors="replace") as file:
        return list(deque(file, maxlen=count))


def growth(path: Path) -> Iterator[str]:
    """Yield what is written to a file from now on; also after it was rotated away or emptied."""
    file = path.open(errors="replace")
    try:
        file.seek(0, 2)
        while True:
            text = file.read()
            if text:
                yield text
                continue
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            if _replaced(file.fileno(), file.tell(), path):
                file.close()
                file = path.open(errors="replace")
    finally:
        file.close()


def _replaced(descriptor: int, position: int, path: Path) -> bool:
    import os

    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    return now.st_ino != os.fstat(descriptor).st_ino or now.st_size < position


def _components(home: Home) -> list[str]:
    if not home.logs.is_dir():
        return []
    return sorted(path.stem for path in home.logs.glob("*.log"))


def _is_of_cluster(name: str, said: str) -> bool:
    """Say whether ``CLUSTER.COMPONENT`` means a log: its name has a part of the cluster's uid, too."""
    cluster, dot, part = said.rpartition("/")[2].rpartition(".")
    before, _, after = name.rpartition(".")
    return bool(dot) and after == part and before.rpartition("-")[0] == cluster


def _meant(component: str, components: list[str]) -> str:
    """Return whose log is meant: by its name, its end where no other has that, or its cluster's name.

    Raises:
        MoorageError: there is none, or more than one.
    """
    from difflib import get_close_matches

    for name in (component, f"management.{component}"):
        if name in components:
            return name
    ending = [name for name in components if name.endswith(f".{component}")]
    ending = ending or [name for name in components if _is_of_cluster(name, component)]
    if len(ending) == 1:
        return ending[0]
    near = ending or [name for name in components if component in name]
    near = near or get_close_matches(component, components)
    guess = f"; did you mean {' or '.join(near[:3])}?" if near else ""
    raise MoorageError(f"there is no log of {component}{guess}", hint="`moorage logs` names all")
