"""LocalMachineTemplate: tells an autoscaler how large the nodes are that a pool of none would have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from moorage.api.local import LocalMachineTemplateStatus, NodeInfo
from moorage.kube.cache import Cache, Key
from moorage.kube.controller import Result
from moorage.kube.kinds import LOCAL_MACHINE_TEMPLATE, Kind, Object
from moorage.providers.local.nodes import OPERATING_SYSTEM, capacity
from moorage.providers.local.writing import Writer


def plan_status(obj: Object, architecture: str) -> LocalMachineTemplateStatus:
    """Say what a node that is made from a template has."""
    spec = obj["spec"]["template"]["spec"]
    return LocalMachineTemplateStatus.model_validate(
        {
            "capacity": capacity(str(spec["cpu"]), str(spec["memory"])),
            "node_info": NodeInfo.model_validate(
                {"architecture": architecture, "operating_system": OPERATING_SYSTEM}
            ),
        }
    )


class LocalMachineTemplateController:
    """Keeps the status of LocalMachineTemplates."""

    name: Final = "local-machine-template"
    primary: Final = LOCAL_MACHINE_TEMPLATE

    def __init__(self, writer: Writer, cache: Cache, architecture: str) -> None:
        self._writer = writer
        self._cache = cache
        self._architecture = architecture

    @property
    def watches(self) -> Mapping[Kind, Callable[[Object], Iterable[Key]]]:
        """A template depends on nothing."""
        return {}

    async def reconcile(self, key: Key) -> Result:
        """Keep the status of one LocalMachineTemplate."""
        obj = self._cache.get(LOCAL_MACHINE_TEMPLATE, key.name, key.namespace)
        if obj is not None and "deletionTimestamp" not in obj["metadata"]:
            await self._writer.status(LOCAL_MACHINE_TEMPLATE, obj, plan_status(obj, self._architecture))
        return Result()
