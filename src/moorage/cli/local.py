"""``moorage local``: what there is to do with the local provider's machines: break them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli import _complete
from moorage.cli._names import ClusterArgument, ProjectOption
from moorage.cli._output import Column, Output, OutputOption, print_records, say
from moorage.errors import MoorageError
from moorage.providers.local.faults import SYMPTOMS, Fault

if TYPE_CHECKING:
    from lightkube import AsyncClient

    from moorage.providers.local.injection import Cluster, Injected

app = typer.Typer()
fault_app = typer.Typer()
app.add_typer(fault_app, name="fault", help="Faults of machines: list, inject, clear.")

MachineOption = Annotated[
    str | None,
    typer.Option("--machine", "-m", metavar="NAME", help="The machine; its node has the same name."),
]
PoolOption = Annotated[
    str | None,
    typer.Option(
        "--pool",
        metavar="POOL",
        help="The pool whose next machine is meant.",
        autocompletion=_complete.pools,
    ),
]

_KINDS = " ".join(f"{fault.value}: {symptom.summary}." for fault, symptom in SYMPTOMS.items())


@app.callback()
def local() -> None:
    """Faults for the machines of the local provider."""


@fault_app.command("list")
def list_faults(
    cluster: Annotated[
        str | None,
        typer.Argument(
            metavar="CLUSTER",
            help="NAME or PROJECT/NAME. Default: all of the project.",
            autocompletion=_complete.clusters,
        ),
    ] = None,
    project: ProjectOption = None,
    *,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the faults that there are.

    Those that machines have, and those that wait for a pool's next machine.
    """
    from moorage.cli._run import run

    async def work() -> tuple[str, list[Injected]]:
        from moorage.api.meta import project_namespace
        from moorage.cli._names import find_project, split
        from moorage.cli._run import management
        from moorage.providers.local.injection import injected_faults

        said, name = split(cluster, project) if cluster else (project, None)
        async with management() as client:
            found = await find_project(client, said)
            return found, await injected_faults(client, project_namespace(found), name)

    of, faults = run(work())
    print_records(
        [{"project": of, **asdict(item)} for item in faults],
        output,
        columns=(
            Column("Cluster", lambda record: record["cluster"]),
            Column("Pool", lambda record: record["pool"]),
            Column("Machine", lambda record: record["machine"] or "(the next one)"),
            Column("Fault", lambda record: record["fault"]),
        ),
        name=lambda record: record["machine"] or record["pool"],
        nothing="no fault is injected",
    )


@fault_app.command(epilog=_KINDS)
def inject(
    cluster: ClusterArgument,
    fault: Annotated[Fault, typer.Argument(metavar="FAULT", help="One of those below.")],
    project: ProjectOption = None,
    *,
    machine: MachineOption = None,
    pool: PoolOption = None,
) -> None:
    """Let a machine fail.

    One that is there (--machine), or the next one of a pool (--pool).
    """
    from moorage.cli._run import FIELD_MANAGER, run

    if (machine is None) == (pool is None):
        raise MoorageError("which machine is to fail?", hint="say either --machine NAME or --pool POOL")

    async def work() -> str:
        from moorage.cli._run import management
        from moorage.providers.local.injection import inject as inject_fault
        from moorage.providers.local.injection import inject_next

        async with management() as client:
            target = await _target(client, cluster, project)
            if machine is not None:
                await inject_fault(client, target, machine, fault, field_manager=FIELD_MANAGER)
                return f"machine {machine} of {target}"
            await inject_next(client, target, str(pool), fault, field_manager=FIELD_MANAGER)
            return f"the next machine of pool {pool} of {target}"

    whose = run(work())
    say(f"{fault.value} for {whose}: {SYMPTOMS[fault].summary}")


@fault_app.command()
def clear(
    cluster: ClusterArgument,
    project: ProjectOption = None,
    *,
    machine: MachineOption = None,
    every: Annotated[bool, typer.Option("--all", help="All faults of the cluster.")] = False,
) -> None:
    """Let a machine (--machine), or everything (--all), be well again."""
    from moorage.cli._run import FIELD_MANAGER, run

    if (machine is None) != every:
        raise MoorageError("which machine is to be well again?", hint="say either --machine NAME or --all")

    async def work() -> list[Injected]:
        from moorage.cli._run import management
        from moorage.providers.local.injection import clear as clear_faults

        async with management() as client:
            target = await _target(client, cluster, project)
            return await clear_faults(client, target, machine=machine, field_manager=FIELD_MANAGER)

    cleared = run(work())
    for item in cleared:
        say(f"{item.fault} of {item.machine or f'the next machine of pool {item.pool}'} is cleared")
    if not cleared:
        say("there was no fault")


async def _target(client: AsyncClient, cluster: str, project: str | None) -> Cluster:
    from moorage.cli._names import find_cluster
    from moorage.providers.local.injection import Cluster

    found = await find_cluster(client, cluster, project)
    return Cluster(found.namespace, found.name)
