"""Gatekeeper's kinds, and Moorage's own, as they are served in a user cluster."""

from __future__ import annotations

from typing import Final

from moorage.kube.kinds import Kind
from moorage.policies.model import POLICY_GROUP

FIELD_MANAGER: Final = "moorage-policies"
ENGINE_NAMESPACE: Final = "gatekeeper-system"

CONSTRAINTS_GROUP: Final = "constraints.gatekeeper.sh"
TEMPLATE: Final = Kind(
    "templates.gatekeeper.sh", "v1", "ConstraintTemplate", "constrainttemplates", namespaced=False
)
EXPANSION: Final = Kind(
    "expansion.gatekeeper.sh", "v1beta1", "ExpansionTemplate", "expansiontemplate", namespaced=False
)
SYNC_SET_KIND: Final = Kind("syncset.gatekeeper.sh", "v1alpha1", "SyncSet", "syncsets", namespaced=False)
TEMPLATE_STATUS: Final = Kind(
    "status.gatekeeper.sh", "v1beta1", "ConstraintTemplatePodStatus", "constrainttemplatepodstatuses"
)
CONSTRAINT_STATUS: Final = Kind(
    "status.gatekeeper.sh", "v1beta1", "ConstraintPodStatus", "constraintpodstatuses"
)
POLICY_EXCEPTION: Final = Kind(POLICY_GROUP, "v1alpha1", "PolicyException", "policyexceptions")
POLICY_REPORT: Final = Kind(POLICY_GROUP, "v1alpha1", "PolicyReport", "policyreports")


def constraint_kind(kind: str) -> Kind:
    """Return a kind of constraint: its resource is its name in lower case."""
    return Kind(CONSTRAINTS_GROUP, "v1beta1", kind, kind.lower(), namespaced=False)
