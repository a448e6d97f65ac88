"""Changing a cluster, and watching until it is so: what the commands for clusters and pools share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moorage.cli._output import Output, dump_manifests, print_object

if TYPE_CHECKING:
    from moorage.cli._objects import Change, Object


def change_cluster(
    cluster: str,
    project: str | None,
    change: Change,
    *,
    title: str,
    dry_run: bool,
    wait: float | None,
    output: Output,
) -> None:
    """Change a cluster's declaration, wait for it if asked to, and print the cluster.

    Args:
        cluster: NAME or PROJECT/NAME.
        project: The project, if one is named.
        change: What to change.
        title: What that is called, above the view of what is waited for.
        dry_run: Print the changed declaration, and change nothing.
        wait: How many seconds to wait at most; ``None`` does not wait.
        output: How to print the cluster.
    """
    from moorage.cli._run import run

    async def work() -> Object:
        from moorage.cli._edit import edit, get_cluster
        from moorage.cli._names import find_cluster
        from moorage.cli._objects import declared
        from moorage.cli._run import management
        from moorage.cli._wait import wait_for_cluster
        from moorage.kube.kinds import KUBERNETES_CLUSTER

        async with management() as client:
            ref = await find_cluster(client, cluster, project)
            if dry_run:
                return declared(change(await get_cluster(client, ref)))
            await get_cluster(client, ref)
            _, after = await edit(client, KUBERNETES_CLUSTER, ref.name, ref.namespace, change)
            if wait is None:
                return after
            await wait_for_cluster(client, ref, title=f"{title} cluster {ref}", timeout_seconds=wait)
            return await get_cluster(client, ref)

    found = run(work())
    if dry_run:
        dump_manifests([found], output)
    else:
        print_cluster(found, output)


def print_cluster(found: Object, output: Output) -> None:
    """Print one cluster."""
    from moorage.cli._columns import CLUSTERS_OF_ALL

    print_object(found, output, columns=CLUSTERS_OF_ALL)
