"""Opt-ins that come to nothing: a set that no bundle has, a value that is no action. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from moorage.policies.levels import EXEMPT_NAMESPACES, read_levels

_SHOWN: Final = 3


def lost(namespaces: Mapping[str, Mapping[str, str]], sets: Collection[str]) -> list[str]:
    """Say which opt-ins of namespaces count for nothing, one sentence for each set or value.

    Args:
        namespaces: the labels of each.
        sets: the sets that there are.
    """
    missing: dict[str, list[str]] = {}
    unknown: dict[tuple[str, str], list[str]] = {}
    for name, labels in sorted(namespaces.items()):
        if name in EXEMPT_NAMESPACES:
            continue
        levels = read_levels(labels)
        for chosen in levels.actions:
            if chosen not in sets:
                missing.setdefault(chosen, []).append(name)
        for chosen, value in levels.unknown.items():
            unknown.setdefault((chosen, value), []).append(name)
    return [
        *(
            f"{_named(names)} {'opts' if len(names) == 1 else 'opt'} in to the set {chosen}, "
            f"which no bundle has"
            for chosen, names in sorted(missing.items())
        ),
        *(
            f"{_named(names)}: {value!r} for the set {chosen} is none of enforce, warn and audit"
            for (chosen, value), names in sorted(unknown.items())
        ),
    ]


def shown(sentences: Iterable[str]) -> str:
    """Return sentences as the rest of a message, the first of them in full."""
    found = list(sentences)
    more = [f"and {len(found) - _SHOWN} more such opt-ins"] if len(found) > _SHOWN else []
    return "; ".join([*found[:_SHOWN], *more])


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"namespace{'' if len(names) == 1 else 's'} {', '.join(names[:_SHOWN])}{more}"
