"""KubernetesCluster: a user cluster, declared in its project's namespace."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from moorage.api.conditions import CONDITIONS_MAX, Conditions
from moorage.api.meta import CLUSTER_NAME_MAX, POOL_NAME_MAX
from moorage.api.models import ApiModel, Column, Definition, IntOrPercent, ObjectMeta, Resource, ready_columns
from moorage.api.names import DnsLabel, MachineTypeName, NodeLabels, Taints
from moorage.api.policies import ClusterPolicies
from moorage.api.schema import ListMap, Rule, rules
from moorage.api.settings import AdviceSettings, Cni, MaintenanceWindow, ProviderName, RequestedVersion
from moorage.api.versions import VERSION_PATTERN

POOLS_MAX: Final = 32
POOL_NODES_MAX: Final = 1000

_VALID = f"self.matches(r'{VERSION_PATTERN}') && oldSelf.matches(r'{VERSION_PATTERN}')"
_MINOR = "int(self.split('.')[1])"
_OLD_MINOR = "int(oldSelf.split('.')[1])"

Version = Annotated[
    RequestedVersion,
    Rule(
        f"!({_VALID}) || {_MINOR} > {_OLD_MINOR} || ({_MINOR} == {_OLD_MINOR} && "
        "(self.split('.').size() < 3 || oldSelf.split('.').size() < 3 || "
        "int(self.split('.')[2]) >= int(oldSelf.split('.')[2])))",
        "'Kubernetes cannot be downgraded from ' + oldSelf + ' to ' + self",
        computed=True,
        forbidden=True,
    ),
    Rule(
        f"!({_VALID}) || {_MINOR} <= {_OLD_MINOR} + 1",
        "'Kubernetes cannot be upgraded from ' + oldSelf + ' to ' + self + ': no minor can be skipped'",
        computed=True,
        forbidden=True,
    ),
]


class ControlPlane(ApiModel):
    """The size of a cluster's control plane."""

    replicas: Literal[1, 3, 5] = Field(
        1, description="How many instances: 1, or 3 or 5 to survive losing some."
    )
    machine_type: MachineTypeName | None = Field(
        None, description="Their machine type, where the provider runs them on machines of the cluster."
    )


class NodePool(ApiModel):
    """Nodes that are alike."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["name", "machineType"],
            **rules(
                Rule(
                    "has(self.replicas) ? !has(self.min) && !has(self.max) : has(self.min) && has(self.max)",
                    "'node pool ' + self.name + ' needs either replicas, or min and max'",
                    computed=True,
                ),
                Rule(
                    "!has(self.min) || !has(self.max) || self.min <= self.max",
                    "'node pool ' + self.name + ': min is more than max'",
                    computed=True,
                ),
                Rule(
                    "!(string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])",
                    "'node pool ' + self.name + ': maxSurge and maxUnavailable cannot both be 0, "
                    "or no node could ever be replaced'",
                    computed=True,
                ),
            ),
        }
    )

    name: DnsLabel = Field(
        min_length=1,
        max_length=POOL_NAME_MAX,
        description="The pool's name, part of its nodes' names: at most 16 characters.",
    )
    machine_type: MachineTypeName = Field(
        "",
        description="The machine type of the nodes. Left out, the project's default. "
        "A change replaces the nodes, a few at a time.",
        json_schema_extra={"default": None},
    )
    replicas: int | None = Field(
        None, ge=0, le=POOL_NODES_MAX, description="How many nodes. Left out when min and max are given."
    )
    min: int | None = Field(
        None, ge=0, le=POOL_NODES_MAX, description="The fewest nodes that autoscaling leaves."
    )
    max: int | None = Field(
        None, ge=0, le=POOL_NODES_MAX, description="The most nodes that autoscaling makes."
    )
    labels: NodeLabels = Field(
        default_factory=dict, description="Labels of the nodes. A change reaches nodes that run."
    )
    taints: Taints = Field(
        default_factory=list, description="Taints of the nodes. A change reaches nodes that run."
    )
    max_surge: IntOrPercent = Field(
        1, description="How many nodes more than wanted there may be while nodes are replaced: 2, or 10%."
    )
    max_unavailable: IntOrPercent = Field(
        0, description="How many nodes fewer than wanted there may be while nodes are replaced: 2, or 10%."
    )
    zone: DnsLabel | None = Field(
        None,
        min_length=1,
        max_length=63,
        description="The zone that the nodes are in. Left out, the provider chooses; "
        "to spread over zones, make a pool for each.",
    )

    @property
    def autoscaled(self) -> bool:
        """Whether the number of nodes follows the load, between min and max."""
        return self.replicas is None

    @property
    def most_nodes(self) -> int:
        """How many nodes the pool can come to have: what quota counts."""
        return (self.max if self.replicas is None else self.replicas) or 0


class KubernetesClusterSpec(ApiModel):
    """What a cluster shall be.

    What an API server has always names `version`, `provider` and the pools' machine types: where a
    declaration leaves them out, admission fills in the project's defaults before anything is stored. So the
    schema requires them and has no defaults of its own, which would be filled in first; what is still to be
    sent may have them empty.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["version", "provider"],
            **rules(
                Rule(
                    "has(self.cni) == has(oldSelf.cni) && "
                    "(!has(self.cni) || self.cni.name == oldSelf.cni.name)",
                    "the network plugin of a cluster cannot be changed",
                    forbidden=True,
                    field=".cni",
                )
            ),
        }
    )

    version: Version = Field(
        "",
        description="The Kubernetes version: a minor (1.36: its newest patch on offer) or a patch (1.36.0). "
        "Left out, the project's default, or else the newest minor that the provider offers.",
        json_schema_extra={"default": None},
    )
    provider: Annotated[
        ProviderName, Rule("self == oldSelf", "the provider of a cluster cannot be changed", forbidden=True)
    ] = Field(
        "",
        description="Which provider makes the cluster: the name of a ClusterClass. "
        "Left out, the project's default, or else local. It cannot be changed.",
        json_schema_extra={"default": None},
    )
    control_plane: ControlPlane = Field(
        default_factory=ControlPlane,
        description="The size of the control plane.",
        json_schema_extra={"default": {}},
    )
    node_pools: Annotated[list[NodePool], ListMap(("name",))] = Field(
        default_factory=list,
        max_length=POOLS_MAX,
        description="The cluster's nodes, in pools of nodes alike.",
    )
    maintenance_window: MaintenanceWindow | None = Field(
        None,
        description="When Moorage may do work that moves pods and that nobody asked for just now. "
        "Left out, the project's default, or else at any time; but advice is applied by the platform "
        "within a window only.",
    )
    cni: Cni | None = Field(
        None,
        description="The network plugin. Left out, the project's default, or else the provider's. "
        "It cannot be changed.",
    )
    policies: ClusterPolicies | None = Field(
        None, description="Which policies judge in the cluster, beside those of its project."
    )
    advice: AdviceSettings | None = Field(
        None, description="How advice about the cluster is made. Left out, as the project says."
    )
    paused: bool = Field(
        default=False,
        description="Whether Moorage and Cluster API leave everything of this cluster as it is.",
    )


