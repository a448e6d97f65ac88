"""Where a machine is: its zone and its address, chosen once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from moorage.providers.local.names import machine_address


@dataclass(frozen=True, slots=True)
class Place:
    """A machine's zone and its address inside the cluster."""

    zone: str
    address: str


def choose(uid: str, zones: Collection[str], wanted: str | None, others: Collection[Place]) -> Place:
    """Choose a machine's place: the zone that is wanted, or the one with the fewest machines.

    Args:
        uid: the machine's; what is open is decided by it, the same way each time.
        zones: that the cluster has.
        wanted: the zone that somebody has decided on.
        others: where the cluster's other machines are.
    """
    used = Counter(place.zone for place in others)
    zone = wanted or min(zones, key=lambda name: (used[name], _lot(uid, name)))
    return Place(zone, machine_address(uid, frozenset(place.address for place in others)))


class Placements:
    """Remembers places from when they are given until the machines' own status has them.

    Several machines of a cluster are made at once, and what one was given is not seen by the others yet.
    """

    def __init__(self) -> None:
        self._given: dict[str, dict[str, Place]] = {}

    def place(
        self, cluster: str, uid: str, zones: Collection[str], wanted: str | None, known: Mapping[str, Place]
    ) -> Place:
        """Return the place of a machine that has none yet.

        Args:
            cluster: the id of its cluster.
            uid: the machine's.
            zones: that the cluster has.
            wanted: the zone that somebody has decided on.
            known: the places of the cluster's machines that have one, by their uids.
        """
        given = self._given.setdefault(cluster, {})
        for seen in [other for other in given if other in known]:
            del given[seen]
        if uid not in given:
            given[uid] = choose(uid, zones, wanted, [*known.values(), *given.values()])
        return given[uid]

    def forget(self, cluster: str, uid: str) -> None:
        """Take note that a machine is gone."""
        given = self._given.get(cluster, {})
        given.pop(uid, None)
        if not given:
            self._given.pop(cluster, None)


def _lot(uid: str, name: str) -> bytes:
    return hashlib.sha256(f"{uid}/{name}".encode()).digest()
