"""What every kind's model is made of: the base of all parts, metadata, and the types of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from moorage.api.meta import CATEGORY, GROUP, VERSION
from moorage.api.quantities import InvalidQuantityError, parse_quantity
from moorage.api.schema import IntOrString, Rule, Schema, structural
from moorage.errors import MoorageError

QUANTITY_LENGTH_MAX: Final = 24
_PARTS: Final = ("spec", "status")

PERCENT: Final = "^(100|[1-9]?[0-9])%$"


class InvalidObjectError(MoorageError):
    """An object that does not follow its schema."""


class ApiModel(BaseModel):
    """A part of an API object: immutable, snake case in Python and camel case on the wire.

    Fields that are not known are left aside, so that an older Moorage can read what a newer one wrote.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    def wire(self) -> dict[str, Any]:
        """Return what was set, as the API has it; nothing that is only a default."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``kubectl get``; a wide one shows with ``-o wide``."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")


def ready_columns(condition: str = "Ready") -> tuple[Column, ...]:
    """Return the columns that show a condition, with its reason and message when wide."""
    path = f".status.conditions[?(@.type=='{condition}')]"
    return (
        Column(condition, f"{path}.status"),
        Column("Reason", f"{path}.reason", wide=True),
        Column("Message", f"{path}.message", wide=True),
    )


@dataclass(frozen=True, slots=True)
class Definition:
    """How a kind is served: the part of its CRD that is not the schema."""

    plural: str
    group: str = GROUP
    version: str = VERSION
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = (CATEGORY,)
    columns: tuple[Column, ...] = ()
    status: bool = True
    scale: bool = False
    labels: Mapping[str, str] | None = None


class OwnerReference(ApiModel):
    """An object that this one belongs to."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def rfc3339(moment: datetime) -> str:
    """Write a time as the API server does: UTC, to the second."""
    return _second(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


Timestamp = Annotated[
    datetime, AfterValidator(_second), PlainSerializer(rfc3339, return_type=str, when_used="json")
]
"""A time as the API has it: UTC, to the second."""


class ObjectMeta(ApiModel):
    """What every object carries."""

    name: str
    namespace: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: list[str] = Field(default_factory=list)
    owner_references: list[OwnerReference] = Field(default_factory=list)
    uid: str | None = None
    generation: int | None = None
    resource_version: str | None = None
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None


class TemplateMeta(ApiModel):
    """Labels and annotations that the objects made from a template get."""

    labels: dict[str, str] | None = Field(
        None, max_length=64, description="Labels that what is made from the template gets."
    )
    annotations: dict[str, str] | None = Field(
        None, max_length=64, description="Annotations that what is made from the template gets."
    )


class Resource(ApiModel):
    """A kind of object. A subclass has an `api_version`, a `kind`, and its parts."""

    definition: ClassVar[Definition]

    api_version: str
    kind: str
    metadata: ObjectMeta

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> Self:
        """Read an object as it came from an API server or a file.

        Raises:
            InvalidObjectError: it does not follow the schema.
        """
        try:
            return cls.model_validate(obj)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            name = (obj.get("metadata") or {}).get("name", "?")
            raise InvalidObjectError(
                f"{cls.__name__} {name}: {where}: {first['msg'].removeprefix('Value error, ')}",
                hint=f"`kubectl explain {cls.definition.plural}` describes its fields",
            ) from error

    def wire(self) -> dict[str, Any]:
        """Return what was set, as the API has it; nothing that is only a default."""
        return {"apiVersion": self.api_version, "kind": self.kind, **super().wire()}

    @classmethod
    def openapi_schema(cls) -> Schema:
        """Return the structural schema of the kind.

        The API server knows metadata by itself; only the name is there, for rules to point at.
        """
        schema = structural(cls.model_json_schema(by_alias=True))
        named = {"type": "object", "properties": {"name": {"type": "string"}}}
        own = {name: part for name, part in schema["properties"].items() if name in _PARTS}
        required = [name for name in schema.pop("required", ()) if name in own]
        return {
            **schema,
            "properties": {"metadata": named, **own},
            **({"required": required} if required else {}),
        }


def _quantity_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _checked_quantity(text: str) -> str:
    try:
        parse_quantity(text)
    except InvalidQuantityError as error:
        raise ValueError(error.message) from error
    return text


Quantity = Annotated[
    str,
    BeforeValidator(_quantity_text),
    AfterValidator(_checked_quantity),
    IntOrString(QUANTITY_LENGTH_MAX),
    Rule(
        "isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('0')) >= 0",
        "a quantity is a number that is not negative, with or without a unit: 2, 500m, 4Gi",
    ),
]
"""A Kubernetes quantity as it was written (``500m``, ``4Gi``, ``2``); `moorage.api.quantities` computes."""

IntOrPercent = Annotated[
    int | str,
    IntOrString(4),
    Rule(
        f"type(self) == int ? self >= 0 : string(self).matches('{PERCENT}')",
        "write a number of nodes (2), or a part of the pool (10%)",
    ),
]
"""A number of nodes, or a part of the pool's."""
