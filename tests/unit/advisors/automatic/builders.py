"""Advice, workloads and time, as a decision sees them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from moorage.advisors.applying.images import Position
from moorage.advisors.automatic.health import Condition
from moorage.advisors.automatic.model import (
    Done,
    Item,
    Live,
    Opening,
    Place,
    Policy,
    Snapshot,
    Thing,
)
from moorage.advisors.keeping.life import AUTO
from moorage.api.advice import AdviceState, ApplicationPhase, Watch, WatchedWorkload
from moorage.api.quantities import parse_quantity

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
POLICY = Policy(watch=timedelta(minutes=10), confidence=70)
OPEN = Opening(declared=True, until=NOW + timedelta(hours=3), opens=NOW + timedelta(days=7))
CLOSED = Opening(declared=True, opens=NOW + timedelta(hours=23))
NO_WINDOW = Opening(declared=False)
WELL = Condition(wanted=2, ready=2, settled=True)
NEXT = {"requests.cpu": "250m"}
HAS = {"requests.cpu": "2", "requests.memory": "4Gi"}


def thing(name: str = "web") -> Thing:
    return Thing("shop", "Deployment", name)


def amounts(of: Thing, told: dict[str, str], container: str = "app") -> dict[Place, Decimal]:
    return {(of, container, what): parse_quantity(quantity) for what, quantity in told.items()}


def item(about: str = "web", name: str = "", sets: dict[str, str] | None = None, **fields: Any) -> Item:
    """An open advice that could be followed."""
    made = Item(
        name=name or f"web-{about}",
        state=AdviceState.OPEN,
        rank=2,
        confidence=90,
        thing=thing(about),
        container="app",
        amounts=amounts(thing(about), sets or NEXT),
        seen={what: parse_quantity(quantity) for what, quantity in HAS.items()},
    )
    return replace(made, **fields)


def live(about: str = "web", has: dict[str, str] | None = None, **fields: Any) -> Live:
    """A workload that is well, and opted in."""
    return replace(Live(opted_in=True, amounts=amounts(thing(about), has or HAS), condition=WELL), **fields)


def done(
    phase: ApplicationPhase = ApplicationPhase.APPLIED,
    about: str = "web",
    sets: dict[str, str] | None = None,
    *,
    by: str = AUTO,
    at: datetime = NOW - timedelta(minutes=1),
    harm: str = "",
    over: bool = False,
    before: Condition = WELL,
) -> Done:
    watched = WatchedWorkload(
        namespace="shop",
        kind="Deployment",
        name=about,
        wanted=before.wanted,
        ready=before.ready,
        settled=before.settled,
        failing=before.failing,
        oom_killed=before.oom_killed,
    )
    watch = Watch(until=at + POLICY.watch, over=over, before=[watched])
    return Done(phase, by, at, harm, amounts(thing(about), sets or NEXT), watch)


def begun(phase: ApplicationPhase = ApplicationPhase.APPLIED, **fields: Any) -> Item:
    """An advice that the platform has begun to follow."""
    state = AdviceState.APPLIED if phase is ApplicationPhase.APPLIED else AdviceState.OPEN
    return item(state=state, done=done(phase, **fields))


def snapshot(*items: Item, opening: Opening = OPEN, now: datetime = NOW, **lives: Live) -> Snapshot:
    return Snapshot(items, {thing(name): each for name, each in lives.items()}, opening, now)


def at(position: Position, name: str = "web-web", **fields: Any) -> Live:
    """A workload that stands somewhere on the way of an advice."""
    return live(positions={name: position}, **fields)
