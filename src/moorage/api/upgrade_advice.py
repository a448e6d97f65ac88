"""Which advice stands in the way of an upgrade: what uses an API that is not served after it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from moorage.api.advice import Advice, AdviceState
from moorage.api.versions import InvalidVersionError, KubernetesVersion, parse_version

APIS: Final = "apis"
"""The advisor whose advice this is."""

_DECIDED: Final = frozenset({AdviceState.RESOLVED, AdviceState.DISMISSED})


def blocks_upgrade(advices: Iterable[Advice], target: str) -> tuple[Advice, ...]:
    """Return the advice that stands in the way of a cluster's upgrade, the worst first.

    That is what uses a version that Kubernetes does not serve any more at the target: also where it was found
    for another target, and was merely deprecated at that. What is resolved, or was dismissed by somebody with
    a reason, is in nobody's way; a change that was made counts when the advisor has seen it. Custom resources
    go with their own project, and not with Kubernetes.

    Args:
        advices: of one cluster, of any advisor.
        target: the Kubernetes that it is to become: ``1.38``, ``1.38.2``.

    Raises:
        InvalidVersionError: the target is no version.
    """
    minor = _minor(parse_version(target))
    found = [
        each
        for each in advices
        if each.spec.advisor == APIS and each.state not in _DECIDED and _is_gone(each, minor)
    ]
    return tuple(sorted(found, key=lambda each: (-each.spec.severity.rank, each.metadata.name)))


def _is_gone(advice: Advice, minor: tuple[int, int]) -> bool:
    evidence = advice.spec.evidence
    removed = evidence.get("removedIn")
    if not isinstance(removed, str) or evidence.get("project"):
        return False
    try:
        return _minor(parse_version(removed)) <= minor
    except InvalidVersionError:
        return False


def _minor(version: KubernetesVersion) -> tuple[int, int]:
    return version.major, version.minor
