"""Reading everything that was named: `gather`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from moorage.cache import Cache
from moorage.manifests.model import Item, Manifest, Object, metadata_of
from moorage.manifests.parsed import Parsed
from moorage.manifests.reading import AS_THEY_ARE, DEFAULT_NAMESPACE, Reading
from moorage.manifests.rendering import ChartOptions
from moorage.manifests.scopes import Scoped, defined_scopes, is_namespaced
from moorage.policies.exceptions import is_exception
from moorage.policies.inputs.model import Inputs

_POLICY_GROUPS: Final = frozenset(
    {
        "config.gatekeeper.sh",
        "constraints.gatekeeper.sh",
        "expansion.gatekeeper.sh",
        "templates.gatekeeper.sh",
        "test.gatekeeper.sh",
    }
)


@dataclass(frozen=True, slots=True)
class Live:
    """What a live cluster adds to what is in files.

    Args:
        namespaces: its Namespaces.
        exceptions: its PolicyExceptions.
        inventory: objects that policies read.
        scopes: whether its kinds are namespaced.
    """

    namespaces: Sequence[Object] = ()
    exceptions: Sequence[Object] = ()
    inventory: Sequence[Object] = ()
    scopes: Mapping[Scoped, bool] = field(default_factory=dict)


_NO_CLUSTER: Final = Live()


def gather(
    paths: Sequence[str],
    *,
    namespace: str = DEFAULT_NAMESPACE,
    charts: ChartOptions = AS_THEY_ARE,
    namespace_files: Sequence[str] = (),
    live: Live = _NO_CLUSTER,
    cache: Cache | None = None,
) -> Inputs:
    """Read what is to be judged.

    What cannot be read becomes a problem, and the rest is read all the same.

    Args:
        paths: files, folders, kustomizations, charts, or ``-`` for standard input.
        namespace: where objects would go that name no namespace.
        charts: how charts are rendered.
        namespace_files: what to read Namespaces (and exceptions) from that are not themselves judged.
        live: what a cluster adds; whatever is in files counts in its place.
        cache: what manifests were parsed to before; what is parsed now is added.
    """
    parsed = Parsed(cache)
    reading, beside = (
        Reading(parsed, namespace=namespace, charts=charts),
        Reading(parsed, namespace=namespace, charts=charts),
    )
    items, others = reading.items(paths), beside.items(namespace_files)
    parsed.close()
    scopes = {**live.scopes, **defined_scopes(item.content for item in (*items, *others))}
    items = [_in_a_namespace(item, namespace, scopes) for item in items]
    others = [_in_a_namespace(item, namespace, scopes) for item in others]
    from_cluster = Manifest("the cluster", "", rendered=True)
    excepting = [item for item in (*items, *others) if is_exception(item.content)]
    known = {_name_of(item.content) for item in excepting}
    excepting += [
        Item(content, from_cluster) for content in live.exceptions if _name_of(content) not in known
    ]
    return Inputs(
        items=tuple(item for item in items if not _is_policy(item.content)),
        namespaces={
            str(metadata_of(content).get("name")): content
            for content in (
                *live.namespaces,
                *(item.content for item in others if _is_namespace(item.content)),
                *(item.content for item in items if _is_namespace(item.content)),
            )
        },
        exceptions=tuple(excepting),
        inventory=tuple(live.inventory),
        problems=(*reading.problems, *beside.problems),
        notes=(*reading.notes(), *_about_policies(items)),
    )


def _in_a_namespace(item: Item, namespace: str, scopes: dict[Scoped, bool]) -> Item:
    """Fill in the namespace that an object would be applied to, as kubectl does."""
    metadata = metadata_of(item.content)
    if metadata.get("namespace") or not is_namespaced(item.content, scopes):
        return item
    content = {**item.content, "metadata": {**metadata, "namespace": namespace}}
    return Item(content, item.manifest, item.begin, item.end, item.path)


def _is_policy(content: Object) -> bool:
    return str(content.get("apiVersion")).partition("/")[0] in _POLICY_GROUPS


def _is_namespace(content: Object) -> bool:
    return content.get("kind") == "Namespace" and content.get("apiVersion") == "v1"


def _about_policies(items: Iterable[Item]) -> Iterator[str]:
    files = dict.fromkeys(item.manifest.shown for item in items if _is_policy(item.content))
    if files:
        first, *more = files
        rest = f" and {len(more)} more" if more else ""
        yield f"Gatekeeper's own objects in {first}{rest} are not judged; policies are named with --policies"


def _name_of(content: Object) -> tuple[Any, Any]:
    metadata = metadata_of(content)
    return metadata.get("namespace"), metadata.get("name")
