"""What an object of the sources shall be, by a change that is applied to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from moorage.advisors.apis.applied import LAST_APPLIED
from moorage.api.quantities import InvalidQuantityError, parse_quantity
from moorage.manifests.editing.operations import same

# The lists that server-side apply merges by key, in the kinds that Kubernetes has, as the schema in client-go
# (applyconfigurations/internal) has them. Every other list is one value.
_KEYED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "conditions": (("type",),),
    "containers": (("name",),),
    "env": (("name",),),
    "ephemeralContainers": (("name",),),
    "hostAliases": (("ip",),),
    "imagePullSecrets": (("name",),),
    "initContainers": (("name",),),
    "matchConditions": (("name",),),
    "ownerReferences": (("uid",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "resourceClaims": (("name",),),
    "schedulingGates": (("name",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "volumeDevices": (("devicePath",),),
    "volumeMounts": (("mountPath",),),
    "volumes": (("name",),),
    "webhooks": (("name",),),
}
_DEFAULTS: Final = {"protocol": "TCP"}
_QUANTITIES: Final = frozenset({"requests", "limits", "capacity", "allocatable", "hard"})
_HEAD: Final = frozenset({"apiVersion", "kind", "metadata"})


_WITH_IMAGES: Final = frozenset({"containers", "initContainers"})


def missing(current: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """Return a container that a change says a part of and an object does not have; empty where there is none.

    It was put into the Pod on its way to the cluster, and is configured elsewhere.
    """
    return next(_missing(current, content), "")


def _missing(current: Any, wanted: Any) -> Iterator[str]:
    if not isinstance(wanted, dict):
        return
    for key, value in wanted.items():
        there = current.get(key) if isinstance(current, dict) else None
        if key in _WITH_IMAGES and isinstance(value, list):
            names = [each.get("name") for each in there or () if isinstance(each, dict)]
            yield from (
                str(each.get("name"))
                for each in value
                if isinstance(each, dict) and "image" not in each and each.get("name") not in names
            )
        else:
            yield from _missing(there, value)


def applied(current: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object after a change was applied to it, as server-side apply does.

    Fields that the change does not have stay, as does what means the same written in another way (1 and
    "1000m" of CPU). Where the change is of another version of the API, what it says of a field at the top is
    all of it: in it the fields of the old version are gone. An object that names no namespace goes on so: it
    is given one when it is installed.
    """
    moved = current.get("apiVersion") != content.get("apiVersion")
    found = dict(current)
    metadata = _as_people_write(content["metadata"])
    if not (current.get("metadata") or {}).get("namespace"):
        metadata.pop("namespace", None)
    content = {**content, "metadata": metadata}
    for key, value in content.items():
        if moved and key not in _HEAD:
            found[key] = value
        else:
            found[key] = _merged(found.get(key), value, key, in_quantities=False)
    return found


def _as_people_write(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata without what tells in a cluster who has written an object, and in which version."""
    found = {key: value for key, value in metadata.items() if key != "managedFields"}
    annotations = {key: value for key, value in (found.pop("annotations", None) or {}).items()
                   if key != LAST_APPLIED}  # fmt: skip
    return {**found, **({"annotations": annotations} if annotations else {})}


def _merged(current: Any, wanted: Any, name: str, *, in_quantities: bool) -> Any:
    if isinstance(current, dict) and isinstance(wanted, dict):
        found = dict(current)
        for key, value in wanted.items():
            found[key] = (
                _merged(current[key], value, key, in_quantities=name in _QUANTITIES)
                if key in current
                else value
            )
        return found
    if isinstance(current, list) and isinstance(wanted, list):
        keys = _keys_of(name, current, wanted)
        return _merged_list(current, wanted, keys) if keys else wanted
    if in_quantities and _same_quantity(current, wanted):
        return current
    return current if same(current, wanted) else wanted


def _keys_of(name: str, *lists: list[Any]) -> tuple[str, ...]:
    for keys in _KEYED.get(name, ()):
        names = [[_key(item, keys) for item in items] for items in lists]
        if all(None not in each and len(set(each)) == len(each) for each in names):
            return keys
    return ()


def _key(item: Any, keys: tuple[str, ...]) -> str | None:
    if not isinstance(item, dict):
        return None
    found = [item.get(key, _DEFAULTS.get(key)) for key in keys]
    return None if None in found else repr(found)


def _merged_list(current: list[Any], wanted: list[Any], keys: tuple[str, ...]) -> list[Any]:
    by_key = {_key(item, keys): item for item in wanted}
    known = {_key(item, keys) for item in current}
    found = [
        _merged(item, by_key[key], "", in_quantities=False) if (key := _key(item, keys)) in by_key else item
        for item in current
    ]
    return [*found, *(item for item in wanted if _key(item, keys) not in known)]


def _same_quantity(one: Any, other: Any) -> bool:
    try:
        return bool(parse_quantity(str(one)) == parse_quantity(str(other)))
    except InvalidQuantityError:
        return False
