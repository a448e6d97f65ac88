"""``moorage advice``: what advisors have found in clusters, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moorage.cli import _complete
from moorage.cli._advice import (
    AdminOption,
    AdviceArgument,
    AsOption,
    StateChoice,
    StoreOption,
    is_in,
)
from moorage.cli._help import CommandGroup
from moorage.cli._names import ProjectOption
from moorage.cli._output import (
    Output,
    OutputOption,
    print_object,
    print_objects,
    say,
    terminal_width,
    write,
)
from moorage.cli.advice_apply import apply, revert
from moorage.reports.findings import Severity

if TYPE_CHECKING:
    from moorage.api.advice import Advice

app = typer.Typer(cls=CommandGroup)


class ListOutput(StrEnum):
    """How advice is listed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    SARIF = "sarif"


@app.callback()
def _advice() -> None:
    """What advisors have found in clusters, on what evidence, and what becomes of it."""


@app.command("list")
def list_advice(
    project: ProjectOption = None,
    *,
    everywhere: Annotated[
        bool, typer.Option("--all", "-A", help="Those of all projects that you may see.")
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="NAME", help="Of this cluster.", autocompletion=_complete.clusters),
    ] = None,
    advisor: Annotated[
        str | None, typer.Option("--advisor", metavar="NAME", help="Of this advisor: permissions, ...")
    ] = None,
    severity: Annotated[Severity | None, typer.Option("--severity", help="At least this severe.")] = None,
    state: Annotated[
        list[StateChoice] | None,
        typer.Option(
            "--state",
            help="In this state; may be repeated. What stands is applied, also when it is resolved. "
            "Default: all but resolved.",
        ),
    ] = None,
    output: Annotated[
        ListOutput, typer.Option("--output", "-o", help="How to print the result.")
    ] = ListOutput.TABLE,
) -> None:
    """List advice, the worst first.

    That of a project, or of all where none is named.
    """
    from moorage.cli._run import management, run

    async def work() -> tuple[list[Advice], dict[str, str], bool]:
        from moorage.api.meta import project_namespace
        from moorage.cli._advice import advices, require_cluster
        from moorage.cli._advice_table import shortened
        from moorage.cli._edit import get_project
        from moorage.cli._names import implied_project, split

        async with management() as client:
            said, name = split(cluster, project) if cluster else (project, None)
            named = None if everywhere else implied_project(client, said)
            if named:
                await get_project(client, named)
            found = await advices(client, project_namespace(named) if named else None)
            its = [item for item in found if name in {None, item.spec.cluster}]
            if name and not its:
                await require_cluster(client, name, named)
            return its, shortened(found), named is None

    states = {each.value for each in state or ()}
    least = severity.rank if severity else 0
    items, names, of_all = run(work())
    found = [
        item
        for item in items
        if is_in(item, states) and advisor in {None, item.spec.advisor} and item.spec.severity.rank >= least
    ]
    if output is ListOutput.SARIF:
        from moorage.cli._advice import as_report
        from moorage.reports.sarif import text

        write(text(as_report(found)), end="")
        return
    from moorage.cli._advice_table import fitting

    records = [item.wire() for item in found]
    print_objects(
        records,
        Output(output.value),
        columns=fitting(records, names, width=terminal_width(), of_all=of_all),
        whole=True,
        nothing="there is no such advice"
        if state or severity or advisor or cluster
        else "there is no advice",
    )


