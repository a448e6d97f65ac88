"""CustomResourceDefinitions, made from the models."""

from __future__ import annotations

from typing import Any, Final

from moorage.api.advice import Advice
from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.local import (
    LocalBootstrapConfig,
    LocalBootstrapConfigTemplate,
    LocalCluster,
    LocalClusterTemplate,
    LocalControlPlane,
    LocalControlPlaneTemplate,
    LocalMachine,
    LocalMachineTemplate,
)
from moorage.api.machinetype import MachineType
from moorage.api.models import AGE, Column, Definition, Resource
from moorage.api.policyexception import PolicyException
from moorage.api.policyreport import PolicyReport
from moorage.api.project import Project

PRODUCT_KINDS: Final[tuple[type[Resource], ...]] = (
    Project,
    MachineType,
    KubernetesCluster,
    PolicyReport,
    Advice,
)
"""What users and the platform team declare."""

USER_CLUSTER_KINDS: Final[tuple[type[Resource], ...]] = (PolicyException,)
"""What teams declare in their own clusters."""

LOCAL_KINDS: Final[tuple[type[Resource], ...]] = (
    LocalCluster,
    LocalClusterTemplate,
    LocalControlPlane,
    LocalControlPlaneTemplate,
    LocalMachine,
    LocalMachineTemplate,
    LocalBootstrapConfig,
    LocalBootstrapConfigTemplate,
)
"""What Cluster API and the local provider say to each other."""

KINDS: Final = PRODUCT_KINDS + USER_CLUSTER_KINDS + LOCAL_KINDS

_SCALE: Final = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def custom_resource_definitions() -> list[dict[str, Any]]:
    """Return the CRDs of all kinds, as an API server takes them."""
    return [custom_resource_definition(kind) for kind in KINDS]


def custom_resource_definition(resource: type[Resource]) -> dict[str, Any]:
    """Return the CRD of a kind."""
    served = resource.definition
    name = f"{served.plural}.{served.group}"
    kind = resource.__name__
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, **({"labels": dict(served.labels)} if served.labels else {})},
        "spec": {
            "group": served.group,
            "scope": "Namespaced" if served.namespaced else "Cluster",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": served.plural,
                "singular": kind.lower(),
                **({"shortNames": list(served.short_names)} if served.short_names else {}),
                "categories": list(served.categories),
            },
            "versions": [
                {
                    "name": served.version,
                    "served": True,
                    "storage": True,
                    **_subresources(served),
                    "additionalPrinterColumns": [_column(column) for column in (*served.columns, AGE)],
                    "schema": {"openAPIV3Schema": resource.openapi_schema()},
                }
            ],
        },
    }


def _subresources(served: Definition) -> dict[str, Any]:
    subresources: dict[str, Any] = {}
    if served.status:
        subresources["status"] = {}
    if served.scale:
        subresources["scale"] = dict(_SCALE)
    return {"subresources": subresources} if subresources else {}


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        **({"priority": 1} if column.wide else {}),
    }
