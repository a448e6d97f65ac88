"""What is said of a cluster's policies: its condition ``PoliciesReady``, and Events. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from moorage.kube.clusters import Said
from moorage.kube.events import Occurrence
from moorage.policies.cluster.optins import shown
from moorage.policies.cluster.plan import Invalid, Plan

POLICIES_READY: Final = "PoliciesReady"

READY: Final = "Enforced"
NOTHING_JUDGES: Final = "NothingJudges"
PROGRESSING: Final = "Progressing"
BUNDLE_MISSING: Final = "BundleMissing"
BUNDLE_UNSIGNED: Final = "BundleUnsigned"
BUNDLE_INVALID: Final = "BundleInvalid"
FLOOR_INVALID: Final = "FloorInvalid"
TEMPLATE_INVALID: Final = "TemplateInvalid"
ENGINE_STARTING: Final = "EngineStarting"
ENGINE_UNREACHABLE: Final = "EngineUnreachable"
ENGINE_NOT_OFFERED: Final = "EngineNotOffered"
CLUSTER_UNREACHABLE: Final = "ClusterUnreachable"

ON_THE_WAY: Final = frozenset({PROGRESSING, ENGINE_STARTING})
"""Why the condition does not hold while all goes as it should: no news for anybody."""

_SHOWN: Final = 3


def of_plan(plan: Plan, policies: int, constraints: int, exceptions: int, lost: Sequence[str] = ()) -> Said:
    """Say how far a cluster is.

    Args:
        plan: what there is to do.
        policies: how many of them judge.
        constraints: how many they have.
        exceptions: how many count.
        lost: what namespaces opted in to in vain (see `optins`).
    """
    if plan.invalid:
        return Said(ok=False, reason=TEMPLATE_INVALID, message=_invalid(plan.invalid))
    if plan.settled:
        vain = [shown(lost)] if lost else []
        if not policies:
            message = "; ".join(["no set of the bundles names a policy, so nothing judges", *vain])
            return Said(ok=False, reason=NOTHING_JUDGES, message=message)
        judge = "1 policy judges" if policies == 1 else f"{policies} policies judge"
        word = "exception counts" if exceptions == 1 else "exceptions count"
        return Said(ok=True, reason=READY, message="; ".join([judge, f"{exceptions} {word}", *vain]))
    done = constraints - min(plan.waiting, constraints)
    return Said(ok=False, reason=PROGRESSING, message=f"{done} of {constraints} constraints are taken up")


def news(told: str, said: Said) -> Occurrence | None:
    """Return what is to be told as an Event: that policies came to judge, or why they do not.

    Args:
        told: the reason that was told last; empty when none was.
        said: what the condition says now.
    """
    if said.reason in {told, *ON_THE_WAY}:
        return None
    note = f"policies: {said.message}" if said.message else "policies"
    return Occurrence(f"Policies{said.reason}", note, warning=not said.ok)


def _invalid(found: Sequence[Invalid]) -> str:
    shown = "; ".join(map(str, found[:_SHOWN]))
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{shown}{more} (the others judge; of these, what there was before)"
