"""Versions of APIs that are about to go: who uses them in a cluster, judged for the minor that is next."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lightkube import AsyncClient

from moorage.advisors.advice import Advice
from moorage.advisors.apis.calls import as_seen
from moorage.advisors.apis.counting import Call, Calls, Times
from moorage.advisors.apis.live import Live, read_live
from moorage.advisors.apis.model import How, Seen
from moorage.advisors.apis.plan import ADVISOR, plan
from moorage.advisors.apis.table import table
from moorage.advisors.apis.versions import Targets, Version, parse, shown
from moorage.advisors.audit.counts import SOURCE
from moorage.advisors.auditlogs.tally import Tally
from moorage.advisors.cluster.timing import INTERVAL
from moorage.advisors.cluster.topic import Found, Silent, Situation
from moorage.api.advice import ADVISOR_LABEL
from moorage.api.meta import CLUSTER_LABEL
from moorage.errors import MoorageError
from moorage.kube.client import connect
from moorage.kube.clusters import platform_kubeconfig
from moorage.kube.controller import Key
from moorage.kube.kinds import ADVICE, CLUSTER_ROLE, CLUSTER_ROLE_BINDING, Kind, Object
from moorage.kube.objects import apply, list_objects
from moorage.local.supervisor import in_thread

ROLE: Final = "moorage:advisor-custom-resources"
"""What the advisor may list beyond its own role: custom resources that have a version that goes."""

OLDEST: Final[Version] = (1, 34)
"""The oldest Kubernetes that a cluster of this platform may have begun with."""

NO_VERSION: Final = "NoVersion"
TIMEOUT_SECONDS: Final = 180.0

_ADVISOR_USER: Final = "moorage:advisor"
_FIELD_MANAGER: Final = "moorage-advisors"
_RBAC: Final = "rbac.authorization.k8s.io"


class ApisTopic:
    """Advises on APIs that go: on objects at once, on calls as far as the window reaches.

    Args:
        client: of the management cluster.
        interval: how often it looks when nothing happens.
    """

    advisor = ADVISOR

    def __init__(self, client: AsyncClient, interval: timedelta = INTERVAL) -> None:
        self._client = client
        self.interval = interval

    def stirred(self, situation: Situation) -> Hashable:
        """Look again when somebody begins to call what goes, or follows advice, or the version is another."""
        signal = situation.signal
        news = (signal.deprecated, signal.followed) if signal is not None else None
        return (news, minor_of(situation.obj))

    async def look(self, situation: Situation) -> Found | Silent:
        """Look through the cluster for what the next minor deprecates or does not serve."""
        minor = minor_of(situation.obj)
        if minor is None:
            return Silent(NO_VERSION, "not yet: the cluster does not say which version it has")
        targets = Targets((minor[0], minor[1] + 1))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            calls = await in_thread(lambda: _calls(situation))
            async with connect(situation.access) as inside:
                live = await read_live(
                    inside,
                    table(),
                    since=OLDEST,
                    grant=_Granting(self._client, situation.key, inside),
                    metrics=calls is None,
                )
            advice = await in_thread(lambda: _judge(live, calls, targets, situation.now))
            unjudged = await self._unjudged(situation.key, live.unread, calls_are_told=calls is not None)
        return Found(advice, clean=clean(targets), unjudged=unjudged)

    async def _unjudged(self, key: Key, unread: Mapping[str, str], *, calls_are_told: bool) -> frozenset[str]:
        """Return whose advice stays as it is: what it is about could not be looked at this time."""
        if calls_are_told and not unread:
            return frozenset()
        labels = {CLUSTER_LABEL: key.name, ADVISOR_LABEL: ADVISOR}
        kept = await list_objects(self._client, ADVICE, key.namespace, labels=labels)
        return unjudged_of([obj["spec"] for obj in kept], unread, calls_are_told=calls_are_told)


def minor_of(cluster: Object) -> Version | None:
    """Return which minor a cluster has: that of its control plane, or what is declared until that is told."""
    status = ((cluster.get("status") or {}).get("version") or {}).get("controlPlane")
    for text in (status, (cluster.get("spec") or {}).get("version")):
        if text:
            return parse(str(text))[:2]
    return None


def clean(targets: Targets) -> str:
    """Return what is said of a cluster in which nothing is found."""
    return f"nothing uses an API that Kubernetes {shown(targets.kubernetes)} deprecates or removes"


def unjudged_of(
    specs: Sequence[Mapping[str, Any]], unread: Mapping[str, str], *, calls_are_told: bool
) -> frozenset[str]:
    """Return the subjects of advice that a look could not judge. Pure.

    Args:
        specs: of the advice that there is.
        unread: the kinds that could not be listed.
        calls_are_told: whether it is known who calls what.
    """
    return frozenset(
        str(spec["subject"])
        for spec in specs
        if str(spec["subject"]).partition(" ")[0] in unread
        or (not calls_are_told and str(spec["code"]).startswith(How.CALLED.value))
    )


def _judge(live: Live, calls: Calls | None, targets: Targets, now: datetime) -> Advice:
    seen = live.seen + Seen(unread=tuple(live.unread.values()))
    if calls is not None:
        seen += as_seen(calls, live.table, sources=(SOURCE,))
    return plan(seen, targets, live.table, convert=live.convert, time=now)


def _calls(situation: Situation) -> Calls | None:
    """Return who called what goes in the window; ``None`` where no event has come in, and so nobody knows."""
    signal = situation.signal
    if signal is None:
        return None
    since = situation.now - situation.window
    seen: dict[Call, Times] = situation.counts.calls(situation.id, since=since)
    first = max(since, signal.since)
    # How many other events there were makes no difference: the cluster's events do come in.
    tally = Tally(events=sum(times.count for times in seen.values()), stages=1)
    return Calls(seen, first.isoformat(), situation.now.isoformat(), tally, [])


@dataclass(frozen=True, slots=True)
class _Granting:
    """Lets the advisor list custom resources that have a version that goes: these, and no others.

    RBAC cannot say "all but Secrets", so a standing right to all groups would be one to Secrets. The platform
    itself, which has made the cluster, gives the right to each resource that is to be looked through, and
    takes it back when that is over.

    Args:
        client: of the management cluster.
        key: of the cluster.
        inside: the advisor's client of the cluster.
    """

    client: AsyncClient
    key: Key
    inside: AsyncClient

    async def __call__(self, kinds: Sequence[Kind]) -> bool:
        wanted = rules_for(kinds)
        found = [
            role async for role in self.inside.list(CLUSTER_ROLE.resource, fields={"metadata.name": ROLE})
        ]
        if (found[0].get("rules") or []) == wanted if found else not wanted:
            return False
        async with connect(await self._admin()) as admin:
            # The binding first: where the role is, both are.
            for kind, obj in ((CLUSTER_ROLE_BINDING, _BOUND), (CLUSTER_ROLE, {"rules": wanted})):
                named = {"metadata": {"name": ROLE}, **obj}
                await apply(admin, kind, named, field_manager=_FIELD_MANAGER)
        return bool(wanted)

    async def _admin(self) -> dict[str, Any]:
        """Return the platform's own way into the cluster."""
        kubeconfig = await platform_kubeconfig(self.client, self.key)
        if kubeconfig is None:
            raise MoorageError(
                f"the Secret {self.key}-kubeconfig has no kubeconfig",
                hint="Cluster API writes it; the controller of the control plane may say why it does not",
            )
        return kubeconfig


def rules_for(kinds: Sequence[Kind]) -> list[dict[str, list[str]]]:
    """Return the rules that let somebody list some kinds: one for each group. Pure."""
    groups: dict[str, list[str]] = {}
    for kind in sorted(kinds, key=str):
        groups.setdefault(kind.group, []).append(kind.plural)
    return [
        {"apiGroups": [group], "resources": resources, "verbs": ["list"]}
        for group, resources in sorted(groups.items())
    ]


_BOUND: Final[Object] = {
    "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": ROLE},
    "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": _ADVISOR_USER}],
}
