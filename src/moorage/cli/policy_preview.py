"""``moorage policy preview``: what an opt-in or other policies would refuse, before it is so."""

from __future__ import annotations

import tempfile
from base64 import b64decode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli._libraries import cluster_of, parse_floor, read_libraries
from moorage.cli._names import ProjectOption
from moorage.cli._output import Column, Output, OutputOption, Record, print_records, say
from moorage.cli._policies import (
    BuiltinOption,
    ContextOption,
    ImageOption,
    KeyOption,
    KubeconfigOption,
    OfflineOption,
    PoliciesOption,
)
from moorage.errors import ExitCode, MoorageError

if TYPE_CHECKING:
    from moorage.policies.cluster.preview import AuditLog, Preview
    from moorage.policies.inputs.cluster import Cluster
    from moorage.policies.model import Action


def preview(  # noqa: PLR0913 - a command has the options that it has
    *,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="CLUSTER", help="A cluster of the platform: NAME or PROJECT/NAME."),
    ] = None,
    project: ProjectOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="SET[=ACTION]", help="What namespaces would opt in to (enforce); repeatable."
        ),
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAME",
            help="Which namespaces are looked at, and would opt in. Default: all; repeatable.",
        ),
    ] = None,
    audit_log: Annotated[
        list[Path] | None,
        typer.Option(
            "--audit-log",
            metavar="FILE",
            help="An audit log of the cluster's API server. Default: that of a cluster of this platform.",
        ),
    ] = None,
    policies: PoliciesOption = None,
    image: ImageOption = None,
    key: KeyOption = None,
    offline: OfflineOption = False,
    builtin: BuiltinOption = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what an opt-in or other policies would refuse.

    Told before it is so: where, by which policy, how often, and by whom it was asked for.

    Judged are the objects that are there and, where the audit log kept them, the requests that were made.
    With --set, what the same policies refuse already, as namespaces are now, is left out. Without --set,
    namespaces are as they are: what a change of policies alone would mean. Ends with 1 when something would
    be refused.
    """
    from datetime import UTC, datetime

    from moorage.cache import Cache, cache_folder
    from moorage.policies.cluster.optins import lost as lost_optins
    from moorage.policies.cluster.preview import kinds_of, labels_of, opted_in
    from moorage.policies.cluster.preview import preview as judged
    from moorage.policies.compiling import compile_policies
    from moorage.policies.exceptions import parse_exception
    from moorage.toolchain import locate

    asked = parse_floor(sets)
    libraries = read_libraries(policies, image, keys=key, offline=offline, builtin=builtin)
    # Sets that there are not are told of as the floor that they would be.
    compile_policies(libraries, floor=asked, now=datetime.now(UTC))
    with tempfile.TemporaryDirectory(prefix="moorage-") as folder:
        source = _source(cluster, project, context, kubeconfig, Path(folder))
        first = source.cluster.read(())
        labels = labels_of(first.namespaces)
        _require_namespaces(namespace or (), labels)
        exceptions = [parse_exception(item, approval=True) for item in first.exceptions]
        there = {name for library in libraries for name in library.sets}
        floor = {name: action for name, action in source.floor.items() if name in there}
        compiled = compile_policies(libraries, floor=floor, exceptions=exceptions, now=datetime.now(UTC))
        live = source.cluster.read(kinds_of(compiled)).inventory
    log = _log(audit_log or source.audit_log)
    then = opted_in(labels, asked, namespace or ())
    found = judged(
        compiled,
        live=live,
        log=log,
        namespaces=then,
        before=labels if asked else None,
        only=namespace or (),
        gator=locate("gator"),
        cache=Cache(cache_folder()),
    )
    looked_at = {name: content for name, content in then.items() if not namespace or name in namespace}
    missing = sorted(source.floor.keys() - there)
    lost = [
        *lost_optins(looked_at, there),
        *(f"the floor names the set {name}, which no bundle has" for name in missing),
    ]
    _print_preview(found, log, lost, output)
    if found.refused or any(row.action == "enforce" and row.objects for row in found.rows):
        raise typer.Exit(ExitCode.FINDINGS)


def _require_namespaces(named: Sequence[str], there: Collection[str]) -> None:
    """See that there are the namespaces that are named: one that is mistyped has nothing to be refused."""
    for name in named:
        if name not in there:
            from difflib import get_close_matches

            near = get_close_matches(name, sorted(there), n=1)
            guess = f"did you mean {near[0]}?" if near else "`kubectl get namespaces` shows those there are"
            raise MoorageError(f"there is no namespace {name} in this cluster", hint=guess)


@dataclass(frozen=True, slots=True)
class _Source:
    """A cluster, and what is known of it beside what it says itself.

    Args:
        cluster: how to reach it.
        audit_log: where its audit log is, if that is known.
        floor: the action below which no namespace can go, by set.
    """

    cluster: Cluster
    audit_log: Sequence[Path] = ()
    floor: Mapping[str, Action] = field(default_factory=dict)


def _source(
    cluster: str | None, project: str | None, context: str | None, kubeconfig: str | None, folder: Path
) -> _Source:
    named = cluster_of(context, kubeconfig)
    if (named is None) == (cluster is None):
        raise MoorageError("no cluster is named", hint="say --cluster PROJECT/NAME, or --context")
    if named is not None or cluster is None:
        assert named is not None  # noqa: S101 - one of both is
        return _Source(named)
    import yaml

    from moorage.files import replace_file
    from moorage.local.home import Home
    from moorage.policies.inputs.cluster import Cluster

    content, floor = _of_platform(cluster, project)
    file = folder / "kubeconfig"
    replace_file(file, content)
    config = yaml.safe_load(content)
    log = Home.from_environment().clusters / str(config["clusters"][0]["name"]) / "audit.log"
    return _Source(Cluster("", str(file)), [log] if log.exists() else [], floor)


def _of_platform(cluster: str, project: str | None) -> tuple[bytes, Mapping[str, Action]]:
    """Return how to reach a cluster of the platform, and the floor that its project and it declare."""
    from moorage.cli._edit import get_cluster, get_project
    from moorage.cli._names import find_cluster
    from moorage.cli._run import management, run
    from moorage.kube.kinds import SECRET
    from moorage.kube.objects import get
    from moorage.policies.cluster.declared import declared

    async def work() -> tuple[bytes, Mapping[str, Action]]:
        async with management() as client:
            ref = await find_cluster(client, cluster, project)
            found = await get_cluster(client, ref)
            wants = declared(await get_project(client, ref.project), found)
            secret = await get(client, SECRET, f"{ref.name}-kubeconfig", ref.namespace)
            value = ((secret or {}).get("data") or {}).get("value")
            if not value:
                raise MoorageError(
                    f"cluster {ref} is not ready yet", hint=f"`moorage cluster get {ref}` shows why"
                )
            return b64decode(value), wants.floor if wants is not None else {}

    return run(work())


def _log(paths: Sequence[Path]) -> AuditLog:
    from moorage.policies.cluster.preview import audit_log_files, read_audit_log, read_files

    files = [file for path in paths for file in audit_log_files(path)]
    try:
        return read_audit_log(read_files(files))
    except OSError as error:
        raise MoorageError(f"{error.filename}: {error.strerror}") from error


def _print_preview(found: Preview, log: AuditLog, lost: Sequence[str], output: Output) -> None:
    records = [
        {
            "namespace": row.namespace,
            "policy": row.policy,
            "action": str(row.action),
            "objects": row.objects,
            "requests": row.requests,
            "users": dict(row.users),
            "example": row.example,
        }
        for row in found.rows
    ]
    columns = (
        Column("Namespace", lambda record: str(record["namespace"])),
        Column("Policy", lambda record: str(record["policy"])),
        Column("Action", lambda record: str(record["action"])),
        Column("Objects", lambda record: str(record["objects"])),
        Column("Requests", lambda record: str(record["requests"])),
        Column("For example", _example),
    )
    print_records(
        records,
        output,
        columns=columns,
        name=lambda record: f"{record['namespace']}/{record['policy']}",
        nothing=(
            "nothing more would be refused or warned of"
            if found.already
            else "nothing would be refused or warned of"
        ),
        whole=True,
    )
    if found.already:
        say(f"left out: {_count(found.already, 'verdict')} that the same policies give already")
    since = f" since {log.since:%Y-%m-%d %H:%M} UTC" if log.since else ""
    say(f"judged: {_count(found.objects, 'object')}, {_count(found.requests, 'request')}{since}")
    for sentence in lost[:5]:
        say(f"counts for nothing: {sentence}")
    if log.without_object:
        say(f"not judged: {log.without_object} requests whose objects the audit log did not keep")
    elif log.since is None:
        say("no audit log was read: only what is there now was judged (--audit-log FILE)")
    for failure in found.failures[:5]:
        say(f"not judged: {failure.error.message}")


def _example(record: Record) -> str:
    """Return one message, and who has made most of the requests that it is about."""
    names = list(record["users"])
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{record['example']}{f' (asked for by {names[0]}{more})' if names else ''}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
