"""What a change brings, and what it mends: two reports in, one out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from moorage.policies.report.model import Change, Report, Result


def compare(base: Report, head: Report, *, called: str) -> Report:
    """Return the report of a change: what is new in it counts, and what it mends is told.

    A finding is the same when the same object breaks the same policy in the same words, wherever they are
    written; also when it says a part of what it said, because the rest was mended. One that was warned of and
    is refused now is new.

    Args:
        base: before.
        head: after.
        called: how the version before is called.
    """
    before, after = _by_subject(base.results), _by_subject(head.results)
    new: list[Result] = []
    mended: list[Result] = []
    for subject in {**before, **after}:
        brought, gone = _different(before.get(subject, []), after.get(subject, []))
        new += brought
        if not brought:  # what is worse now, or different, is not mended
            mended += gone
    order = {id(result): place for place, result in enumerate((*head.results, *base.results))}
    new.sort(key=lambda result: order[id(result)])
    mended.sort(key=lambda result: order[id(result)])
    return replace(head, change=Change(called, tuple(new), tuple(mended), len(head.results) - len(new)))


def _by_subject(results: Iterable[Result]) -> dict[tuple[str, ...], list[Result]]:
    """Return findings by object and policy, those of the strongest action first."""
    found: dict[tuple[str, ...], list[Result]] = {}
    for result in sorted(results, key=lambda result: -result.action.strength):
        found.setdefault(result.identity[:-1], []).append(result)
    return found


def _different(before: Sequence[Result], after: Sequence[Result]) -> tuple[list[Result], list[Result]]:
    """Return which findings are new, and which are gone, of one object and policy."""
    left = list(before)
    new = []
    for result in sorted(after, key=lambda result: result.message not in {each.message for each in before}):
        match = next((old for old in left if _is_part(result, old)), None)
        if match is None:
            new.append(result)
        else:
            left.remove(match)
    return new, left


def _is_part(result: Result, old: Result) -> bool:
    if result.action.strength > old.action.strength:
        return False
    return result.message == old.message or _said(result.message) <= _said(old.message)


def _said(message: str) -> set[str]:
    """Return what a message says one by one: policies join what they find in an object with semicolons."""
    return set(message.split("; "))
