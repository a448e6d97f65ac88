"""What is asked of whoever knows what new workloads need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from moorage.advisors.resources.wire import Newcomer, Proposed
from moorage.kube.controller import Key


class Proposer(Protocol):
    """Knows what workloads need."""

    async def propose(self, key: Key, newcomers: Sequence[Newcomer]) -> Sequence[Proposed]:
        """Return what containers of a cluster should ask for; nothing about those of which nobody knows.

        Raises:
            MoorageError: nothing can be said now, and why.
            ApiError: the management cluster refuses.
        """
