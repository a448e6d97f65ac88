"""Finding an advice by what a person types, and entering the cluster that it is about."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from moorage.cli import _complete
from moorage.durations import duration
from moorage.errors import MoorageError
from moorage.reports.words import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightkube import AsyncClient

    from moorage.advisors.advice import Change
    from moorage.advisors.applying.act import Person
    from moorage.api.advice import Advice

AdviceArgument = Annotated[
    str,
    typer.Argument(
        metavar="ADVICE",
        help="Its name, or the beginning of it, also without the cluster; PROJECT/NAME, too.",
        autocompletion=_complete.advices,
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Where the platform keeps what is too large for objects. Default: MOORAGE_DATABASE, or that of "
        "the platform on this machine.",
    ),
]
AsOption = Annotated[
    str | None, typer.Option("--as", metavar="USER", help="As this member. Default: who you are.")
]
AdminOption = Annotated[
    bool, typer.Option("--admin", help="For the platform team: with a certificate that may do anything.")
]

_SHOWN: Final = 5


class StateChoice(StrEnum):
    """What has become of an advice."""

    OPEN = "open"
    APPLIED = "applied"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"


async def find_advice(client: AsyncClient, told: str, project: str | None) -> Advice:
    """Return the advice that is meant.

    Raises:
        UnknownNameError: there is none of this name, or there are several that begin so.
    """
    from moorage.api.meta import project_namespace
    from moorage.cli._names import UnknownNameError, find_project, split

    said, name = split(told, project)
    where = await find_project(client, said)
    found = await advices(client, project_namespace(where))
    exact = [item for item in found if item.metadata.name == name]
    meant = exact or [item for item in found if name and any(each.startswith(name) for each in spelled(item))]
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise UnknownNameError(
            f"there is no advice {name} in project {where}",
            hint=f"`moorage advice list -p {where}` shows those there are",
        )
    names = ", ".join(item.metadata.name for item in meant[:_SHOWN])
    raise UnknownNameError(
        f"{name} could be {len(meant)} advices: {names}{', ...' if len(meant) > _SHOWN else ''}",
        hint="write more of the name",
    )


async def of_same_change(client: AsyncClient, item: Advice) -> list[Advice]:
    """Return the other advice in whatever state that has the change of this one."""
    from moorage.api.advice import CHANGE_LABEL

    change = item.metadata.labels.get(CHANGE_LABEL)
    return [
        other
        for other in await advices(client, item.metadata.namespace)
        if change
        and other.metadata.labels.get(CHANGE_LABEL) == change
        and other.spec.cluster == item.spec.cluster
        and other.metadata.name != item.metadata.name
    ]


def harm_before(item: Advice, change: Sequence[Change], others: Iterable[Advice]) -> list[str]:
    """Return what went wrong when an advice, or another one with the same change, was followed before.

    Args:
        item: the advice that somebody decides about.
        change: what it says now; when it was followed, that may have been another one.
        others: those with the same change (`of_same_change`).
    """
    told = []
    for each in (item, *others):
        application = each.status.application if each.status is not None else None
        if application is not None and application.harm:
            done = [(step.action, step.object) for step in application.steps]
            what = "this" if done == [(step.action, step.content) for step in change] else "another"
            of = "" if each is item else f", as {each.metadata.name}"
            told.append(printable(f"{what} change did harm before{of}: {application.harm}"))
    return told


def is_in(item: Advice, states: Collection[str]) -> bool:
    """Say whether an advice is in one of these states; where none is named, in any but resolved.

    What stands is ``applied``, also when it is resolved: an advisor that sees the change resolves the advice,
    and it can be taken back all the same.
    """
    from moorage.advisors.keeping import life

    its = {item.state.value.lower()}
    if not states:
        return its != {StateChoice.RESOLVED.value}
    if item.status is not None and life.stands(item.status):
        its.add(StateChoice.APPLIED.value)
    return not its.isdisjoint(states)


def require_dismissable(item: Advice) -> None:
    """See that there is something to decide against.

    Raises:
        MoorageError: there is not; the hint is what to do instead.
    """
    from moorage.advisors.keeping import life
    from moorage.api.advice import AdviceState, AdviceStatus

    name, status = item.metadata.name, item.status or AdviceStatus()
    if life.is_under_way(status):
        raise MoorageError(
            f"{name} is being applied or undone",
            hint=f"`moorage advice revert {item.full_name}` undoes what was done; then it can be dismissed",
        )
    if item.state is AdviceState.APPLIED or life.is_harmful(status):
        raise MoorageError(
            f"{name} is applied, so it is too late to decide against it",
            hint=f"take it back first: `moorage advice revert {item.full_name}`",
        )
    if item.state is AdviceState.RESOLVED:
        raise MoorageError(
            f"{name} is resolved: there is nothing to dismiss",
            hint="should the advisor find it again, it opens again by itself",
        )


def require_dismissed(item: Advice) -> None:
    """See that there is a decision to take back.

    Raises:
        MoorageError: there is not; the hint is what to do instead.
    """
    from moorage.api.advice import AdviceState

    name = item.metadata.name
    dismissal = item.status.dismissal if item.status is not None else None
    match item.state:
        case AdviceState.DISMISSED:
            return
        case AdviceState.APPLIED:
            hint = f"what was applied is taken back with `moorage advice revert {item.full_name}`"
        case AdviceState.RESOLVED if dismissal is not None:
            hint = "should the advisor find it again, it is dismissed again, and can be opened then"
        case AdviceState.RESOLVED:
            hint = "should the advisor find it again, it opens again by itself"
        case _:
            hint = "there is nothing to do"
    raise MoorageError(f"{name} is {item.state.value.lower()}, not dismissed", hint=hint)


async def require_cluster(client: AsyncClient, name: str, project: str | None) -> None:
    """See that there is a cluster of this name: in a project, or in any.

    Raises:
        UnknownNameError: there is none.
    """
    from moorage.cli._edit import get_cluster
    from moorage.cli._names import ClusterRef, UnknownNameError
    from moorage.kube.kinds import KUBERNETES_CLUSTER
    from moorage.kube.objects import list_objects

    if project is not None:
        await get_cluster(client, ClusterRef(project, name))
    elif not any(each["metadata"]["name"] == name for each in await list_objects(client, KUBERNETES_CLUSTER)):
        raise UnknownNameError(
            f"there is no cluster {name} in any project",
            hint="`moorage cluster list -A` shows those there are",
        )


def spelled(item: Advice) -> tuple[str, str]:
    """Return how an advice is called: by its whole name, and without its cluster's."""
    name = item.metadata.name
    return name, name.removeprefix(f"{item.spec.cluster}-")