class Endpoint(ApiModel):
    """Where an API server listens."""

    host: str = Field(min_length=1, max_length=512, description="Its host name or address.")
    port: int = Field(ge=1, le=65535, description="Its port.")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class NodeVersions(ApiModel):
    """The oldest and the newest Kubernetes version among a cluster's nodes."""

    min: str | None = Field(None, max_length=64, description="The oldest kubelet's version.")
    max: str | None = Field(None, max_length=64, description="The newest kubelet's version.")


class VersionStatus(ApiModel):
    """Which Kubernetes versions a cluster has."""

    desired: str | None = Field(
        None, max_length=64, description="The patch that the declared version stands for: 1.36.0."
    )
    control_plane: str | None = Field(None, max_length=64, description="What the control plane runs.")
    nodes: NodeVersions | None = Field(None, description="What the nodes run.")


class NodePoolStatus(ApiModel):
    """How many nodes a pool has."""

    name: str = Field(min_length=1, max_length=63, description="The pool's name.")
    desired: int | None = Field(None, ge=0, description="How many nodes are wanted now.")
    total: int | None = Field(
        None, ge=0, description="How many machines there are, with those being replaced."
    )
    ready: int | None = Field(None, ge=0, description="How many nodes are ready.")
    up_to_date: int | None = Field(None, ge=0, description="How many are as the pool is declared now.")
    version: str | None = Field(
        None, max_length=64, description="The oldest Kubernetes version among its nodes."
    )


class NodesStatus(ApiModel):
    """How many nodes a cluster has, all pools together."""

    desired: int | None = Field(None, ge=0, description="How many nodes are wanted now.")
    ready: int | None = Field(None, ge=0, description="How many nodes are ready.")
    summary: str | None = Field(None, max_length=32, description="Ready and wanted, for tables: 2/3.")


class KubernetesClusterStatus(ApiModel):
    """What is known about a cluster."""

    observed_generation: int | None = Field(
        None, ge=0, description="The generation of the cluster that this status is about."
    )
    endpoint: Endpoint | None = Field(None, description="Where its API server listens.")
    ca_bundle: str | None = Field(
        None,
        max_length=65536,
        description="The authorities that vouch for its API server: PEM certificates, in base64.",
    )
    version: VersionStatus | None = Field(None, description="Which Kubernetes versions it has.")
    nodes: NodesStatus | None = Field(None, description="How many nodes it has, all pools together.")
    node_pools: Annotated[list[NodePoolStatus], ListMap(("name",))] = Field(
        default_factory=list, max_length=2 * POOLS_MAX, description="How many nodes each pool has."
    )
    conditions: Conditions = Field(
        default_factory=list,
        max_length=CONDITIONS_MAX,
        description="Observations of its state: ControlPlaneReady, NodesReady (Ready sums them up), "
        "UpToDate, AccessReady, AdviceReady, AdviceAutomatic; Deleting while it is on its way out.",
    )


class KubernetesCluster(Resource):
    """A Kubernetes cluster that a project owns, declared in the project's namespace."""

    definition = Definition(
        plural="kubernetesclusters",
        short_names=("kc",),
        columns=(
            Column("Version", ".status.version.controlPlane"),
            Column("Nodes", ".status.nodes.summary"),
            *ready_columns(),
            Column("Provider", ".spec.provider", wide=True),
            Column("Host", ".status.endpoint.host", wide=True),
            Column("Port", ".status.endpoint.port", "integer", wide=True),
        ),
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                f"self.metadata.name.size() <= {CLUSTER_NAME_MAX}",
                f"the name of a cluster has at most {CLUSTER_NAME_MAX} characters, "
                "because the names of its nodes are made from it",
                field=".metadata.name",
            ),
            Rule(
                "!self.metadata.name.contains('.')",
                "the name of a cluster has no dots",
                field=".metadata.name",
            ),
        )
    )

    api_version: Literal["moorage.dev/v1alpha1"] = "moorage.dev/v1alpha1"
    kind: Literal["KubernetesCluster"] = "KubernetesCluster"
    metadata: ObjectMeta
    spec: KubernetesClusterSpec = Field(description="What the cluster shall be.")
    status: KubernetesClusterStatus | None = Field(None, description="What is known about the cluster.")
