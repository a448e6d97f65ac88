"""MachineType: how large a machine is, and how each provider gets one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from moorage.api.meta import MACHINE_TYPE_NAME_MAX
from moorage.api.models import ApiModel, Column, Definition, ObjectMeta, Quantity, Resource
from moorage.api.schema import Rule, rules

_UNCHANGED = "!isQuantity(string(self)) || quantity(string(self)).compareTo(quantity(string(oldSelf))) == 0"

MachineCpu = Annotated[
    Quantity,
    Rule(
        "!isQuantity(string(self)) || (quantity(string(self)).compareTo(quantity('100m')) >= 0"
        " && quantity(string(self)).compareTo(quantity('1024')) <= 0)",
        "a machine has between 100m and 1024 CPUs",
    ),
]
MachineMemory = Annotated[
    Quantity,
    Rule(
        "!isQuantity(string(self)) || (quantity(string(self)).compareTo(quantity('128Mi')) >= 0"
        " && quantity(string(self)).compareTo(quantity('64Ti')) <= 0)",
        "a machine has between 128Mi and 64Ti of memory (4 is four bytes: write 4Gi)",
    ),
]


class LocalMapping(ApiModel):
    """How the local provider gets such a machine: it needs to know no more than the size."""


class OpenStackMapping(ApiModel):
    """How OpenStack gets such a machine."""

    flavor: str = Field(min_length=1, max_length=255, description="The name of the flavor.")


class ProviderMappings(ApiModel):
    """How each provider gets such a machine; one that is not named does not offer it."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    local: LocalMapping | None = Field(None, description="Offered by the local provider.")
    openstack: OpenStackMapping | None = Field(
        None, description="Offered by OpenStack, as the flavor that is named."
    )


class Price(ApiModel):
    """What something costs."""

    amount: Annotated[
        str,
        Rule(
            "self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,6})?$')",
            "an amount is a decimal number, such as 0.0425",
        ),
    ] = Field(min_length=1, max_length=16, description="How much, as a decimal number: 0.0425.")
    currency: Annotated[
        str, Rule("self.matches('^[A-Z]{3}$')", "a currency is three capital letters, such as EUR")
    ] = Field(max_length=3, description="In which currency, by its ISO 4217 code: EUR.")


class MachineTypeSpec(ApiModel):
    """The size of a machine, and how to get one."""

    cpu: Annotated[
        MachineCpu,
        Rule(
            _UNCHANGED,
            "a machine type's CPU cannot be changed: make another type and move the pools to it",
            forbidden=True,
        ),
    ] = Field(description="How many CPUs such a machine has, as a quantity: 2, 500m.")
    memory: Annotated[
        MachineMemory,
        Rule(
            _UNCHANGED,
            "a machine type's memory cannot be changed: make another type and move the pools to it",
            forbidden=True,
        ),
    ] = Field(description="How much memory such a machine has, as a quantity: 4Gi.")
    providers: ProviderMappings = Field(
        description="How each provider gets such a machine; one that is not named does not offer it."
    )
    price_per_hour: Price | None = Field(
        None, description="What such a machine costs for an hour, where that is known."
    )

    def offered_by(self, provider: str) -> bool:
        """Say whether a provider has such machines."""
        return getattr(self.providers, provider, None) is not None


class MachineType(Resource):
    """A size of machine that node pools are made of, offered by the platform team to every project."""

    definition = Definition(
        plural="machinetypes",
        namespaced=False,
        short_names=("mt",),
        status=False,
        columns=(
            Column("CPU", ".spec.cpu"),
            Column("Memory", ".spec.memory"),
            Column("Price", ".spec.pricePerHour.amount"),
            Column("Currency", ".spec.pricePerHour.currency"),
            Column("Flavor", ".spec.providers.openstack.flavor", wide=True),
        ),
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                f"self.metadata.name.size() <= {MACHINE_TYPE_NAME_MAX}",
                f"the name of a machine type has at most {MACHINE_TYPE_NAME_MAX} characters, "
                "because nodes carry it as a label",
                field=".metadata.name",
            )
        )
    )

    api_version: Literal["moorage.dev/v1alpha1"] = "moorage.dev/v1alpha1"
    kind: Literal["MachineType"] = "MachineType"
    metadata: ObjectMeta
    spec: MachineTypeSpec = Field(description="How large such a machine is, and how each provider gets one.")
