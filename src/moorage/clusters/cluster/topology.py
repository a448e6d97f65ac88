"""The Cluster of Cluster API that a KubernetesCluster stands for. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from moorage.api.kubernetescluster import KubernetesCluster, NodePool
from moorage.api.machinetype import MachineType
from moorage.api.meta import (
    CLUSTER_LABEL,
    GROUP,
    POOL_LABEL,
    PROJECT_LABEL,
    SYSTEM_NAMESPACE,
    WORKER_CLASS,
)
from moorage.api.versions import KubernetesVersion
from moorage.kube.kinds import Object

DECLARATION_ANNOTATION = f"{GROUP}/declaration"
"""What was declared last, as a digest: fields that are declared no more show in it."""

MACHINE_TYPE_VARIABLE = "machineType"
CONTROL_PLANE_MACHINE_TYPE_VARIABLE = "controlPlaneMachineType"
CNI_VARIABLE = "cni"

MIN_SIZE_ANNOTATION = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size"
MAX_SIZE_ANNOTATION = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"


def cluster_of(
    declared: KubernetesCluster,
    project: str,
    version: KubernetesVersion,
    machine_types: Mapping[str, MachineType],
) -> Object:
    """Return the Cluster to apply. The machine types are all that the declaration names."""
    spec, metadata = declared.spec, declared.metadata
    labels = {PROJECT_LABEL: project, CLUSTER_LABEL: metadata.name}
    topology: Object = {
        "classRef": {"name": spec.provider, "namespace": SYSTEM_NAMESPACE},
        "version": version.tag,
        "controlPlane": {"replicas": spec.control_plane.replicas, "metadata": {"labels": labels}},
    }
    if spec.node_pools:
        deployments = [
            _machine_deployment(pool, labels, machine_types[pool.machine_type], spec.provider)
            for pool in spec.node_pools
        ]
        topology["workers"] = {"machineDeployments": deployments}
    variables = _variables(declared, machine_types)
    if variables:
        topology["variables"] = variables
    cluster: Object = {
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": declared.api_version,
                    "kind": declared.kind,
                    "name": metadata.name,
                    "uid": metadata.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {"paused": spec.paused, "topology": topology},
    }
    cluster["metadata"]["annotations"] = {DECLARATION_ANNOTATION: _digest(cluster)}
    return cluster


def follows(observed: Any, declared: Any) -> bool:
    """Say whether an observed value has everything that was declared; what others added does not matter."""
    if isinstance(declared, dict):
        return isinstance(observed, dict) and all(
            key in observed and follows(observed[key], value) for key, value in declared.items()
        )
    if isinstance(declared, list):
        return isinstance(observed, list) and _follows(observed, declared)
    return bool(observed == declared)


def _follows(observed: list[Any], declared: list[Any]) -> bool:
    wanted = {_identity(item): item for item in declared}
    if len(wanted) < len(declared) or None in wanted:
        return observed == declared  # items that cannot be told apart count as one value
    found = {_identity(item): item for item in observed}
    return all(identity in found and follows(found[identity], item) for identity, item in wanted.items())


def machine_deployments(cluster: Object) -> list[Object]:
    """Return the machine deployments in a Cluster's topology."""
    workers = cluster.get("spec", {}).get("topology", {}).get("workers") or {}
    return list(workers.get("machineDeployments") or ())


def strangers(observed: Object, declared: Object) -> list[str]:
    """Return the machine deployments that somebody else has added to a Cluster's topology."""
    known = {deployment["name"] for deployment in machine_deployments(declared)}
    return sorted(
        deployment["name"] for deployment in machine_deployments(observed) if deployment["name"] not in known
    )


def machine_type_value(name: str, machine_type: MachineType, provider: str) -> Object:
    """Return the value of the variable by which a ClusterClass learns a machine type."""
    mapping = getattr(machine_type.spec.providers, provider, None)
    return {
        "name": name,
        "cpu": machine_type.spec.cpu,
        "memory": machine_type.spec.memory,
        **({} if mapping is None else mapping.wire()),
    }


def _machine_deployment(
    pool: NodePool, labels: Mapping[str, str], machine_type: MachineType, provider: str
) -> Object:
    deployment: Object = {
        "name": pool.name,
        "class": WORKER_CLASS,
        # Ours come last: no declared label takes a machine out of its project's or its pool's view.
        "metadata": {"labels": {**pool.labels, **labels, POOL_LABEL: pool.name}},
        "rollout": {
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": pool.max_surge, "maxUnavailable": pool.max_unavailable},
            }
        },
        "variables": {
            "overrides": [
                {
                    "name": MACHINE_TYPE_VARIABLE,
                    "value": machine_type_value(pool.machine_type, machine_type, provider),
                }
            ]
        },
    }
    if pool.autoscaled:
        # The number is the autoscaler's; Cluster API itself keeps it within the bounds.
        deployment["metadata"]["annotations"] = {
            MIN_SIZE_ANNOTATION: str(pool.min or 0),
            MAX_SIZE_ANNOTATION: str(pool.max or 0),
        }
    else:
        deployment["replicas"] = pool.replicas
    if pool.zone:
        deployment["failureDomain"] = pool.zone
    if pool.taints:
        deployment["taints"] = [{**taint.wire(), "propagation": "Always"} for taint in pool.taints]
    return deployment


def _variables(declared: KubernetesCluster, machine_types: Mapping[str, MachineType]) -> list[Object]:
    spec = declared.spec
    variables: list[Object] = []
    if spec.cni is not None:
        variables.append({"name": CNI_VARIABLE, "value": spec.cni.name})
    if spec.control_plane.machine_type is not None:
        name = spec.control_plane.machine_type
        value = machine_type_value(name, machine_types[name], spec.provider)
        variables.append({"name": CONTROL_PLANE_MACHINE_TYPE_VARIABLE, "value": value})
    return variables


def _identity(item: Any) -> tuple[str, ...] | None:
    """Return what tells the items of a list apart, in the lists that are ours to declare."""
    if not isinstance(item, dict):
        return None
    for keys in (("uid",), ("key", "effect"), ("name",)):
        if all(isinstance(item.get(key), str) for key in keys):
            return tuple(item[key] for key in keys)
    return None


def _digest(declared: Object) -> str:
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()[:16]
