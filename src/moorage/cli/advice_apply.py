"""``moorage advice apply`` and ``revert``: following an advice with one's own rights, and taking it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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

    seconds = parse_duration(watch, "--watch")

    async def work() -> bool:
        from moorage.advisors.applying.act import follow, prepare
        from moorage.advisors.applying.watch import concerned, worse
        from moorage.cli._advice import change_of, entered, find_advice, harm_before, of_same_change
        from moorage.cli._describe_advice import painted, steps_diff

        async with management() as client:
            item = await find_advice(client, advice, project)
            async with entered(client, item, user=user, admin=admin) as person:
                change = change_of(item, store)
                prepared = await prepare(person, item, change)
                name = item.metadata.name
                if prepared.resumed:
                    say(f"{name} was begun before, and {'would be' if dry_run else 'is'} finished now")
                write(painted(steps_diff(prepared.steps)), end="")
                harm = harm_before(item, change, await of_same_change(client, item))
                for note in (*prepared.notes, *harm):
                    say(f"note: {note}")
                if dry_run:
                    return True
                confirm(changed(len(prepared.steps), item.spec.cluster), yes=yes)
                before = await concerned(person.inside, prepared.steps, item.spec.subject) if seconds else {}
                with half_done(item, begun=prepared.resumed) as progress:
                    await follow(person, item, prepared, now=_now(), progress=progress)
                say(f"{name} is applied; this takes it back:\n  moorage advice revert {item.full_name}")
                if not before:
                    if seconds:
                        say("nothing to watch: no workload is concerned")
                    return True
                say(f"watching {', '.join(map(str, before))} for {watch}")
                told = await worse(person.inside, before, seconds=seconds)
                if told:
                    await _worse(person, item, told, revert_it=revert_if_worse)
                else:
                    say(not_worse(list(map(str, before))))
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
                with half_done(item, undoing=True, begun=is_begun(item)) as progress:
                    await undo(person, item, now=_now(), progress=progress)
                return item.metadata.name

    say(f"{run(work())} is taken back, and open again")


def changed(objects: int, cluster: str) -> str:
    """Return what following an advice comes to, in a sentence."""
    what = "1 object" if objects == 1 else f"{objects} objects"
    return f"{what} of cluster {cluster} {'is' if objects == 1 else 'are'} changed"


def not_worse(workloads: Sequence[str]) -> str:
    """Return what is said of workloads that a change did nothing to."""
    return f"{', '.join(workloads)} {'is' if len(workloads) == 1 else 'are'} not worse off"


def is_begun(item: Advice) -> bool:
    """Say whether an advice is half applied, or half taken back."""
    from moorage.advisors.keeping import life

    return item.status is not None and life.is_under_way(item.status)


@contextmanager
def half_done(item: Advice, *, undoing: bool = False, begun: bool = False) -> Iterator[Callable[[str], None]]:
    """Tell what is done with an advice; and, when that is interrupted, how to go on.

    Args:
        item: the advice.
        undoing: whether it is taken back rather than applied.
        begun: whether some of it was done before.

    Yields:
        What is to be told each step, when it is done.
    """
    told = begun

    def progress(what: str) -> None:
        nonlocal told
        told = True
        say(what)

    try:
        yield progress
    except (KeyboardInterrupt, asyncio.CancelledError):
        # Before the first step is told, a request may be under way that begins it.
        name, so = item.metadata.name, "is" if told else "may be"
        undo_it = f"`moorage advice revert {item.full_name}`"
        if undoing:
            say(f"{name} {so} half taken back: {undo_it} finishes it")
        else:
            finish = f"`moorage advice apply {item.full_name}`"
            say(f"{name} {so} half applied: {finish} finishes it, {undo_it} undoes it")
        raise


async def _worse(person: Person, item: Advice, told: tuple[str, ...], *, revert_it: bool) -> None:
    from moorage.advisors.applying.act import undo
    from moorage.api.advice import Advice
    from moorage.kube.kinds import ADVICE
    from moorage.kube.objects import get

    for each in told:
        say(f"worse: {each}")
    name = item.metadata.name
    if not revert_it:
        say(f"hint: `moorage advice revert {item.full_name}` takes it back")
        return
    found = await get(person.management, ADVICE, name, item.metadata.namespace)
    if found is not None:
        with half_done(item, undoing=True) as progress:
            await undo(person, Advice.parse(found), now=_now(), progress=progress)
        say(f"{name} is taken back")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
