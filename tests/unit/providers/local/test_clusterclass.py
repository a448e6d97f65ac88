"""The ClusterClass fits the templates it names, the CRDs, and what Clusters are made with."""

from __future__ import annotations

import re

from moorage.api.local import (
    LocalBootstrapConfigTemplate,
    LocalClusterTemplate,
    LocalControlPlaneTemplate,
    LocalMachineTemplate,
)
from moorage.api.meta import SYSTEM_NAMESPACE, WORKER_CLASS
from moorage.clusters.cluster import topology
from moorage.kube.kinds import CLUSTER_CLASS
from moorage.providers.local.clusterclass import cluster_class
from moorage.providers.local.controlplane.plan import OFFERED

MODELS = {
    model.model_fields["kind"].default: model
    for model in (
        LocalClusterTemplate,
        LocalControlPlaneTemplate,
        LocalMachineTemplate,
        LocalBootstrapConfigTemplate,
    )
}
OBJECTS = {kind.kind: (kind, obj) for kind, obj in cluster_class()}
CLASS = OBJECTS["ClusterClass"][1]["spec"]


def test_templates_are_valid_and_come_before_the_class_that_names_them():
    *templates, (last, _) = cluster_class()
    assert last is CLUSTER_CLASS
    for kind, obj in templates:
        MODELS[kind.kind].parse({"apiVersion": kind.api_version, "kind": kind.kind, **obj})
        assert obj["metadata"]["namespace"] == SYSTEM_NAMESPACE


def test_every_reference_of_the_class_leads_to_a_template():
    references = re.findall(r"'kind': '(\w+)', 'name': '(\w+)'", str(CLASS))
    assert len(references) == 4
    for kind, name in references:
        assert OBJECTS[kind][1]["metadata"]["name"] == name


def test_every_patched_field_is_one_of_the_kind():
    for patch in CLASS["patches"]:
        for definition in patch["definitions"]:
            model = MODELS[definition["selector"]["kind"]]
            schema = model.openapi_schema()["properties"]["spec"]["properties"]["template"]
            for change in definition["jsonPatches"]:
                *_, field = change["path"].split("/")
                assert change["path"] == f"/spec/template/spec/{field}"
                assert field in schema["properties"]["spec"]["properties"]


def test_every_patched_value_is_a_variable_of_the_class():
    variables = {item["name"]: item["schema"]["openAPIV3Schema"] for item in CLASS["variables"]}
    for patch in CLASS["patches"]:
        for definition in patch["definitions"]:
            for change in definition["jsonPatches"]:
                name, _, field = change["valueFrom"]["variable"].partition(".")
                assert field in variables[name]["properties"]


def test_clusters_are_made_with_the_variables_and_the_worker_class_that_there_are():
    assert {item["name"] for item in CLASS["variables"]} == {
        topology.MACHINE_TYPE_VARIABLE,
        topology.CONTROL_PLANE_MACHINE_TYPE_VARIABLE,
        topology.CNI_VARIABLE,
    }
    assert [item["class"] for item in CLASS["workers"]["machineDeployments"]] == [WORKER_CLASS]


def test_the_class_offers_the_versions_oldest_first():
    assert CLASS["kubernetesVersions"] == sorted(OFFERED) == list(OFFERED)
