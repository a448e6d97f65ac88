"""What a person is shown of one object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moorage.api.meta import project_of
from moorage.cli._columns import CONDITIONS, MEMBERS, POOLS, age, at
from moorage.cli._output import paint, print_table, write

Object = dict[str, Any]


def describe_cluster(cluster: Object) -> None:
    """Print a cluster: what it is, its pools, its conditions."""
    window = at(cluster, "spec", "maintenanceWindow", "start")
    versions = " to ".join(
        dict.fromkeys(
            filter(None, (at(cluster, "status", "version", "nodes", end) for end in ("min", "max")))
        )
    )
    endpoint = (cluster.get("status") or {}).get("endpoint")
    _facts(
        ("Cluster", f"{project_of(cluster['metadata']['namespace'])}/{cluster['metadata']['name']}"),
        ("Kubernetes", _version(cluster) + (f"; nodes {versions}" if versions else "")),
        ("Provider", at(cluster, "spec", "provider")),
        ("Endpoint", f"https://{endpoint['host']}:{endpoint['port']}" if endpoint else ""),
        ("Network", at(cluster, "spec", "cni", "name")),
        ("Maintenance", _window(cluster) if window else ""),
        ("Paused", "yes: nothing is changed until it is not" if cluster["spec"].get("paused") else ""),
        ("Age", age(cluster)),
    )
    _section(POOLS, _pools(cluster))
    _section(CONDITIONS, (cluster.get("status") or {}).get("conditions") or ())


def describe_project(project: Object) -> None:
    """Print a project: what it is, its members, its conditions."""
    _facts(
        ("Project", project["metadata"]["name"]),
        ("Name", at(project, "spec", "displayName")),
        ("Namespace", at(project, "status", "namespace")),
        *((title, _use(project, title.lower())) for title in ("Clusters", "Nodes", "CPU", "Memory")),
        ("Defaults", ", ".join(_defaults(project))),
        ("Age", age(project)),
    )
    _section(MEMBERS, project["spec"].get("members") or ())
    _section(CONDITIONS, (project.get("status") or {}).get("conditions") or ())


def _facts(*facts: tuple[str, str]) -> None:
    said = [(title, value) for title, value in facts if value]
    width = max(len(title) for title, _ in said)
    for title, value in said:
        write(f"{paint(title.ljust(width), 'bold')}   {value}")


def _section(columns: Any, records: Sequence[Any]) -> None:
    if records:
        write("")
        print_table(columns, records, whole=True)


def _version(cluster: Object) -> str:
    declared = at(cluster, "spec", "version")
    now = at(cluster, "status", "version", "controlPlane")
    wanted = at(cluster, "status", "version", "desired")
    if now and wanted and now.lstrip("v") != wanted.lstrip("v"):
        return f"{now}, on the way to {wanted}"
    return now or declared


def _window(cluster: Object) -> str:
    window = cluster["spec"]["maintenanceWindow"]
    days = ", ".join(window.get("days") or ())
    return (
        f"{days} at {window['start']} {window.get('timeZone', 'UTC')}, {window.get('durationHours', 4)} hours"
    )


def _pools(cluster: Object) -> list[Object]:
    status = {pool["name"]: pool for pool in (cluster.get("status") or {}).get("nodePools") or ()}
    declared = {pool["name"]: pool for pool in cluster["spec"].get("nodePools") or ()}
    rows = []
    for name in (*declared, *(name for name in status if name not in declared)):
        pool, now = declared.get(name, {}), status.get(name, {})
        labels = [f"{key}={value}" for key, value in (pool.get("labels") or {}).items()]
        taints = [
            f"{taint['key']}{'=' + taint['value'] if taint.get('value') else ''}:{taint['effect']}"
            for taint in pool.get("taints") or ()
        ]
        rows.append(
            {
                "name": name,
                "machineType": pool.get("machineType"),
                "ready": now.get("ready", 0),
                "desired": now.get("desired", pool.get("replicas", pool.get("min", 0))),
                "upToDate": now.get("upToDate", 0),
                "range": f"{pool['min']} to {pool['max']}" if pool.get("max") is not None else "",
                "marks": ", ".join((*labels, *taints)),
            }
        )
    return rows


def _use(project: Object, what: str) -> str:
    used, limit = at(project, "status", "used", what) or "0", at(project, "spec", "quota", what)
    return f"{used} of {limit}" if limit else used


def _defaults(project: Object) -> list[str]:
    defaults = (project["spec"].get("defaults")) or {}
    said = {
        "Kubernetes": defaults.get("version"),
        "provider": defaults.get("provider"),
        "machine type": defaults.get("machineType"),
        "network": (defaults.get("cni") or {}).get("name"),
    }
    return [f"{what} {value}" for what, value in said.items() if value]