@app.command()
def show(
    advice: AdviceArgument,
    project: ProjectOption = None,
    *,
    store: StoreOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show an advice: evidence, change, and what has become of it."""
    from moorage.cli._run import management, run

    async def work() -> tuple[Advice, list[Advice]]:
        from moorage.cli._advice import find_advice, of_same_change

        async with management() as client:
            item = await find_advice(client, advice, project)
            return item, await of_same_change(client, item)

    item, others = run(work())
    if output is not Output.TABLE:
        print_object(item.wire(), output, columns=())
        return
    from moorage.cli._advice import stored_part
    from moorage.cli._describe_advice import described

    evidence: dict[str, Any] | None = None
    if (stored := item.spec.stored_evidence) is not None:
        import json

        content = stored_part(item, "evidence", stored.key, store)
        evidence = json.loads(content) if content is not None else None
    for line in described(item, evidence, others):
        write(line)


@app.command()
def diff(
    advice: AdviceArgument,
    project: ProjectOption = None,
    *,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="As it was when the advice was made; ask no cluster.")
    ] = False,
    user: AsOption = None,
    admin: AdminOption = False,
    store: StoreOption = None,
) -> None:
    """Show what applying an advice would change, as a unified diff.

    The cluster is asked what would become of each object, and nothing is changed. Ends with 2 when the advice
    does not fit any more.
    """
    from moorage.cli._describe_advice import painted, recorded_diff, steps_diff
    from moorage.cli._run import management, run

    async def work() -> str:
        from moorage.advisors.applying.act import prepare
        from moorage.cli._advice import change_of, entered, find_advice

        async with management() as client:
            item = await find_advice(client, advice, project)
            change = change_of(item, store)
            if recorded:
                return recorded_diff(change)
            async with entered(client, item, user=user, admin=admin) as person:
                return steps_diff((await prepare(person, item, change)).steps)

    write(painted(run(work())), end="")


@app.command()
def dismiss(
    advice: AdviceArgument,
    project: ProjectOption = None,
    *,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why: for those who come across it later.")
    ],
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="TIME",
            help="How long that holds: 30d, 12h, 2w, or to the end of a day (UTC): 2027-03-31.",
        ),
    ] = None,
    user: AsOption = None,
    admin: AdminOption = False,
) -> None:
    """Decide against an advice, and say why.

    It is not brought up again while that holds; without --until, never.
    """
    from moorage.cli._advice import moment, require_dismissable
    from moorage.errors import MoorageError

    now = datetime.now(UTC).replace(microsecond=0)
    end = moment(until, now) if until else None
    if len(reason.strip()) < _REASON_MIN:
        raise MoorageError(f"--reason {reason!r} says too little", hint="ten characters or more")

    def change(item: Advice, me: str) -> Any:
        from moorage.advisors.keeping import life
        from moorage.api.advice import AdviceStatus

        require_dismissable(item)
        return life.dismissed(item.status or AdviceStatus(), by=me, reason=reason.strip(), until=end, now=now)

    from moorage.advisors.keeping.life import told

    item = _decide(advice, project, change, user=user, admin=admin)
    say(f"{item.metadata.name} is dismissed{f' until {told(end)}' if end else ''}")


@app.command()
def reopen(
    advice: AdviceArgument,
    project: ProjectOption = None,
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "somebody asked for it",
    user: AsOption = None,
    admin: AdminOption = False,
) -> None:
    """Open an advice again that was dismissed."""
    from moorage.cli._advice import require_dismissed

    now = datetime.now(UTC).replace(microsecond=0)

    def change(item: Advice, me: str) -> Any:
        from moorage.advisors.keeping import life
        from moorage.api.advice import AdviceStatus

        require_dismissed(item)
        return life.reopened(item.status or AdviceStatus(), by=me, why=reason, now=now)

    item = _decide(advice, project, change, user=user, admin=admin)
    say(f"{item.metadata.name} is open again")


app.command()(apply)
app.command()(revert)

_REASON_MIN = 10


def _decide(advice: str, project: str | None, change: Any, *, user: str | None, admin: bool) -> Advice:
    """Write what somebody decides about an advice, unless it has become another one meanwhile."""
    from moorage.cli._run import management, run

    async def work() -> Advice:
        from moorage.advisors.applying.record import record
        from moorage.cli._advice import deciding, find_advice

        async with management() as client:
            item = await find_advice(client, advice, project)
            async with deciding(client, item, user=user, admin=admin) as (me, mine):
                await record(mine, item, change(item, me))
            return item

    return run(work())
