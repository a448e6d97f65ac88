"""The local provider's kinds: what Cluster API's v1beta2 contracts ask of a provider, and little more."""

from __future__ import annotations

from typing import Annotated, Final, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field

from moorage.api.conditions import CONDITIONS_MAX, Conditions
from moorage.api.kubernetescluster import Endpoint
from moorage.api.machinetype import MachineCpu, MachineMemory
from moorage.api.meta import CATEGORY, LOCAL_GROUP, VERSION
from moorage.api.models import (
    ApiModel,
    Column,
    Definition,
    ObjectMeta,
    Quantity,
    Resource,
    TemplateMeta,
    ready_columns,
)
from moorage.api.names import DnsLabel, MachineTypeName
from moorage.api.schema import ListMap, ListSet

CONTRACT_LABEL: Final = "cluster.x-k8s.io/v1beta2"
"""On the CRDs: which of their versions fulfils Cluster API's contract v1beta2."""

FAULT_ANNOTATION: Final = "local.moorage.dev/fault"

ZONES: Final = ("a", "b", "c")
_ZONES_MAX: Final = 16


def _definition(plural: str, *columns: Column, status: bool = True, scale: bool = False) -> Definition:
    return Definition(
        plural=plural,
        group=LOCAL_GROUP,
        categories=(CATEGORY, "cluster-api"),
        columns=(Column("Cluster", r".metadata.labels.cluster\.x-k8s\.io/cluster-name"), *columns),
        status=status,
        scale=scale,
        labels={CONTRACT_LABEL: VERSION},
    )


Shape = TypeVar("Shape", bound=ApiModel)
Zone = Annotated[DnsLabel, Field(min_length=1, max_length=63)]


class LocalStatus(ApiModel):
    """What is known about any of these objects."""

    observed_generation: int | None = Field(
        None, ge=0, description="The generation of the object that this status is about."
    )
    conditions: Conditions = Field(
        default_factory=list, max_length=CONDITIONS_MAX, description="Observations of its state."
    )


class TemplateContent(ApiModel, Generic[Shape]):
    """What the objects that are made from a template get."""

    metadata: TemplateMeta | None = Field(None, description="Labels and annotations that they get.")
    spec: Shape = Field(description="The spec that they get.")


class Template(ApiModel, Generic[Shape]):
    """A template, as a ClusterClass refers to it."""

    template: TemplateContent[Shape] = Field(description="What is made from it.")


class Provisioned(ApiModel):
    """How far the first provisioning is."""

    provisioned: bool | None = Field(None, description="Whether it is complete.")


# --- The infrastructure of a cluster ---------------------------------------------------------------------


class LocalClusterShape(ApiModel):
    """What all clusters of a class have in common."""

    zones: Annotated[list[Zone], ListSet()] = Field(
        default_factory=lambda: list(ZONES),
        min_length=1,
        max_length=_ZONES_MAX,
        description="The zones that machines are spread over.",
        json_schema_extra={"default": list(ZONES)},
    )


class LocalClusterSpec(LocalClusterShape):
    """Where a cluster is."""

    control_plane_endpoint: Endpoint | None = Field(
        None, description="Where the cluster's API server will listen; the provider reserves it."
    )


class FailureDomain(ApiModel):
    """A part of the infrastructure that fails on its own."""

    name: str = Field(min_length=1, max_length=256, description="Its name.")
    control_plane: bool | None = Field(None, description="Whether control plane instances may be in it.")
    attributes: dict[str, str] | None = Field(None, max_length=16, description="What else is known about it.")


class LocalClusterStatus(LocalStatus):
    """What is known about a cluster's infrastructure."""

    initialization: Provisioned | None = Field(None, description="How far the first provisioning is.")
    failure_domains: Annotated[list[FailureDomain], ListMap(("name",))] | None = Field(
        None, min_length=1, max_length=100, description="The zones that machines can be in."
    )


class LocalCluster(Resource):
    """The infrastructure of a cluster on this machine: an address for its API server, and zones."""

    definition = _definition(
        "localclusters",
        Column("Host", ".spec.controlPlaneEndpoint.host"),
        Column("Port", ".spec.controlPlaneEndpoint.port", "integer"),
        *ready_columns(),
    )

    api_version: Literal["local.moorage.dev/v1alpha1"] = "local.moorage.dev/v1alpha1"
    kind: Literal["LocalCluster"] = "LocalCluster"
    metadata: ObjectMeta
    spec: LocalClusterSpec = Field(
        default_factory=LocalClusterSpec, description="Where it is.", json_schema_extra={"default": {}}
    )
    status: LocalClusterStatus | None = Field(None, description="What is known about it.")


