"""``moorage tools``: the upstream binaries that Moorage runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from moorage.cli._output import Column, Output, OutputOption, print_records, say, write
from moorage.errors import ExitCode
from moorage.toolchain.inventory import Status, Toolchain

app = typer.Typer()

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Which tools; all when none is named.")
]

_ALTERED = "altered"
_STYLES = {"cache": "green", "MOORAGE_TOOLS": "green", "intact": "green", _ALTERED: "red", "missing": "dim"}

_LIST = (
    Column("Name", lambda record: str(record["name"])),
    Column("Version", lambda record: str(record["version"])),
    Column("Where", lambda record: str(record["where"]), _STYLES.get),
    Column("From", lambda record: str(record["source"] or "")),
    Column("What", lambda record: str(record["summary"])),
)
_VERIFY = (
    Column("Name", lambda record: str(record["name"])),
    Column("Version", lambda record: str(record["version"])),
    Column("State", lambda record: str(record["state"]), _STYLES.get),
    Column("Why", lambda record: str(record["problem"] or "")),
)


@app.command("list")
def list_tools(names: Names = None, output: OutputOption = Output.TABLE) -> None:
    """Show the tools, which of them are here, and where they came from."""
    toolchain = Toolchain.from_environment()
    statuses = [toolchain.status(tool) for tool in toolchain.catalog.select(names or ())]
    print_records([_listed(status) for status in statuses], output, columns=_LIST)


@app.command()
def install(
    names: Names = None,
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Get them again, in place of what is in the cache.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Get tools, all of them or those that are named.

    From a release, an image, or a build with Go: whichever works first.
    """
    from moorage.cli._run import run
    from moorage.cli._tool_progress import shown
    from moorage.toolchain.installer import Installer

    toolchain = Toolchain.from_environment()
    with shown() as progress:
        run(Installer(toolchain).ensure(names or (), progress=progress, again=again))
    statuses = [toolchain.status(tool) for tool in toolchain.catalog.select(names or ())]
    print_records([_listed(status) for status in statuses], output, columns=_LIST)


@app.command()
def path(name: Annotated[str, typer.Argument(metavar="NAME", help="Which tool.")]) -> None:
    """Print where a tool's executable is."""
    write(str(Toolchain.from_environment().locate(name)))


@app.command()
def verify(names: Names = None, output: OutputOption = Output.TABLE) -> None:
    """Name the tools in the cache that are not what they were.

    Every file is read again. Exits 1 when one was altered.
    """
    toolchain = Toolchain.from_environment()
    statuses = [toolchain.status(tool) for tool in toolchain.catalog.select(names or ())]
    records = [_verified(toolchain, status) for status in statuses]
    print_records(records, output, columns=_VERIFY)
    altered = [record["name"] for record in records if record["state"] == _ALTERED]
    if altered:
        say(f"hint: moorage tools install --again {' '.join(altered)}")
        raise typer.Exit(ExitCode.FINDINGS)


@app.command()
def lock(names: Names = None) -> None:
    """Print the lines of a lock file, with upstream's digests of today.

    For maintainers: it asks every upstream there is.
    """
    from moorage.cli._run import run
    from moorage.toolchain.lock import render_lock
    from moorage.toolchain.upstream import read_digests

    digests = run(read_digests(Toolchain.from_environment(), names or ()))
    write(render_lock(digests, header=""), end="")


def _listed(status: Status) -> dict[str, Any]:
    record = status.record
    return {
        "name": status.tool.name,
        "version": status.tool.version,
        "where": str(status.place) if status.place else "missing",
        "source": record.source if record else None,
        "origin": record.origin if record else None,
        "digest": record.digest if record else None,
        "installed": record.installed if record else None,
        "path": str(status.path) if status.path else None,
        "summary": status.tool.summary,
    }


def _verified(toolchain: Toolchain, status: Status) -> dict[str, Any]:
    from moorage.toolchain.settings import Source

    problem = toolchain.problem(status.tool) if status.place is Source.CACHE else None
    state = "missing"
    if status.place is not None:
        state = _ALTERED if problem else "intact" if status.place is Source.CACHE else str(status.place)
    return {
        "name": status.tool.name,
        "version": status.tool.version,
        "state": state,
        "problem": problem,
        "path": str(status.path) if status.path else None,
    }
