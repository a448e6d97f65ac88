"""What workloads that ask for nothing should ask for: by their own past, or by their siblings. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from moorage.advisors.resources.fit import fit, told
from moorage.advisors.resources.model import Resource, Setting, Use, Workload, World
from moorage.advisors.resources.recommenders import Proposal
from moorage.advisors.resources.wire import Newcomer, Proposed, Source

_HUB: Final = "docker.io"
_LIBRARY: Final = "library"

Container = tuple[Workload, str]
"""A workload, and the name of one of its containers."""


def propose_for(
    newcomers: Iterable[Newcomer], world: World, proposals: Mapping[Container, Proposal]
) -> tuple[Proposed, ...]:
    """Say what containers should ask for that ask for nothing; nothing about those of which nobody knows.

    What was used under the same name counts most. Else siblings do, containers of other workloads of the
    same image, whatever its tag: the median of what would fit them, or, where that is not known, of what
    they ask for; of an even number, the larger of the two in the middle. The order makes no difference.

    Args:
        newcomers: for whom.
        world: what there is in the cluster.
        proposals: what would fit containers that have a history.
    """
    found = (_one(each, world, proposals) for each in sorted(set(newcomers), key=_key))
    return tuple(each for each in found if each is not None)


def siblings_of(newcomer: Newcomer, world: World) -> list[Container]:
    """Return the containers of other workloads that run the same image."""
    image = repository(newcomer.image)
    own = _workload(newcomer)
    return sorted(
        key
        for key, told_of in world.images.items()
        if key[0] != own and image and repository(told_of) == image
    )


def repository(image: str) -> str:
    """Return what of an image's name does not change with its version, in full."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    name = f"{folder}{slash}{last.partition(':')[0]}"
    if not name:
        return ""
    first, slash, _ = name.partition("/")
    if not slash:
        return f"{_HUB}/{_LIBRARY}/{name}"
    is_host = "." in first or ":" in first or first == "localhost"
    return name if is_host else f"{_HUB}/{name}"


def _one(newcomer: Newcomer, world: World, proposals: Mapping[Container, Proposal]) -> Proposed | None:
    own = proposals.get((_workload(newcomer), newcomer.container))
    if own is not None and (own.cpu is not None or own.memory is not None):
        return _fitted(newcomer, own, world, Source.HISTORY, 1)
    siblings = siblings_of(newcomer, world)
    said = [_said(each, world, proposals) for each in siblings]
    cpu = _middle([cpu for cpu, _ in said if cpu is not None])
    memory = _middle([memory for _, memory in said if memory is not None])
    if cpu is None and memory is None:
        return None
    knowing = sum(any(value is not None for value in each) for each in said)
    return _fitted(newcomer, Proposal(cpu, memory), world, Source.SIBLINGS, knowing)


def _said(
    sibling: Container, world: World, proposals: Mapping[Container, Proposal]
) -> tuple[float | None, float | None]:
    declared, would_fit = world.settings.get(sibling, Setting()), proposals.get(sibling)
    cpu = would_fit.cpu if would_fit else None
    memory = would_fit.memory if would_fit else None
    return (
        declared.cpu_request if cpu is None else cpu,
        declared.memory_request if memory is None else memory,
    )


def _middle(values: Sequence[float]) -> float | None:
    return statistics.median_high(values) if values else None


def _fitted(newcomer: Newcomer, proposal: Proposal, world: World, source: Source, of: int) -> Proposed | None:
    """Fit a proposal into LimitRanges and ResourceQuotas; nothing where there is no room.

    An autoscaler that scales by a share of the request has nothing to go by as long as there is none: it does
    not hold a first request back.
    """
    workload = _workload(newcomer)
    use = Use(workload, newcomer.container, ())
    requests = Proposal(proposal.cpu, proposal.memory)
    fitted = fit(requests, use, replace(world, hpas={}))
    if fitted.refused:
        return None
    cpu, memory = fitted.setting.cpu_request, fitted.setting.memory_request
    return Proposed(
        newcomer,
        "" if cpu is None else told(Resource.CPU, cpu),
        "" if memory is None else told(Resource.MEMORY, memory),
        source,
        of,
    )


def _workload(newcomer: Newcomer) -> Workload:
    return Workload(newcomer.namespace, newcomer.kind, newcomer.name)


def _key(newcomer: Newcomer) -> tuple[str, ...]:
    return newcomer.namespace, newcomer.kind, newcomer.name, newcomer.container, newcomer.image
