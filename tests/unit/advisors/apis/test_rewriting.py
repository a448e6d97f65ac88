"""An object becomes one of the version that stays: only where its fields are the same in both."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moorage.advisors.apis.applied import LAST_APPLIED
from moorage.advisors.apis.crds import apis_of
from moorage.advisors.apis.live import _best, _look
from moorage.advisors.apis.model import How
from moorage.advisors.apis.objects import wanted
from moorage.advisors.apis.rewriting import compare_by, rewrite
from moorage.advisors.apis.table import Name, read_changes, table
from moorage.advisors.sources.wanted import applied as in_the_source
from moorage.kube.kinds import Kind

CHANGES = read_changes()
SIZE = {
    "type": "object",
    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
}


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


SIZE = schema(size={"type": "integer"})


def crd(old: dict[str, Any], new: dict[str, Any], **spec: Any) -> dict[str, Any]:
    def version(name: str, told: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"name": name, "served": True, "schema": {"openAPIV3Schema": told}, **more}

    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [
                version("v1", new, storage=True),
                version("v1beta1", old, storage=False, deprecated=True),
            ],
            **spec,
        },
    }


def widget(fields: dict[str, Any], *, version: str = "v1beta1", **metadata: Any) -> dict[str, Any]:
    """As it is read in v1, written in another version by the deployer."""
    entry = {
        "manager": "deployer",
        "operation": "Update",
        "apiVersion": f"example.com/{version}",
        "time": "2026-10-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": fields},
    }
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "one", "namespace": "shop", "managedFields": [entry], **metadata},
        "spec": {"size": 1},
    }


def converted(content: dict[str, Any], of: dict[str, Any]) -> Any:
    known = table().extended(apis_of([of]))
    api = known.by_name("example.com/v1beta1", "Widget")
    assert api is not None
    return rewrite(content, [api], compare_by(CHANGES, [of]))


def test_only_the_version_that_is_told_of_the_writers_changes() -> None:
    same = schema(size={"type": "integer", "description": "how large"})
    told = converted(widget({"f:size": {}}), crd(same, schema(size={"type": "integer"})))
    entry = {"manager": "deployer", "operation": "Update"}
    head = {"apiVersion": "example.com/v1", "kind": "Widget"}
    place = {"name": "one", "namespace": "shop"}
    assert told.was == {
        **head,
        "metadata": {**place, "managedFields": [{"apiVersion": "example.com/v1beta1", **entry}]},
    }
    assert told.content == {
        **head,
        "metadata": {**place, "managedFields": [{"apiVersion": "example.com/v1", **entry}]},
    }


def test_what_kubectl_has_noted_is_in_the_new_version_too() -> None:
    noted = {"apiVersion": "example.com/v1beta1", "kind": "Widget", "spec": {"size": 1}}
    content = widget({"f:size": {}}, annotations={LAST_APPLIED: json.dumps(noted), "other": "stays"})
    told = converted(content, crd(SIZE, SIZE))
    assert json.loads(told.content["metadata"]["annotations"][LAST_APPLIED]) == {
        **noted,
        "apiVersion": "example.com/v1",
    }
    assert list(told.content["metadata"]["annotations"]) == [LAST_APPLIED]
    assert told.was["metadata"]["annotations"] == {LAST_APPLIED: json.dumps(noted)}


NUMBER, TEXT = {"type": "integer"}, {"type": "string"}
INNER = {"type": "object", "properties": {"a": TEXT}}


@pytest.mark.parametrize(
    ("old", "new", "fields", "lost"),
    [
        (schema(size=NUMBER), schema(size=TEXT), {"f:size": {}}, "spec.size"),
        (schema(size=NUMBER), schema(), {"f:size": {}}, "spec.size"),
        (schema(size=NUMBER), schema(), {"f:other": {}}, ""),
        (schema(size=NUMBER), schema(size=NUMBER, new=TEXT), {"f:size": {}}, ""),
        # A list that is one writer's as a whole: what is in it may be what is gone.
        (
            schema(items={"type": "array", "items": INNER}),
            schema(items={"type": "array", "items": {"type": "object"}}),
            {"f:items": {}},
            "spec.items",
        ),
        (
            schema(items={"type": "array", "items": INNER}),
            schema(items={"type": "array", "items": {"type": "object"}}),
            {"f:items": {'k:{"name":"x"}': {".": {}, "f:a": {}}}},
            "spec.items[].a",
        ),
        (
            schema(tags={"type": "object", "additionalProperties": NUMBER}),
            schema(tags={"type": "object", "additionalProperties": TEXT}),
            {"f:tags": {".": {}, "f:app.kubernetes.io/name": {}}},
            "spec.tags.app.kubernetes.io/name",
        ),
        # That there is a map says nothing of what is in it.
        (schema(inner=INNER), schema(inner={"type": "object"}), {"f:inner": {".": {}}}, ""),
        (
            schema(inner=INNER),
            schema(inner={"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
            {"f:inner": {"f:a": {}}},
            "",
        ),
        (
            schema(inner={"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
            schema(inner=INNER),
            {"f:inner": {"f:b": {}}},
            "spec.inner.b",
        ),
    ],
)
def test_fields_that_are_others_are_named_and_left_to_a_person(
    old: dict[str, Any], new: dict[str, Any], fields: dict[str, Any], lost: str
) -> None:
    told = converted(widget(fields), crd(old, new))
    assert (told.content is None) is bool(lost)
    if lost:
        assert lost in told.ground


def test_what_a_webhook_converts_only_the_webhook_knows() -> None:
    told = converted(widget({"f:size": {}}), crd(SIZE, SIZE, conversion={"strategy": "Webhook"}))
    assert told.content is None
    assert "webhook" in told.ground


@pytest.mark.parametrize(
    ("kind", "old", "fields", "mechanical"),
    [
        ("ServiceCIDR", "networking.k8s.io/v1beta1", {"f:spec": {"f:cidrs": {}}}, True),
        ("DeviceClass", "resource.k8s.io/v1beta1", {"f:spec": {"f:selectors": {}}}, True),
        ("ResourceClaim", "resource.k8s.io/v1beta1", {"f:spec": {"f:devices": {"f:requests": {}}}}, False),
        ("ResourceClaim", "resource.k8s.io/v1beta1", {"f:metadata": {"f:labels": {"f:a": {}}}}, True),
    ],
)
def test_of_kubernetes_own_it_is_known_which_fields_are_the_same(
    kind: str, old: str, fields: dict[str, Any], mechanical: bool
) -> None:
    api = table().by_name(old, kind)
    assert api is not None
    assert api.replacement is not None
    entry = {"manager": "m", "operation": "Apply", "apiVersion": old, "fieldsV1": fields}
    live = {
        "apiVersion": api.replacement.api_version,
        "kind": kind,
        "metadata": {"name": "x", "managedFields": [entry]},
    }
    assert (rewrite(live, [api], compare_by(CHANGES, [])).content is not None) is mechanical


def test_all_that_goes_in_an_object_is_one_change() -> None:
    old = crd(SIZE, SIZE)
    old["spec"]["versions"].append({**old["spec"]["versions"][1], "name": "v1alpha1"})
    content = widget({"f:size": {}})
    content["metadata"]["managedFields"].append(
        {**widget({"f:size": {}}, version="v1alpha1")["metadata"]["managedFields"][0], "manager": "older"}
    )
    known = table().extended(apis_of([old]))
    sightings, rewrites = _look([content], known, compare_by(CHANGES, [old]))
    assert {(each.how, each.who) for each in sightings} == {(How.APPLIED, "deployer"), (How.APPLIED, "older")}
    [conversion] = {id(each): each for each in rewrites.values()}.values()
    assert conversion.content is not None
    versions = {each["apiVersion"] for each in conversion.content["metadata"]["managedFields"]}
    assert versions == {"example.com/v1"}


def test_nothing_is_asked_for_in_a_version_that_goes() -> None:
    known = table().extended(apis_of([crd(SIZE, SIZE)]))
    old, new = (Kind("example.com", version, "Widget", "widgets") for version in ("v1beta1", "v1"))
    assert _best([old, new], known) == new
    assert _best([Kind("example.com", "v2", "Widget", "widgets"), old, new], known) == new
    assert _best([old], known) == old


def test_a_version_to_use_is_one_that_stays_whatever_is_stored() -> None:
    stored_in_the_old = crd(SIZE, SIZE)
    new, old = stored_in_the_old["spec"]["versions"]
    new["storage"], old["storage"] = False, True
    [api] = apis_of([stored_in_the_old])
    assert api.replacement == Name("example.com/v1", "Widget")
    new["served"] = False
    assert [each.replacement for each in apis_of([stored_in_the_old])] == [None, None]


def test_resources_that_went_before_the_cluster_was_made_are_not_looked_through() -> None:
    served = {"cronjobs.batch", "resourceclaims.resource.k8s.io", "deployments.apps", "pods"}
    assert wanted(served, table()) == ["cronjobs.batch", "deployments.apps", "resourceclaims.resource.k8s.io"]
    assert wanted(served, table(), since=(1, 34)) == ["resourceclaims.resource.k8s.io"]


def test_in_a_source_only_the_version_is_another() -> None:
    noted = {"apiVersion": "example.com/v1beta1", "kind": "Widget", "spec": {"size": 1}}
    content = widget({"f:size": {}}, annotations={LAST_APPLIED: json.dumps(noted)})
    change = converted(content, crd(SIZE, SIZE)).content
    source = {**noted, "metadata": {"name": "one", "annotations": {"a": "b"}}}
    assert in_the_source(source, change) == {**source, "apiVersion": "example.com/v1"}
