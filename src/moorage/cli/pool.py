"""``moorage pool``: the node pools of a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from moorage.cli import _complete
from moorage.cli._change import change_cluster
from moorage.cli._confirm import YesOption, confirm
from moorage.cli._names import ClusterArgument, ProjectOption
from moorage.cli._output import Output, OutputOption
from moorage.cli._wait import DEFAULT_TIMEOUT, TimeoutOption, WaitOption, parse_duration
from moorage.cli.cluster import (
    DryRunOption,
    MachineTypeOption,
    MaxOption,
    MinOption,
    NodesOption,
)

app = typer.Typer()

NewPoolArgument = Annotated[str, typer.Argument(metavar="POOL", help="The pool's name.")]
PoolArgument = Annotated[
    str, typer.Argument(metavar="POOL", help="The pool's name.", autocompletion=_complete.pools)
]


@app.command()
def add(  # noqa: PLR0913 - one parameter a flag
    cluster: ClusterArgument,
    pool: NewPoolArgument,
    project: ProjectOption = None,
    *,
    nodes: NodesOption = None,
    fewest: MinOption = None,
    most: MaxOption = None,
    machine_type: MachineTypeOption = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="KEY=VALUE", help="A label of its nodes; say it again for more."),
    ] = None,
    taint: Annotated[
        list[str] | None,
        typer.Option(
            "--taint", metavar="KEY=VALUE:EFFECT", help="A taint of its nodes; say it again for more."
        ),
    ] = None,
    zone: Annotated[
        str | None, typer.Option("--zone", metavar="NAME", help="Where its nodes are. Default: anywhere.")
    ] = None,
    max_surge: Annotated[
        str | None,
        typer.Option("--max-surge", metavar="N|N%", help="How many nodes more while they are replaced."),
    ] = None,
    max_unavailable: Annotated[
        str | None,
        typer.Option("--max-unavailable", metavar="N|N%", help="How many fewer while they are replaced."),
    ] = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    output: OutputOption = Output.TABLE,
) -> None:
    """Add a pool of nodes that are alike."""
    from moorage.cli._objects import PoolOptions, PoolSize, with_pool

    size = PoolSize(nodes, fewest, most).required()
    chosen = machine_type or _default_machine_type(cluster, project)
    options = PoolOptions(
        name=pool,
        machine_type=chosen,
        size=size,
        labels=label or (),
        taints=taint or (),
        zone=zone,
        max_surge=max_surge,
        max_unavailable=max_unavailable,
    )
    change_cluster(
        cluster,
        project,
        with_pool(options),
        title=f"Adding pool {pool} to",
        dry_run=dry_run,
        wait=parse_duration(timeout) if wait else None,
        output=output,
    )


@app.command()
def scale(  # noqa: PLR0913 - one parameter a flag
    cluster: ClusterArgument,
    pool: PoolArgument,
    project: ProjectOption = None,
    *,
    nodes: NodesOption = None,
    fewest: MinOption = None,
    most: MaxOption = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    output: OutputOption = Output.TABLE,
) -> None:
    """Give a pool more or fewer nodes, or a range."""
    from moorage.cli._objects import PoolSize, scaled

    change_cluster(
        cluster,
        project,
        scaled(pool, PoolSize(nodes, fewest, most).required()),
        title=f"Scaling pool {pool} of",
        dry_run=dry_run,
        wait=parse_duration(timeout) if wait else None,
        output=output,
    )


@app.command()
def delete(
    cluster: ClusterArgument,
    pool: PoolArgument,
    project: ProjectOption = None,
    *,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    output: OutputOption = Output.TABLE,
) -> None:
    """Delete a pool; its nodes are drained."""
    from moorage.cli._objects import without_pool

    if not dry_run:
        confirm(f"the nodes of pool {pool} of cluster {cluster} will be gone", yes=yes)
    change_cluster(
        cluster,
        project,
        without_pool(pool),
        title=f"Deleting pool {pool} of",
        dry_run=dry_run,
        wait=parse_duration(timeout) if wait else None,
        output=output,
    )


def _default_machine_type(cluster: str, project: str | None) -> str:
    from moorage.cli._run import run

    async def work() -> str:
        from moorage.cli._declare import default_machine_type
        from moorage.cli._edit import get_cluster
        from moorage.cli._names import find_cluster
        from moorage.cli._run import management

        async with management() as client:
            ref = await find_cluster(client, cluster, project)
            provider = (await get_cluster(client, ref))["spec"].get("provider")
            return await default_machine_type(client, ref.project, provider=provider)

    return run(work())
