"""The webhook: questions of the API server in, answers out."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from aiohttp.test_utils import TestClient, TestServer

from moorage.clusters.facts import Reader
from moorage.clusters.webhook import application, configurations

from .builders import OFFER, cluster, cluster_object, machine_type, pool, project


class Known(Reader):
    """Facts that are given."""

    def __init__(self) -> None:
        self.given_project: Any = project(
            quota={"nodes": 5}, defaults={"version": "1.36", "machineType": "small"}
        )
        self.given_clusters: list[Any] = []
        self.error: Exception | None = None

    async def project(self, namespace: str) -> Any:
        if self.error:
            raise self.error
        return self.given_project if namespace == "project-shop" else None

    async def offers(self) -> Any:
        return {"local": OFFER}

    async def machine_types(self) -> Any:
        return {"small": machine_type()}

    async def clusters(self, namespace: str | None = None) -> Any:
        return [item for item in self.given_clusters if namespace in (None, item.metadata.namespace)]


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.fixture
async def client(known: Known) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(application(known))) as client:
        yield client


async def ask(
    client: TestClient[Any, Any],
    new: dict[str, Any] | None,
    old: dict[str, Any] | None = None,
    *,
    path: str = "validate",
    resource: str = "kubernetesclusters",
) -> dict[str, Any]:
    metadata = (new or old or {})["metadata"]
    operation = "DELETE" if new is None else "UPDATE" if old else "CREATE"
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "42",
            "resource": {"group": "moorage.dev", "version": "v1alpha1", "resource": resource},
            "operation": operation,
            "name": metadata["name"],
            "namespace": metadata.get("namespace", ""),
            "object": new,
            "oldObject": old,
        },
    }
    answer = await client.post(f"/admission/{path}", json=review)
    assert answer.status == 200
    body = await answer.json()
    assert body["kind"] == "AdmissionReview"
    assert body["response"]["uid"] == "42"
    return dict(body["response"])


def patch(response: dict[str, Any]) -> Any:
    assert response["patchType"] == "JSONPatch"
    return json.loads(base64.b64decode(response["patch"]))


async def test_what_is_right_is_let_through(client: TestClient[Any, Any]) -> None:
    assert await ask(client, cluster_object("web", pool())) == {"uid": "42", "allowed": True}


async def test_what_is_wrong_is_refused_with_the_sentence_alone(
    client: TestClient[Any, Any], known: Known
) -> None:
    known.given_clusters = [cluster("api", pool("main", 3)), cluster("web", pool("main", 1))]

    response = await ask(
        client, cluster_object("web", pool("main", 3)), cluster_object("web", pool("main", 1))
    )

    assert response["allowed"] is False
    assert response["status"] == {
        "code": 403,
        "message": "the quota of project shop is exceeded: 3 nodes wanted, 2 of 5 left",
    }, "the cluster's own old nodes do not count against it"


async def test_a_project_with_clusters_stays(client: TestClient[Any, Any], known: Known) -> None:
    shop = project().wire()
    assert (await ask(client, None, shop, resource="projects"))["allowed"]
    known.given_clusters = [cluster("api")]

    response = await ask(client, None, shop, resource="projects")

    assert response["status"]["message"] == "project shop still has 1 cluster (api): delete it first"


async def test_a_machine_type_that_is_used_stays(client: TestClient[Any, Any], known: Known) -> None:
    known.given_clusters = [cluster("api", pool())]

    response = await ask(client, None, machine_type().wire(), resource="machinetypes")

    assert response["allowed"] is False
    changed = machine_type(openstack={"flavor": "x"}).wire()
    assert not (await ask(client, changed, machine_type().wire(), resource="machinetypes"))["allowed"]


async def test_a_warning_comes_with_the_permission(client: TestClient[Any, Any]) -> None:
    low = project(quota={"nodes": 1}).wire()
    used = {**low, "status": {"used": {"clusters": 1, "nodes": 4, "cpu": "8", "memory": "16Gi"}}}

    response = await ask(client, used, project().wire(), resource="projects")

    assert response["allowed"]
    assert len(response["warnings"]) == 1


async def test_defaults_come_as_a_patch_of_just_what_is_missing(client: TestClient[Any, Any]) -> None:
    bare = {
        "metadata": {"name": "web", "namespace": "project-shop"},
        "spec": {"nodePools": [{"name": "main", "replicas": 1}], "paused": False},
    }

    operations = patch(await ask(client, bare, path="mutate"))

    assert sorted(operations, key=lambda item: item["path"]) == [
        {
            "op": "add",
            "path": "/spec/nodePools",
            "value": [{"name": "main", "replicas": 1, "machineType": "small"}],
        },
        {"op": "add", "path": "/spec/provider", "value": "local"},
        {"op": "add", "path": "/spec/version", "value": "1.36"},
    ]


async def test_whoever_chooses_no_version_gets_the_newest_on_offer(
    client: TestClient[Any, Any], known: Known
) -> None:
    known.given_project = project()
    bare = {"metadata": {"name": "web", "namespace": "project-shop"}, "spec": {}}

    assert {"op": "add", "path": "/spec/version", "value": "1.37"} in patch(
        await ask(client, bare, path="mutate")
    )

    elsewhere = {**bare, "spec": {"provider": "aws"}}
    response = await ask(client, elsewhere, path="mutate")
    assert response["allowed"] is False
    assert response["status"]["message"] == "there is no provider aws (there is: local)"


async def test_without_a_spec_there_is_one_after(client: TestClient[Any, Any]) -> None:
    bare = {"metadata": {"name": "web", "namespace": "project-shop"}}

    assert patch(await ask(client, bare, path="mutate")) == [
        {"op": "add", "path": "/spec", "value": {"version": "1.36", "provider": "local"}}
    ]


async def test_what_is_complete_is_not_patched(client: TestClient[Any, Any]) -> None:
    assert await ask(client, cluster_object("web", pool()), path="mutate") == {"uid": "42", "allowed": True}


async def test_what_is_no_cluster_is_refused_and_not_a_failure(client: TestClient[Any, Any]) -> None:
    response = await ask(
        client, {"metadata": {"name": "web", "namespace": "project-shop"}, "spec": {"nodePools": 3}}
    )

    assert response["allowed"] is False
    assert "KubernetesCluster web: spec.nodePools" in response["status"]["message"]


async def test_not_knowing_is_neither_yes_nor_no(client: TestClient[Any, Any], known: Known) -> None:
    known.error = httpx2.ConnectError("refused")
    request = {
        "uid": "1",
        "resource": {"resource": "kubernetesclusters"},
        "operation": "CREATE",
        "namespace": "project-shop",
        "object": cluster_object("web"),
    }

    answer = await client.post("/admission/validate", json={"request": request})

    assert answer.status == 503
    assert "does not answer" in await answer.text()


def test_the_api_server_asks_for_all_that_is_judged_and_fails_closed() -> None:
    found = {kind.kind: obj for kind, obj in configurations("https://127.0.0.1:1", b"PEM")}

    validating = found["ValidatingWebhookConfiguration"]["webhooks"][0]
    mutating = found["MutatingWebhookConfiguration"]["webhooks"][0]
    assert {rule["resources"][0]: rule["operations"] for rule in validating["rules"]} == {
        "kubernetesclusters": ["CREATE", "UPDATE"],
        "projects": ["CREATE", "UPDATE", "DELETE"],
        "machinetypes": ["UPDATE", "DELETE"],
    }
    for webhook in (validating, mutating):
        assert webhook["failurePolicy"] == "Fail"
        assert webhook["sideEffects"] == "None"
        assert webhook["clientConfig"]["url"].startswith("https://127.0.0.1:1/admission/")
        assert base64.b64decode(webhook["clientConfig"]["caBundle"]) == b"PEM"
