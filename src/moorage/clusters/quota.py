"""How much of its quota a project uses, and which clusters it has room for.

Moorage counts what a cluster may become: a pool that scales counts with its upper bound, so that a cluster
that was let in never fails to grow for want of quota. Control planes are the platform's, and do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Amounts:
    """What is used, asked for or allowed. In a limit, a large number stands for "no limit"."""

    clusters: int = 0
    nodes: int = 0
    cpu_millicores: int = 0
    memory_bytes: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.clusters + other.clusters,
            self.nodes + other.nodes,
            self.cpu_millicores + other.cpu_millicores,
            self.memory_bytes + other.memory_bytes,
        )

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.clusters - other.clusters,
            self.nodes - other.nodes,
            self.cpu_millicores - other.cpu_millicores,
            self.memory_bytes - other.memory_bytes,
        )

    def fits(self, other: Amounts) -> bool:
        """Say whether it is at most ``other``, in everything."""
        return (
            self.clusters <= other.clusters
            and self.nodes <= other.nodes
            and self.cpu_millicores <= other.cpu_millicores
            and self.memory_bytes <= other.memory_bytes
        )


NOTHING = Amounts()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a project may use; ``None`` is no limit."""

    clusters: int | None = None
    nodes: int | None = None
    cpu_millicores: int | None = None
    memory_bytes: int | None = None

    @property
    def unlimited(self) -> bool:
        """Whether nothing is limited."""
        return all(getattr(self, field.name) is None for field in fields(self))


@dataclass(frozen=True, slots=True)
class Shortage:
    """One limit that would be exceeded."""

    what: str
    limit: int
    used: int
    wanted: int

    def __str__(self) -> str:
        measure = _MEASURES[self.what]
        left = max(0, self.limit - self.used)
        return (
            f"{measure.say(self.wanted)} wanted, {measure.number(left)} of {measure.number(self.limit)} left"
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """One cluster's part of a project's quota.

    Args:
        name: the cluster.
        created: since when it is declared; earlier ones come first.
        held: what it was made with, and keeps.
        wanted: what is declared now.
    """

    name: str
    created: datetime
    held: Amounts
    wanted: Amounts


def larger(one: Amounts, other: Amounts) -> Amounts:
    """Return the larger of two amounts, in each thing."""
    return Amounts(
        max(one.clusters, other.clusters),
        max(one.nodes, other.nodes),
        max(one.cpu_millicores, other.cpu_millicores),
        max(one.memory_bytes, other.memory_bytes),
    )


def room_for(used: Amounts, limits: Limits) -> bool:
    """Say whether nothing is used beyond its limit."""
    return not shortages(limits, NOTHING, used)


def shortages(limits: Limits, used: Amounts, wanted: Amounts) -> tuple[Shortage, ...]:
    """Return the limits that would be exceeded if ``wanted`` were added to what others use."""
    return tuple(
        Shortage(what, limit, getattr(used, what), getattr(wanted, what))
        for what in _MEASURES
        if (limit := getattr(limits, what)) is not None
        and getattr(wanted, what) > 0
        and getattr(used, what) + getattr(wanted, what) > limit
    )


def shortages_of_growth(
    limits: Limits, used: Amounts, before: Amounts, wanted: Amounts
) -> tuple[Shortage, ...]:
    """Return the limits that would be exceeded by growing from ``before`` to ``wanted``.

    A limit that was lowered below what is in use stops nobody from growing in something else.
    """
    return tuple(
        short for short in shortages(limits, used, wanted) if short.wanted > getattr(before, short.what)
    )


def allot(claims: Iterable[Claim], limits: Limits) -> Mapping[str, tuple[Shortage, ...]]:
    """Decide which clusters get what they want; the result has those that do not, and why.

    What a cluster holds is never taken away, and one that shrinks may always do so. What is left then goes to
    those that were declared first. The answer depends on the claims alone, not on their order.
    """
    ordered = sorted(claims, key=lambda claim: (claim.created, claim.name))
    growing = [claim for claim in ordered if not claim.wanted.fits(claim.held)]
    shrinking = [claim for claim in ordered if claim.wanted.fits(claim.held)]
    used = sum((claim.held for claim in growing), sum((claim.wanted for claim in shrinking), NOTHING))
    refused: dict[str, tuple[Shortage, ...]] = {}
    for claim in growing:
        others = used - claim.held
        short = shortages_of_growth(limits, others, claim.held, claim.wanted)
        if short:
            refused[claim.name] = short
        else:
            used = others + claim.wanted
    return refused


def usage(claims: Iterable[Claim], refused: Mapping[str, Sequence[Shortage]]) -> Amounts:
    """Return what a project uses: what was let in, and what the others hold already."""
    return sum((claim.held if claim.name in refused else claim.wanted for claim in claims), NOTHING)


@dataclass(frozen=True, slots=True)
class _Measure:
    """How amounts of one thing are written: ``3 nodes``, ``1.5 CPUs``, ``16 GiB of memory``."""

    unit: str
    scale: int = 1
    plural: str = "s"

    def number(self, amount: int) -> str:
        return f"{amount / self.scale:.6g}"

    def say(self, amount: int) -> str:
        return f"{self.number(amount)} {self.unit}{'' if amount == self.scale else self.plural}"


_MEASURES = {
    "clusters": _Measure("cluster"),
    "nodes": _Measure("node"),
    "cpu_millicores": _Measure("CPU", scale=1000),
    "memory_bytes": _Measure("GiB of memory", scale=1024**3, plural=""),
}