class LocalClusterTemplate(Resource):
    """What the LocalClusters of a ClusterClass are made from."""

    definition = _definition("localclustertemplates", status=False)

    api_version: Literal["local.moorage.dev/v1alpha1"] = "local.moorage.dev/v1alpha1"
    kind: Literal["LocalClusterTemplate"] = "LocalClusterTemplate"
    metadata: ObjectMeta
    spec: Template[LocalClusterShape] = Field(description="What is made from it.")


# --- The control plane of a cluster ----------------------------------------------------------------------


class LocalControlPlaneShape(ApiModel):
    """What all control planes of a class have in common."""

    machine_type: MachineTypeName | None = Field(
        None, description="The machine type that was declared. Its processes share this machine all the same."
    )


class LocalControlPlaneSpec(LocalControlPlaneShape):
    """What a control plane shall be."""

    version: str = Field(
        min_length=1, max_length=256, description="The Kubernetes version that it serves, as v1.36.0."
    )
    replicas: Literal[1, 3, 5] | None = Field(
        None,
        description="How many instances are declared. One machine has nothing to spread them over: "
        "one process of each component stands for all.",
    )


class ControlPlaneInitialization(ApiModel):
    """How far the first provisioning is."""

    control_plane_initialized: bool | None = Field(
        None, description="Whether the API server has once accepted requests."
    )


class StatusVersion(ApiModel):
    """A version that a control plane runs, and how much of it."""

    version: str = Field(min_length=1, max_length=256, description="The Kubernetes version, as v1.36.0.")
    replicas: int | None = Field(None, ge=1, description="How many instances run it.")


class LocalControlPlaneStatus(LocalStatus):
    """What is known about a control plane."""

    initialization: ControlPlaneInitialization | None = Field(
        None, description="How far the first provisioning is."
    )
    external_managed_control_plane: bool | None = Field(
        None, description="True: the control plane has no nodes in the cluster."
    )
    version: str | None = Field(
        None, min_length=1, max_length=256, description="The version that it serves, as v1.36.0."
    )
    versions: Annotated[list[StatusVersion], ListMap(("version",))] | None = Field(
        None, min_length=1, max_length=100, description="The versions that its instances run, oldest first."
    )
    selector: str | None = Field(None, max_length=1024, description="Which machines belong to it: none do.")
    replicas: int | None = Field(None, ge=0, description="How many instances there are.")
    ready_replicas: int | None = Field(None, ge=0, description="How many of them are ready.")
    available_replicas: int | None = Field(None, ge=0, description="How many of them are available.")
    up_to_date_replicas: int | None = Field(None, ge=0, description="How many of them are as declared.")


class LocalControlPlane(Resource):
    """A cluster's control plane as processes of this machine."""

    definition = _definition(
        "localcontrolplanes",
        Column("Version", ".status.version"),
        Column("Desired", ".spec.version"),
        *ready_columns("Available"),
        scale=True,
    )

    api_version: Literal["local.moorage.dev/v1alpha1"] = "local.moorage.dev/v1alpha1"
    kind: Literal["LocalControlPlane"] = "LocalControlPlane"
    metadata: ObjectMeta
    spec: LocalControlPlaneSpec = Field(description="What it shall be.")
    status: LocalControlPlaneStatus | None = Field(None, description="What is known about it.")


class LocalControlPlaneTemplate(Resource):
    """What the LocalControlPlanes of a ClusterClass are made from."""

    definition = _definition("localcontrolplanetemplates", status=False)

    api_version: Literal["local.moorage.dev/v1alpha1"] = "local.moorage.dev/v1alpha1"
    kind: Literal["LocalControlPlaneTemplate"] = "LocalControlPlaneTemplate"
    metadata: ObjectMeta
    spec: Template[LocalControlPlaneShape] = Field(description="What is made from it.")


# --- The machines of a cluster ---------------------------------------------------------------------------


class LocalMachineShape(ApiModel):
    """What all machines of a pool have in common."""

    machine_type: MachineTypeName | None = Field(None, description="The machine type, by its name.")
    cpu: MachineCpu = Field(description="How many CPUs the node shows.")
    memory: MachineMemory = Field(description="How much memory the node shows.")
    zone: Zone | None = Field(
        None, description="The zone that the machine is in, where its Machine names no failure domain."
    )


class LocalMachineSpec(LocalMachineShape):
    """What a machine shall be."""

    provider_id: str | None = Field(
        None,
        alias="providerID",
        min_length=1,
        max_length=512,
        description="The node's provider ID, which the provider sets.",
    )


