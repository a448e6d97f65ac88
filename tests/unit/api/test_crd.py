"""The CRDs are structural, bounded, and described to the last field."""

from collections.abc import Iterator
from typing import Any

import pytest

from moorage.api.crd import KINDS, LOCAL_KINDS, custom_resource_definition
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
from moorage.api.schema import structural

Schema = dict[str, Any]

# What the API server takes in a structural schema, of what we use.
ALLOWED = {
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "properties",
    "required",
    "type",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
}


def walk(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from walk(field, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from walk(schema[word], f"{path}[]")


def schema_of(kind: type) -> Schema:
    return custom_resource_definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@every_kind
def test_a_schema_is_structural(kind):
    for path, schema in walk(schema_of(kind)):
        assert set(schema) <= ALLOWED, path
        assert ("type" in schema) != schema.get("x-kubernetes-int-or-string", False), path
        assert not ("properties" in schema and "additionalProperties" in schema), path
        assert set(schema.get("required", ())) <= set(schema.get("properties", ())), path


@every_kind
def test_every_field_is_described(kind):
    for path, schema in walk(schema_of(kind)):
        if not path.endswith("[]") and not path.startswith(".metadata"):
            assert schema.get("description", "").endswith("."), path


@every_kind
def test_whatever_can_grow_has_a_bound(kind):
    for path, schema in walk(schema_of(kind)):
        if path.startswith((".status", ".metadata")):
            continue
        if schema.get("type") == "array":
            assert "maxItems" in schema, path
            assert "x-kubernetes-list-type" in schema, path
        if schema.get("type") == "string" and "enum" not in schema and not path.endswith("[]"):
            assert "maxLength" in schema, path
        if "additionalProperties" in schema:
            assert "maxProperties" in schema, path


@every_kind
def test_a_list_map_s_keys_are_always_there(kind):
    for path, schema in walk(schema_of(kind)):
        for key in schema.get("x-kubernetes-list-map-keys", ()):
            item = schema["items"]
            assert key in item["required"] or "default" in item["properties"][key], path


@every_kind
def test_a_rule_says_in_a_sentence_what_is_wrong(kind):
    for path, schema in walk(schema_of(kind)):
        for rule in schema.get("x-kubernetes-validations", ()):
            message = rule.get("message") or rule["messageExpression"]
            assert len(message.split()) >= 4, path
            assert "\n" not in message, path


@every_kind
def test_what_a_printer_column_shows_is_in_the_schema(kind):
    version = custom_resource_definition(kind)["spec"]["versions"][0]
    for column in version["additionalPrinterColumns"]:
        path = column["jsonPath"]
        if path.startswith(".metadata"):
            continue
        schema = version["schema"]["openAPIV3Schema"]
        for step in path.partition("[?")[0].strip(".").split("."):
            schema = schema["properties"][step]


@pytest.mark.parametrize("kind", LOCAL_KINDS, ids=lambda kind: kind.__name__)
def test_cluster_api_finds_the_contract_that_a_provider_s_kinds_fulfil(kind):
    definition = custom_resource_definition(kind)
    assert definition["metadata"]["labels"] == {"cluster.x-k8s.io/v1beta2": "v1alpha1"}
    assert definition["metadata"]["name"] == f"{kind.__name__.lower()}s.local.moorage.dev"
    assert definition["spec"]["scope"] == "Namespaced"


# The fields by which Cluster API and a provider talk, by its contracts of version v1beta2.
CONTRACT = {
    LocalCluster: {
        "spec.controlPlaneEndpoint.host": "string",
        "spec.controlPlaneEndpoint.port": "integer",
        "status.failureDomains[].name": "string",
        "status.failureDomains[].controlPlane": "boolean",
        "status.failureDomains[].attributes": "object",
        "status.initialization.provisioned": "boolean",
        "status.conditions[].type": "string",
    },
    LocalClusterTemplate: {
        "spec.template.metadata.labels": "object",
        "spec.template.metadata.annotations": "object",
        "spec.template.spec": "object",
    },
    LocalControlPlane: {
        "spec.version": "string",
        "spec.replicas": "integer",
        "status.initialization.controlPlaneInitialized": "boolean",
        "status.externalManagedControlPlane": "boolean",
        "status.version": "string",
        "status.versions[].version": "string",
        "status.versions[].replicas": "integer",
        "status.selector": "string",
        "status.replicas": "integer",
        "status.readyReplicas": "integer",
        "status.availableReplicas": "integer",
        "status.upToDateReplicas": "integer",
        "status.conditions[].status": "string",
    },
    LocalControlPlaneTemplate: {
        "spec.template.metadata.labels": "object",
        "spec.template.spec": "object",
    },
    LocalMachine: {
        "spec.providerID": "string",
        "status.initialization.provisioned": "boolean",
        "status.failureDomain": "string",
        "status.addresses[].type": "string",
        "status.addresses[].address": "string",
        "status.conditions[].reason": "string",
    },
    LocalMachineTemplate: {
        "spec.template.metadata.labels": "object",
        "spec.template.spec": "object",
        "status.capacity": "object",
        "status.nodeInfo.architecture": "string",
        "status.nodeInfo.operatingSystem": "string",
    },
    LocalBootstrapConfig: {
        "status.initialization.dataSecretCreated": "boolean",
        "status.dataSecretName": "string",
        "status.conditions[].message": "string",
    },
    LocalBootstrapConfigTemplate: {
        "spec.template.metadata.labels": "object",
        "spec.template.spec": "object",
    },
}


@pytest.mark.parametrize("kind", LOCAL_KINDS, ids=lambda kind: kind.__name__)
def test_a_provider_s_kind_has_the_fields_of_its_contract(kind):
    types = {path.lstrip("."): schema.get("type") for path, schema in walk(schema_of(kind))}
    for path, type_ in CONTRACT[kind].items():
        assert types.get(path) == type_, path


def test_a_control_plane_has_the_scale_subresource_of_its_contract():
    assert custom_resource_definition(LocalControlPlane)["spec"]["versions"][0]["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }


def test_what_is_said_beside_a_reference_wins_and_rules_add_up():
    rule = {"rule": "true", "message": "m"}
    schema = {
        "$defs": {"A": {"type": "string", "description": "of A", "x-kubernetes-validations": [rule]}},
        "type": "object",
        "properties": {
            "a": {
                "anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}],
                "default": None,
                "description": "of the field",
                "x-kubernetes-validations": [rule],
            }
        },
    }
    assert structural(schema) == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": "of the field", "x-kubernetes-validations": [rule, rule]}
        },
    }


def test_a_union_that_cannot_be_structural_is_refused():
    with pytest.raises(TypeError, match="cannot be structural"):
        structural({"anyOf": [{"type": "string"}, {"type": "integer"}]})
