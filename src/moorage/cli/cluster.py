"""``moorage cluster``: the clusters of a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli import _complete
from moorage.cli._change import change_cluster, print_cluster
from moorage.cli._confirm import YesOption, confirm
from moorage.cli._names import ClusterArgument, NewClusterArgument, ProjectOption
from moorage.cli._output import Output, OutputOption, dump_manifests, print_objects, say
from moorage.cli._wait import DEFAULT_TIMEOUT, TimeoutOption, WaitOption, parse_duration

if TYPE_CHECKING:
    from moorage.cli._names import ClusterRef
    from moorage.cli._objects import Object

app = typer.Typer()

DEFAULT_POOL = "workers"

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Change nothing; print what `kubectl apply -f -` would take.")
]
MachineTypeOption = Annotated[
    str | None,
    typer.Option(
        "--machine-type",
        metavar="NAME",
        help="Default: the project's, or the smallest. `moorage machinetype list` shows all.",
        autocompletion=_complete.machine_types,
    ),
]
NodesOption = Annotated[int | None, typer.Option("--nodes", metavar="N", min=0, help="How many nodes.")]
MinOption = Annotated[
    int | None, typer.Option("--min", metavar="N", min=0, help="The fewest nodes, with --max.")
]
MaxOption = Annotated[
    int | None, typer.Option("--max", metavar="N", min=0, help="The most nodes, with --min.")
]
VersionOption = Annotated[
    str | None,
    typer.Option(
        "--kubernetes-version",
        metavar="VERSION",
        help="A minor (1.36: its newest patch) or a patch (1.36.0). Default: the project's, or the newest.",
    ),
]


@app.command()
def create(  # noqa: PLR0913 - one parameter a flag
    cluster: NewClusterArgument,
    project: ProjectOption = None,
    *,
    kubernetes_version: VersionOption = None,
    nodes: NodesOption = None,
    fewest: MinOption = None,
    most: MaxOption = None,
    machine_type: MachineTypeOption = None,
    pool: Annotated[str, typer.Option("--pool", metavar="NAME", help="The node pool's name.")] = DEFAULT_POOL,
    control_plane_replicas: Annotated[
        int | None, typer.Option("--control-plane-replicas", metavar="1|3|5", help="Default: 1.")
    ] = None,
    provider: Annotated[
        str | None, typer.Option("--provider", metavar="NAME", help="Who makes it. Default: the project's.")
    ] = None,
    cni: Annotated[
        str | None, typer.Option("--cni", metavar="NAME", help="The network plugin. Default: the project's.")
    ] = None,
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="No error where there is one of this name already.")
    ] = False,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a cluster, with one pool of nodes.

    `moorage pool add` adds other pools. For example:

    moorage cluster create web -p shop --kubernetes-version 1.36 --nodes 3
    """
    from moorage.cli._objects import ClusterOptions, PoolSize
    from moorage.cli._run import run

    options = ClusterOptions(
        version=kubernetes_version, provider=provider, cni=cni, control_plane_replicas=control_plane_replicas
    )
    size = PoolSize(nodes, fewest, most)
    seconds = parse_duration(timeout)

    async def work() -> tuple[Object, str | None]:
        from moorage.cli._declare import declare_cluster
        from moorage.cli._edit import create_new, get_cluster
        from moorage.cli._kubeconfig import way_in
        from moorage.cli._run import management
        from moorage.cli._wait import wait_for_cluster
        from moorage.kube.kinds import KUBERNETES_CLUSTER

        async with management() as client:
            ref, declared = await declare_cluster(
                client, cluster, project, options, pool=pool, size=size, machine_type=machine_type
            )
            if dry_run:
                return declared, None
            created = await create_new(
                client, KUBERNETES_CLUSTER, declared, what=f"cluster {ref}", if_not_exists=if_not_exists
            )
            if not wait:
                return created, None
            await wait_for_cluster(client, ref, title=f"Creating cluster {ref}", timeout_seconds=seconds)
            return await get_cluster(client, ref), await way_in(client, ref)

    found, command = run(work())
    if dry_run:
        dump_manifests([found], output)
        return
    print_cluster(found, output)
    if command and output is Output.TABLE:
        say(f"hint: `{command}` lets kubectl in")