class MachineAddress(ApiModel):
    """An address of a machine."""

    type: Literal["Hostname", "ExternalIP", "InternalIP", "ExternalDNS", "InternalDNS"] = Field(
        description="What kind of address."
    )
    address: str = Field(min_length=1, max_length=256, description="The address.")


class LocalMachineStatus(LocalStatus):
    """What is known about a machine."""

    initialization: Provisioned | None = Field(None, description="How far the first provisioning is.")
    failure_domain: str | None = Field(
        None, min_length=1, max_length=256, description="The zone that it is in."
    )
    addresses: list[MachineAddress] | None = Field(None, max_length=16, description="Its addresses.")


class LocalMachine(Resource):
    """A machine of a cluster: a node that is simulated in the cluster's real API server."""

    definition = _definition(
        "localmachines",
        Column("Type", ".spec.machineType"),
        Column("Zone", ".status.failureDomain"),
        Column("Fault", r".metadata.annotations.local\.moorage\.dev/fault"),
        *ready_columns(),
        Column("Provider ID", ".spec.providerID", wide=True),
    )

    api_version: Literal["local.moorage.dev/v1alpha1"] = "local.moorage.dev/v1alpha1"
    kind: Literal["LocalMachine"] = "LocalMachine"
    metadata: ObjectMeta
    spec: LocalMachineSpec = Field(description="What it shall be.")
    status: LocalMachineStatus | None = Field(None, description="What is known about it.")


class NodeInfo(ApiModel):
    """What the nodes will run on."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    architecture: Literal["amd64", "arm64", "s390x", "ppc64le"] | None = Field(
        None, description="The architecture of their processors."
    )
    operating_system: str | None = Field(None, max_length=64, description="Their operating system: linux.")


class LocalMachineTemplateStatus(ApiModel):
    """What an autoscaler must know about nodes that are not there yet."""

    capacity: dict[str, Quantity] | None = Field(
        None, max_length=16, description="The capacity of a node that is made from the template."
    )
    node_info: NodeInfo | None = Field(None, description="What such a node runs on.")


class LocalMachineTemplate(Resource):
    """What the LocalMachines of a pool are made from."""

    definition = _definition(
        "localmachinetemplates",
        Column("Type", ".spec.template.spec.machineType"),
        Column("CPU", ".spec.template.spec.cpu"),
        Column("Memory", ".spec.template.spec.memory"),
    )

    api_version: Literal["local.moorage.dev/v1alpha1"] = "local.moorage.dev/v1alpha1"
    kind: Literal["LocalMachineTemplate"] = "LocalMachineTemplate"
    metadata: ObjectMeta
    spec: Template[LocalMachineShape] = Field(description="What is made from it.")
    status: LocalMachineTemplateStatus | None = Field(
        None, description="What an autoscaler must know about nodes that are not there yet."
    )


# --- How a machine joins ---------------------------------------------------------------------------------


class LocalBootstrapConfigSpec(ApiModel):
    """How a machine joins: everything follows from the cluster, so there is nothing to declare."""


class BootstrapInitialization(ApiModel):
    """How far the first provisioning is."""

    data_secret_created: bool | None = Field(None, description="Whether the Secret is there.")


class LocalBootstrapConfigStatus(LocalStatus):
    """What is known about how a machine joins."""

    initialization: BootstrapInitialization | None = Field(
        None, description="How far the first provisioning is."
    )
    data_secret_name: str | None = Field(
        None, min_length=1, max_length=253, description="The Secret that says how the machine joins."
    )


class LocalBootstrapConfig(Resource):
    """How a machine joins its cluster."""

    definition = _definition(
        "localbootstrapconfigs", Column("Secret", ".status.dataSecretName"), *ready_columns()
    )

    api_version: Literal["local.moorage.dev/v1alpha1"] = "local.moorage.dev/v1alpha1"
    kind: Literal["LocalBootstrapConfig"] = "LocalBootstrapConfig"
    metadata: ObjectMeta
    spec: LocalBootstrapConfigSpec = Field(
        default_factory=LocalBootstrapConfigSpec,
        description="Nothing is to be declared.",
        json_schema_extra={"default": {}},
    )
    status: LocalBootstrapConfigStatus | None = Field(None, description="What is known about it.")


class LocalBootstrapConfigTemplate(Resource):
    """What the LocalBootstrapConfigs of a pool are made from."""

    definition = _definition("localbootstrapconfigtemplates", status=False)

    api_version: Literal["local.moorage.dev/v1alpha1"] = "local.moorage.dev/v1alpha1"
    kind: Literal["LocalBootstrapConfigTemplate"] = "LocalBootstrapConfigTemplate"
    metadata: ObjectMeta
    spec: Template[LocalBootstrapConfigSpec] = Field(description="What is made from it.")
