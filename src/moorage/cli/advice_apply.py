"""``moorage advice apply`` and ``revert``: following an advice with one's own rights, and taking it back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli._advice import AdminOption, AdviceArgument, AsOption, StoreOption
from moorage.cli._confirm import YesOption, confirm
from moorage.cli._names import ProjectOption
from moorage.cli._output import say, write
from moorage.cli._wait import parse_duration
from moorage.errors import ExitCode

if TYPE_CHECKING:
    from moorage.advisors.applying.act import Person
    from moorage.api.advice import Advice

WatchOption = Annotated[
    str,
    typer.Option(
        "--watch", metavar="TIME", help="How long to watch the workloads concerned; 0s: not at all."
    ),
]


def apply(  # noqa: PLR0913 - one parameter a flag
    advice: AdviceArgument,
    project: ProjectOption = None,
    *,
    user: AsOption = None,
    admin: AdminOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask the cluster what would change, and change nothing.")
    ] = False,
    watch: WatchOption = "30s",
    revert_if_worse: Annotated[
        bool, typer.Option("--revert-if-worse", help="Take it back when a workload is worse off.")
    ] = False,
    store: StoreOption = None,
    yes: YesOption = False,
) -> None:
    """Follow an advice, with your own rights in the cluster.

    What it rests on must not have changed since it was made, and the cluster is asked about each step first.
    How everything was is written down before anything is changed: `moorage advice revert` brings it back.
    What was interrupted is finished by the same command.

    Exits 1 when a workload is worse off afterwards.
    """
    from moorage.cli._run import management, run

    seconds = parse_duration(watch)

    async def work() -> bool:
        from moorage.advisors.applying.act import follow, prepare
        from moorage.advisors.applying.watch import concerned, worse
        from moorage.cli._advice import change_of, entered, find_advice
        from moorage.cli._describe_advice import painted, steps_diff

        async with management() as client:
            item = await find_advice(client, advice, project)
            async with entered(client, item, user=user, admin=admin) as person:
                prepared = await prepare(person, item, change_of(item, store))
                name = item.metadata.name
                if prepared.resumed:
                    say(f"{name} was begun before, and is finished now")
                write(painted(steps_diff(prepared.steps)), end="")
                for note in prepared.notes:
                    say(f"note: {note}")
                if dry_run:
                    return True
                confirm(f"{len(prepared.steps)} objects of cluster {item.spec.cluster} are changed", yes=yes)
                before = await concerned(person.inside, prepared.steps, item.spec.subject) if seconds else {}
                await follow(person, item, prepared, now=_now(), progress=say)
                say(f"{name} is applied; `moorage advice revert {name}` takes it back")
                if not before:
                    return True
                say(f"watching {', '.join(map(str, before))} for {watch}")
                told = await worse(person.inside, before, seconds=seconds)
                if told:
                    await _worse(person, item, told, revert_it=revert_if_worse)
                return not told

    if not run(work()):
        raise typer.Exit(ExitCode.FINDINGS)


def revert(
    advice: AdviceArgument,
    project: ProjectOption = None,
    *,
    user: AsOption = None,
    admin: AdminOption = False,
    yes: YesOption = False,
) -> None:
    """Take back an advice that was applied, also in part.

    Everything that it has changed becomes as it was before. What somebody else has changed since, and the
    advice was not about, stays as it is now.
    """
    from moorage.cli._run import management, run

    async def work() -> str:
        from moorage.advisors.applying.act import undo
        from moorage.cli._advice import entered, find_advice

        async with management() as client:
            item = await find_advice(client, advice, project)
            async with entered(client, item, user=user, admin=admin) as person:
                confirm(f"what {item.metadata.name} has changed becomes as it was before", yes=yes)
                await undo(person, item, now=_now(), progress=say)
                return item.metadata.name

    say(f"{run(work())} is taken back, and open again")


async def _worse(person: Person, item: Advice, told: tuple[str, ...], *, revert_it: bool) -> None:
    from moorage.advisors.applying.act import undo
    from moorage.api.advice import Advice
    from moorage.kube.kinds import ADVICE
    from moorage.kube.objects import get

    for each in told:
        say(f"worse: {each}")
    name = item.metadata.name
    if not revert_it:
        say(f"hint: `moorage advice revert {name}` takes it back")
        return
    found = await get(person.management, ADVICE, name, item.metadata.namespace)
    if found is not None:
        await undo(person, Advice.parse(found), now=_now(), progress=say)
        say(f"{name} is taken back")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
