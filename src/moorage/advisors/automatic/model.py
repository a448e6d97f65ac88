"""What is known when it is decided whether to follow an advice: plain values, read off objects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from moorage.advisors.applying.images import Position
from moorage.advisors.automatic.health import Condition
from moorage.advisors.keeping.life import AUTO
from moorage.api.advice import ADVICE_GROUP, Advice, AdviceState, Application, ApplicationPhase, Watch
from moorage.api.quantities import InvalidQuantityError, parse_quantity
from moorage.reports.findings import Action

ADVISOR: Final = "resources"
"""Whose advice is followed so, and no other's."""

OPT_IN: Final = f"{ADVICE_GROUP}/auto"
"""The label by which a namespace, or a workload in it, is opted in (``true``) or out (``false``)."""

SET_BY: Final = f"{ADVICE_GROUP}/set-by"
"""The annotation of a workload whose requests the platform has set: where it had them from."""

KINDS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "CronJob"})


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """A workload, by its name."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> Thing:
        """Return which workload an object is."""
        metadata = obj["metadata"]
        return cls(str(metadata.get("namespace") or ""), str(obj["kind"]), str(metadata["name"]))


Place = tuple[Thing, str, str]
"""One amount that is asked for or allowed: of which workload, which container, and what: ``requests.cpu``."""

Amounts = Mapping[Place, Decimal]


@dataclass(frozen=True, slots=True)
class Done:
    """That an advice was followed, or is being.

    Args:
        phase: how far it is.
        by: who does it.
        at: since when.
        harm: what went wrong since.
        amounts: what it sets.
        watch: how it is watched, where the platform does.
    """

    phase: ApplicationPhase
    by: str
    at: datetime
    harm: str
    amounts: Amounts = field(repr=False)
    watch: Watch | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the platform does it by itself."""
        return self.by == AUTO


@dataclass(frozen=True, slots=True)
class Item:
    """An advice, as far as it matters here.

    Args:
        name: of the Advice.
        state: what has become of it.
        rank: how severe it is.
        confidence: how sure the advisor is, in percent.
        thing: the one workload that its change is about; ``None`` where it has no change that is followed so.
        container: the container that it is about; the change may be about others, too.
        amounts: what the change sets.
        seen: what the advisor saw of the container when it made the advice; ``None`` where it does not say.
        done: its last application.
    """

    name: str
    state: AdviceState
    rank: int
    confidence: int
    thing: Thing | None = None
    container: str = ""
    amounts: Amounts = field(default_factory=dict, repr=False)
    seen: Mapping[str, Decimal] | None = field(default=None, repr=False)
    done: Done | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """A workload as it is now.

    Args:
        opted_in: whether its owner wants advice to be followed by the platform.
        amounts: what it asks for and allows, each container.
        condition: how it is.
        held: why it is not touched now; empty where it may be.
        positions: by advice that was followed: whether it is as before, as after, or neither.
    """

    opted_in: bool
    amounts: Amounts = field(repr=False)
    condition: Condition
    held: str = ""
    positions: Mapping[str, Position] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opening:
    """A cluster's maintenance window.

    Args:
        declared: whether there is one.
        until: until when it is open; ``None`` while it is closed.
        opens: when it opens next; ``None`` where it never does.
    """

    declared: bool
    until: datetime | None = None
    opens: datetime | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How advice is followed.

    Args:
        watch: how long a workload is watched afterwards, and nothing else is touched.
        confidence: how sure the advisor must be, in percent.
    """

    watch: timedelta = timedelta(minutes=10)
    confidence: int = 70


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a decision about a cluster rests on.

    Args:
        items: the advice of the advisor about the cluster, whatever became of it.
        lives: workloads as they are now; those that are not there are gone, or were not looked at.
        opening: the maintenance window.
        now: the time.
        refused: workloads that could not be touched a while ago, and are not tried now.
    """

    items: tuple[Item, ...]
    lives: Mapping[Thing, Live]
    opening: Opening
    now: datetime
    refused: frozenset[Thing] = frozenset()


def item_of(advice: Advice) -> Item:
    """Read of an advice what matters here."""
    spec, status = advice.spec, advice.status
    thing: Thing | None = None
    amounts: Amounts = {}
    if spec.stored_change is None and len(spec.change) == 1 and spec.change[0].action is Action.APPLY:
        found = amounts_set(spec.change[0].object)
        if found:
            thing, amounts = Thing.of(spec.change[0].object), found
    return Item(
        name=advice.metadata.name,
        state=advice.state,
        rank=spec.severity.rank,
        confidence=spec.confidence,
        thing=thing,
        amounts=amounts,
        container=spec.subject.rpartition(", container ")[2],
        seen=_seen(spec.evidence.get("now")),
        done=_done(status.application) if status is not None and status.application is not None else None,
    )


def amounts_set(obj: Mapping[str, Any]) -> Amounts | None:
    """Return what an object to be applied sets; ``None`` where that is anything but containers' resources."""
    if obj.get("kind") not in KINDS or not set(obj.get("metadata") or ()) <= {"name", "namespace"}:
        return None
    rest: Any = {key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "metadata"}}
    way = ("spec", "jobTemplate", "spec", "template", "spec", "containers")
    for key in way if obj["kind"] == "CronJob" else ("spec", "template", "spec", "containers"):
        if not isinstance(rest, Mapping) or set(rest) != {key}:
            return None
        rest = rest[key]
    if not isinstance(rest, list) or any(set(each) != {"name", "resources"} for each in rest):
        return None
    return _amounts(Thing.of(obj), rest)


def amounts_of(obj: Mapping[str, Any]) -> Amounts:
    """Return what a workload asks for and allows now."""
    return _amounts(Thing.of(obj), containers_of(obj)) or {}


def containers_of(obj: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the containers of a workload."""
    spec = obj.get("spec") or {}
    if obj["kind"] == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    return list(((spec.get("template") or {}).get("spec") or {}).get("containers") or ())


def _amounts(thing: Thing, containers: list[Mapping[str, Any]]) -> Amounts | None:
    found: dict[Place, Decimal] = {}
    for container in containers:
        for group, quantities in (container.get("resources") or {}).items():
            if not isinstance(quantities, Mapping):
                continue  # claims are no amounts
            for what, quantity in quantities.items():
                try:
                    found[thing, str(container["name"]), f"{group}.{what}"] = parse_quantity(quantity)
                except InvalidQuantityError:
                    return None
    return found


def _seen(told: Any) -> Mapping[str, Decimal] | None:
    """Return what an advisor saw of a container: ``requests.cpu`` and the like."""
    if not isinstance(told, Mapping):
        return None
    if told.get("requests") == "none":
        return {}
    try:
        return {str(what): parse_quantity(str(quantity)) for what, quantity in told.items()}
    except InvalidQuantityError:
        return None


def _done(application: Application) -> Done:
    amounts: dict[Place, Decimal] = {}
    for step in application.steps:
        if step.action is Action.APPLY:
            amounts |= amounts_set(step.object) or {}
    return Done(
        application.phase, application.by, application.at, application.harm, amounts, application.watch
    )
