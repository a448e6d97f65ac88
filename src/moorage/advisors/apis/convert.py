"""Conversion by a real API server, and the proof of it.

An object is created in the old version and read in the new one: what comes back is what Kubernetes itself
makes of it, with every default written out. Those defaults are left out again where the API server puts them
back by itself. That is not assumed: the converted manifest is created, too, and the result must be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import httpx2

from moorage.advisors.apis.mechanical import Conversion
from moorage.advisors.apis.model import Object, Sighting
from moorage.advisors.apis.scratch import MINORS_BACK, PROGRAMS, api_server
from moorage.advisors.apis.table import Api, table
from moorage.advisors.apis.versions import KUBERNETES, Version, shown
from moorage.manifests.model import metadata_of

__all__ = ["PROGRAMS", "Refused", "convert_all", "convert_on", "minor_for"]

_NAMESPACE: Final = "default"
_NAME: Final = "converted"
_KEPT: Final = ("labels", "annotations")
_SERVERS: Final = frozenset({"metadata", "status", "apiVersion", "kind"})
_OK: Final = 300
_SHOWN: Final = 8


class Refused(Exception):  # noqa: N818 - it is an answer, no error of ours
    """The API server does not take an object; the text says why."""


async def convert_all(
    sightings: Iterable[Sighting], by_schema: Callable[[Sighting], Conversion]
) -> dict[int, Conversion]:
    """Convert the objects of sightings, by the identity of the sighting in this process.

    One API server is started for each minor that is needed; none where nothing can be converted by one.

    Args:
        sightings: with objects.
        by_schema: what can be said without a server; it stays where no server serves both versions.
    """
    newest = table().newest
    by_minor: dict[Version, list[Sighting]] = {}
    found: dict[int, Conversion] = {}
    for sighting in sightings:
        minor = minor_for(sighting.api, newest)
        if minor is not None:
            by_minor.setdefault(minor, []).append(sighting)
            continue
        told = by_schema(sighting)
        if sighting.api.project == KUBERNETES:
            oldest = shown((newest[0], newest[1] - MINORS_BACK))
            told = replace(
                told, ground=f"no API server from {oldest} on serves both versions any more; {told.ground}"
            )
        found[id(sighting)] = told
    for minor, group in sorted(by_minor.items()):
        async with api_server(None if minor == newest else minor) as client:
            for sighting in group:
                try:
                    conversion = await convert_on(client, sighting.content or {}, sighting.api)
                except Refused as refused:
                    conversion = Conversion(None, f"Kubernetes {shown(minor)} does not take it: {refused}")
                told = by_schema(sighting)
                ground = conversion.ground.replace(
                    "the API server", f"the API server of Kubernetes {shown(minor)}"
                )
                found[id(sighting)] = Conversion(
                    conversion.content, ground, (*conversion.attention, *told.attention)
                )
    return found


def minor_for(api: Api, newest: Version) -> Version | None:
    """Return the newest minor that serves a version and its replacement, of those an API server can serve."""
    if api.project != KUBERNETES or api.replacement is None or "/" in api.resource or not api.resource:
        return None
    new = table().by_name(api.replacement.api_version, api.replacement.kind)
    for minor in range(newest[1], newest[1] - MINORS_BACK - 1, -1):
        version = (newest[0], minor)
        if new is not None and _is_served(api, version) and _is_served(new, version):
            return version
    return None


def _is_served(api: Api, version: Version) -> bool:
    begun = api.introduced is None or api.introduced <= version
    return begun and (api.removed is None or version < api.removed)


async def convert_on(client: httpx2.AsyncClient, content: Object, api: Api) -> Conversion:
    """Convert an object of a version that an API server serves to the one that replaces it.

    Raises:
        Refused: the API server does not take the object, or does not serve one of the versions.
    """
    new = table().by_name(api.replacement.api_version, api.replacement.kind) if api.replacement else None
    if new is None:
        raise Refused(f"nothing is known of what replaces {api.name}")
    whole = await _through(client, content, api, new)
    wanted = _without(_body(whole), _body(content))
    proved = False
    for _ in range(2):
        try:
            again = _body(await _through(client, _complete(wanted, content, new), new, new))
        except Refused:
            break
        if again == _body(whole):
            proved = True
            break
        wanted = _merged(wanted, _differing(_body(whole), again))
    if not proved:
        wanted = _body(whole)
        again = _body(await _through(client, _complete(wanted, content, new), new, new))
        if again != wanted:
            raise Refused("what it makes of the object is not what it takes again")
    lost = sorted(_paths(_body(content)) - _paths(_body(whole)))
    return Conversion(
        _complete(wanted, content, new),
        "the API server has converted it, and makes the same of the result as of the original",
        tuple(f"{path} is written in another way, or is not kept" for path in lost[:_SHOWN]),
    )


async def _through(client: httpx2.AsyncClient, content: Object, old: Api, new: Api) -> Object:
    """Create an object in one version, and return it as it is read in another; it is gone afterwards."""
    metadata = metadata_of(content)
    name = str(metadata.get("name") or _NAME)
    namespace = str(metadata.get("namespace") or _NAMESPACE)
    sent = {
        **content,
        "metadata": {
            "name": name,
            **({"namespace": namespace} if old.namespaced else {}),
            **{key: metadata[key] for key in _KEPT if metadata.get(key)},
        },
    }
    sent.pop("status", None)
    created = await client.post(_path(old, namespace), json=sent)
    _check(created)
    try:
        read = await client.get(f"{_path(new, namespace)}/{quote(name, safe='')}")
        _check(read)
        found: Object = read.json()
        return found
    finally:
        await client.delete(
            f"{_path(new, namespace)}/{quote(name, safe='')}", params={"gracePeriodSeconds": "0"}
        )


def _path(api: Api, namespace: str) -> str:
    root = f"/apis/{api.name.api_version}" if api.name.group else f"/api/{api.name.version}"
    inside = f"/namespaces/{quote(namespace, safe='')}" if api.namespaced else ""
    return f"{root}{inside}/{api.resource}"


def _check(response: httpx2.Response) -> None:
    if response.status_code < _OK:
        return
    try:
        said = response.json().get("message") or response.text
    except ValueError:
        said = response.text
    raise Refused(" ".join(str(said).split())[:300])


def _body(content: Object) -> dict[str, Any]:
    """Return what a person writes of an object, but for its metadata: that is the same in all versions."""
    return {key: value for key, value in content.items() if key not in _SERVERS}


def _complete(body: Mapping[str, Any], original: Object, new: Api) -> Object:
    head: dict[str, Any] = {"apiVersion": new.name.api_version, "kind": new.name.kind}
    if "metadata" in original:
        head["metadata"] = original["metadata"]
    return {**head, **body}


def _without(whole: Any, original: Any) -> Any:
    """Return of a value what the original has as well, or has in another form: no defaults."""
    if isinstance(whole, dict) and isinstance(original, dict):
        return {key: _without(value, original[key]) for key, value in whole.items() if key in original}
    if isinstance(whole, list) and isinstance(original, list) and len(whole) == len(original):
        return [_without(value, other) for value, other in zip(whole, original, strict=True)]
    return whole


def _differing(whole: Any, again: Any) -> Any:
    """Return what a value has and another lacks, as deep as they differ."""
    if isinstance(whole, dict) and isinstance(again, dict):
        return {
            key: _differing(value, again[key]) if key in again else value
            for key, value in whole.items()
            if key not in again or again[key] != value
        }
    return whole


def _merged(base: Any, more: Any) -> Any:
    if isinstance(base, dict) and isinstance(more, dict):
        return {
            **base,
            **{key: _merged(base[key], value) if key in base else value for key, value in more.items()},
        }
    return more


def _paths(value: Any, path: str = "") -> set[str]:
    """Return the paths of what a value says: those of its leaves; of lists without their places."""
    if isinstance(value, Mapping) and value:
        return {
            found
            for key, item in value.items()
            for found in _paths(item, f"{path}.{key}" if path else str(key))
        }
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return {found for item in value for found in _paths(item, f"{path}[]")}
    return {path}