async def advices(client: AsyncClient, namespace: str | None) -> list[Advice]:
    """Return the advice of a project, or of all; the worst first."""
    from moorage.api.advice import Advice
    from moorage.kube.kinds import ADVICE
    from moorage.kube.objects import list_objects

    return in_order(Advice.parse(item) for item in await list_objects(client, ADVICE, namespace))


def in_order(items: Iterable[Advice]) -> list[Advice]:
    """Order advice for a person: the worst first, the surest of these first."""
    return sorted(
        items,
        key=lambda item: (
            -item.spec.severity.rank,
            -item.spec.confidence,
            item.metadata.namespace or "",
            item.metadata.name,
        ),
    )


def moment(told: str, now: datetime) -> datetime:
    """Return until when something is to hold: a length of time (30d, 12h, 2w), or a day, to its end in UTC.

    Raises:
        MoorageError: it is neither, or past.
    """
    try:
        if told[-1:].isalpha() and told[-1:] not in "Zz":
            until = now + duration(told, name="--until")
        else:
            until = datetime.fromisoformat(told)
            if until.tzinfo is None:
                whole_day = timedelta(days=1) if len(told) == len("2027-03-31") else timedelta()
                until = until.replace(tzinfo=UTC) + whole_day
    except (ValueError, OverflowError):
        raise MoorageError(
            f"--until {told} is no time", hint="such as 30d, 12h, 2w, 2027-03-31 or 2027-03-31T12:00:00Z"
        ) from None
    if until <= now:
        raise MoorageError(f"--until {told} is over already", hint="name a day that is to come")
    return until


