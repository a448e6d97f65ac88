"""Who wrote an object, and in which version: what a change may say of that, and how it is done. Pure.

A change that has ``metadata.managedFields`` names writers (manager, operation, subresource), each in the
version in which it shall be told. Server-side apply can say no such thing: the object is put as it is, with
these entries in the other version. No field changes, and no field changes hands.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Final

from moorage.kube.kinds import Object

_FIELDS: Final = "fieldsV1"
_WRITER: Final = ("manager", "operation", "subresource")

Entry = Mapping[str, Any]


def told(obj: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the writers that a change, or the image of an object, names; of an object as it is, none."""
    return [dict(each) for each in _entries(obj) if _FIELDS not in each and each.get("apiVersion")]


def present(live: Mapping[str, Any], named: Iterable[Entry]) -> bool:
    """Say whether any of some writers is told of an object, in the version that is named."""
    there = {_told(each) for each in _entries(live)}
    return any(_told(each) in there for each in named)


def agree(entries: Any, named: Iterable[Entry]) -> bool:
    """Say whether all of some writers are among the entries of an object, in the version that is named."""
    return {_told(each) for each in named} <= {_told(each) for each in entries or ()}


def brief(entries: Any, named: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return of an object's entries those of some writers, without their fields and times."""
    writers = {_writer(each) for each in named}
    return [
        {key: each[key] for key in ("apiVersion", *_WRITER) if each.get(key)}
        for each in entries or ()
        if _writer(each) in writers
    ]


def with_told(live: Object, named: Iterable[Entry]) -> Object:
    """Return an object that names these writers and no others: an image of it."""
    there = {_told(each) for each in _entries(live)}
    kept = [dict(each) for each in named if _told(each) in there]
    return {**live, "metadata": {**live["metadata"], "managedFields": kept}}


def written(live: Object, change: Object, before: Object | None) -> Object:
    """Return an object written in another version: with what a change says, and with its writers.

    Args:
        live: the object as it is.
        change: what is said of it.
        before: the image that names the writers in the old version.
    """
    wanted = rewritten(live, told(before), told(change))
    metadata = {**wanted["metadata"]}
    if annotations := change["metadata"].get("annotations"):
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    return {**wanted, "apiVersion": change["apiVersion"], "kind": change["kind"], "metadata": metadata}


def restored(obj: Object, change: Object, before: Object | None) -> Object:
    """Return an object with its writers as they were; without any where a change named none."""
    if old := told(before):
        return rewritten(obj, told(change), old)
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def rewritten(live: Object, old: Iterable[Entry], new: Iterable[Entry]) -> Object:
    """Return an object in which old entries have the version that the new one of the same writer has.

    Entries that come to the same writer and version are one.
    """
    versions = {_writer(each): each["apiVersion"] for each in new}
    replaced = {_told(each) for each in old}
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for each in _entries(live):
        entry = copy.deepcopy(dict(each))
        if _told(each) in replaced and _writer(each) in versions:
            entry["apiVersion"] = versions[_writer(each)]
        known = found.get(_told(entry))
        if known is None:
            found[_told(entry)] = entry
            continue
        known[_FIELDS] = _merged(known.get(_FIELDS) or {}, entry.get(_FIELDS) or {})
        known["time"] = max(known.get("time") or "", entry.get("time") or "") or None
    return {**live, "metadata": {**live["metadata"], "managedFields": list(found.values())}}


def _entries(obj: Mapping[str, Any] | None) -> list[Entry]:
    return list(((obj or {}).get("metadata") or {}).get("managedFields") or ())


def _writer(entry: Entry) -> tuple[str, ...]:
    return tuple(str(entry.get(key) or "") for key in _WRITER)


def _told(entry: Entry) -> tuple[str, ...]:
    return str(entry.get("apiVersion") or ""), *_writer(entry)


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _merged(one.get(key) or {}, other.get(key) or {}) for key in dict.fromkeys((*one, *other))}
