"""Conversion without a server: where the fields of both versions are the same, only ``apiVersion`` changes.

Whether they are is not a matter of opinion: it was compared in the OpenAPI document of the last Kubernetes
that served both (``data/changes.json``). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from moorage.advisors.apis.model import Object
from moorage.advisors.apis.table import Api

Changes = Mapping[tuple[str, str], Mapping[str, Any]]

_STEP: Final = re.compile(r"([^.\[\]{}]+)|(\[\])|(\{\})")
_DEFAULT: Final = "default"
_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class Conversion:
    """What an object is in another version, or why that cannot be said.

    Args:
        content: the object in the new version; ``None`` where it takes a person.
        ground: on what ground it is the same; or why there is none.
        attention: fields that mean something else now, or need a value.
        was: those of its fields that this rests on, as they were; ``None`` where that is not said.
    """

    content: Object | None
    ground: str
    attention: tuple[str, ...] = ()
    was: Object | None = None


def convert(content: Object, api: Api, changes: Changes) -> Conversion:
    """Convert an object where nothing of what it sets is different in the replacement."""
    if api.replacement is None:
        return Conversion(None, f"{api.owner} names no replacement")
    row = changes.get((str(api.name), str(api.replacement)))
    if row is None:
        return Conversion(
            None, f"no {api.owner} that is known served both versions, so their fields could not be compared"
        )
    attention = tuple(_meanings(content, row))
    conflicts = [
        *(f"{field} is gone" for field in _used(content, row.get("gone", ()))),
        *(f"{field} is of another type" for field in _used(content, row.get("different", ()))),
        *(f"{field} has to be set" for field in _missing(content, row.get("required", ()))),
    ]
    if conflicts:
        more = f" and {len(conflicts) - _SHOWN} more" if len(conflicts) > _SHOWN else ""
        said = "; ".join(conflicts[:_SHOWN]) + more
        return Conversion(
            None, f"the fields are different in {api.replacement.api_version}: {said}", attention
        )
    same = not any(row.get(name) for name in ("gone", "different", "required"))
    ground = (
        f"Kubernetes {row['in']} served both versions with the same fields"
        if same
        else f"the fields that are set are the same in both versions, as Kubernetes {row['in']} served them"
    )
    new = api.replacement
    return Conversion({**content, "apiVersion": new.api_version, "kind": new.kind}, ground, attention)


def _meanings(content: Object, row: Mapping[str, Any]) -> Iterator[str]:
    """Yield what means something else: of fields that are set; of others, where their default does."""
    for change in row.get("meaning", ()):
        path, was, now = change["field"], change["was"], change["is"]
        if any(True for _ in values_at(content, path)) or (
            _default_of(was) != _default_of(now) and _has_parent(content, path)
        ):
            yield f"{path} was: {was} It is now: {now}"


@cache
def _default_of(text: str) -> tuple[str, ...]:
    """Return the sentences that speak of a default."""
    text = text.lower()
    return (
        tuple(each.strip(" .") for each in text.split(". ") if _DEFAULT in each) if _DEFAULT in text else ()
    )


def _used(content: Object, paths: Any) -> list[str]:
    return [path for path in paths if any(True for _ in values_at(content, path))]


def _missing(content: Object, paths: Any) -> list[str]:
    """Return required fields that are not there although what they belong to is."""
    found = []
    for path in paths:
        parent, _, name = path.rpartition(".")
        owners = values_at(content, parent) if parent else iter((content,))
        if any(isinstance(owner, Mapping) and owner.get(name) is None for owner in owners):
            found.append(path)
    return found


def _has_parent(content: Object, path: str) -> bool:
    parent = path.rpartition(".")[0]
    return not parent or any(True for _ in values_at(content, parent))


def values_at(content: Any, path: str) -> Iterator[Any]:
    """Yield the values at a path such as ``spec.rules[].http.paths[].backend``; ``{}`` is any key."""
    steps = _STEP.findall(path)
    stack: list[tuple[Any, int]] = [(content, 0)]
    while stack:
        value, at = stack.pop()
        if at == len(steps):
            if value is not None:
                yield value
            continue
        name, each, _ = steps[at]
        if name:
            if isinstance(value, Mapping) and name in value:
                stack.append((value[name], at + 1))
        elif each:
            stack += [(item, at + 1) for item in value] if isinstance(value, list) else []
        else:
            stack += [(item, at + 1) for item in value.values()] if isinstance(value, Mapping) else []
