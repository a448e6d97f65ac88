"""What a source shall make, and whether what it makes after an edit is on the way there and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moorage.advisors.sources.matching import Matched, UnplacedError
from moorage.advisors.sources.model import Key, Made, Objects, Step
from moorage.advisors.sources.wanted import applied
from moorage.manifests.editing.operations import difference, leaves, same, written
from moorage.manifests.model import title_of
from moorage.reports.findings import Action


@dataclass(frozen=True, slots=True)
class Goal:
    """What a source shall make.

    Args:
        objects: those that shall be another than now, as they shall be.
        going: those that shall not be there.
        coming: those that shall be there and are not, each with one that it belongs beside.
    """

    objects: Mapping[Key, Mapping[str, Any]]
    going: frozenset[Key]
    coming: tuple[tuple[Key, Mapping[str, Any]], ...]


def goal_of(wishes: Sequence[Matched], objects: Objects) -> Goal:
    """Put together what is asked for.

    Raises:
        UnplacedError: two changes contradict each other.
    """
    shall: dict[Key, Mapping[str, Any]] = {}
    going: set[Key] = set()
    coming: list[tuple[Key, Mapping[str, Any]]] = []
    for wish in wishes:
        beside = next(key for key in wish.keys if key is not None)
        for change, key in zip(wish.asked.changes, wish.keys, strict=True):
            if key is None:
                if not any(same(change.content, content) for _, content in coming):
                    coming.append((beside, change.content))
            elif change.action is Action.DELETE:
                going.add(key)
            else:
                shall[key] = applied(shall.get(key, objects[key].content), change.content)
    for wish in wishes:
        for change, key in zip(wish.asked.changes, wish.keys, strict=True):
            if key is None or change.action is Action.DELETE:
                continue
            if key in going or not same(applied(shall[key], change.content), shall[key]):
                raise UnplacedError(f"another finding wants something else of {change.name}")
    changed = {key: content for key, content in shall.items() if not same(content, objects[key].content)}
    return Goal(changed, frozenset(going), tuple(coming))


def differing(wish: Matched) -> Iterator[str]:
    """Say where the sources say something else than what the advisor saw: they are not what is deployed."""
    for change, key in zip(wish.asked.changes, wish.keys, strict=True):
        if key is None or not change.was or "metadata" not in change.was:
            continue
        content = _without_defaults(wish.built.objects[key].content)
        for operation in difference(content, _without_defaults(applied(content, change.was))):
            yield (
                f"{key}: the advisor saw another {written(operation.path)} than the sources have: "
                "they may not be what is deployed"
            )
            break


def _without_defaults(value: Any) -> Any:
    """Leave out what the API server adds to subjects and roles when it is not said."""
    if isinstance(value, dict):
        return {key: _without_defaults(each) for key, each in value.items() if key != "apiGroup"}
    return [_without_defaults(each) for each in value] if isinstance(value, list) else value


def steps(goal: Goal, objects: Objects) -> Iterator[Step]:
    """Yield what is left to do: what comes first, what goes last."""
    for beside, content in reversed(goal.coming):  # each is put right behind the same one
        if not any(_is_there(content, made) for made in objects.values()):
            yield Step(beside, content=content)
    for key, content in goal.objects.items():
        for operation in difference(objects[key].content, content):
            yield Step(key, operation)
    for key in goal.going:
        if key in objects:
            yield Step(key)


def verdict(before: Objects, after: Objects, start: Objects, goal: Goal) -> str:
    """Return why an edit is not kept; an empty text for one that does what is wanted and nothing else.

    Args:
        before: what is made before the edit.
        after: what is made with it.
        start: what was made at first.
        goal: what shall be made.
    """
    for key in after.keys() - before.keys():
        if not any(_is_there(content, after[key], of=key) for _, content in goal.coming):
            return f"{key} would be made, too"
    for key in before.keys() - after.keys():
        if key not in goal.going:
            return f"{key} would go, or be called another name"
    for key in before.keys() & after.keys():
        was, now = start.get(key, before[key]).content, after[key].content
        shall = goal.objects.get(key, was)
        if same(was, now) or key not in start:
            if key not in start and not same(before[key].content, now):
                return f"{key} would change, too"
            continue
        if not _between(was, now, shall):
            return _too_much(key, was, now, shall)
    left, done = _distance(before, goal), _distance(after, goal)
    return "" if done < left else "it changes nothing that was asked for"


def _is_there(content: Mapping[str, Any], made: Made, *, of: Key | None = None) -> bool:
    """Say whether an object is one that shall come; a source may add labels and annotations to it."""
    told = made.content
    if of is None and title_of(told) != title_of(content):
        return False
    same_body = all(same(told.get(key), value) for key, value in content.items() if key != "metadata")
    return (
        same_body
        and told.keys() <= content.keys()
        and all(
            told["metadata"].get(key) == value
            for key, value in content["metadata"].items()
            if key not in {"labels", "annotations"}
        )
        and told["metadata"].keys() <= content["metadata"].keys() | {"labels", "annotations"}
    )


def _between(was: Any, now: Any, shall: Any) -> bool:
    """Say whether each part of a value is as it was or as it shall be."""
    if same(now, was) or same(now, shall):
        return True
    if isinstance(was, dict) and isinstance(now, dict) and isinstance(shall, dict):
        return all(
            _between(was.get(key, _NONE), now.get(key, _NONE), shall.get(key, _NONE))
            for key in was.keys() | now.keys() | shall.keys()
        )
    if isinstance(now, dict) and isinstance(shall, dict) and was is _NONE:
        return _between({}, now, shall)
    if isinstance(was, list) and isinstance(now, list) and isinstance(shall, list):
        if len(was) == len(now) == len(shall):
            return all(map(_between, was, now, shall))
        return all(any(same(each, other) for other in (*was, *shall)) for each in now)
    return False


class _Nothing:
    pass


_NONE = _Nothing()


def _distance(objects: Objects, goal: Goal) -> int:
    """Return how much is left to do."""
    left = sum(key in objects for key in goal.going)
    left += sum(not any(_is_there(content, made) for made in objects.values()) for _, content in goal.coming)
    for key, content in goal.objects.items():
        if key in objects:
            wanted = dict(leaves(content))
            there = dict(leaves(objects[key].content))
            left += sum(
                1
                for path in wanted.keys() | there.keys()
                if not same(wanted.get(path, _NONE), there.get(path, _NONE))
            )
    return left


def _too_much(key: Key, was: Any, now: Any, shall: Any) -> str:
    wanted = [operation.path for operation in difference(was, shall)]
    for operation in difference(was, now):
        if operation.path not in wanted:
            return f"{key}: {written(operation.path)} would change, too"
    return f"{key}: {written(difference(was, now)[0].path)} would not be as asked for"
