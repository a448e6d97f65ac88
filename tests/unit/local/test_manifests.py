"""What is installed into a management cluster."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from moorage.api.machinetype import MachineType
from moorage.local import manifests

SERVER = "https://127.0.0.1:20005"
AUTHORITY = "Y2E="


def hook(path: str) -> dict[str, Any]:
    service = {"namespace": "capi-system", "name": "capi-webhook-service", "path": path}
    return {"name": f"hook{path}", "clientConfig": {"service": service}, "sideEffects": "None"}


@pytest.mark.parametrize("kind", ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"])
def test_webhooks_are_asked_by_url_and_keep_everything_else(kind: str) -> None:
    obj = {"kind": kind, "metadata": {"name": "x"}, "webhooks": [hook("/a"), hook("/b")]}
    pointed = manifests.webhooks_by_url(obj, SERVER, AUTHORITY)
    assert [item["clientConfig"] for item in pointed["webhooks"]] == [
        {"url": f"{SERVER}/a", "caBundle": AUTHORITY},
        {"url": f"{SERVER}/b", "caBundle": AUTHORITY},
    ]
    assert [item["sideEffects"] for item in pointed["webhooks"]] == ["None", "None"]
    assert obj["webhooks"] == [hook("/a"), hook("/b")], "the argument is not changed"


def test_no_webhook_of_cluster_apis_is_left_that_points_to_a_service() -> None:
    configurations = manifests.load("cluster-api-webhooks.yaml")
    text = yaml.safe_dump([manifests.webhooks_by_url(obj, SERVER, AUTHORITY) for obj in configurations])
    assert "webhook-service" not in text
    assert "cert-manager" not in text
    assert f"{SERVER}/" in text


def test_no_crd_of_cluster_apis_needs_a_conversion() -> None:
    for crd in manifests.load("cluster-api-crds.yaml"):
        assert [version["storage"] for version in crd["spec"]["versions"]] == [True], crd["metadata"]["name"]
        assert "conversion" not in crd["spec"]


@pytest.mark.parametrize(
    "name",
    [
        "cluster-api-crds.yaml",
        "cluster-api-webhooks.yaml",
        "cluster-api-rbac.yaml",
        "embedded.yaml",
        "machine-types.yaml",
        "user-cluster.yaml",
    ],
)
def test_every_object_of_a_file_is_of_a_kind_that_can_be_installed(name: str) -> None:
    objects = manifests.load(name)
    assert objects
    assert {(obj["apiVersion"], obj["kind"]) for obj in objects} <= manifests._KINDS.keys()


def test_every_object_of_ours_is_of_a_kind_that_can_be_installed() -> None:
    objects = [*manifests.load_folder("api", "crds"), *manifests.load_folder("deploy")]
    assert {(obj["apiVersion"], obj["kind"]) for obj in objects} <= manifests._KINDS.keys()


def test_the_machine_types_of_a_new_platform_are_valid_and_offered_by_its_provider() -> None:
    types = [MachineType.model_validate(obj) for obj in manifests.load("machine-types.yaml")]
    assert types
    assert all(found.spec.offered_by("local") for found in types)


def test_empty_documents_are_no_objects() -> None:
    assert manifests.parse("---\n# nothing\n---\nkind: A\n---\n") == [{"kind": "A"}]
