"""What tables show of objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moorage.api.meta import project_of
from moorage.cli._output import Column, Record, health_style

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def age(record: Record, now: datetime | None = None) -> str:
    """Return how long ago an object was made, as kubectl says it: ``42s``, ``5m``, ``3h``, ``12d``."""
    created = record["metadata"].get("creationTimestamp")
    return since(created, now) if created else ""


def since(moment: str, now: datetime | None = None) -> str:
    """Return how long ago a moment is."""
    then = datetime.fromisoformat(moment)
    return span(int(((now or datetime.now(UTC)) - then).total_seconds()))


def span(seconds: int) -> str:
    """Return a length of time as kubectl says it; a clock that is ahead makes none negative."""
    for limit, unit, size, below, part in (
        (2 * _MINUTE, "s", 1, "", 0),
        (10 * _MINUTE, "m", _MINUTE, "s", 1),
        (3 * _HOUR, "m", _MINUTE, "", 0),
        (8 * _HOUR, "h", _HOUR, "m", _MINUTE),
        (2 * _DAY, "h", _HOUR, "", 0),
        (8 * _DAY, "d", _DAY, "h", _HOUR),
    ):
        if seconds < limit:
            rest = seconds % size // part if part else 0
            return f"{max(seconds, 0) // size}{unit}" + (f"{rest}{below}" if rest else "")
    return f"{seconds // _DAY}d"


def condition(record: Record, type_: str) -> dict[str, Any]:
    """Return a condition of an object, or nothing."""
    for item in (record.get("status") or {}).get("conditions") or ():
        if item["type"] == type_:
            return dict(item)
    return {}


def at(record: Record, *path: str) -> str:
    """Return what is at a path in an object as text; empty where there is nothing."""
    value: Any = record
    for step in path:
        value = (value or {}).get(step)
    return "" if value is None else str(value)


def name(record: Record) -> str:
    """Return an object's name."""
    return str(record["metadata"]["name"])


def project(record: Record) -> str:
    """Return the project that an object is in."""
    return project_of(record["metadata"].get("namespace") or "") or ""


def state(record: Record) -> str:
    """Return what a person should know about an object that is not as declared, in a few words."""
    if record["metadata"].get("deletionTimestamp"):
        return "is being deleted"
    if (record.get("spec") or {}).get("paused"):
        return "paused"
    for type_ in ("Ready", "UpToDate"):
        found = condition(record, type_)
        if found and found["status"] != "True":
            return str(found.get("message") or found.get("reason") or "")
    policies = condition(record, "PoliciesReady")
    if policies and policies["status"] != "True":
        return f"policies: {policies.get('message') or policies.get('reason') or ''}"
    return ""


NAME = Column("Name", name)
READY = Column("Ready", lambda record: condition(record, "Ready").get("status", ""), health_style)
AGE = Column("Age", age)
STATE = Column("State", state)

CLUSTERS = (
    NAME,
    Column(
        "Version",
        lambda record: at(record, "status", "version", "controlPlane") or at(record, "spec", "version"),
    ),
    Column("Nodes", lambda record: at(record, "status", "nodes", "summary")),
    READY,
    AGE,
    STATE,
)
CLUSTERS_OF_ALL = (Column("Project", project), *CLUSTERS)


def _used(what: str) -> Column:
    def value(record: Record) -> str:
        limit = at(record, "spec", "quota", what)
        used = at(record, "status", "used", what) or "0"
        return f"{used} of {limit}" if limit else used

    return Column(what, value)


PROJECTS = (
    NAME,
    *(_used(what) for what in ("clusters", "nodes", "cpu", "memory")),
    READY,
    AGE,
    Column("Display name", lambda record: at(record, "spec", "displayName")),
)

MEMBERS = (
    Column("Name", lambda record: str(record["name"])),
    Column("Role", lambda record: str(record["role"])),
    Column("Kind", lambda record: str(record.get("kind", "User"))),
)


def _price(record: Record) -> str:
    amount, currency = (at(record, "spec", "pricePerHour", part) for part in ("amount", "currency"))
    return f"{amount} {currency}".strip()


MACHINE_TYPES = (
    NAME,
    Column("CPU", lambda record: at(record, "spec", "cpu")),
    Column("Memory", lambda record: at(record, "spec", "memory")),
    Column("Price per hour", _price),
    Column("Providers", lambda record: ", ".join((record["spec"].get("providers") or {}).keys())),
)

POOLS = (
    Column("Pool", lambda record: str(record["name"])),
    Column("Machine type", lambda record: str(record.get("machineType") or "")),
    Column("Nodes", lambda record: f"{record['ready']}/{record['desired']}"),
    Column("Up to date", lambda record: str(record["upToDate"])),
    Column("Range", lambda record: str(record["range"] or "")),
    Column("Labels and taints", lambda record: str(record["marks"])),
)


def _message(record: Record) -> str:
    """Return what a condition says; a bare reason only where something is not as it should be."""
    return str(record.get("message") or (record.get("reason") if record["status"] != "True" else "") or "")


CONDITIONS = (
    Column("Condition", lambda record: str(record["type"])),
    Column("Status", lambda record: str(record["status"]), health_style),
    Column("Since", lambda record: since(record["lastTransitionTime"])),
    Column("Message", _message),
)
