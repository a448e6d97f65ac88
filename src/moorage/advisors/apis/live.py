"""A live cluster, through its API server, as the platform reads it: objects, CRDs, admission, metrics.

What is decided of an object is what the command line decides too; only the way to it is another. Nothing is
asked for in a version that goes, or whoever looks would be among those who use it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from lightkube import AsyncClient

from moorage.advisors.apis import applied
from moorage.advisors.apis.crds import apis_of, stored
from moorage.advisors.apis.mechanical import Conversion
from moorage.advisors.apis.metrics import read_metrics
from moorage.advisors.apis.model import How, Seen, Sighting
from moorage.advisors.apis.objects import wanted
from moorage.advisors.apis.rewriting import Compare, compare_by, rewrite
from moorage.advisors.apis.table import Api, Table, read_changes
from moorage.advisors.apis.versions import Version
from moorage.kube.discovery import listed_kinds, read_text
from moorage.kube.kinds import CRD, Kind, Object
from moorage.kube.objects import FAILED, NOT_FOUND, UNREACHABLE, explain, is_status, persist
from moorage.local.supervisor import in_thread
from moorage.manifests.model import title_of

PAGE: Final = 500
_METRICS: Final = "metrics"
_PASSING_SECONDS: Final = 10.0

Grant = Callable[[Sequence[Kind]], Awaitable[bool]]
"""Is told which custom resources are looked through (whoever looks has no right to any by itself), and says
whether a right had to be given."""


@dataclass(frozen=True, slots=True)
class Live:
    """What a cluster says.

    Args:
        seen: what was looked at.
        table: what is known, with what the cluster's CRDs say.
        unread: the kinds that could not be looked through, with the reason.
        rewrites: what makes an object one of the version that stays, by its group and by what it is called.
    """

    seen: Seen
    table: Table
    unread: Mapping[str, str]
    rewrites: Mapping[tuple[str, str], Conversion] = field(default_factory=dict)

    def convert(self, sighting: Sighting) -> Conversion | None:
        """Return what resolves a sighting, as `plan` asks for it."""
        if sighting.how is not How.APPLIED:
            return None
        return self.rewrites.get((sighting.api.name.group, sighting.thing))


async def read_live(
    client: AsyncClient, table: Table, *, since: Version, grant: Grant, metrics: bool = False
) -> Live:
    """Read a cluster.

    Args:
        client: of the cluster.
        table: what is known.
        since: the oldest Kubernetes that it may have had.
        grant: is told what is to be looked through beyond what the platform's own roles allow.
        metrics: whether the API server's own count of calls is read, where nobody else tells of them.

    Raises:
        ApiError: it does not say what it serves.
    """
    crds = [each async for each in _objects(client, CRD)]
    table = table.extended(apis_of(crds))
    kinds = await listed_kinds(client)
    names = wanted(kinds, table, since=since)
    chosen = [_best(kinds[name], table) for name in names]
    custom = {str(each["metadata"]["name"]) for each in crds}
    own = [kind for name, kind in zip(names, chosen, strict=True) if name in custom]
    if await grant(own):
        # A right that was given just now takes the API server a moment to know of.
        for kind in own:
            await persist(partial(_first, client, kind), timeout_seconds=_PASSING_SECONDS)
    compare = compare_by(read_changes(), crds)
    sightings, rewrites = list[Sighting](), dict[tuple[str, str], Conversion]()
    unread: dict[str, str] = {}
    count = 0
    for kind in chosen:
        try:
            async for page in _pages(client, kind):
                count += len(page)
                found, made = await in_thread(partial(_look, page, table, compare))
                sightings += found
                rewrites |= made
        except FAILED as error:
            if isinstance(error, UNREACHABLE):
                raise
            if not is_status(error, NOT_FOUND):  # a CRD that was deleted meanwhile
                unread[kind.kind] = f"{kind} cannot be listed: {explain(error)}"
    sightings += stored(crds, table)
    if metrics:
        sightings += read_metrics(await read_text(client, _METRICS), table)
    facts = {"objects": count, "resources": names, "crds": len(crds)}
    return Live(Seen(tuple(sightings), facts), table, unread, rewrites)


def _look(
    page: Iterable[Object], table: Table, compare: Compare
) -> tuple[list[Sighting], dict[tuple[str, str], Conversion]]:
    """Look at some objects; what is kept of them is what was seen, and not the objects."""
    sightings, rewrites = list[Sighting](), dict[tuple[str, str], Conversion]()
    for content in page:
        seen = list(applied.look(content, table))
        if not seen:
            continue
        sightings += [replace(each, content=None) for each in seen]
        written = {each.api for each in seen if each.how is How.APPLIED}
        if written:
            made = rewrite(content, written, compare)
            rewrites |= {(api.name.group, title_of(content)): made for api in written}
    return sightings, rewrites


def _best(kinds: Sequence[Kind], table: Table) -> Kind:
    """Return in which of its versions a resource is asked for: the one that others give way to."""

    def known(kind: Kind) -> Api | None:
        return table.by_resource(kind.group, kind.version, kind.plural)

    going = [api for kind in kinds if (api := known(kind)) is not None and api.goes]
    new = {api.replacement.api_version for api in going if api.replacement is not None}
    staying = [kind for kind in kinds if (api := known(kind)) is None or not api.goes]
    return next((kind for kind in staying if kind.api_version in new), (staying or kinds)[0])


async def _pages(client: AsyncClient, kind: Kind) -> AsyncIterator[list[Object]]:
    """Yield the objects of a kind, some hundred at a time."""
    page: list[Object] = []
    async for obj in _objects(client, kind):
        page.append(obj)
        if len(page) >= PAGE:
            yield page
            page = []
    if page:
        yield page


async def _first(client: AsyncClient, kind: Kind) -> bool:
    where: dict[str, Any] = {"namespace": "*"} if kind.namespaced else {}
    async for _ in client.list(kind.resource, chunk_size=1, **where):
        return True
    return False


async def _objects(client: AsyncClient, kind: Kind) -> AsyncIterator[Object]:
    where: dict[str, Any] = {"namespace": "*"} if kind.namespaced else {}
    async for obj in client.list(kind.resource, chunk_size=PAGE, **where):
        yield {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
