"""``moorage project``: projects, their members and quota."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moorage.cli import _complete
from moorage.cli._confirm import YesOption, confirm
from moorage.cli._help import CommandGroup
from moorage.cli._output import Output, OutputOption, dump_manifests, print_object, print_objects, say
from moorage.cli._wait import TimeoutOption, WaitOption, parse_duration

if TYPE_CHECKING:
    from moorage.cli._objects import Change, Object

app = typer.Typer()
members = typer.Typer()
app.add_typer(members, name="member", cls=CommandGroup, help="Who may do what.", no_args_is_help=True)

NewProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's name.")]
ProjectArgument = Annotated[
    str,
    typer.Argument(metavar="PROJECT", help="The project's name.", autocompletion=_complete.projects),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Change nothing; print what `kubectl apply -f -` would take.")
]
Role = Literal["owner", "editor", "viewer"]
GroupOption = Annotated[bool, typer.Option("--group", help="The name is a group's.")]
_SOON = "2m"


@app.command()
def create(  # noqa: PLR0913 - one parameter a flag
    project: NewProjectArgument,
    *,
    display_name: Annotated[
        str | None, typer.Option("--display-name", metavar="TEXT", help="Its name for people.")
    ] = None,
    owner: Annotated[
        list[str] | None, typer.Option("--owner", metavar="USER", help="An owner; say it again for more.")
    ] = None,
    max_clusters: Annotated[
        int | None, typer.Option("--max-clusters", metavar="N", min=0, help="How many clusters at most.")
    ] = None,
    max_nodes: Annotated[
        int | None, typer.Option("--max-nodes", metavar="N", min=0, help="How many nodes at most.")
    ] = None,
    max_cpu: Annotated[
        str | None, typer.Option("--max-cpu", metavar="QUANTITY", help="How many CPUs at most: 64.")
    ] = None,
    max_memory: Annotated[
        str | None, typer.Option("--max-memory", metavar="QUANTITY", help="How much memory at most: 256Gi.")
    ] = None,
    kubernetes_version: Annotated[
        str | None,
        typer.Option("--kubernetes-version", metavar="VERSION", help="What its clusters get by default."),
    ] = None,
    machine_type: Annotated[
        str | None,
        typer.Option(
            "--machine-type",
            metavar="NAME",
            help="What its node pools get by default.",
            autocompletion=_complete.machine_types,
        ),
    ] = None,
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="No error where there is one of this name already.")
    ] = False,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = _SOON,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a project: clusters, members and a quota."""
    from moorage.cli import _objects
    from moorage.cli._run import run

    seconds = parse_duration(timeout)
    declared = _objects.project(
        project,
        _objects.ProjectOptions(
            display_name=display_name,
            owners=owner or (),
            clusters=max_clusters,
            nodes=max_nodes,
            cpu=max_cpu,
            memory=max_memory,
            version=kubernetes_version,
            machine_type=machine_type,
        ),
    )
    if dry_run:
        dump_manifests([declared], output)
        return

    async def work() -> Object:
        from moorage.cli._edit import create_new, get_project
        from moorage.cli._run import management
        from moorage.cli._wait import wait_for_project
        from moorage.kube.kinds import PROJECT

        async with management() as client:
            created = await create_new(
                client, PROJECT, declared, what=f"project {project}", if_not_exists=if_not_exists
            )
            if not wait:
                return created
            await wait_for_project(client, project, timeout_seconds=seconds)
            return await get_project(client, project)

    _print_one(run(work()), output)


@app.command("list")
def list_projects(*, output: OutputOption = Output.TABLE) -> None:
    """List the projects that you may see."""
    from moorage.cli._columns import PROJECTS
    from moorage.cli._run import run

    async def work() -> list[Object]:
        from moorage.cli._edit import visible_projects
        from moorage.cli._run import management

        async with management() as client:
            return await visible_projects(client)

    print_objects(
        run(work()),
        output,
        columns=PROJECTS,
        nothing="there is no project; `moorage project create NAME` makes one",
    )


