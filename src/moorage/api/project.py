"""Project: a tenant, with its members and what it may use."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from moorage.api.conditions import CONDITIONS_MAX, Conditions
from moorage.api.meta import PROJECT_NAME_MAX, project_namespace
from moorage.api.models import ApiModel, Column, Definition, ObjectMeta, Quantity, Resource, ready_columns
from moorage.api.names import MachineTypeName
from moorage.api.policies import ProjectPolicies
from moorage.api.schema import ListMap, Rule, rules
from moorage.api.settings import AdviceSettings, Cni, MaintenanceWindow, ProviderName, RequestedVersion

MEMBERS_MAX: Final = 256


class MemberRole(StrEnum):
    """What a member may do."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


class MemberKind(StrEnum):
    """Whom a member's name stands for."""

    USER = "User"
    GROUP = "Group"


class Member(ApiModel):
    """Who may do what in a project and in its clusters."""

    name: Annotated[
        str,
        Rule("!self.startsWith('system:')", "names that begin with system: are Kubernetes' own"),
        Rule("self.matches('^[^ ]( *[^ ])*$')", "a member's name neither begins nor ends with a space"),
    ] = Field(
        min_length=1,
        max_length=253,
        description="The user's or the group's name, as the API server knows it.",
    )
    role: MemberRole = Field(
        description="What they may do: viewers read; editors also manage clusters and work in them; "
        "owners also administer clusters and manage the project's members."
    )
    kind: MemberKind = Field(MemberKind.USER, description="Whether the name is a user's or a group's.")


class Quota(ApiModel):
    """How much a project may use at most. What is left out is not limited."""

    clusters: int | None = Field(None, ge=0, le=1_000_000, description="How many clusters.")
    nodes: int | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description="How many nodes, in all clusters together; pools count at their max.",
    )
    cpu: Quantity | None = Field(None, description="How many CPUs those nodes may have together.")
    memory: Quantity | None = Field(None, description="How much memory those nodes may have together.")


class Usage(ApiModel):
    """How much a project uses, counted as its quota counts."""

    clusters: int | None = Field(None, ge=0, description="How many clusters.")
    nodes: int | None = Field(None, ge=0, description="How many nodes; pools count at their max.")
    cpu: Quantity | None = Field(None, description="How many CPUs those nodes have together.")
    memory: Quantity | None = Field(None, description="How much memory those nodes have together.")


class ClusterDefaults(ApiModel):
    """What a new cluster of the project gets where its declaration says nothing."""

    version: RequestedVersion | None = Field(
        None, description="Kubernetes version: a minor (1.36) or a patch (1.36.0)."
    )
    provider: ProviderName | None = Field(None, description="Which provider makes it.")
    cni: Cni | None = Field(None, description="Its network plugin.")
    machine_type: MachineTypeName | None = Field(
        None, description="The machine type of node pools that name none."
    )
    maintenance_window: MaintenanceWindow | None = Field(
        None, description="When Moorage may do work that moves pods."
    )


class ProjectSpec(ApiModel):
    """Who belongs to a project, and what it may use."""

    display_name: str | None = Field(
        None, min_length=1, max_length=120, description="The project's name for people."
    )
    members: Annotated[list[Member], ListMap(("kind", "name"))] = Field(
        default_factory=list, max_length=MEMBERS_MAX, description="Who may do what."
    )
    quota: Quota | None = Field(
        None, description="How much the project may use at most. What is left out is not limited."
    )
    defaults: ClusterDefaults | None = Field(
        None, description="What a new cluster gets where its declaration says nothing."
    )
    policies: ProjectPolicies | None = Field(
        None, description="Which policies judge in the project's clusters, and who may grant exceptions."
    )
    advice: AdviceSettings | None = Field(
        None, description="How advice about the project's clusters is made, where they do not say it."
    )


class ProjectStatus(ApiModel):
    """What is known about a project."""

    observed_generation: int | None = Field(
        None, ge=0, description="The generation of the project that this status is about."
    )
    namespace: str | None = Field(
        None, max_length=63, description="The namespace in which the project's clusters are declared."
    )
    used: Usage | None = Field(None, description="How much of its quota the project uses.")
    conditions: Conditions = Field(
        default_factory=list,
        max_length=CONDITIONS_MAX,
        description="Observations of the project's state; Ready sums them up.",
    )


class Project(Resource):
    """A tenant: a namespace for its clusters, members, and a quota."""

    definition = Definition(
        plural="projects",
        namespaced=False,
        short_names=("proj",),
        columns=(
            Column("Display Name", ".spec.displayName"),
            Column("Clusters", ".status.used.clusters", "integer"),
            Column("Nodes", ".status.used.nodes", "integer"),
            *ready_columns(),
        ),
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                f"self.metadata.name.size() <= {PROJECT_NAME_MAX}",
                f"the name of a project has at most {PROJECT_NAME_MAX} characters, "
                "because its namespace is project-NAME",
                field=".metadata.name",
            ),
            Rule(
                "!self.metadata.name.contains('.')",
                "the name of a project has no dots",
                field=".metadata.name",
            ),
        )
    )

    api_version: Literal["moorage.dev/v1alpha1"] = "moorage.dev/v1alpha1"
    kind: Literal["Project"] = "Project"
    metadata: ObjectMeta
    spec: ProjectSpec = Field(
        default_factory=ProjectSpec,
        description="Who belongs to the project, and what it may use.",
        json_schema_extra={"default": {}},
    )
    status: ProjectStatus | None = Field(None, description="What is known about the project.")

    @property
    def namespace(self) -> str:
        """The namespace of the project's clusters."""
        return project_namespace(self.metadata.name)
