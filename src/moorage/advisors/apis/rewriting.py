"""What makes a live object one of the version that stays, with nothing of it changed. Pure.

An API server gives an object in every version that it serves; that it was written in an old one is told by
its managed fields, and by kubectl's annotation. To write it again in the new version does not alter either:
whoever wrote a field in the old version goes on to be told as its writer, in that version. So the entries
themselves say the new version afterwards, and each writer keeps its fields.

That holds only where these fields are the same in both versions, which is looked up and not assumed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moorage.advisors.apis.applied import LAST_APPLIED, last_applied
from moorage.advisors.apis.mechanical import Changes, Conversion
from moorage.advisors.apis.model import Object
from moorage.advisors.apis.table import Api, Name
from moorage.advisors.apis.versions import KUBERNETES
from moorage.manifests.model import metadata_of

Steps = tuple[str, ...]

_STEP: Final = re.compile(r"[^.\[\]{}]+|\[\]|\{\}")
_ITEM: Final = "[]"
_ANY: Final = "{}"
_ITSELF: Final = "."
_SHOWN: Final = 4
_WRITER: Final = ("manager", "operation", "subresource")


@dataclass(frozen=True, slots=True)
class Alike:
    """How far the fields of a version are those of what replaces it.

    Args:
        ground: who says so; or why nothing can be said.
        differ: the fields that are not the same; ``None`` where that is not known.
    """

    ground: str
    differ: frozenset[Steps] | None


Compare = Callable[[Api], Alike]


def as_kubernetes_has_it(api: Api, changes: Changes) -> Alike:
    """Return how far the fields of a version of Kubernetes' own are the same in its replacement."""
    row = changes.get((str(api.name), str(api.replacement)))
    if row is None:
        return Alike("no Kubernetes that is known served both versions", None)
    differ = [*row.get("gone", ()), *row.get("different", ())]
    ground = f"Kubernetes {row['in']} served both versions with the same fields"
    return Alike(ground, frozenset(tuple(_STEP.findall(path)) for path in differ))


def as_declared(crds: Iterable[Object]) -> dict[tuple[Name, Name], Alike]:
    """Return how far the fields of the versions of custom resources are the same, as their CRDs say."""
    found = {}
    for crd in crds:
        spec = crd["spec"]
        strategy = (spec.get("conversion") or {}).get("strategy", "None")
        kind, group = spec["names"]["kind"], spec["group"]
        schemas = {
            Name(f"{group}/{each['name']}", kind): (each.get("schema") or {}).get("openAPIV3Schema") or {}
            for each in spec["versions"]
        }
        for old, before in schemas.items():
            for new, after in schemas.items():
                if old == new:
                    continue
                found[old, new] = (
                    Alike("both versions have the same fields, as the CRD declares them",
                          frozenset(_differing(before, after, ())))
                    if strategy == "None"
                    else Alike("a webhook converts its versions, and only that knows how", None)
                )  # fmt: skip
    return found


def compare_by(changes: Changes, crds: Iterable[Object]) -> Compare:
    """Return what compares versions in a cluster that has these CRDs."""
    declared = as_declared(crds)

    def compare(api: Api) -> Alike:
        if api.replacement is not None and (told := declared.get((api.name, api.replacement))) is not None:
            return told
        if api.project == KUBERNETES:
            return as_kubernetes_has_it(api, changes)
        return Alike("its fields in the two versions could not be compared", None)

    return compare


def rewrite(live: Object, apis: Iterable[Api], compare: Compare) -> Conversion:
    """Return what makes an object one of the version that it was read in.

    Args:
        live: the object, in the version that stays.
        apis: the versions that go in which somebody wrote it.
        compare: tells whether their fields are the same.
    """
    to = Name(str(live["apiVersion"]), str(live["kind"]))
    grounds: list[str] = []
    old: list[dict[str, str]] = []
    for api in sorted(set(apis), key=lambda each: each.name):
        if api.replacement != to:
            return Conversion(
                None, f"{api.replacement or 'nothing'} replaces it, and the cluster prefers {to}"
            )
        alike = compare(api)
        if alike.differ is None:
            return Conversion(None, alike.ground)
        entries = [each for each in _entries(live) if each.get("apiVersion") == api.name.api_version]
        lost = sorted(set(_touched(entries, alike.differ)))
        if lost:
            more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
            said = ", ".join(lost[:_SHOWN])
            return Conversion(None, f"these fields are others in {to.api_version}: {said}{more}")
        grounds.append(alike.ground)
        old += [_brief(each) for each in entries]
    if not old:
        return Conversion(None, "nothing tells which fields were written in the old version")
    versions = {each["apiVersion"] for each in old}
    return Conversion(
        _naming(live, old=None, to=to, entries=old, versions=versions),
        f"{'; '.join(dict.fromkeys(grounds))}: it is written again in {to.api_version}, and no field changes",
        was=_naming(live, old=old, to=to, entries=old, versions=versions),
    )