@app.command()
def get(project: ProjectArgument, *, output: OutputOption = Output.TABLE) -> None:
    """Show a project: its members, and what it uses of its quota."""
    found = _read(project)
    if output is Output.TABLE:
        from moorage.cli._describe import describe_project

        describe_project(found)
    else:
        _print_one(found, output)


@app.command()
def delete(
    project: ProjectArgument,
    *,
    yes: YesOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = _SOON,
) -> None:
    """Delete a project that has no clusters any more."""
    from moorage.cli._run import run

    seconds = parse_duration(timeout)

    async def work() -> None:
        from moorage.cli._edit import get_project, require_no_clusters
        from moorage.cli._run import management
        from moorage.cli._wait import wait_until_project_is_gone
        from moorage.kube import objects
        from moorage.kube.kinds import PROJECT

        async with management() as client:
            await get_project(client, project)
            await require_no_clusters(client, project)
            confirm(f"project {project} and its members' access will be gone", yes=yes)
            await objects.delete(client, PROJECT, project)
            if wait:
                await wait_until_project_is_gone(client, project, timeout_seconds=seconds)

    run(work())
    say(f"project {project} is {'gone' if wait else 'being deleted'}")


@app.command()
def kubeconfig(
    project: ProjectArgument,
    *,
    user: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="For this member. Default: who you are.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Where to. Default: KUBECONFIG, or ~/.kube/config."),
    ] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print it; write no file.")] = False,
) -> None:
    """Let a member's kubectl into the management cluster.

    It shows them their project and nothing else.
    """
    from moorage.cli._kubeconfig import deliver, for_project
    from moorage.cli._run import run

    deliver(run(for_project(project, user=user)), output=output, stdout=stdout)


@members.command("add")
def add_member(
    project: ProjectArgument,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user, or with --group the group.")],
    *,
    role: Annotated[Role, typer.Option("--role", help="What they may do.")],
    group: GroupOption = False,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Give somebody a role, in place of the one they have.

    Viewers read. Editors also manage clusters and work in them. Owners also administer clusters and members.
    """
    from moorage.cli._objects import with_member

    _change(project, with_member(user, role, _kind(group)), dry_run=dry_run, output=output)


@members.command("remove")
def remove_member(
    project: ProjectArgument,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user, or with --group the group.")],
    *,
    group: GroupOption = False,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """End somebody's membership.

    What they could do ends at once, in all clusters of the project.
    """
    from moorage.cli._objects import without_member

    _change(project, without_member(user, _kind(group)), dry_run=dry_run, output=output)


@members.command("list")
def list_members(project: ProjectArgument, *, output: OutputOption = Output.TABLE) -> None:
    """List the members of a project."""
    from moorage.cli._columns import MEMBERS
    from moorage.cli._output import print_records

    print_records(
        (_read(project).get("spec") or {}).get("members") or [],
        output,
        columns=MEMBERS,
        nothing=f"project {project} has no members; `moorage project member add` adds one",
    )


def _kind(group: bool) -> str:  # noqa: FBT001 - a flag, as it is said
    return "Group" if group else "User"


def _read(project: str) -> Object:
    from moorage.cli._run import run

    async def work() -> Object:
        from moorage.cli._edit import get_project
        from moorage.cli._run import management

        async with management() as client:
            return await get_project(client, project)

    return run(work())


def _change(project: str, change: Change, *, dry_run: bool, output: Output) -> None:
    from moorage.cli._columns import MEMBERS
    from moorage.cli._output import print_records
    from moorage.cli._run import run

    async def work() -> Object:
        from moorage.cli._edit import edit, get_project
        from moorage.cli._objects import declared
        from moorage.cli._run import management
        from moorage.kube.kinds import PROJECT

        async with management() as client:
            before = await get_project(client, project)
            if dry_run:
                return declared(change(before))
            return (await edit(client, PROJECT, project, None, change))[1]

    found = run(work())
    if dry_run:
        dump_manifests([found], output)
    elif output is Output.TABLE:
        print_records(found["spec"].get("members") or [], output, columns=MEMBERS)
    else:
        _print_one(found, output)


def _print_one(found: Object, output: Output) -> None:
    from moorage.cli._columns import PROJECTS

    print_object(found, output, columns=PROJECTS)
