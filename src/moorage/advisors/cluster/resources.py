"""Requests and limits that do not fit: what a cluster's containers used, held against what they ask for.

The reading and the deciding are done by a child process; here is asked, and passed on.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from lightkube import AsyncClient

from moorage.advisors.cluster.host import AdviceHost
from moorage.advisors.cluster.topic import Found, Silent, Situation
from moorage.advisors.resources.child import Child, ChildError
from moorage.advisors.resources.wire import Question, Store
from moorage.kube.kinds import MACHINE_TYPE, Object
from moorage.kube.objects import list_objects
from moorage.local.supervisor import in_thread

RESOURCES: Final = "resources"

INTERVAL: Final = timedelta(hours=1)
"""What fits a container does not change faster."""


class ResourcesTopic:
    """Advises on requests and limits once there is enough history of their use.

    Args:
        client: of the management cluster, which says what machines cost.
        host: says where metrics are.
        child: reads them; one for all who ask.
        interval: how often it looks when nothing happens.
    """

    advisor = RESOURCES

    def __init__(
        self,
        client: AsyncClient,
        host: AdviceHost,
        child: Child | None = None,
        *,
        interval: timedelta = INTERVAL,
    ) -> None:
        self._client = client
        self._host = host
        self._child = child or Child()
        self.interval = interval

    def stirred(self, situation: Situation) -> Hashable:
        """Look again when somebody has followed advice, or taken it back; history does not jump."""
        return 0 if situation.signal is None else situation.signal.followed

    async def look(self, situation: Situation) -> Found | Silent:
        """Have the cluster and its metrics read, and say what there is to say."""
        question = Question(
            str(situation.key),
            await store_of(self._host, situation.id),
            situation.now,
            situation.window.total_seconds(),
            **access_of(situation.access),
            machine_types=await self._machine_types(situation.obj),
        )
        answer = await self._child.ask(question)
        if answer.quiet is not None:
            return Silent(answer.quiet.reason, answer.quiet.message, answer.quiet.until)
        if answer.advice is None:
            raise ChildError("what reads metrics answers what was not asked")
        return Found(answer.advice, answer.clean, answer.unjudged, answer.until)

    async def _machine_types(self, cluster: Object) -> tuple[Object, ...]:
        """Return the types that say what a core costs: those of the cluster's pools, if they have a price."""
        priced = [
            {"kind": MACHINE_TYPE.kind, "metadata": {"name": obj["metadata"]["name"]}, "spec": obj["spec"]}
            for obj in await list_objects(self._client, MACHINE_TYPE)
            if (obj.get("spec") or {}).get("pricePerHour")
        ]
        pools = (cluster.get("spec") or {}).get("nodePools") or ()
        used = {str(pool.get("machineType")) for pool in pools}
        return tuple([each for each in priced if each["metadata"]["name"] in used] or priced)


async def store_of(host: AdviceHost, cluster_id: str) -> Store:
    """Return where the metrics of a cluster are."""
    endpoint = await in_thread(host.metrics)
    selector = f"cluster_id={json.dumps(cluster_id)}"
    return Store(endpoint.url, selector, str(endpoint.ca), dict(endpoint.headers))


def access_of(access: Path | dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a question that say how a cluster is read."""
    return {"kubeconfig_file": str(access)} if isinstance(access, Path) else {"kubeconfig": access}
