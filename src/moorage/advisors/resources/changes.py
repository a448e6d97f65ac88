"""The object that a change of requests and limits is, and which differences are worth one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from moorage.advisors.advice import Change
from moorage.advisors.resources.fit import told
from moorage.advisors.resources.model import MIB, Resource, Setting, Workload
from moorage.reports.findings import Action

LEAST_SHARE: Final = 0.10
"""Of what is asked for: what differs by less is not worth a rollout. The VPA's number, too."""
_LEAST: Final = {Resource.CPU: 0.010, Resource.MEMORY: 16.0 * MIB}
_API_VERSIONS: Final = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1",
                        "ReplicaSet": "apps/v1", "CronJob": "batch/v1"}  # fmt: skip


def request(setting: Setting, resource: Resource) -> float | None:
    """Return what a setting asks for."""
    return setting.cpu_request if resource is Resource.CPU else setting.memory_request


def limit(setting: Setting, resource: Resource) -> float | None:
    """Return what a setting allows."""
    return setting.cpu_limit if resource is Resource.CPU else setting.memory_limit


def matters(resource: Resource, now: float | None, then: float | None) -> bool:
    """Say whether the difference of two amounts is worth a change."""
    if then is None or now is None:
        return then is not now
    return abs(then - now) >= max(LEAST_SHARE * now, _LEAST[resource])


@dataclass(frozen=True, slots=True)
class Wish:
    """What a container shall ask for instead of what it asks for."""

    container: str
    now: Setting
    then: Setting


def change_of(workload: Workload, wishes: Sequence[Wish], api_version: str = "") -> tuple[Change, ...]:
    """Return the object to apply: of a workload only what has to be said of its containers.

    Nothing for what cannot be changed so: the pods of a Job are what they are, and of somebody's own kinds
    nobody can say whether an API server would merge their containers or replace all of them.
    """
    version = _API_VERSIONS.get(workload.kind)
    if version is not None and api_version:
        version = api_version
    containers = [
        {"name": each.container, "resources": resources}
        for each in sorted(wishes, key=lambda each: each.container)
        if (resources := _resources(each.now, each.then))
    ]
    if not containers or version is None:
        return ()
    spec: dict[str, Any] = {"template": {"spec": {"containers": containers}}}
    if workload.kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    metadata = {"name": workload.name, "namespace": workload.namespace}
    return (
        Change(
            Action.APPLY,
            {"apiVersion": version, "kind": workload.kind, "metadata": metadata, "spec": spec},
        ),
    )


def _resources(now: Setting, then: Setting) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for resource in Resource:
        asked, allowed = request(then, resource), limit(then, resource)
        if (matters(resource, request(now, resource), asked) and asked is not None) or (
            matters(resource, limit(now, resource), allowed) and asked is not None
        ):
            found.setdefault("requests", {})[resource.value] = told(resource, asked)
        if allowed is not None and allowed != limit(now, resource) and _changes(now, then, resource):
            found.setdefault("limits", {})[resource.value] = told(resource, allowed)
    return found


def _changes(now: Setting, then: Setting, resource: Resource) -> bool:
    return matters(resource, request(now, resource), request(then, resource)) or matters(
        resource, limit(now, resource), limit(then, resource)
    )


def names(change: Change, container: str) -> bool:
    """Say whether a change says anything of a container."""
    spec = change.content["spec"]
    template = spec.get("template") or spec["jobTemplate"]["spec"]["template"]
    return any(each["name"] == container for each in template["spec"]["containers"])
