"""Making a proposal fit what surrounds the workload: autoscalers, LimitRanges, ResourceQuotas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from moorage.advisors.resources.model import Bounds, Resource, Setting, Use, World
from moorage.advisors.resources.recommenders import Proposal
from moorage.api.quantities import format_cpu, format_memory

_MILLI: Final = 1000
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Fitted:
    """A proposal as it can be applied.

    Args:
        setting: what the container would then ask for; what stays is what it is now.
        said: what a person must know about how it came to be so.
        refused: why it cannot be applied as things are; empty where it can.
    """

    setting: Setting
    said: tuple[str, ...] = ()
    refused: str = ""


def fit(proposal: Proposal, use: Use, world: World) -> Fitted:
    """Fit a proposal into its surroundings; whole millicores and MiB, never less than was proposed."""
    said: list[str] = []
    cpu, cpu_limit = _cores(proposal.cpu), _cores(proposal.cpu_limit)
    memory, memory_limit = _bytes(proposal.memory), _bytes(proposal.memory_limit)
    for target in world.hpas.get(use.workload, ()):
        if target.resource is Resource.CPU and cpu is not None:
            said.append(_kept(target.name, target.resource, target.utilization, use.setting.cpu_request, cpu))
            cpu = cpu_limit = None
        if target.resource is Resource.MEMORY and memory is not None:
            said.append(
                _kept(target.name, target.resource, target.utilization, use.setting.memory_request, memory)
            )
            memory = memory_limit = None
    for bounds in world.bounds.get(use.workload.namespace, ()):
        for resource in Resource:
            least, most = bounds.least.get(resource, 0.0), bounds.most.get(resource, float("inf"))
            if resource is Resource.CPU:
                cpu, cpu_limit = _between(cpu, least, most), _between(cpu_limit, least, most)
            else:
                memory, memory_limit = _between(memory, least, most), _between(memory_limit, least, most)
        if _clipped(bounds, proposal):
            said.append(f"LimitRange {bounds.name} sets the bounds")
    now = use.setting
    setting = replace(
        now,
        cpu_request=now.cpu_request if cpu is None else cpu,
        memory_request=now.memory_request if memory is None else memory,
        cpu_limit=_at_least(now.cpu_limit if cpu_limit is None else cpu_limit, cpu),
        memory_limit=_at_least(now.memory_limit if memory_limit is None else memory_limit, memory),
    )
    return Fitted(setting, tuple(said), _over_quota(use, setting, world))


def _kept(name: str, resource: Resource, utilization: float | None, now: float | None, then: float) -> str:
    """Say why a request stays; the same point of scaling at another request is another target."""
    word = "CPU" if resource is Resource.CPU else "memory"
    said = f"{word} stays as it is: HorizontalPodAutoscaler {name} scales by it"
    if utilization and now and then:
        amount = told(resource, then)
        said += (
            f" (at {amount}, averageUtilization {utilization * now / then:.0f} would scale at the same use)"
        )
    return said


def _over_quota(use: Use, setting: Setting, world: World) -> str:
    now, pods = use.setting, max(use.running, 1)
    more = {
        "requests.cpu": (setting.cpu_request or 0) - (now.cpu_request or 0),
        "requests.memory": (setting.memory_request or 0) - (now.memory_request or 0),
        "limits.cpu": (setting.cpu_limit or 0) - (now.cpu_limit or 0),
        "limits.memory": (setting.memory_limit or 0) - (now.memory_limit or 0),
    }
    for quota in world.quotas.get(use.workload.namespace, ()):
        for what, free in quota.free.items():
            needed = more.get(what, 0.0) * pods
            if needed > 0 and needed > free:
                resource = Resource.CPU if what.endswith("cpu") else Resource.MEMORY
                return (
                    f"ResourceQuota {quota.name} leaves {told(resource, max(free, 0))} of {what}, "
                    f"and {told(resource, needed)} more would be needed"
                )
    return ""


def _clipped(bounds: Bounds, proposal: Proposal) -> bool:
    wanted = {
        Resource.CPU: [proposal.cpu, proposal.cpu_limit],
        Resource.MEMORY: [proposal.memory, proposal.memory_limit],
    }
    return any(
        value is not None
        and not bounds.least.get(resource, 0.0) <= value <= bounds.most.get(resource, float("inf"))
        for resource, values in wanted.items()
        for value in values
    )


def _between(value: float | None, least: float, most: float) -> float | None:
    return None if value is None else min(max(value, least), most)


def _at_least(limit: float | None, request: float | None) -> float | None:
    return limit if limit is None or request is None else max(limit, request)


def _cores(value: float | None) -> float | None:
    # What is a whole number but for the last bits of a float is that number.
    return None if value is None else -(-round(value * _MILLI, 3) // 1) / _MILLI


def _bytes(value: float | None) -> float | None:
    return None if value is None else float(-(-round(value / _MIB, 3) // 1) * _MIB)


def told(resource: Resource, value: float) -> str:
    """Write an amount as Kubernetes does."""
    if resource is Resource.CPU:
        return format_cpu(round(value * _MILLI))
    return format_memory(round(value))
