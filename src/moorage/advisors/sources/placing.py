"""Finding, for each change, an edit of the sources that makes it and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from moorage.advisors.sources.asked import Asked
from moorage.advisors.sources.goal import Goal, differing, goal_of, steps, verdict
from moorage.advisors.sources.matching import Built, Matched, UnplacedError, match
from moorage.advisors.sources.model import Candidate, DoesNotBuildError, No, Objects, Source, Step
from moorage.advisors.sources.plain import PlainFiles
from moorage.advisors.sources.text import shown
from moorage.manifests.editing.operations import written

_REASONS = 3


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A change that was not placed.

    Args:
        asked: the change.
        why: in words.
    """

    asked: Asked
    why: str


@dataclass(frozen=True, slots=True)
class Placed:
    """What is to be edited.

    Args:
        before: what the files say that are edited.
        after: what they shall say; ``None`` for one that goes.
        done: the changes that this makes.
        already: those that are there already.
        unplaced: those that it does not make.
        notes: what a person should know: where the sources say something else than the advisor saw.
    """

    before: Mapping[Path, str]
    after: Mapping[Path, str | None]
    done: tuple[Asked, ...]
    already: tuple[Asked, ...]
    unplaced: tuple[Unplaced, ...]
    notes: tuple[str, ...] = ()


def place(asked: Sequence[Asked], sources: Sequence[Source]) -> Placed:
    """Place changes in sources. A change is made whole or not at all, and proved: nothing else is different.

    Raises:
        DoesNotBuildError: a source makes nothing as it is.
    """
    built = [Built(source, source.make({})) for source in sources]
    unplaced: list[Unplaced] = []
    wishes: dict[int, list[Matched]] = {}
    for each in asked:
        try:
            found = match(each, built)
        except UnplacedError as error:
            unplaced.append(Unplaced(each, error.why))
        else:
            wishes.setdefault(id(found.built), []).append(found)
    before: dict[Path, str] = {}
    after: dict[Path, str | None] = {}
    done: list[Asked] = []
    already: list[Asked] = []
    notes: list[str] = []
    for group in (part for whole in wishes.values() for part in _parts(whole)):
        settled = _Settling(group).settle()
        if twice := after.keys() & settled.after.keys():
            why = f"{shown(min(twice))} is changed for another source already: name one of them"
            unplaced += [*settled.unplaced, *(Unplaced(each, why) for each in settled.done)]
            continue
        unplaced += settled.unplaced
        done += settled.done
        already += settled.already
        notes += settled.notes
        before.update(settled.before)
        after.update(settled.after)
    return Placed(before, after, tuple(done), tuple(already), tuple(unplaced), tuple(notes))


def _parts(wishes: Sequence[Matched]) -> list[list[Matched]]:
    """Part changes of plain files by the files that they are in, which do not depend on each other."""
    built = wishes[0].built
    if not isinstance(built.source, PlainFiles):
        return [list(wishes)]
    parts: list[tuple[set[Path], list[Matched]]] = []
    for wish in wishes:
        places = (built.objects[key].place for key in wish.keys if key is not None)
        files = {place.file for place in places if place is not None}
        shared = [part for part in parts if part[0] & files]
        parts = [part for part in parts if part not in shared]
        parts.append(
            (
                files.union(*(part[0] for part in shared)),
                [*(each for part in shared for each in part[1]), wish],
            )
        )
    found = []
    for files, group in parts:
        alone = built.source.narrowed(sorted(files))
        narrowed = Built(alone, alone.make({}))
        found.append([replace(wish, built=narrowed) for wish in group])
    return found


class _StuckError(Exception):
    """A step that cannot be made."""

    def __init__(self, step: Step, why: str) -> None:
        super().__init__(why)
        self.step = step
        self.why = why


class _Settling:
    """Makes the changes of one source; one that cannot be made is left out, and the others are begun anew."""

    def __init__(self, wishes: Sequence[Matched]) -> None:
        self._wishes = list(wishes)
        self._built = wishes[0].built
        self._source = wishes[0].built.source

    def settle(self) -> Placed:
        unplaced: list[Unplaced] = []
        already = [wish for wish in self._wishes if self._is_there(wish)]
        self._wishes = [wish for wish in self._wishes if wish not in already]
        texts: Mapping[Path, str | None] = {}
        while self._wishes:
            try:
                texts = self._texts(self._goal())
                break
            except _StuckError as stuck:
                left = [wish for wish in self._wishes if not self._wants(wish, stuck.step)]
                if len(left) == len(
                    self._wishes
                ):  # it came up on the way: whoever wants something of the object
                    left = [wish for wish in self._wishes if stuck.step.key not in wish.keys]
                unplaced += [Unplaced(wish.asked, stuck.why) for wish in self._wishes if wish not in left]
                self._wishes = left
            except UnplacedError as error:
                unplaced.append(Unplaced(self._wishes.pop().asked, error.why))
        before = self._source.texts
        changed = {file: text for file, text in texts.items() if self._wishes and text != before.get(file)}
        return Placed(
            before={file: before[file] for file in changed},
            after=changed,
            done=tuple(wish.asked for wish in self._wishes),
            already=tuple(wish.asked for wish in already),
            unplaced=tuple(unplaced),
            notes=tuple(note for wish in self._wishes for note in differing(wish)),
        )

    def _is_there(self, wish: Matched) -> bool:
        try:
            return not any(steps(goal_of([wish], self._built.objects), self._built.objects))
        except UnplacedError:
            return False

    def _wants(self, wish: Matched, step: Step) -> bool:
        """Say whether a change wants, of the same object, the same thing or something in it or around it."""
        objects = self._built.objects
        for own in steps(goal_of([wish], objects), objects):
            if own.content is not None or step.content is not None:
                if own.content == step.content:
                    return True
            elif own.key == step.key and (own.goes or step.goes or _overlap(own, step)):
                return True
        return False

    def _goal(self) -> Goal:
        return goal_of(self._wishes, self._built.objects)

    def _texts(self, goal: Goal) -> Mapping[Path, str | None]:
        texts: dict[Path, str | None] = {}
        objects = self._built.objects
        while (step := next(steps(goal, objects), None)) is not None:
            candidate, objects = self._try(texts, objects, step, goal)
            texts |= candidate.texts
        return texts

    def _try(
        self, texts: Mapping[Path, str | None], objects: Objects, step: Step, goal: Goal
    ) -> tuple[Candidate, Objects]:
        reasons: dict[str, None] = {}
        for candidate in self._source.candidates(texts, objects, step):
            if isinstance(candidate, No):
                reasons[candidate.why] = None
                continue
            try:
                after = self._source.make({**texts, **candidate.texts})
            except DoesNotBuildError as error:
                reasons[f"{candidate.where}: {error.message}"] = None
                continue
            why = verdict(objects, after, self._built.objects, goal)
            if not why:
                return candidate, after
            reasons[f"{candidate.where}: {why}"] = None
        raise _StuckError(
            step, f"{_told(step)}: {'; '.join(list(reasons)[:_REASONS]) or 'nothing leads to it'}"
        )


def _told(step: Step) -> str:
    if step.content is not None:
        content = step.content
        return f"a new {content['kind']} {content['metadata']['name']}"
    if step.operation is None:
        return f"{step.key} is to go"
    return f"{step.key}: {written(step.operation.path)}"


def _overlap(one: Step, other: Step) -> bool:
    if one.operation is None or other.operation is None:
        return False
    return all(a == b for a, b in zip(one.operation.path, other.operation.path, strict=False))
