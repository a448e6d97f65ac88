"""``moorage policy report`` and ``preview``: what policies find, and what a change would refuse."""

from __future__ import annotations

import tempfile
from base64 import b64decode
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moorage.cli._libraries import cluster_of, parse_floor, read_libraries
from moorage.cli._names import ProjectOption
from moorage.cli._output import Column, Output, OutputOption, print_records, say
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

_ACTIONS = ("enforce", "warn", "audit")


class By(StrEnum):
    """What a report is summed up by."""

    PROJECT = "project"
    CLUSTER = "cluster"
    NAMESPACE = "namespace"
    POLICY = "policy"


def report(
    *,
    by: Annotated[By, typer.Option("--by", help="What to sum up by.")] = By.CLUSTER,
    project: ProjectOption = None,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="CLUSTER", help="One cluster only: NAME or PROJECT/NAME."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what policies find in clusters, and whether it becomes more.

    The figures are those of each cluster's last audit, which looks at everything that is there once a minute.
    """
    from moorage.cli._run import management, run
    from moorage.policies.cluster.gatekeeper_kinds import POLICY_REPORT

    async def work() -> list[dict[str, Any]]:
        from moorage.api.meta import project_namespace
        from moorage.kube.objects import list_objects

        async with management() as client:
            namespace = project_namespace(project) if project else None
            return await list_objects(client, POLICY_REPORT, namespace)

    wanted = (cluster or "").rpartition("/")
    found = [
        item
        for item in run(work())
        if not cluster
        or (
            item["metadata"]["name"] == wanted[2]
            and (not wanted[0] or item["metadata"]["namespace"] == f"project-{wanted[0]}")
        )
    ]
    records = summed(found, by)
    print_records(
        records,
        output,
        columns=_report_columns(by),
        name=lambda record: str(record["name"]),
        nothing="no cluster has been audited yet",
    )


def summed(reports: Sequence[dict[str, Any]], by: By) -> list[dict[str, Any]]:
    """Return the reports of clusters, summed up; the most violations first. Pure."""
    totals: dict[str, Counter[str]] = {}
    trends: dict[str, int | None] = {}
    for item in reports:
        status = item.get("status") or {}
        project = item["metadata"]["namespace"].removeprefix("project-")
        cluster = f"{project}/{item['metadata']['name']}"
        if by in (By.PROJECT, By.CLUSTER):
            name = project if by is By.PROJECT else cluster
            totals.setdefault(name, Counter()).update(
                {action: int((status.get("totals") or {}).get(action, 0)) for action in _ACTIONS}
            )
            change = _change(status.get("trend") or [])
            known = trends.get(name)
            trends[name] = change if known is None else known + (change or 0)
            continue
        for row in status.get("rows") or ():
            name = row["policy"] if by is By.POLICY else f"{cluster}/{row.get('namespace') or '-'}"
            totals.setdefault(name, Counter())[row["action"]] += int(row["violations"])
    records = [
        {
            "name": name,
            **{action: counts[action] for action in _ACTIONS},
            "total": sum(counts[action] for action in (*_ACTIONS, "*")),
            **({"change": trends.get(name)} if by in (By.PROJECT, By.CLUSTER) else {}),
        }
        for name, counts in totals.items()
    ]
    return sorted(records, key=lambda record: (-record["total"], record["name"]))


def _change(trend: Sequence[dict[str, Any]]) -> int | None:
    """Return by how much there are more violations than a day ago, or than when they were counted first."""
    from datetime import datetime, timedelta

    points = [(datetime.fromisoformat(point["at"]), _total(point)) for point in trend]
    if not points:
        return None
    newest, now = max(points)
    before = [point for point in points if newest - point[0] >= timedelta(hours=23)]
    _, then = max(before) if before else min(points)
    return now - then


def _total(point: dict[str, Any]) -> int:
    return sum(int(point.get(action, 0)) for action in _ACTIONS)


def _report_columns(by: By) -> tuple[Column, ...]:
    columns = (
        Column(by.title(), lambda record: str(record["name"])),
        Column("Enforce", lambda record: str(record["enforce"]), lambda text: "red" if text != "0" else None),
        Column("Warn", lambda record: str(record["warn"]), lambda text: "yellow" if text != "0" else None),
        Column("Audit", lambda record: str(record["audit"])),
        Column("Total", lambda record: str(record["total"])),
    )
    if by in (By.PROJECT, By.CLUSTER):
        return (*columns, Column("A day ago", lambda record: _signed(record["change"])))
    return columns


def _signed(change: int | None) -> str:
    return "" if change is None else f"{change:+d}" if change else "the same"


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
        typer.Option("--namespace", "-n", metavar="NAME", help="Who would opt in. Default: all; repeatable."),
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
    """Show what would be refused before a namespace opts in or a bundle changes: who, what, how often.

    Judged are the objects that are there and, where the audit log kept them, the requests that were made.
    Without --set, namespaces are as they are: what a change of policies alone would mean. Ends with 1 when
    something would have been refused.
    """
    from datetime import UTC, datetime

    from moorage.policies.cache import Cache, cache_folder
    from moorage.policies.cluster.preview import kinds_of, opted_in
    from moorage.policies.cluster.preview import preview as judged
    from moorage.policies.compiling import compile_policies
    from moorage.policies.exceptions import parse_exception
    from moorage.toolchain import locate

    asked = parse_floor(sets)
    libraries = read_libraries(policies, image, keys=key, offline=offline, builtin=builtin)
    # Sets that there are not are told of as the floor that they would be.
    compile_policies(libraries, floor=asked, now=datetime.now(UTC))
    with tempfile.TemporaryDirectory(prefix="moorage-") as folder:
        source, found_log = _source(cluster, project, context, kubeconfig, Path(folder))
        first = source.read(())
        exceptions = [parse_exception(item, approval=True) for item in first.exceptions]
        compiled = compile_policies(libraries, exceptions=exceptions, now=datetime.now(UTC))
        live = source.read(kinds_of(compiled)).inventory
    log = _log(audit_log or ([found_log] if found_log else []))
    found = judged(
        compiled,
        live=live,
        log=log,
        namespaces=opted_in(first.namespaces, asked, namespace or ()),
        gator=locate("gator"),
        cache=Cache(cache_folder()),
    )
    _print_preview(found, log, output)
    if found.refused or any(row.action == "enforce" and row.objects for row in found.rows):
        raise typer.Exit(ExitCode.FINDINGS)


def _source(
    cluster: str | None, project: str | None, context: str | None, kubeconfig: str | None, folder: Path
) -> tuple[Cluster, Path | None]:
    """Return how to reach the cluster, and where its audit log is, if that is known."""
    named = cluster_of(context, kubeconfig)
    if (named is None) == (cluster is None):
        raise MoorageError("no cluster is named", hint="say --cluster PROJECT/NAME, or --context")
    if named is not None or cluster is None:
        assert named is not None  # noqa: S101 - one of both is
        return named, None
    import yaml

    from moorage.files import replace_file
    from moorage.local.home import Home
    from moorage.policies.inputs.cluster import Cluster

    content = _platform_kubeconfig(cluster, project)
    file = folder / "kubeconfig"
    replace_file(file, content)
    config = yaml.safe_load(content)
    log = Home.from_environment().clusters / str(config["clusters"][0]["name"]) / "audit.log"
    return Cluster("", str(file)), log if log.exists() else None


def _platform_kubeconfig(cluster: str, project: str | None) -> bytes:
    from moorage.cli._names import find_cluster
    from moorage.cli._run import management, run
    from moorage.kube.kinds import SECRET
    from moorage.kube.objects import get

    async def work() -> bytes:
        async with management() as client:
            ref = await find_cluster(client, cluster, project)
            secret = await get(client, SECRET, f"{ref.name}-kubeconfig", ref.namespace)
            value = ((secret or {}).get("data") or {}).get("value")
            if not value:
                raise MoorageError(f"cluster {ref} is not ready yet", hint=f"`moorage cluster wait {ref}`")
            return b64decode(value)

    return run(work())


def _log(paths: Sequence[Path]) -> AuditLog:
    from moorage.policies.cluster.preview import audit_log_files, read_audit_log, read_files

    files = [file for path in paths for file in audit_log_files(path)]
    try:
        return read_audit_log(read_files(files))
    except OSError as error:
        raise MoorageError(f"{error.filename}: {error.strerror}") from error


def _print_preview(found: Preview, log: AuditLog, output: Output) -> None:
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
        Column("By", lambda record: ", ".join(list(record["users"])[:2])),
        Column("For example", lambda record: str(record["example"])),
    )
    print_records(
        records,
        output,
        columns=columns,
        name=lambda record: f"{record['namespace']}/{record['policy']}",
        nothing="nothing would be refused or warned of",
    )
    since = f" since {log.since:%Y-%m-%d %H:%M} UTC" if log.since else ""
    say(f"judged: {found.objects} objects, {found.requests} requests{since}")
    if log.without_object:
        say(f"not judged: {log.without_object} requests whose objects the audit log did not keep")
    elif log.since is None:
        say("no audit log was read: only what is there now was judged (--audit-log FILE)")
    for failure in found.failures[:5]:
        say(f"not judged: {failure.error.message}")
