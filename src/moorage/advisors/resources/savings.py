"""What proposals save: cores, bytes, money, and nodes that could go."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from moorage.advisors.resources.model import GIB
from moorage.errors import MoorageError

HOURS_A_MONTH: Final = 730
CORE_IN_GIB: Final = 7.5
"""How many times the price of a GiB that of a core is, where only a machine has a price: OpenCost's ratio."""

Pod = tuple[str, str]
"""Namespace and name."""


class PricesError(MoorageError):
    """Prices that cannot be read."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What a core and a GiB cost for an hour."""

    core: float
    gib: float
    currency: str

    def month(self, cores: float, memory: float) -> float:
        """Return what so much costs for a month."""
        return HOURS_A_MONTH * (cores * self.core + memory / GIB * self.gib)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine type with a price for an hour."""

    cores: float
    memory: float
    price: float
    currency: str


def prices_of(machines: Sequence[Machine]) -> Prices:
    """Divide what machines cost between their cores and their memory.

    Raises:
        PricesError: there is no price, or they are in several currencies.
    """
    currencies = sorted({machine.currency for machine in machines})
    if len(currencies) != 1:
        raise PricesError(
            f"the prices are in {', '.join(currencies)}"
            if currencies
            else "there is no MachineType with a price",
            hint="`spec.pricePerHour` of a MachineType is what it costs; all have to be in one currency",
        )
    gib = statistics.median(
        machine.price / (machine.cores * CORE_IN_GIB + machine.memory / GIB) for machine in machines
    )
    return Prices(gib * CORE_IN_GIB, gib, currencies[0])


@dataclass(frozen=True, slots=True)
class Fleet:
    """The nodes, and what the pods on them ask for.

    Args:
        nodes: what each has for pods: cores, bytes, how many pods.
        pods: what each asks for: cores and bytes.
    """

    nodes: Sequence[tuple[float, float, float]] = ()
    pods: Mapping[Pod, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Needed:
    """How many nodes of the usual shape the requests need, packed as tightly as first fit does."""

    nodes: int
    now: int
    then: int

    @property
    def spare(self) -> int:
        """How many could go that could not go before."""
        return max(0, self.now - self.then)


def nodes_needed(
    fleet: Fleet, then: Mapping[Pod, tuple[float, float]], daemons: AbstractSet[Pod]
) -> Needed | None:
    """Estimate how many nodes are needed now, and with other requests of some pods.

    Pods that run on every node go with it: what they ask for is taken off each node. Affinities, taints and
    volumes are not known here, which is why it is an estimate. ``None`` where there are no nodes to look at.
    """
    if not fleet.nodes or not fleet.pods:
        return None
    shape = np.array(Counter(fleet.nodes).most_common(1)[0][0])
    counts = []
    for pods in (fleet.pods, {**fleet.pods, **{pod: then[pod] for pod in then if pod in fleet.pods}}):
        on_each = np.zeros(3)
        for pod in daemons & pods.keys():
            on_each += np.array([*pods[pod], 1.0]) / len(fleet.nodes)
        room = shape - on_each
        wanted = np.array([[*pods[pod], 1.0] for pod in sorted(pods) if pod not in daemons]).reshape(-1, 3)
        counts.append(first_fit(wanted, room))
    return Needed(len(fleet.nodes), counts[0], counts[1])


def first_fit(wanted: np.ndarray, room: np.ndarray) -> int:
    """Return how many bins first fit needs, the largest first; what fits in none has one of its own."""
    if not len(wanted):
        return 0
    order = np.argsort(-(wanted / np.maximum(room, 1e-9)).max(axis=1), kind="stable")
    left = np.empty((len(wanted), wanted.shape[1]))
    used = 0
    for item in wanted[order]:
        fits = np.flatnonzero(np.all(left[:used] >= item - 1e-9, axis=1))
        if len(fits):
            left[fits[0]] -= item
        else:
            left[used] = np.maximum(room - item, 0)
            used += 1
    return used
