"""Which advice may be followed, and why not: by itself, its workload, what became of other advice. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from moorage.advisors.automatic.model import Amounts, Done, Item, Live, Place, Policy, Thing
from moorage.api.advice import AdviceState, ApplicationPhase

SAME: Final = Decimal("0.1")
"""Amounts that differ by less than this share are the same: advisors do not propose less either."""

_LEAST: Final = Decimal("0.001")
_COUNTED: Final = ("cpu", "memory")


def shortlist(items: Iterable[Item], policy: Policy, refused: frozenset[Thing]) -> list[Item]:
    """Return the advice that could be followed, of each workload one; the worst first.

    There is none for a workload where somebody dismissed the same change, or took it back, or put back what
    was before; nor where it did harm.
    """
    everything = sorted(items, key=lambda item: (-item.rank, -item.confidence, item.name))
    found: dict[Thing, Item] = {}
    for item in everything:
        if (
            item.state is AdviceState.OPEN
            and item.thing is not None
            and item.confidence >= policy.confidence
            and item.thing not in refused
            and item.thing not in found
            and not any(_forbids(other, item) for other in everything)
        ):
            found[item.thing] = item
    return list(found.values())


def unfit(item: Item, live: Live, items: Iterable[Item]) -> str:
    """Say why an advice cannot be followed as its workload is; empty where it can."""
    if live.held:
        return live.held
    if not live.condition.settled:
        return "a rollout is on its way"
    if all(live.amounts.get(place) == amount for place, amount in item.amounts.items()):
        return "it is so already"
    # A change is about all containers of a workload, and each of them has its own advice.
    about = [other for other in items if other.thing == item.thing and other.state is AdviceState.OPEN]
    if not all(_is_as_seen(other, live) for other in about):
        return "it has changed since the advice was made"
    return ""


def _is_as_seen(item: Item, live: Live) -> bool:
    """Say whether a container is as the advisor saw it; what has only a limit asks for it."""
    now = {
        what: amount
        for (thing, container, what), amount in live.amounts.items()
        if (thing, container) == (item.thing, item.container) and what.partition(".")[2] in _COUNTED
    }
    for what in _COUNTED:
        if f"limits.{what}" in now:
            now.setdefault(f"requests.{what}", now[f"limits.{what}"])
    return item.seen == now


def _forbids(other: Item, item: Item) -> bool:
    """Say whether what became of an advice speaks against following another one (or itself again)."""
    if other.state is AdviceState.DISMISSED and _same(other.amounts, item.amounts):
        return True
    done = other.done
    return (
        done is not None
        and any(place[0] == item.thing for place in done.amounts)
        and _forbids_after(done, item)
    )


def _forbids_after(done: Done, item: Item) -> bool:
    """Say whether how a workload was changed before speaks against changing it by an advice."""
    if done.harm:
        # After harm only what is given more, and nowhere less, is another thing than what did it.
        return not _is_more(item.amounts, done.amounts)
    if done.phase is ApplicationPhase.APPLIED or (
        done.phase is ApplicationPhase.REVERTED and not done.is_ours
    ):
        # It is found still, or again: somebody has put back what was before, and would do so again.
        return _same(item.amounts, done.amounts)
    return done.phase is not ApplicationPhase.REVERTED  # somebody is at it


def _same(one: Amounts, other: Amounts) -> bool:
    return one.keys() == other.keys() and not any(_ratios(one, other))


def _is_more(amounts: Amounts, than: Amounts) -> bool:
    """Say whether amounts are nowhere less than others, and somewhere more."""
    if than.keys() - amounts.keys():
        return False
    ratios = list(_ratios(amounts, than))
    return bool(ratios) and all(ratio > 0 for ratio in ratios)


def _ratios(one: Amounts, other: Mapping[Place, Decimal]) -> Iterator[Decimal]:
    """Yield by how much amounts differ from others, where that is worth speaking of."""
    for place, amount in one.items():
        was = other.get(place)
        if was is not None and abs(amount - was) >= max(SAME * was, _LEAST):
            yield amount - was
