"""The proof of a proposal: what was used is still allowed, nothing is new, and what goes is named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from moorage.advisors.permissions.evaluate import rules_allow, uncovered
from moorage.advisors.permissions.model import MANY, Request, Rule

_SOME_OTHER = "\0"
"""A name that no rule has."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of each request under a proposal.

    Args:
        requests: how many different ones the grant allowed.
        lost: those that the proposal would not allow.
        gained: what the proposal would allow, and the grant did not.
        removed: what the grant allowed, and the proposal does not.
    """

    requests: int
    lost: tuple[Request, ...]
    gained: tuple[Rule, ...]
    removed: tuple[Rule, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing used is lost, and nothing is new."""
        return not self.lost and not self.gained


def prove(
    before: Sequence[Rule], after: Sequence[Rule], used: Iterable[Request], *, namespace: str | None = None
) -> Proof:
    """Evaluate all that was used against a proposal.

    Args:
        before: the rules that were granted.
        after: the rules that are proposed.
        used: the requests, each of which the grant allows.
        namespace: to which the proposal is confined, where the grant was not.
    """
    requests = list(used)
    lost = [request for request in requests if not _still(before, after, request, namespace)]
    return Proof(
        requests=len(requests),
        lost=tuple(sorted(lost)),
        gained=tuple(uncovered(before, after)),
        removed=tuple(uncovered(after, before)),
    )


def _still(before: Sequence[Rule], after: Sequence[Rule], request: Request, namespace: str | None) -> bool:
    if namespace is not None and request.namespace != namespace:
        return False
    if not rules_allow(after, request):
        return False
    if request.name != MANY:
        return True
    # Of many names, any may have been meant: what was open to all names has to stay so.
    other = request._replace(name=_SOME_OTHER)
    return not rules_allow(before, other) or rules_allow(after, other)
