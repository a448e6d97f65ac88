"""Asking the advisor on resources what new workloads should ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from moorage.advisors.cluster.host import AdviceHost
from moorage.advisors.cluster.resources import access_of, store_of
from moorage.advisors.cluster.roster import Roster
from moorage.advisors.cluster.timing import Tempo, window_of
from moorage.advisors.resources.child import Child
from moorage.advisors.resources.wire import Newcomer, Proposed, Question
from moorage.kube.controller import Key

_REMEMBERED: Final = timedelta(minutes=5)


class ResourcesProposer:
    """Says what new workloads should ask for that ask for nothing.

    Who asks again and again about the same ones gets the same answer for some minutes: each one takes a
    process.

    Args:
        roster: knows the clusters.
        host: says where metrics are.
        child: reads them; one for all who ask.
        tempo: how long the window is where a cluster does not say.
    """

    def __init__(self, roster: Roster, host: AdviceHost, child: Child, tempo: Tempo | None = None) -> None:
        self._roster = roster
        self._host = host
        self._child = child
        self._tempo = tempo or Tempo()
        self._answers: dict[str, tuple[datetime, frozenset[Newcomer], tuple[Proposed, ...]]] = {}

    async def propose(self, key: Key, newcomers: Sequence[Newcomer]) -> tuple[Proposed, ...]:
        """Return what newcomers should ask for; nothing about those of which nobody knows.

        Raises:
            MoorageError: the cluster or its metrics cannot be read.
            ApiError: the management cluster refuses.
        """
        obj = self._roster.object(key)
        member = await self._roster.find(key, obj) if obj is not None else None
        if member is None or not newcomers:
            return ()
        now, asked = datetime.now(UTC), frozenset(newcomers)
        known = self._answers.get(member.id)
        if known is not None and known[1] == asked and now - known[0] < _REMEMBERED:
            return known[2]
        question = Question(
            str(key),
            await store_of(self._host, member.id),
            now,
            window_of(None, member.obj, self._tempo).total_seconds(),
            **access_of(member.access),
            newcomers=tuple(newcomers),
        )
        proposed = (await self._child.ask(question)).proposed
        self._answers = {name: each for name, each in self._answers.items() if now - each[0] < _REMEMBERED}
        self._answers[member.id] = (now, asked, proposed)
        return proposed
