"""Machines that can never become nodes. Pure.

Cluster API makes a machine's bootstrap and infrastructure objects first, and takes them away again when it
could not make the Machine. If the API server had stored the Machine and died before it could say so, the
Machine is left alone for good: Cluster API counts it, and waits. It is replaced when it is deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from moorage.clusters.cluster.snapshot import MachineView

# A Machine may be seen a moment before what it refers to.
PATIENCE = timedelta(seconds=15)

_PARTS = ("BootstrapConfigReady", "InfrastructureReady")
_MISSING = "ObjectDoesNotExist"


def abandoned(machines: Sequence[MachineView], now: datetime) -> tuple[list[MachineView], timedelta | None]:
    """Return the machines that lack what they are made of, and when there may be another one."""
    lonely = {machine.name: since for machine in machines if (since := _lonely_since(machine)) is not None}
    found = [
        machine for machine in machines if machine.name in lonely and lonely[machine.name] + PATIENCE <= now
    ]
    waits = [since + PATIENCE - now for since in lonely.values() if since + PATIENCE > now]
    return found, min(waits, default=None)


def _lonely_since(machine: MachineView) -> datetime | None:
    if machine.joined or machine.deleting:
        return None
    seen = [machine.conditions[part] for part in _PARTS if part in machine.conditions]
    return min((part.since for part in seen if part.reason == _MISSING), default=None)
