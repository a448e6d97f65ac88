"""``moorage advise patch``: advice as a patch to the files that people edit."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli._output import say, write
from moorage.errors import ExitCode
from moorage.reports.words import counted, printable

if TYPE_CHECKING:
    from moorage.advisors.sources.placing import Placed


def patch(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Manifests, folders, kustomizations or charts.")
    ],
    findings: Annotated[
        str,
        typer.Option(
            "--findings", "-f", metavar="FILE", help="What `moorage advise ... -o json` printed, or - ."
        ),
    ],
    values: Annotated[
        list[Path] | None,
        typer.Option(
            "--values", metavar="FILE", help="Values for charts; the later ones win; may be repeated."
        ),
    ] = None,
    release: Annotated[
        str, typer.Option(metavar="NAME", help="The release of a chart. Default: the chart's own name.")
    ] = "",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAME", help="Where charts are installed.")
    ] = "default",
    *,
    write_files: Annotated[
        bool, typer.Option("--write", help="Write the files; all of them, or none.")
    ] = False,
) -> None:
    """Make advice a patch to your manifests, kustomizations or charts.

    Prints a unified diff for `git apply`. For each change the file and the line are found that hold the
    value; comments, order and quotes stay. Kustomizations and charts are made again with the change, in a
    copy: only what is asked for may be different. What has no place for sure is named, and left alone.

    Exits 1 when there is something to change, 0 when there is nothing (or it was written), 2 when a finding
    has no place.
    """
    from moorage.advisors.sources.asked import read_findings
    from moorage.advisors.sources.patching import unified_diff
    from moorage.advisors.sources.patching import write as write_all
    from moorage.advisors.sources.placing import place
    from moorage.advisors.sources.reading import sources_at
    from moorage.manifests.rendering import Release

    told = read_findings(findings)
    notes: list[str] = []
    if told.silent:
        notes.append(f"{counted(told.silent, 'finding')} of the advisor without a change to make")
    with ExitStack() as stack:
        sources = sources_at(
            paths,
            release=Release(release, tuple(values or ())),
            namespace=namespace,
            stack=stack,
            notes=notes,
        )
        placed = place(told.asked, sources)
    if write_files:
        write_all(placed.before, placed.after)
        for file in sorted(placed.after):
            say(f"{'removed' if placed.after[file] is None else 'changed'} {printable(str(file))}")
    else:
        write(unified_diff(placed.before, placed.after), end="")
    _tell(placed, notes)
    if placed.unplaced:
        raise typer.Exit(ExitCode.FAILURE)
    raise typer.Exit(ExitCode.FINDINGS if placed.after and not write_files else ExitCode.OK)


def _tell(placed: Placed, notes: list[str]) -> None:
    for note in (*notes, *placed.notes):
        say(f"note: {printable(note)}")
    for each in placed.already:
        say(f"already so: {printable(each.title)}")
    for left in placed.unplaced:
        say(f"not placed: {printable(left.asked.title)}: {printable(left.why)}")
