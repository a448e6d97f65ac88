"""What a person should know about what judged, and what did not: sentences under a report. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from moorage.manifests.model import Item, metadata_of, title_of
from moorage.manifests.places import where
from moorage.policies.inputs.model import Inputs
from moorage.policies.inputs.served import is_of_kubernetes, unserved
from moorage.policies.levels import EXEMPT_NAMESPACES, read_levels
from moorage.policies.model import POLICY_GROUP, Action, GroupVersionKind, Library
from moorage.reports.words import counted

_SHOWN = 3


def notes(
    inputs: Inputs,
    libraries: Sequence[Library],
    *,
    opted_in: bool,
    floor: Mapping[str, Action],
    strangers: Sequence[int],
) -> Iterator[str]:
    """Yield what is to be known.

    Args:
        inputs: what was judged.
        libraries: what judged.
        opted_in: whether a namespace or a floor says what judges.
        floor: the action below which no namespace can go, by set.
        strangers: which of the items are of kinds that no policy is for.
    """
    yield from _kinds(inputs.items, strangers)
    yield from _twice(inputs.items)
    yield from _labels(inputs, sorted({name for library in libraries for name in library.sets}))
    if not inputs.items:
        return
    yield from _in_no_set(libraries)
    if opted_in:
        yield from _unknown_namespaces(inputs, by="only --set judges" if floor else "nothing judges")
    else:
        yield "no namespace opted in to a set and no --set was given: every policy judged, as if enforced"


def _kinds(items: Sequence[Item], strangers: Sequence[int]) -> Iterator[str]:
    """Tell of kinds that Kubernetes does not know, and count those of others that no policy is for."""
    reasons: dict[tuple[str, str], str] = {}
    places: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        said = item.content["apiVersion"], item.content["kind"]
        if said not in reasons:
            reasons[said] = unserved(GroupVersionKind.of(*said))
        if reason := reasons[said]:
            places.setdefault(reason, []).append(place)
    for reason, found in places.items():
        yield f"{where(items[found[0]])}: {reason}; no cluster takes it{_more(len(found) - 1)}"
    kinds = (
        GroupVersionKind.of(items[place].content["apiVersion"], items[place].content["kind"])
        for place in strangers
    )
    foreign = [kind for kind in kinds if not is_of_kubernetes(kind) and kind.group != POLICY_GROUP]
    if foreign:
        names = sorted({f"{kind.kind}.{kind.group}" for kind in foreign})
        verb = "is of a kind" if len(foreign) == 1 else "are of kinds"
        yield f"{counted(len(foreign), 'object')} {verb} that no policy judges: {_some(names)}"


def _twice(items: Sequence[Item]) -> Iterator[str]:
    """Tell of objects that a file has twice: a cluster keeps the last one. Overlays repeat each other's."""
    seen: dict[tuple[int, str, str, object, object], Item] = {}
    again: list[tuple[Item, Item]] = []
    for item in items:
        metadata = metadata_of(item.content)
        if not (name := metadata.get("name")):
            continue
        kind = item.content["kind"]
        key = (id(item.manifest), item.content["apiVersion"], kind, metadata.get("namespace"), name)
        first = seen.setdefault(key, item)
        if first is not item:
            again.append((first, item))
    for first, item in again[:_SHOWN]:
        line = where(first).line
        before = f", first on line {line}" if line else ""
        yield f"{where(item)}: {title_of(item.content)} is there twice{before}; the last one counts"
    if len(again) > _SHOWN:
        yield f"{counted(len(again) - _SHOWN, 'more object')} {_are(len(again) - _SHOWN)} there twice"


def _labels(inputs: Inputs, sets: Sequence[str]) -> Iterator[str]:
    for name, content in sorted(inputs.namespaces.items()):
        levels = read_levels(metadata_of(content).get("labels") or {})
        for chosen, value in levels.unknown.items():
            yield (
                f"namespace {name}: {value!r} for the set {chosen} is none of enforce, warn and audit, "
                f"and counts as if it were not there"
            )
        for chosen in levels.actions:
            if chosen not in sets:
                there = f"there are {', '.join(sets)}" if sets else "there are no sets"
                yield (
                    f"namespace {name} opts in to the set {chosen}, which there is not, "
                    f"and which judges nothing ({there})"
                )


def _in_no_set(libraries: Sequence[Library]) -> Iterator[str]:
    """Tell of policies that no cluster judges by."""
    chosen = {
        entry.policy for library in libraries for found in library.sets.values() for entry in found.entries
    }
    left = sorted({name for library in libraries for name in library.policies} - chosen)
    if left:
        verb, them = ("is", "it") if len(left) == 1 else ("are", "them")
        yield (
            f"{_some(left)} {verb} in no set, so no cluster judges by {them}: "
            f"put {them} in one, a file in sets/ of the library"
        )


def _unknown_namespaces(inputs: Inputs, *, by: str) -> Iterator[str]:
    known = {None, *inputs.namespaces, *EXEMPT_NAMESPACES}
    found = {metadata_of(item.content).get("namespace") for item in inputs.items}
    unknown = [f'"{name}"' for name in sorted(str(name) for name in found - known)]
    if unknown:
        one = len(unknown) == 1
        yield (
            f"{'namespace' if one else 'namespaces'} {', '.join(unknown)} {'is' if one else 'are'} not among "
            f"the manifests: {by} {'it' if one else 'them'} "
            f"(--namespaces FILE or --context tell {'its' if one else 'their'} labels)"
        )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _some(names: Collection[str]) -> str:
    shown = list(names)[:_SHOWN]
    return f"{', '.join(shown)}{_more(len(names) - len(shown))}"


def _more(number: int) -> str:
    return f" (and {number} more)" if number > 0 else ""
