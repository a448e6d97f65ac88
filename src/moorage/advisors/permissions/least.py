"""The least rules that still allow what was used: never more than was granted, and still readable."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from moorage.advisors.permissions.evaluate import breakdown, path_matches, rule_allows
from moorage.advisors.permissions.model import ALL, MANY, VERBS, Request, Rule, Seen

MOST_NAMES: Final = 4
"""How many names a rule may come to have; more are no help to whoever reads it."""

_STEADY: Final = 3
_NAMED: Final = frozenset({"get", "list", "watch", "update", "patch", "delete"})
_GENERATED: Final = re.compile(r"[0-9a-f]{8,}|[bcdfghjklmnpqrstvwxz2456789]{5,}$|\d{3,}")
"""Hashes, UUIDs, what Kubernetes appends to names (it uses no vowels), and numbers that count on."""

_OTHER_VERB: Final = len(VERBS)


def least(rules: Sequence[Rule], used: Mapping[Request, Seen], kept: Iterable[Rule] = ()) -> tuple[Rule, ...]:
    """Return the least rules, in an order that does not depend on the order of anything.

    Args:
        rules: what is granted.
        used: what was asked for; what none of the rules allows is passed over.
        kept: parts of the rules that stay, used or not.
    """
    parts: set[Rule] = set()
    names: dict[Rule, dict[str, Seen]] = defaultdict(dict)
    for request, seen in used.items():
        allowing = [rule for rule in rules if rule_allows(rule, request)]
        if not allowing:
            continue
        if not request.resource:
            parts.update(_paths(allowing, request))
            continue
        open_part = Rule((request.verb,), (request.group,), (request.combined,))
        if any(not rule.names for rule in allowing):
            parts.add(open_part)
            together = names[open_part].setdefault(request.name, Seen())
            together.add(seen.count, seen.first, seen.last)
        else:
            told = {name for rule in allowing for name in rule.names}
            for name in told if request.name == MANY else (request.name,):
                parts.add(Rule(open_part.verbs, open_part.groups, open_part.resources, (name,)))
    for part in sorted(names, key=repr):
        if found := _steady(part, names):
            parts.discard(part)
            parts.update(Rule(part.verbs, part.groups, part.resources, (name,)) for name in found)
    for rule in kept:
        parts.update(breakdown(rule))
    return _joined(parts)


def _paths(allowing: Sequence[Rule], request: Request) -> set[Rule]:
    """Return which paths stay: the pattern that was granted, unless that is everything."""
    patterns = sorted(
        {path for rule in allowing for path in rule.paths if path_matches(path, request.path)},
        key=lambda path: (path == ALL, -len(path), path),
    )
    if request.path == MANY:
        return {Rule((request.verb,), paths=(path,)) for path in patterns}
    return {Rule((request.verb,), paths=(request.path if patterns[0] == ALL else patterns[0],))}


def _steady(part: Rule, names: Mapping[Rule, Mapping[str, Seen]]) -> list[str]:
    """Return the names that a part can be held to; none where they are many, or come and go."""
    verb = part.verbs[0]
    if verb not in _NAMED or not _are_steady(names[part]):
        return []
    if verb == "get":
        # Whoever lists them all reads them all: names would only make the rule longer.
        for other in ("list", "watch"):
            listed = Rule((other,), part.groups, part.resources)
            if listed in names and not _are_steady(names[listed]):
                return []
    return sorted(names[part])


def _are_steady(names: Mapping[str, Seen]) -> bool:
    return len(names) <= MOST_NAMES and all(
        name not in ("", MANY)
        and not _GENERATED.search(name)
        and seen.count >= _STEADY
        and seen.first[:10] < seen.last[:10]
        for name, seen in names.items()
    )


def _joined(parts: set[Rule]) -> tuple[Rule, ...]:
    """Put the smallest parts together where that allows nothing else."""
    named: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    paths: dict[str, set[str]] = defaultdict(set)
    opened: set[tuple[str, str, str]] = set()
    for part in parts:
        if part.paths:
            paths[part.paths[0]].add(part.verbs[0])
            continue
        key = (part.verbs[0], part.groups[0], part.resources[0])
        if part.names:
            named[key].add(part.names[0])
        else:
            opened.add(key)
    verbs: dict[tuple[str, str, frozenset[str]], set[str]] = defaultdict(set)
    for verb, group, resource in opened | set(named):
        held = frozenset() if (verb, group, resource) in opened else frozenset(named[verb, group, resource])
        verbs[group, resource, held].add(verb)
    resources: dict[tuple[str, frozenset[str], frozenset[str]], set[str]] = defaultdict(set)
    for (group, resource, held), those in verbs.items():
        resources[group, frozenset(those), held].add(resource)
    groups: dict[tuple[frozenset[str], frozenset[str], frozenset[str]], set[str]] = defaultdict(set)
    for (group, each, held), some in resources.items():
        groups[frozenset(some), each, held].add(group)
    joined = [
        Rule(ordered(each), tuple(sorted(those)), tuple(sorted(these)), tuple(sorted(held)))
        for (these, each, held), those in groups.items()
    ]
    together: dict[frozenset[str], set[str]] = defaultdict(set)
    for path, these_verbs in paths.items():
        together[frozenset(these_verbs)].add(path)
    joined += [Rule(ordered(each), paths=tuple(sorted(these))) for each, these in together.items()]
    return tuple(
        sorted(joined, key=lambda rule: (rule.groups, rule.resources, rule.names, rule.verbs, rule.paths))
    )


def ordered(verbs: Iterable[str]) -> tuple[str, ...]:
    """Return verbs as people order them."""
    return tuple(sorted(verbs, key=lambda verb: (VERBS.index(verb) if verb in VERBS else _OTHER_VERB, verb)))


def as_object(rule: Rule) -> dict[str, list[str]]:
    """Return a rule as it is in a manifest."""
    fields = {
        "apiGroups": rule.groups,
        "resources": rule.resources,
        "resourceNames": rule.names,
        "nonResourceURLs": rule.paths,
        "verbs": rule.verbs,
    }
    return {field: list(words) for field, words in fields.items() if words}


def told(rule: Rule) -> str:
    """Return a rule as a person says it: ``get, list pods, services.apps "web"``."""
    verbs = ", ".join(rule.verbs)
    if rule.paths:
        return f"{verbs} {', '.join(rule.paths)}"
    groups = [group or "core" for group in rule.groups]
    suffix = f" ({', '.join(groups)})" if groups != ["core"] else ""
    names = f" named {', '.join(rule.names)}" if rule.names else ""
    return f"{verbs} {', '.join(rule.resources)}{suffix}{names}"


def joined(parts: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return some of the smallest parts, put together for a person to read."""
    return _joined(set(parts))
