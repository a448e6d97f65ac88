"""What rules read beside the object that they judge: what a verdict depends on, and what a run needs.

Most such rules look no further than their object's namespace. Where that can be seen from the text of the
rule, a change in one namespace leaves the verdicts in all others as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from moorage.manifests.model import Object
from moorage.policies.engine.subjects import Identity, Subject
from moorage.policies.model import GroupVersionKind

Key = tuple[str, str]
"""A group and a kind: an object counts in whatever version a manifest says it."""

_TOKEN: Final = re.compile(r'(?P<text>"(?:\\.|[^"\\\n])*"|`[^`]*`)|(?P<comment>#[^\n]*)')
_OWN: Final = re.compile(
    r"^namespace := object\.get\((?P<object>input\.review\.object|[a-z_]\w*)"
    r'(?:\.metadata, "namespace"|, \["metadata", "namespace"\]), ""\)$',
    re.MULTILINE,
)
_READS: Final = re.compile(r"\bdata\b(?!\.inventory\.(?:namespace\[namespace\]|cluster\b)|\.lib\.)")
# Whatever else could give a name another meaning, or the rule another input.
_REBINDS: Final = re.compile(
    r"""
      \b(?:some|every)\s+(?:\w+\s*,\s*)*namespace\b
    | \bnamespace\b\s*(?::?=(?!=)|in\b)
    | [\[{][^\]}]*\bnamespace\b[^\]}]*[\]}]\s*:?=(?!=)
    | ^\s*\w+\([^()]*\bnamespace\b[^()]*\)\s*(?:if\b|:?=|\{)
    | \bimport\b[^\n]*\bnamespace\b
    | \bwith\b
    """,
    re.VERBOSE | re.MULTILINE,
)


def key_of(kind: GroupVersionKind) -> Key:
    """Return the key of a kind."""
    return kind.group, kind.kind


def stays_in_its_namespace(template: Object) -> bool:
    """Say whether a rule in Rego is seen to read nothing but its object's namespace, and what is in none.

    It is when it goes to the inventory by one name only, and that name is the namespace of the object under
    review. A rule that is written in another way is taken to read everything.
    """
    sources = list(_sources(template))
    if len(sources) != 1:
        return False
    told = _TOKEN.sub(lambda found: found["text"] or "", sources[0])
    bare = _TOKEN.sub(lambda found: '""' if found["text"] else "", sources[0])
    own = [found["object"] for found in _OWN.finditer(told)]
    if len(own) != 1 or _READS.search(bare):
        return False
    # The one definition is no other meaning.
    others = re.sub(r"^namespace := object\.get\([^\n]*$", "", bare, count=1, flags=re.MULTILINE)
    return not _REBINDS.search(others) and _is_under_review(own[0], bare)


def _is_under_review(name: str, text: str) -> bool:
    if name == "input.review.object":
        return True
    meanings = re.findall(rf"\b{re.escape(name)}\b\s*:?=(?!=)[^\n]*", text)
    plain = re.search(rf"^{re.escape(name)} := input\.review\.object$", text, re.MULTILINE)
    rebound = re.search(rf"\b(?:some|every)\s+(?:\w+\s*,\s*)*{re.escape(name)}\b", text)
    return plain is not None and len(meanings) == 1 and rebound is None


def _sources(template: Object) -> Iterable[str]:
    target: Mapping[str, Any] = template["spec"]["targets"][0]
    for source in (target, *(code.get("source") for code in target.get("code") or ())):
        if isinstance(source, Mapping) and source.get("rego"):
            yield str(source["rego"])
            yield from map(str, source.get("libs") or ())


class Inventory:
    """What rules can read, by kind and namespace.

    Args:
        keys: the kinds that some rule reads.
        subjects: what is judged: all of it can be read.
        others: what else can be; a subject takes the place of the same object here.
    """

    def __init__(self, keys: Iterable[Key], subjects: Sequence[Subject], others: Sequence[Subject]) -> None:
        found: dict[Key, dict[Identity, Subject]] = {key: {} for key in keys}
        for subject in (*others, *subjects) if found else ():
            if (each := found.get(key_of(subject.identity.kind))) is not None:
                each[subject.identity] = subject
        self._subjects = {key: tuple(each.values()) for key, each in found.items()}
        self._spaces: dict[Key, dict[str, list[Subject]]] = {}
        for key, known in self._subjects.items():
            spaces = self._spaces.setdefault(key, {})
            for subject in known:
                spaces.setdefault(subject.identity.namespace, []).append(subject)

    def __contains__(self, kind: GroupVersionKind) -> bool:
        """Say whether some rule reads a kind."""
        return key_of(kind) in self._subjects

    def count(self, key: Key) -> int:
        """Return how many objects there are of a kind."""
        return len(self._subjects.get(key, ()))

    def read(self, key: Key, namespaces: Iterable[str] | None) -> list[Subject]:
        """Return the objects of a kind: all, or those in some namespaces and in none."""
        if namespaces is None:
            return list(self._subjects.get(key, ()))
        spaces = self._spaces.get(key, {})
        return [subject for space in dict.fromkeys((*namespaces, "")) for subject in spaces.get(space, ())]
