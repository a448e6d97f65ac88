"""Finding out what leads where by trying: values are changed to ones that are seen nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from moorage.advisors.sources.model import DoesNotBuildError, Key, Made, Objects, Place, Texts
from moorage.advisors.sources.text import edited_at
from moorage.manifests.editing.operations import ABSENT, Operation, Path_, Set, leaves
from moorage.manifests.editing.refusal import Refused

_QUANTITY: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?(?P<unit>[numkMGTPE]|[KMGTPE]i)?")
_WORD: Final = "moorageprobe"
_FIRST: Final = 710_000
MOST_PROBES: Final = 400


@dataclass(frozen=True, slots=True)
class Probe:
    """A change by which is seen where a value leads to.

    Args:
        place: of the value.
        operation: what is done with it.
        mark: what is looked for in what is made then.
        was: what the value says without.
    """

    place: Place
    operation: Operation
    mark: str | float
    was: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A value that leads to a field.

    Args:
        place: of the value.
        path: of the field, as far as it is where the mark was found.
        before: what stands in the field before the value.
        after: what stands behind it.
    """

    place: Place
    path: Path_
    before: str = ""
    after: str = ""


Make = Callable[[Texts], Objects]


def marked(place: Place, value: Any, number: int) -> Probe | None:
    """Return a probe of a scalar that leaves it of its kind; ``None`` where there is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return Probe(place, Set((), _FIRST + number), _FIRST + number, str(value))
    if isinstance(value, float):
        return Probe(place, Set((), _FIRST + number + 0.5), _FIRST + number + 0.5, str(value))
    if not isinstance(value, str):
        return None
    quantity = _QUANTITY.fullmatch(value)
    if quantity:
        mark = f"{_FIRST + number}{quantity['unit'] or ''}"
        return Probe(place, Set((), mark), mark, value)
    mark = f"{_WORD}{number:04d}"
    return Probe(place, Set((), mark), mark, value)


def marked_inside(place: Place, value: Any, number: int) -> Probe | None:
    """Return a probe of a collection: a key or an item that nobody knows is put into it."""
    mark = f"{_WORD}{number:04d}"
    if isinstance(value, dict) and value:
        return Probe(place, Set((mark,), "x"), mark)
    if isinstance(value, dict) or value is None:
        return Probe(place, Set((), {mark: "x"}), mark)
    return None


def hits(
    probes: Sequence[Probe], make: Make, base: Mapping[Path, str], texts: Texts, *, key: Key
) -> Iterator[Hit]:
    """Yield where some values lead to in an object. Those without which it is not made are left out.

    Args:
        probes: what to try, at once where that works.
        make: makes objects.
        key: of the object.
        base: what files say.
        texts: what was changed of it.
    """
    waiting = [list(probes[:MOST_PROBES])]
    tries = 0
    while waiting and tries < MOST_PROBES:
        group = waiting.pop()
        tries += 1
        changed, used = _all_at_once(group, base, texts)
        try:
            made = make({**texts, **changed}).get(key) if used else None
        except DoesNotBuildError:
            made = None
        if made is not None:
            yield from _found(used, made)
        elif len(group) > 1:
            middle = len(group) // 2
            waiting += [group[middle:], group[:middle]]


def _all_at_once(
    probes: Sequence[Probe], base: Mapping[Path, str], texts: Texts
) -> tuple[dict[Path, str | None], list[Probe]]:
    changed: dict[Path, str | None] = {}
    used: list[Probe] = []
    for probe in probes:
        file = probe.place.file
        text = changed[file] if file in changed else texts[file] if file in texts else base.get(file)
        if text is None:
            continue
        try:
            changed[file] = edited_at(text, probe.place, [probe.operation])
        except Refused:
            continue
        used.append(probe)
    return changed, used


def _found(probes: Sequence[Probe], made: Made) -> Iterator[Hit]:
    by_mark = {str(probe.mark): probe for probe in probes}
    looked_for = re.compile("|".join(sorted(map(re.escape, by_mark), key=len, reverse=True)))
    for path, value in leaves(made.content):
        for place, step in enumerate(path):
            if isinstance(step, str) and step in by_mark:
                yield Hit(by_mark[step].place, path[:place])
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            continue
        text = str(value)
        for match in looked_for.finditer(text):
            before, after = (
                looked_for.sub(lambda other: by_mark[other[0]].was, part)  # as it is without the other probes
                for part in (text[: match.start()], text[match.end() :])
            )
            yield Hit(by_mark[match[0]].place, path, before, after)


def leaf_for(hit: Hit, old_leaf: Any, wanted: Any) -> Any:
    """Return what a value must be for its field to be as wanted; `ABSENT` where no value would do."""
    whole = not hit.before and not hit.after
    if whole and (type(wanted) is type(old_leaf) or not isinstance(wanted, str | int | float)):
        return wanted
    text = str(wanted)
    inner = text[len(hit.before) : len(text) - len(hit.after)]
    fits = text.startswith(hit.before) and text.endswith(hit.after) and bool(inner)
    if not fits or isinstance(wanted, bool | dict | list):
        return ABSENT
    if isinstance(old_leaf, int) and re.fullmatch(r"-?(?:0|[1-9][0-9]*)", inner):
        return int(inner)
    return wanted if whole and not isinstance(old_leaf, str) else inner


def could_lead_to(leaf: Any, field: Any) -> bool:
    """Say whether a value may be what a field is made from, as it is."""
    if isinstance(leaf, bool) or leaf is None or isinstance(leaf, dict | list):
        return False
    text = str(leaf)
    return bool(text) and text in str(field)
