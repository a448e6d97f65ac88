"""From pydantic models to structural schemas, with what CRDs can say and JSON schema cannot.

Annotations declare CEL rules, list types and values that may be numbers or strings; `structural` makes a
schema that an API server takes as it is: references are resolved, and ``X | None`` is an optional field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

Schema = dict[str, Any]

VALIDATIONS: Final = "x-kubernetes-validations"
LIST_TYPE: Final = "x-kubernetes-list-type"
LIST_MAP_KEYS: Final = "x-kubernetes-list-map-keys"
INT_OR_STRING: Final = "x-kubernetes-int-or-string"


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule, to annotate a type with or (through `rules`) for a whole model.

    Args:
        rule: true for what is allowed; ``oldSelf`` makes it a rule for changes.
        message: one clear sentence for whoever breaks it; the answer names the field and its value already.
        computed: the message is a CEL expression, where more must be said than the field and its value.
        forbidden: what is wrong is that there is a change, not what it is changed to.
        field: the field that is meant, relative to where the rule stands (``.metadata.name``).
    """

    rule: str
    message: str
    computed: bool = False
    forbidden: bool = False
    field: str | None = None

    def declaration(self) -> Schema:
        """Return the rule as a CRD has it."""
        return {
            "rule": self.rule,
            "messageExpression" if self.computed else "message": self.message,
            **({"reason": "FieldValueForbidden"} if self.forbidden else {}),
            **({"fieldPath": self.field} if self.field else {}),
        }

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        return {**schema, VALIDATIONS: [*schema.get(VALIDATIONS, ()), self.declaration()]}


def rules(*declared: Rule) -> Schema:
    """Return ``json_schema_extra`` for a model that has rules as a whole."""
    return {VALIDATIONS: [rule.declaration() for rule in declared]}


@dataclass(frozen=True, slots=True)
class ListMap:
    """A list whose items are told apart by their keys, so that several owners can each hold some."""

    keys: tuple[str, ...]

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(core_schema), LIST_TYPE: "map", LIST_MAP_KEYS: list(self.keys)}


@dataclass(frozen=True, slots=True)
class ListSet:
    """A list in which nothing is there twice."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(core_schema), LIST_TYPE: "set"}


@dataclass(frozen=True, slots=True)
class ListWhole:
    """A list that one owner writes as a whole, in an order that matters."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(core_schema), LIST_TYPE: "atomic"}


@dataclass(frozen=True, slots=True)
class IntOrString:
    """A value that may be written as a number or as a string."""

    max_length: int

    def __get_pydantic_json_schema__(
        self, _core_schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {INT_OR_STRING: True, "maxLength": self.max_length}


def structural(schema: Schema) -> Schema:
    """Return a schema as a CRD can carry it: no references, no unions with null, no titles."""
    return _structural(schema, schema.get("$defs", {}))


def _structural(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    schema = _resolved(schema, definitions)
    result: Schema = {}
    for word, value in schema.items():
        match word, value:
            case (("title" | "propertyNames" | "$defs"), _):
                pass
            case "default", None:
                pass
            case (("required" | "properties"), _) if not value:
                pass
            case "properties", _:
                result[word] = {name: _structural(field, definitions) for name, field in value.items()}
            case (("items" | "additionalProperties"), dict()):
                result[word] = _structural(value, definitions)
            case "const", _:
                result["enum"] = [value]
            case _:
                result[word] = value
    return result


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Put a reference's target and an optional field's type in their place; what is said beside them wins."""
    while True:
        if "$ref" in schema:
            target = definitions[schema["$ref"].removeprefix("#/$defs/")]
            schema = _merged(target, {key: value for key, value in schema.items() if key != "$ref"})
        elif "anyOf" in schema:
            types = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
            if len(types) != 1:
                msg = f"a union cannot be structural: {schema['anyOf']}"
                raise TypeError(msg)
            schema = _merged(types[0], {key: value for key, value in schema.items() if key != "anyOf"})
        else:
            return schema


def _merged(target: Schema, beside: Schema) -> Schema:
    merged = {**target, **beside}
    if declared := [*target.get(VALIDATIONS, ()), *beside.get(VALIDATIONS, ())]:
        merged[VALIDATIONS] = declared
    return merged
