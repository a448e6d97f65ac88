"""The ClusterClass ``local``: what every user cluster of this provider is made from."""

from __future__ import annotations

from typing import Any, Final

from lightkube import AsyncClient

from moorage.api.local import ZONES
from moorage.api.meta import (
    LOCAL_PROVIDER_MANAGER,
    PROVIDER_LABEL,
    SYSTEM_NAMESPACE,
    WORKER_CLASS,
    ZONES_ANNOTATION,
)
from moorage.kube.kinds import (
    CLUSTER_CLASS,
    LOCAL_BOOTSTRAP_CONFIG_TEMPLATE,
    LOCAL_CLUSTER_TEMPLATE,
    LOCAL_CONTROL_PLANE_TEMPLATE,
    LOCAL_MACHINE_TEMPLATE,
    Kind,
    Object,
)
from moorage.kube.objects import apply
from moorage.providers.local.controlplane.plan import OFFERED
from moorage.providers.local.names import PROVIDER

MACHINE_TYPE: Final = "machineType"
CONTROL_PLANE_MACHINE_TYPE: Final = "controlPlaneMachineType"
CNI: Final = "cni"

# Cluster API makes no Machine before the control plane serves. Here that costs seconds and saves nothing: a
# machine is there in a moment, and waits for its cluster by itself.
_SKIP_CHECKS: Final = "machineset.cluster.x-k8s.io/skip-preflight-checks"

# What stands in the template until a pool's machine type replaces it.
_CPU: Final = "1"
_MEMORY: Final = "2Gi"


def cluster_class() -> list[tuple[Kind, Object]]:
    """Return the ClusterClass and its templates, in the order in which they must be there."""
    return [
        (LOCAL_CLUSTER_TEMPLATE, _template({"zones": list(ZONES)})),
        (LOCAL_CONTROL_PLANE_TEMPLATE, _template({})),
        (LOCAL_MACHINE_TEMPLATE, _template({"cpu": _CPU, "memory": _MEMORY})),
        (LOCAL_BOOTSTRAP_CONFIG_TEMPLATE, _template({})),
        (CLUSTER_CLASS, {"metadata": _metadata() | {"annotations": _offers()}, "spec": _spec()}),
    ]


async def install_cluster_class(client: AsyncClient) -> None:
    """Bring the ClusterClass into the management cluster, or up to date. It may be repeated."""
    for kind, obj in cluster_class():
        await apply(client, kind, obj, field_manager=LOCAL_PROVIDER_MANAGER)


def _spec() -> dict[str, Any]:
    return {
        "kubernetesVersions": list(OFFERED),
        "infrastructure": {"templateRef": _reference(LOCAL_CLUSTER_TEMPLATE)},
        "controlPlane": {"templateRef": _reference(LOCAL_CONTROL_PLANE_TEMPLATE)},
        "workers": {
            "machineDeployments": [
                {
                    "class": WORKER_CLASS,
                    "metadata": {"annotations": {_SKIP_CHECKS: "ControlPlaneIsStable"}},
                    "bootstrap": {"templateRef": _reference(LOCAL_BOOTSTRAP_CONFIG_TEMPLATE)},
                    "infrastructure": {"templateRef": _reference(LOCAL_MACHINE_TEMPLATE)},
                }
            ]
        },
        "variables": [
            _variable(MACHINE_TYPE, _machine_type("The machine type of a pool; each pool overrides it.")),
            _variable(CONTROL_PLANE_MACHINE_TYPE, _machine_type("The machine type of the control plane.")),
            _variable(
                CNI,
                {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 63,
                    "description": "The network plugin that was asked for. Here the network is simulated.",
                },
            ),
        ],
        "patches": [
            {
                "name": "machineType",
                "description": "Gives the machines of a pool the size of its machine type.",
                "enabledIf": _defined(MACHINE_TYPE),
                "definitions": [
                    {
                        "selector": {
                            "apiVersion": LOCAL_MACHINE_TEMPLATE.api_version,
                            "kind": LOCAL_MACHINE_TEMPLATE.kind,
                            "matchResources": {"machineDeploymentClass": {"names": [WORKER_CLASS]}},
                        },
                        "jsonPatches": [
                            _set("machineType", f"{MACHINE_TYPE}.name"),
                            _set("cpu", f"{MACHINE_TYPE}.cpu"),
                            _set("memory", f"{MACHINE_TYPE}.memory"),
                        ],
                    }
                ],
            },
            {
                "name": "controlPlaneMachineType",
                "description": "Names the machine type that was declared for the control plane.",
                "enabledIf": _defined(CONTROL_PLANE_MACHINE_TYPE),
                "definitions": [
                    {
                        "selector": {
                            "apiVersion": LOCAL_CONTROL_PLANE_TEMPLATE.api_version,
                            "kind": LOCAL_CONTROL_PLANE_TEMPLATE.kind,
                            "matchResources": {"controlPlane": True},
                        },
                        "jsonPatches": [_set("machineType", f"{CONTROL_PLANE_MACHINE_TYPE}.name")],
                    }
                ],
            },
        ],
    }


def _metadata() -> dict[str, Any]:
    return {"name": PROVIDER, "namespace": SYSTEM_NAMESPACE, "labels": {PROVIDER_LABEL: PROVIDER}}


def _offers() -> dict[str, str]:
    return {ZONES_ANNOTATION: ",".join(ZONES)}


def _template(spec: dict[str, Any]) -> Object:
    return {"metadata": _metadata(), "spec": {"template": {"spec": spec}}}


def _reference(kind: Kind) -> dict[str, str]:
    return {"apiVersion": kind.api_version, "kind": kind.kind, "name": PROVIDER}


def _machine_type(description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": ["name", "cpu", "memory"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 63, "description": "Its name."},
            "cpu": {"type": "string", "minLength": 1, "maxLength": 24, "description": "How many CPUs."},
            "memory": {"type": "string", "minLength": 1, "maxLength": 24, "description": "How much memory."},
        },
    }


def _variable(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "required": False, "schema": {"openAPIV3Schema": schema}}


def _defined(variable: str) -> str:
    return f"{{{{ if .{variable} }}}}true{{{{ end }}}}"


def _set(field: str, variable: str) -> dict[str, Any]:
    return {"op": "add", "path": f"/spec/template/spec/{field}", "valueFrom": {"variable": variable}}