@app.command("list")
def list_clusters(
    project: ProjectOption = None,
    *,
    everywhere: Annotated[
        bool, typer.Option("--all", "-A", help="Those of all projects that you may see.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List clusters: of a project, or of all where none is named."""
    from moorage.cli._columns import CLUSTERS, CLUSTERS_OF_ALL
    from moorage.cli._run import run

    async def work() -> tuple[list[Object], str | None]:
        from moorage.cli._edit import get_project
        from moorage.cli._names import implied_project
        from moorage.cli._run import management
        from moorage.kube.kinds import KUBERNETES_CLUSTER
        from moorage.kube.objects import list_objects

        async with management() as client:
            named = None if everywhere else implied_project(client, project)
            namespace = None
            if named:
                namespace = f"project-{(await get_project(client, named))['metadata']['name']}"
            return await list_objects(client, KUBERNETES_CLUSTER, namespace), named

    found, named = run(work())
    found.sort(key=lambda item: (item["metadata"]["namespace"], item["metadata"]["name"]))
    where = f"project {named}" if named else "any project"
    print_objects(
        found,
        output,
        columns=CLUSTERS if named else CLUSTERS_OF_ALL,
        nothing=f"there is no cluster in {where}; `moorage cluster create NAME --nodes 3` makes one",
    )


@app.command()
def get(
    cluster: ClusterArgument, project: ProjectOption = None, *, output: OutputOption = Output.TABLE
) -> None:
    """Show a cluster: its pools, and how well it is."""
    from moorage.cli._run import run

    async def work() -> Object:
        from moorage.cli._edit import get_cluster
        from moorage.cli._names import find_cluster
        from moorage.cli._run import management

        async with management() as client:
            return await get_cluster(client, await find_cluster(client, cluster, project))

    found = run(work())
    if output is Output.TABLE:
        from moorage.cli._describe import describe_cluster

        describe_cluster(found)
    else:
        print_cluster(found, output)


@app.command()
def delete(
    cluster: ClusterArgument,
    project: ProjectOption = None,
    *,
    yes: YesOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
) -> None:
    """Delete a cluster, with everything that runs in it."""
    from moorage.cli._run import run

    seconds = parse_duration(timeout)

    async def work() -> tuple[ClusterRef, bool]:
        from moorage.cli._edit import get_cluster
        from moorage.cli._names import find_cluster
        from moorage.cli._run import management
        from moorage.cli._wait import wait_for_deletion
        from moorage.kube import objects
        from moorage.kube.kinds import KUBERNETES_CLUSTER

        async with management() as client:
            ref = await find_cluster(client, cluster, project)
            await get_cluster(client, ref)
            confirm(f"cluster {ref} and everything in it will be gone", yes=yes)
            await objects.delete(client, KUBERNETES_CLUSTER, ref.name, ref.namespace)
            if wait:
                await wait_for_deletion(client, ref, timeout_seconds=seconds)
            return ref, wait

    ref, gone = run(work())
    say(f"cluster {ref} is {'gone' if gone else 'being deleted'}")


@app.command()
def scale(  # noqa: PLR0913 - one parameter a flag
    cluster: ClusterArgument,
    project: ProjectOption = None,
    *,
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool",
            metavar="NAME",
            help="Which pool. Default: the only one.",
            autocompletion=_complete.pools,
        ),
    ] = None,
    nodes: NodesOption = None,
    fewest: MinOption = None,
    most: MaxOption = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    output: OutputOption = Output.TABLE,
) -> None:
    """Give a cluster more or fewer nodes."""
    from moorage.cli._objects import PoolSize, scaled

    size = PoolSize(nodes, fewest, most).required()
    change_cluster(
        cluster,
        project,
        scaled(pool, size),
        title="Scaling",
        dry_run=dry_run,
        wait=parse_duration(timeout) if wait else None,
        output=output,
    )


@app.command()
def upgrade(
    cluster: ClusterArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A minor (1.37) or a patch (1.37.2).")],
    project: ProjectOption = None,
    *,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = "30m",
    output: OutputOption = Output.TABLE,
) -> None:
    """Move a cluster to a newer Kubernetes.

    The control plane comes first, then node by node. A minor cannot be skipped.
    """
    from moorage.cli._objects import upgraded

    change_cluster(
        cluster,
        project,
        upgraded(version),
        title="Upgrading",
        dry_run=dry_run,
        wait=parse_duration(timeout) if wait else None,
        output=output,
    )


@app.command()
def kubeconfig(
    cluster: ClusterArgument,
    project: ProjectOption = None,
    *,
    user: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="For this member. Default: who you are.")
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="For the platform team: a certificate that may do anything.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Where to. Default: KUBECONFIG, or ~/.kube/config."),
    ] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print it; write no file.")] = False,
) -> None:
    """Let kubectl into a cluster: add it to a kubeconfig.

    What is there already is kept. No secret is in it: kubectl asks `moorage token` for a token, which lives
    an hour.
    """
    from moorage.cli._kubeconfig import deliver, for_cluster
    from moorage.cli._run import run

    config = run(for_cluster(cluster, project, user=user, admin=admin))
    deliver(config, output=output, stdout=stdout)


@app.command()
def events(
    cluster: ClusterArgument,
    project: ProjectOption = None,
    *,
    everything: Annotated[
        bool,
        typer.Option("--all", help="All there is: older ones, races of controllers, conditions at rest."),
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what has happened to a cluster, the newest last.

    Events and changes of conditions, of the cluster and of everything that it is made of: the last 30 that
    say something.
    """
    from moorage.cli._events import COLUMNS, History, cluster_history
    from moorage.cli._output import print_records
    from moorage.cli._run import run

    async def work() -> History:
        from moorage.cli._edit import get_cluster
        from moorage.cli._names import find_cluster
        from moorage.cli._run import management

        async with management() as client:
            ref = await find_cluster(client, cluster, project)
            await get_cluster(client, ref)
            return await cluster_history(client, ref, everything=everything)

    found = run(work())
    print_records(
        found.entries, output, columns=COLUMNS, name=lambda record: str(record["object"]), whole=True
    )
    if found.left_out:
        say(found.left_out)
