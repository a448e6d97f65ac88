"""Opting in: which sets judge a namespace, and with which action. Pure: labels and floors in, actions out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from moorage.policies.model import SET_LABEL_PREFIX, Action

EXEMPT_NAMESPACES: Final = (
    "gatekeeper-system",
    "kube-node-lease",
    "kube-public",
    "kube-system",
    "moorage-system",
)
"""Nothing is judged here, whatever labels and floors say: a cluster can always be repaired."""

NO_FLOOR: Final[Mapping[str, Action]] = {}


@dataclass(frozen=True, slots=True)
class Levels:
    """What the labels of a namespace say about sets.

    Args:
        actions: what is asked for, by set.
        unknown: values that are no action, by set: they count as if the label were not there.
    """

    actions: Mapping[str, Action] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)


def read_levels(labels: Mapping[str, str]) -> Levels:
    """Read what the labels of a namespace say about sets."""
    actions: dict[str, Action] = {}
    unknown: dict[str, str] = {}
    for key, value in labels.items():
        if key.startswith(SET_LABEL_PREFIX):
            name = key.removeprefix(SET_LABEL_PREFIX)
            if value in tuple(Action):
                actions[name] = Action(value)
            else:
                unknown[name] = value
    return Levels(actions, unknown)


def strongest(*actions: Action | None) -> Action | None:
    """Return the strongest of some actions; ``None`` stands for none."""
    found = [action for action in actions if action is not None]
    return max(found, key=lambda action: action.strength) if found else None


def effective(
    namespace: str, labels: Mapping[str, str], floor: Mapping[str, Action] = NO_FLOOR
) -> dict[str, Action]:
    """Return what judges a namespace: the action of each set that does.

    It is the stronger of what the namespace asks for and what the floor insists on; an exempt namespace is
    not judged.
    """
    if namespace in EXEMPT_NAMESPACES:
        return {}
    return {**floor, **_raised(read_levels(labels).actions, floor)}


def _raised(asked: Mapping[str, Action], floor: Mapping[str, Action]) -> dict[str, Action]:
    return {name: strongest(action, floor.get(name)) or action for name, action in asked.items()}


@dataclass(frozen=True, slots=True)
class Level:
    """One of the cases in which a policy judges, apart from all others.

    Args:
        set: the set that makes it so.
        name: tells it from the policy's other levels: ``baseline.enforce``, ``baseline.floor``.
        action: what happens to what is found.
        selector: which namespaces it falls to, as a label selector; empty for all.
        by_label: whether namespaces chose it: what is in no namespace has no say, and is not judged by it.
    """

    set: str
    name: str
    action: Action
    selector: Mapping[str, Any]
    by_label: bool


def levels(sets: tuple[str, ...], floor: Mapping[str, Action] = NO_FLOOR) -> Iterator[Level]:
    """Split the namespaces by the action with which a policy of some sets judges them.

    Selectors know "and" but not "or", so each action falls apart into one level for each set that can ask for
    it: that of the first set in order whose label does. No two levels select one namespace, and together they
    select every namespace in which a set judges.
    """
    lowest = strongest(*(floor.get(name) for name in sets))
    above = [action for action in Action if lowest is None or action.strength > lowest.strength]
    for action in above:
        stronger = [other for other in Action if other.strength > action.strength]
        for place, name in enumerate(sets):
            before = [_not_in(other, [*stronger, action]) for other in sets[:place]]
            after = [_not_in(other, stronger) for other in sets[place + 1 :] if stronger]
            asks = {"key": _label(name), "operator": "In", "values": [action.value]}
            expressions = [*before, asks, *after]
            yield Level(name, f"{name}.{action}", action, {"matchExpressions": expressions}, by_label=True)
    if lowest is not None:
        expressions = [_not_in(name, above) for name in sets if above]
        selector = {"matchExpressions": expressions} if expressions else {}
        name = next(name for name in sets if floor.get(name) is lowest)
        yield Level(name, f"{name}.floor", lowest, selector, by_label=False)


def _label(name: str) -> str:
    return f"{SET_LABEL_PREFIX}{name}"


def _not_in(name: str, actions: list[Action]) -> dict[str, Any]:
    return {"key": _label(name), "operator": "NotIn", "values": [action.value for action in actions]}
