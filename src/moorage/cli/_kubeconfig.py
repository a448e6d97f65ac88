"""Kubeconfigs for people: for a user cluster, and for their project in the management cluster."""

from __future__ import annotations

import base64
import getpass
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from moorage.api.project import Member, MemberKind, Project
from moorage.cli._edit import get_cluster, get_project
from moorage.cli._identity import management_kubeconfig
from moorage.cli._names import ClusterRef, UnknownNameError, find_cluster
from moorage.cli._output import say, write
from moorage.cli._run import management
from moorage.clusters.kubeconfig import (
    Command,
    Kubeconfig,
    Server,
    default_path,
    merge_into,
    renamed,
    render,
    with_command,
)
from moorage.clusters.names import member_account
from moorage.errors import MoorageError
from moorage.kube.kinds import SECRET, Kind
from moorage.kube.objects import get

if TYPE_CHECKING:
    from lightkube import AsyncClient

_SELF = Kind("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False)


async def for_cluster(cluster: str, project: str | None, *, user: str | None, admin: bool) -> Kubeconfig:
    """Return a kubeconfig for a user cluster: a member's, or the platform team's.

    Raises:
        MoorageError: there is no such cluster or member, or the cluster has no endpoint yet.
    """
    require_one(user=user, admin=admin)
    async with management() as client:
        ref = await find_cluster(client, cluster, project)
        found = await get_cluster(client, ref)
        if admin:
            return renamed(await _administrator_of(client, ref), f"admin@{ref}")
        member = await _member(client, ref.project, user)
        server = _published(found) or _server(await _administrator_of(client, ref))
        return with_command(f"{member}@{ref}", server, _token_command("--cluster", str(ref), "--as", member))


async def way_in(client: AsyncClient, ref: ClusterRef) -> str:
    """Return the command that lets kubectl into a cluster for whoever asks: as a member, if they are one."""
    command = f"moorage cluster kubeconfig {ref}"
    try:
        await _member(client, ref.project, None)
    except UnknownNameError:
        return f"{command} --admin"
    return command


def require_one(*, user: str | None, admin: bool) -> None:
    """See that not both a member and the platform team are meant.

    Raises:
        MoorageError: both are.
    """
    if user and admin:
        raise MoorageError("--as is a member, --admin is the platform team", hint="say one or the other")


async def for_project(project: str, *, user: str | None) -> Kubeconfig:
    """Return a member's kubeconfig for the management cluster; its namespace is the project's.

    Raises:
        MoorageError: there is no such project or member.
    """
    async with management() as client:
        return _of_project(
            Project.parse(await get_project(client, project)), await _member(client, project, user)
        )


async def for_deciding(client: AsyncClient, project: str, *, user: str | None) -> Kubeconfig | None:
    """Return a kubeconfig for the management cluster as a member: what is decided there is under their name.

    Args:
        client: as whoever asks.
        project: whose member.
        user: which; whoever asks where nobody is named.

    Returns:
        Nothing where whoever asks is that member already, or no member is named and they are none: then they
        decide as who they are.

    Raises:
        MoorageError: there is no such project, or member of it.
    """
    try:
        member = await _member(client, project, user)
    except UnknownNameError:
        if user:
            raise
        return None
    found = Project.parse(await get_project(client, project))
    if _asking(await who_am_i(client), found.spec.members) == member:
        return None
    return _of_project(found, member)


def _of_project(project: Project, member: str) -> Kubeconfig:
    config = yaml.safe_load(management_kubeconfig().read_text())
    name = project.metadata.name
    return with_command(
        f"{member}@{name}",
        _server(config, management_kubeconfig().parent),
        _token_command("--project", name, "--as", member),
        namespace=project.namespace,
    )


def deliver(config: Kubeconfig, *, output: Path | None, stdout: bool) -> None:
    """Print a kubeconfig, or add it to a file and say so.

    Raises:
        MoorageError: the file is not a kubeconfig, or cannot be written.
    """
    if stdout:
        if output:
            raise MoorageError("--output names a file, --stdout none", hint="say one or the other")
        write(render(config), end="")
        return
    path = output or default_path()
    mine = os.environ.get("MOORAGE_KUBECONFIG")
    if mine and path.expanduser().resolve() == Path(mine).expanduser().resolve():
        raise MoorageError(
            f"{path} is what MOORAGE_KUBECONFIG names: with another current context it would be no use there",
            hint="name another file with `--output FILE`",
        )
    merge_into(path, config)
    say(f"context {config['current-context']} is in {path}, and kubectl's current one there")


def _published(cluster: Kubeconfig) -> Server | None:
    """Return the API server that a cluster's status names; ``None`` until it does."""
    status = cluster.get("status") or {}
    endpoint, authority = status.get("endpoint"), status.get("caBundle")
    if not endpoint or not authority:
        return None
    return Server(f"https://{endpoint['host']}:{endpoint['port']}", base64.b64decode(authority))


async def _administrator_of(client: AsyncClient, ref: ClusterRef) -> Kubeconfig:
    """Return the kubeconfig that Cluster API keeps of a cluster."""
    secret = await get(client, SECRET, f"{ref.name}-kubeconfig", ref.namespace)
    if secret is None:
        raise MoorageError(
            f"cluster {ref} cannot be reached yet: its control plane is being made",
            hint=f"`moorage cluster get {ref}` shows how far it is",
        )
    config: Kubeconfig = yaml.safe_load(base64.b64decode(secret["data"]["value"]))
    return config


async def _member(client: AsyncClient, project: str, user: str | None) -> str:
    """Return which member is meant: the one that is named, or whoever asks.

    Raises:
        UnknownNameError: that is nobody who belongs to the project.
    """
    users = [
        member
        for member in Project.parse(await get_project(client, project)).spec.members
        if member.kind is MemberKind.USER
    ]
    candidates = [user] if user else [_asking(await who_am_i(client), users), getpass.getuser()]
    names = [member.name for member in users]
    for candidate in candidates:
        if candidate in names:
            return candidate
    known = f"members are {', '.join(names)}" if names else "it has no members"
    raise UnknownNameError(
        f"{candidates[-1]} is not a member of project {project}: {known}",
        hint="`--as USER` says who, `moorage project member add` adds somebody",
    )


async def who_am_i(client: AsyncClient) -> str:
    """Return the name by which the management cluster knows whoever asks."""
    review = await client.create(_SELF.resource(apiVersion=_SELF.api_version, kind=_SELF.kind))
    return str(review["status"]["userInfo"]["username"])


def _asking(username: str, users: list[Member]) -> str:
    """Return which member a user of the management cluster is: one by name, or by their ServiceAccount."""
    account = username.rpartition(":")[2]
    by_account = {member_account(member.name): str(member.name) for member in users}
    return by_account.get(account, username)


def _server(config: Kubeconfig, folder: Path | None = None) -> Server:
    """Return the API server of a kubeconfig's current context."""
    wanted = config["current-context"]
    context = next(item["context"] for item in config["contexts"] if item["name"] == wanted)
    cluster: dict[str, Any] = next(
        item["cluster"] for item in config["clusters"] if item["name"] == context["cluster"]
    )
    if data := cluster.get("certificate-authority-data"):
        return Server(cluster["server"], base64.b64decode(data))
    return Server(cluster["server"], ((folder or Path()) / cluster["certificate-authority"]).read_bytes())


def _token_command(*arguments: str) -> Command:
    """Return the command by which kubectl gets tokens, from whatever folder and shell it is run.

    Both variables are pinned: with another kubeconfig than the one that is meant, it would ask for a token of
    the wrong platform, or ask itself.
    """
    from moorage.local.home import Home

    named = os.environ.get("MOORAGE_KUBECONFIG")
    environment = {
        "MOORAGE_HOME": str(Home.from_environment().root),
        "MOORAGE_KUBECONFIG": str(Path(named).expanduser().absolute()) if named else "",
    }
    return Command((*_myself(), "token", *arguments), environment)


def _myself() -> tuple[str, ...]:
    script = Path(sys.executable).with_name("moorage")
    if script.exists():
        return (str(script),)
    found = shutil.which("moorage")
    return (found,) if found else (sys.executable, "-m", "moorage")
