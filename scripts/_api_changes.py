"""Types of the API, and what is different between two of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_RANK: Final = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_NOT_WRITTEN: Final = frozenset({"status", "metadata", "apiVersion", "kind"})
_LONGEST_TEXT: Final = 600


@dataclass(frozen=True, slots=True, order=True)
class Type:
    """A kind in a version of its group."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def rank(self) -> tuple[int, int, int]:
        """How far it is: stable after beta after alpha."""
        match = _RANK.fullmatch(self.version)
        if match is None:
            return (0, 0, 0)
        return ({None: 2, "beta": 1, "alpha": 0}[match[2]], int(match[1]), int(match[3] or 0))


class Comparison:
    """What is different between two types of an OpenAPI document: fields, types, and what they mean."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._definitions = document["definitions"]
        self._by_type = {
            Type(told["group"], told["version"], told["kind"]): name
            for name, each in self._definitions.items()
            for told in each.get("x-kubernetes-group-version-kind", ())
        }
        self.gone: list[str] = []
        self.new: list[str] = []
        self.different: list[str] = []
        self.required: list[str] = []
        self.meaning: list[dict[str, str]] = []

    def schema(self, kind: Type) -> Mapping[str, Any]:
        """Return the schema of a type."""
        found: Mapping[str, Any] = self._definitions[self._by_type[kind]]
        return found

    def told(self) -> dict[str, Any]:
        """Return what was found; empty lists are left out."""
        found = {
            "gone": self.gone,
            "new": self.new,
            "different": self.different,
            "required": self.required,
            "meaning": self.meaning,
        }
        return {name: value for name, value in found.items() if value}

    def compare(self, old: Any, new: Any, path: str, above: tuple[str, ...] = ()) -> None:
        """Compare what is at a path of both."""
        names = (old.get("$ref", ""), new.get("$ref", ""))
        if path and not path.endswith(("[]", "{}")):  # that would be about the type, not about the field
            self._compare_meaning(self._resolved(old), self._resolved(new), path)
        if names[0] and names[0] == names[1]:
            return  # the very same type
        if names[0] in above:
            return
        above = (*above, names[0]) if names[0] else above
        old, new = self._resolved(old), self._resolved(new)
        if old.get("type", "object") != new.get("type", "object") or old.get("format") != new.get("format"):
            self.different.append(path)
            return
        for key, suffix in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
                self.compare(old[key], new[key], path + suffix, above)
        before, after = old.get("properties", {}), new.get("properties", {})
        left_out = _NOT_WRITTEN if not path else frozenset[str]()
        prefix = f"{path}." if path else ""
        self.gone += [f"{prefix}{name}" for name in sorted(before.keys() - after.keys() - left_out)]
        self.new += [f"{prefix}{name}" for name in sorted(after.keys() - before.keys() - left_out)]
        needed = set(new.get("required", ())) - set(old.get("required", ())) - left_out
        self.required += [f"{prefix}{name}" for name in sorted(needed)]
        for name in sorted((before.keys() & after.keys()) - left_out):
            self.compare(before[name], after[name], f"{prefix}{name}", above)

    def _compare_meaning(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> None:
        said, says = (" ".join(each.get("description", "").split()) for each in (old, new))
        if said and says and _words(said) != _words(says):
            self.meaning.append({"field": path, "was": _shortened(said), "is": _shortened(says)})

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in schema:
            return schema
        found = dict(self._definitions[schema["$ref"].rpartition("/")[2]])
        return {**found, **({"description": schema["description"]} if "description" in schema else {})}


def _shortened(text: str) -> str:
    """Return a description that is not too long: cut between two words, and it is seen that it was."""
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[:_LONGEST_TEXT].rpartition(' ')[0]} \N{HORIZONTAL ELLIPSIS}"


def _words(text: str) -> list[str]:
    """Return a description without what does not change what it means: case, signs, versions of the API."""
    text = re.sub(r"\bv\d+(?:(?:alpha|beta)\d+)?\b|https?://\S+", "", text.lower())
    return re.findall(r"[a-z0-9]+", text)
