"""Machines on their way out, and what holds them up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from moorage.clusters.cluster.snapshot import MachineView
from moorage.clusters.cluster.wording import age, next_step, plain

_SHOWN = 3
_STEPS = {
    "WaitingForPreDrainHook": "waits for a hook before it is drained",
    "DrainingNode": "is being drained",
    "WaitingForVolumeDetach": "waits for its volumes",
    "WaitingForPreTerminateHook": "waits for a hook before it is taken down",
}
"""The steps that can take long; the others are over in no time, or are the provider's to explain."""


@dataclass(frozen=True, slots=True)
class HeldUp:
    """What is said of machines that do not get away, and when it will read differently.

    Args:
        said: about each of the first of them.
        recheck_after: when it will read differently although nothing happens.
        long: whether one of them has been at it for so long that somebody should look.
    """

    said: tuple[str, ...]
    recheck_after: timedelta | None
    long: bool = False


def held_up(machines: Iterable[MachineView], now: datetime) -> HeldUp:
    """Say which machines do not get away, for how long, and because of what."""
    stuck = sorted((m for m in machines if m.deleting and _reason(m) in _STEPS), key=_since)
    said = [_step(machine, now) for machine in stuck[:_SHOWN]]
    if len(stuck) > _SHOWN:
        said.append(f"and {len(stuck) - _SHOWN} more")
    long = bool(stuck) and bool(age(_since(stuck[0]), now))
    return HeldUp(tuple(said), _soonest(stuck[:_SHOWN], now), long)


def _step(machine: MachineView, now: datetime) -> str:
    long = age(_since(machine), now)
    what = f"{machine.name} {_STEPS[_reason(machine)]}" + (f" for {long}" if long else "")
    why = "; ".join(_details(machine.conditions["Deleting"].message))
    return f"{what}: {why}" if why else what


def _details(message: str) -> list[str]:
    """Return which Pods, volumes or hooks are in the way: the items of Cluster API's list, if it is one."""
    items = [plain(line) for line in message.splitlines() if line.strip().startswith("*")]
    hooks = message.partition("(hooks: ")[2].rpartition(")")[0]
    return [*items, hooks] if hooks else items


def _reason(machine: MachineView) -> str:
    seen = machine.conditions.get("Deleting")
    return seen.reason if seen is not None else ""


def _since(machine: MachineView) -> datetime:
    seen = machine.conditions.get("Deleting")
    return seen.since if seen is not None else machine.created


def _soonest(machines: Sequence[MachineView], now: datetime) -> timedelta | None:
    steps = [step for machine in machines if (step := next_step(_since(machine), now)) is not None]
    return min(steps, default=None)
