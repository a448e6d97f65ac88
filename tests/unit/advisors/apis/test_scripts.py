"""The scripts that make the table: how they read Kubernetes' own data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[4] / "scripts"

LIFECYCLE = """\
func (in *CronJob) APILifecycleIntroduced() (major, minor int) {
\treturn 1, 8
}
func (in *CronJob) APILifecycleDeprecated() (major, minor int) {
\treturn 1, 21
}
func (in *CronJob) APILifecycleReplacement() schema.GroupVersionKind {
\treturn schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "CronJob"}
}
func (in *CronJob) APILifecycleRemoved() (major, minor int) {
\treturn 1, 25
}
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import kubernetes_apis

    yield kubernetes_apis
    for name in ("kubernetes_apis", "_api_changes", "_api_policy"):
        sys.modules.pop(name, None)


def path(group: str, version: str, kind: str) -> dict[str, Any]:
    told = {"group": group, "version": version, "kind": kind}
    return {"parameters": [], "get": {"x-kubernetes-group-version-kind": told}}


def test_a_lifecycle_is_read_out_of_the_generated_code(script: ModuleType, tmp_path: Path) -> None:
    place = tmp_path / "batch/v1beta1"
    place.mkdir(parents=True)
    (place / "register.go").write_text(
        'const GroupName = "batch"\nvar V = schema.GroupVersion{Group: GroupName, Version: "v1beta1"}\n'
    )
    (place / "zz_generated.prerelease-lifecycle.go").write_text(LIFECYCLE)
    cron = script.Type("batch", "v1beta1", "CronJob")
    assert script.lifecycles(tmp_path) == {
        cron: script.Lifecycle(8, 21, 25, script.Type("batch", "v1", "CronJob"))
    }


def test_what_is_served_is_read_out_of_the_openapi_document(script: ModuleType) -> None:
    document = {
        "paths": {
            "/api/v1/pods": path("", "v1", "Pod"),
            "/api/v1/namespaces/{namespace}/pods/{name}": path("", "v1", "Pod"),
            "/api/v1/namespaces/{namespace}/pods/{name}/log": path("", "v1", "Pod"),
            "/api/v1/namespaces/{namespace}/pods/{name}/eviction": path("policy", "v1", "Eviction"),
            "/api/v1/nodes/{name}": path("", "v1", "Node"),
            "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale": path(
                "autoscaling", "v1", "Scale"
            ),
            "/apis/apps/v1/watch/deployments": path("apps", "v1", "Deployment"),
            "/version/": {"get": {}},
        }
    }
    assert sorted(
        (kind.kind, resource, namespaced) for kind, resource, namespaced in script.served(document)
    ) == [
        ("Eviction", "pods/eviction", True),
        ("Node", "nodes", False),
        ("Pod", "pods", True),
    ]


def world(script: ModuleType, minors: list[int], **declared: Any) -> Any:
    found = script.World(37)
    old, new = (script.Type("batch", version, "CronJob") for version in ("v1beta1", "v1"))
    found.served = {
        old: script.Served("cronjobs", True, minors),
        new: script.Served("cronjobs", True, list(range(21, 38))),
    }
    found.declared = {old: script.Lifecycle(**declared)} if declared else {}
    return found


@pytest.mark.parametrize(
    ("minors", "declared", "deprecated", "removed"),
    [
        (list(range(15, 25)), {"deprecated": 21, "removed": 25}, "1.21", "1.25"),
        (list(range(15, 23)), {}, None, "1.23"),
        (list(range(15, 23)), {"deprecated": 21, "removed": 25}, "1.21", "1.23"),
        (list(range(34, 38)), {"deprecated": 38, "removed": 41}, "1.38", "1.41"),
        # Counted from its introduction, of an alpha that went before.
        (list(range(33, 35)), {"deprecated": 36, "removed": 39}, None, "1.35"),
        (list(range(34, 38)), {}, None, None),
    ],
)
def test_a_removal_is_what_is_declared_or_what_was_seen(
    script: ModuleType,
    minors: list[int],
    declared: dict[str, int],
    deprecated: str | None,
    removed: str | None,
) -> None:
    rows = {row["apiVersion"]: row for row in script.table(world(script, minors, **declared))}
    row = rows["batch/v1beta1"]
    assert (row["deprecated"], row["removed"]) == (deprecated, removed)
    assert row["replacement"] == ("batch/v1 CronJob" if deprecated or removed else None)
    assert rows["batch/v1"]["removed"] is None


def test_types_are_compared_field_by_field(script: ModuleType) -> None:
    def spec(**fields: Any) -> dict[str, Any]:
        required = [name for name, each in fields.items() if each.pop("required", False)]
        return {"type": "object", "properties": fields, "required": required}

    def kind(version: str) -> dict[str, Any]:
        told = [{"group": "x", "version": version, "kind": "A"}]
        return {
            "properties": {"spec": {"$ref": f"#/definitions/{version}.Spec"}},
            "x-kubernetes-group-version-kind": told,
        }

    text = {"type": "string", "description": "It means this, in v1beta1."}
    document = {
        "definitions": {
            "v1beta1.A": kind("v1beta1"),
            "v1.A": kind("v1"),
            "v1beta1.Spec": spec(
                a=dict(text), b=dict(text), c={"type": "integer"}, gone=dict(text), e=dict(text)
            ),
            "v1.Spec": spec(
                a={"type": "string", "description": "It means this; in v1"},
                b={"type": "string", "description": "It means that."},
                c={"type": "string"},
                new=dict(text),
                e={**text, "required": True},
            ),
        }
    }
    found = script.Comparison(document)
    found.compare(*(found.schema(script.Type("x", version, "A")) for version in ("v1beta1", "v1")), "")
    assert found.told() == {
        "gone": ["spec.gone"],
        "new": ["spec.new"],
        "different": ["spec.c"],
        "required": ["spec.e"],
        "meaning": [{"field": "spec.b", "was": "It means this, in v1beta1.", "is": "It means that."}],
    }
