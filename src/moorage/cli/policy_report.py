"""``moorage policy report``: what policies find in clusters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moorage.cli._names import ProjectOption
from moorage.cli._output import Column, Output, OutputOption, print_records

if TYPE_CHECKING:
    pass

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
        from moorage.cli._edit import get_cluster, get_project
        from moorage.cli._names import ClusterRef, split
        from moorage.kube.objects import list_objects

        async with management() as client:
            # A name that is mistyped is no cluster without violations.
            named, name = split(cluster, project) if cluster else (project, None)
            if named and name:
                await get_cluster(client, ClusterRef(named, name))
            elif named:
                await get_project(client, named)
            namespace = project_namespace(named) if named else None
            reports = await list_objects(client, POLICY_REPORT, namespace)
            return [item for item in reports if name in {None, item["metadata"]["name"]}]

    found = run(work())
    records = summed(found, by)
    print_records(
        records,
        output,
        columns=_report_columns(by),
        name=lambda record: str(record["name"]),
        nothing=(
            "no policy has found anything"
            if any(_audited(item) for item in found)
            else "no cluster has been audited yet"
        ),
    )


def summed(reports: Sequence[dict[str, Any]], by: By) -> list[dict[str, Any]]:
    """Return the reports of clusters, summed up; the most violations first. Pure."""
    totals: dict[str, Counter[str]] = {}
    trends: dict[str, int | None] = {}
    audited: dict[str, str] = {}
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
            # Of several clusters, that which nobody has looked at for the longest.
            audited[name] = min(_audited(item), audited.get(name, _audited(item)))
            continue
        for row in status.get("rows") or ():
            name = row["policy"] if by is By.POLICY else f"{cluster}/{row.get('namespace') or '-'}"
            totals.setdefault(name, Counter())[row["action"]] += int(row["violations"])
    records = [
        {
            "name": name,
            **{action: counts[action] for action in _ACTIONS},
            "total": sum(counts[action] for action in (*_ACTIONS, "*")),
            **(
                {"change": trends.get(name), "audited": audited.get(name) or None}
                if by in (By.PROJECT, By.CLUSTER)
                else {}
            ),
        }
        for name, counts in totals.items()
    ]
    return sorted(records, key=lambda record: (-record["total"], record["name"]))


def _audited(item: dict[str, Any]) -> str:
    return str((item.get("status") or {}).get("audited") or "")


def _change(trend: Sequence[dict[str, Any]]) -> int | None:
    """Return by how much there are more violations than a day ago; ``None`` where nobody counted then."""
    from datetime import datetime, timedelta

    points = [(datetime.fromisoformat(point["at"]), _total(point)) for point in trend]
    if not points:
        return None
    newest, now = max(points)
    before = [point for point in points if newest - point[0] >= timedelta(hours=23)]
    return now - max(before)[1] if before else None


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
        return (
            *columns,
            Column("A day ago", lambda record: _signed(record["change"])),
            Column("Audited", lambda record: _ago(record["audited"])),
        )
    return columns


def _ago(moment: str | None) -> str:
    from moorage.cli._columns import since

    return f"{since(moment)} ago" if moment else ""


def _signed(change: int | None) -> str:
    return "" if change is None else f"{change:+d}" if change else "the same"
