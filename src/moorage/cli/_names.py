"""Which project and which cluster a person means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.api.meta import project_namespace, project_of
from moorage.cli import _complete
from moorage.errors import MoorageError

if TYPE_CHECKING:
    from lightkube import AsyncClient

ProjectOption = Annotated[
    str | None,
    typer.Option(
        "--project",
        "-p",
        metavar="PROJECT",
        help="The project. Default: MOORAGE_PROJECT, or the only one there is.",
        autocompletion=_complete.projects,
    ),
]
NewClusterArgument = Annotated[str, typer.Argument(metavar="CLUSTER", help="NAME or PROJECT/NAME.")]
ClusterArgument = Annotated[
    str,
    typer.Argument(metavar="CLUSTER", help="NAME or PROJECT/NAME.", autocompletion=_complete.clusters),
]


class UnknownNameError(MoorageError):
    """A name that names nothing, or that could be several things."""


@dataclass(frozen=True, slots=True)
class ClusterRef:
    """A cluster, by its project and name."""

    project: str
    name: str

    @property
    def namespace(self) -> str:
        """The namespace that it is in."""
        return project_namespace(self.project)

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"


def split(cluster: str, project: str | None) -> tuple[str | None, str]:
    """Return the project (if one is said) and the name of a cluster given as NAME or PROJECT/NAME.

    Raises:
        UnknownNameError: it is neither, or two projects are said.
    """
    before, slash, name = cluster.rpartition("/")
    if not name or (slash and not before) or "/" in before:
        raise UnknownNameError(f"{cluster!r} is not the name of a cluster", hint="write NAME or PROJECT/NAME")
    if slash and project and before != project:
        raise UnknownNameError(f"two projects are named: {before} and {project}", hint="leave one out")
    return (before if slash else project or os.environ.get("MOORAGE_PROJECT") or None), name


def implied_project(client: AsyncClient, named: str | None) -> str | None:
    """Return the project that is named, or that the environment or the kubeconfig is for.

    A member's kubeconfig is for one project: its namespace says which.
    """
    return named or os.environ.get("MOORAGE_PROJECT") or project_of(client.namespace or "")


async def find_project(client: AsyncClient, named: str | None) -> str:
    """Return the project that is named, or the only one there is for whoever asks.

    Raises:
        UnknownNameError: none is named, and there is none or more than one.
    """
    from moorage.kube.kinds import PROJECT
    from moorage.kube.objects import list_objects

    if implied := implied_project(client, named):
        return implied
    names: list[str] = sorted(item["metadata"]["name"] for item in await list_objects(client, PROJECT))
    if not names:
        raise UnknownNameError("there is no project yet", hint="`moorage project create NAME` makes one")
    if len(names) > 1:
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")  # noqa: PLR2004 - fits a line
        raise UnknownNameError(
            f"which project? There are {shown}", hint="say `-p PROJECT`, or set MOORAGE_PROJECT"
        )
    return names[0]


async def find_cluster(client: AsyncClient, cluster: str, project: str | None) -> ClusterRef:
    """Return the cluster that is meant by NAME or PROJECT/NAME; it need not exist.

    Raises:
        UnknownNameError: it cannot be known which is meant.
    """
    said, name = split(cluster, project)
    return ClusterRef(await find_project(client, said), name)