@asynccontextmanager
async def deciding(
    management: AsyncClient, item: Advice, *, user: str | None, admin: bool
) -> AsyncIterator[tuple[str, AsyncClient]]:
    """Ask the management cluster as the person who decides about an advice: their name stays with it.

    Yields:
        How the management cluster knows them, and their client of it.

    Raises:
        MoorageError: there is no such member.
    """
    from moorage.api.meta import project_of
    from moorage.cli._kubeconfig import for_deciding, require_one, who_am_i
    from moorage.kube.client import connect

    require_one(user=user, admin=admin)
    project = project_of(item.metadata.namespace or "") or ""
    config = None if admin else await for_deciding(management, project, user=user)
    if config is None:
        yield await who_am_i(management), management
        return
    async with connect(config) as client:
        yield await who_am_i(client), client


@asynccontextmanager
async def entered(
    management: AsyncClient, item: Advice, *, user: str | None, admin: bool
) -> AsyncIterator[Person]:
    """Enter the cluster that an advice is about, with the rights of a person.

    Raises:
        MoorageError: there is no way in, or nobody answers.
    """
    from moorage.advisors.applying.act import Person
    from moorage.api.meta import project_of
    from moorage.cli._kubeconfig import for_cluster
    from moorage.cli._run import person
    from moorage.kube.client import connect
    from moorage.kube.discovery import served_kind
    from moorage.kube.objects import UNREACHABLE

    project = project_of(item.metadata.namespace or "") or ""
    config = await for_cluster(item.spec.cluster, project, user=user, admin=admin)
    async with (
        deciding(management, item, user=user, admin=admin) as (name, mine),
        connect(config) as inside,
    ):
        try:
            await served_kind(inside, "v1", "Namespace")
        except UNREACHABLE as error:
            raise MoorageError(
                f"cluster {project}/{item.spec.cluster} does not answer",
                hint=f"`moorage cluster get {project}/{item.spec.cluster}` shows how it is",
            ) from error
        yield Person(name, mine, inside, person)


def change_of(item: Advice, store: str | None) -> Sequence[Change]:
    """Return the change of an advice; from the store, where it was too large for the object.

    Raises:
        MoorageError: it is in a store that is not named, or that has not got it.
    """
    import json

    from moorage.advisors.keeping.written import change_of as read
    from moorage.api.advice import AdviceChange

    stored = item.spec.stored_change
    if stored is None:
        return [read(each) for each in item.spec.change]
    content = stored_part(item, "change", stored.key, store)
    if content is None:
        raise MoorageError(
            f"the change of {item.metadata.name} is too large for the object, and no store is named",
            hint="whoever runs the platform has it: --store URL",
        )
    return [read(AdviceChange.model_validate(each)) for each in json.loads(content)]


def stored_part(item: Advice, what: str, key: str, store: str | None) -> bytes | None:
    """Return what the store has of an advice; ``None`` where none is named.

    Raises:
        MoorageError: the store has not got it.
    """
    url = store or os.environ.get("MOORAGE_DATABASE") or _platforms_own()
    if not url:
        return None
    from moorage.advisors.evidence import open_store

    opened = open_store(url)
    try:
        content = opened.get(f"{item.metadata.namespace}/{key}")
    finally:
        opened.close()
    if content is None:
        raise MoorageError(
            f"the store has no {what} of {item.metadata.name}", hint="is it this platform's store?"
        )
    return content


def _platforms_own() -> str | None:
    """Return the database of the platform on this machine, where it is that platform that is asked."""
    if os.environ.get("MOORAGE_KUBECONFIG"):
        return None
    from moorage.local.home import Home

    path = Home.from_environment().evidence_database
    return str(path) if path.is_file() else None


def as_report(items: Sequence[Advice]) -> dict[str, Any]:
    """Return advice as SARIF: one run an advisor, each finding known by its lasting identity."""
    from moorage.advisors.advice import Advice as Found
    from moorage.advisors.keeping.written import finding_of
    from moorage.advisors.render.sarif import as_sarif

    advisors = sorted({item.spec.advisor for item in items}) or ["advice"]
    runs: list[Any] = []
    report: dict[str, Any] = {}
    for advisor in advisors:
        its = [item for item in items if item.spec.advisor == advisor]
        report = as_sarif(Found(advisor, tuple(map(finding_of, its))))
        [run] = report["runs"]
        for item, result in zip(its, run["results"], strict=True):
            result["partialFingerprints"] = {"moorageAdvice/v1": spelled(item)[1]}
            result["properties"] = {"cluster": item.spec.cluster, "state": item.state.value}
        runs.append(run)
    return {**report, "runs": runs}
