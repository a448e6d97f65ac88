"""What is said of a cluster's policies: its condition ``PoliciesReady``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from moorage.policies.cluster.plan import Invalid, Plan

POLICIES_READY: Final = "PoliciesReady"

READY: Final = "Enforced"
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

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Said:
    """What a condition says."""

    ok: bool
    reason: str
    message: str = ""


def of_plan(plan: Plan, policies: int, constraints: int, exceptions: int) -> Said:
    """Say how far a cluster is."""
    if plan.invalid:
        return Said(ok=False, reason=TEMPLATE_INVALID, message=_invalid(plan.invalid))
    if plan.settled:
        word = "exception counts" if exceptions == 1 else "exceptions count"
        return Said(ok=True, reason=READY, message=f"{policies} policies judge; {exceptions} {word}")
    done = constraints - min(plan.waiting, constraints)
    return Said(ok=False, reason=PROGRESSING, message=f"{done} of {constraints} constraints are taken up")


def _invalid(found: Sequence[Invalid]) -> str:
    shown = "; ".join(map(str, found[:_SHOWN]))
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{shown}{more} (the others judge; of these, what there was before)"