def _naming(
    live: Object, *, old: object, to: Name, entries: list[dict[str, str]], versions: set[str]
) -> dict[str, Any]:
    """Return of an object what tells its version: as it was, or as it shall be."""
    metadata = metadata_of(live)
    told: dict[str, Any] = {key: metadata[key] for key in ("name", "namespace") if metadata.get(key)}
    applied = last_applied(live)
    if applied is not None and applied.get("apiVersion") in versions:
        text = metadata_of(live)["annotations"][LAST_APPLIED]
        new = json.dumps({**applied, "apiVersion": to.api_version}, ensure_ascii=False, separators=(",", ":"))
        told["annotations"] = {LAST_APPLIED: text if old is not None else f"{new}\n"}
    told["managedFields"] = [
        each if old is not None else {**each, "apiVersion": to.api_version} for each in entries
    ]
    if old is None:
        told["managedFields"] = list({_key(each): each for each in told["managedFields"]}.values())
    return {"apiVersion": to.api_version, "kind": to.kind, "metadata": told}


def _entries(live: Object) -> Iterator[Mapping[str, Any]]:
    for each in metadata_of(live).get("managedFields") or ():
        if isinstance(each, Mapping):
            yield each


def _brief(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return who wrote, how, and in which version."""
    return {key: str(entry[key]) for key in ("apiVersion", *_WRITER) if entry.get(key)}


def _key(entry: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(entry.get(key, "") for key in _WRITER)


def _touched(entries: Iterable[Mapping[str, Any]], differ: frozenset[Steps]) -> Iterator[str]:
    """Yield the fields of entries that are not the same in both versions."""
    if not differ:
        return
    for entry in entries:
        for path, is_all in _fields(entry.get("fieldsV1") or {}, ()):
            for other in differ:
                if _begins(path, other) or (is_all and _begins(other, path)):
                    yield "".join(step if step in (_ITEM, _ANY) else f".{step}" for step in path).lstrip(".")


def _fields(fields: Mapping[str, Any], path: Steps) -> Iterator[tuple[Steps, bool]]:
    """Yield the fields of an entry, and whether all that is in a field is the writer's."""
    for key, inner in fields.items():
        if key == _ITSELF:
            yield path, False
            continue
        sort, _, name = key.partition(":")
        there = (*path, name if sort == "f" else _ITEM)
        if inner:
            yield from _fields(inner, there)
        else:
            yield there, True


def _begins(path: Steps, begin: Steps) -> bool:
    """Say whether a path is another one, or goes on from it."""
    return len(path) >= len(begin) and all(
        _ANY in (one, other) or one == other for one, other in zip(path, begin, strict=False)
    )


def _differing(old: Mapping[str, Any], new: Mapping[str, Any], path: Steps) -> Iterator[Steps]:
    """Yield the fields of a schema that another does not have, or has in another type."""
    if old.get("type") != new.get("type") or old.get("format") != new.get("format"):
        yield path
        return
    before, after = old.get("properties") or {}, new.get("properties") or {}
    keeps = bool(new.get("x-kubernetes-preserve-unknown-fields"))
    if old.get("x-kubernetes-preserve-unknown-fields") and not keeps:
        yield path
        return
    for name, inner in before.items():
        if name in after:
            yield from _differing(inner, after[name], (*path, name))
        elif not keeps:
            yield (*path, name)
    for word, step in (("items", _ITEM), ("additionalProperties", _ANY)):
        inner, other = old.get(word), new.get(word)
        if isinstance(inner, Mapping) and isinstance(other, Mapping):
            yield from _differing(inner, other, (*path, step))
        elif inner and not other and not keeps:
            yield (*path, step)
