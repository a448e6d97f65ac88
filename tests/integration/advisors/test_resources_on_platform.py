"""The resources advisor as the platform runs it: real API server and metrics, in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from lightkube import AsyncClient

from moorage.advisors.cluster.resources import ResourcesTopic
from moorage.advisors.cluster.topic import Found, Silent, Situation
from moorage.advisors.resources.child import Child
from moorage.advisors.resources.model import GIB, MIB
from moorage.advisors.resources.wire import Newcomer, Question, Source, Store
from moorage.api.crd import custom_resource_definition
from moorage.api.machinetype import MachineType
from moorage.kube.controller import Key
from moorage.kube.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CRD,
    DEPLOYMENT,
    MACHINE_TYPE,
    NAMESPACE,
    NODE,
    POD,
    SERVICE_ACCOUNT,
    Kind,
    Object,
)
from moorage.kube.objects import apply, apply_status, create, delete, get, poll
from moorage.local.metrics import MetricsEndpoint
from moorage.toolchain import ensure

from .advice import PeopledApiServer
from .conftest import AuditedApiServer
from .metrics import DAY, HOUR, Server, victoria_metrics

NOW = time.time() // 15 * 15
CLUSTER = "k-one"
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets")
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets")
SPACE = "many"
LARGE = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}


def used(pod: str, cpu: float, memory: float, begin: float, end: float, every: float = 300,
         cluster: str = CLUSTER, container: str = "app") -> Iterator[str]:  # fmt: skip
    """What cAdvisor would have said; nothing says who owns a pod."""
    labels = f'cluster_id="{cluster}",namespace="{SPACE}",pod="{pod}",container="{container}"'
    for step in range(int((end - begin) / every) + 1):
        at = begin + step * every
        cores = cpu * step * every
        yield f"container_cpu_usage_seconds_total{{{labels}}} {cores:.4f} {int(at * 1000)}"
        yield f"container_memory_working_set_bytes{{{labels}}} {memory:.0f} {int(at * 1000)}"


class Host:
    """Knows the store alone."""

    def __init__(self, url: str, access: Path) -> None:
        self._url = url
        self._ca = access.parent / "pki" / "ca.crt"

    def metrics(self) -> MetricsEndpoint:
        return MetricsEndpoint(self._url, self._ca, {"X-Asked-By": "a test"})


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory):
    binary = (await ensure(["victoria-metrics"]))["victoria-metrics"]
    with victoria_metrics(binary, tmp_path_factory.mktemp("metrics")) as running:
        yield running


@pytest.fixture(scope="module")
async def access(audited: AuditedApiServer) -> Path:
    """The advisors' own way in, with the rights that the platform gives them and no others."""
    text = files("moorage.local").joinpath("data", "user-cluster.yaml").read_text("utf-8")
    kinds = {kind.kind: kind for kind in (CLUSTER_ROLE, CLUSTER_ROLE_BINDING)}
    async with audited.client() as client:
        for obj in yaml.safe_load_all(text):
            if obj["metadata"]["name"] == "moorage:advisor":
                await apply(client, kinds[obj["kind"]], obj, field_manager="test")
        definition = custom_resource_definition(MachineType)
        await apply(client, CRD, definition, field_manager="test")
        price = {"amount": "0.46", "currency": "EUR"}
        spec = {"cpu": "4", "memory": "16Gi", "providers": {"local": {}}, "pricePerHour": price}

        async def offered() -> Object:
            body = {"metadata": {"name": "medium"}, "spec": spec}
            return await apply(client, MACHINE_TYPE, body, field_manager="test")

        await poll(offered, timeout_seconds=30, tolerate=(Exception,))
    return PeopledApiServer.as_user(cast("Any", audited), "moorage:advisor")


@pytest.fixture
async def space(client: AsyncClient):
    await create(client, NAMESPACE, {"metadata": {"name": SPACE}}, field_manager="test")
    account = {"metadata": {"name": "default", "namespace": SPACE}}
    await create(client, SERVICE_ACCOUNT, account, field_manager="test")


def owned(name: str, owner: Object | None = None, kind: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": SPACE}
    if owner is not None:
        reference = {"apiVersion": "apps/v1", "kind": kind, "name": owner["metadata"]["name"],
                     "uid": owner["metadata"]["uid"], "controller": True}  # fmt: skip
        metadata["ownerReferences"] = [reference]
    return metadata


async def workload(
    client: AsyncClient, kind: Kind, metadata: dict[str, Any], resources: Any, image: str = "shop/web:1"
) -> Object:
    labels = {"app": metadata["name"]}
    containers = [{"name": "app", "image": image, "resources": resources}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    made = await create(client, kind, {"metadata": metadata, "spec": spec}, field_manager="test")
    assert made is not None
    return made


async def pod(client: AsyncClient, metadata: dict[str, Any], resources: Any, **state: Any) -> None:
    containers = [{"name": "app", "image": "shop/web:1", "resources": resources}]
    spec = {"containers": containers, "nodeName": "one"}
    await create(client, POD, {"metadata": metadata, "spec": spec}, field_manager="test")
    told = {"name": "app", "ready": True, "image": "x", "imageID": "x", "restartCount": 0, **state}
    where = {"name": metadata["name"], "namespace": SPACE}
    body = {"metadata": where, "status": {"phase": "Running", "containerStatuses": [told]}}
    await apply_status(client, POD, body, field_manager="test")


async def declare(client: AsyncClient) -> None:
    """One that is too large, one that is killed, one that is young, one that a controller keeps as it is."""
    capacity = {"cpu": "4", "memory": "16Gi", "pods": "110"}
    node = {"metadata": {"name": "one"}}
    await create(client, NODE, node, field_manager="test")
    await apply_status(client, NODE, {**node, "status": {"allocatable": capacity, "capacity": capacity}},
                       field_manager="test")  # fmt: skip
    web = await workload(client, DEPLOYMENT, owned("web"), LARGE)
    now = await workload(client, REPLICA_SET, owned("web-5d4f8c7b9f", web, "Deployment"), LARGE)
    await pod(client, owned("web-5d4f8c7b9f-xk2lp", now, "ReplicaSet"), LARGE)
    tight = {"requests": {"cpu": "110m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}}
    database = await workload(client, STATEFUL_SET, owned("db"), tight, image="shop/db:1")
    end = datetime.fromtimestamp(NOW - HOUR, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    last = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": end, "startedAt": end}
    await pod(client, owned("db-0", database, "StatefulSet"), tight, restartCount=1,
              lastState={"terminated": last})  # fmt: skip
    fresh = await workload(client, DEPLOYMENT, owned("fresh"), LARGE, image="shop/fresh:1")
    young = await workload(client, REPLICA_SET, owned("fresh-6f7c8d9b4b", fresh, "Deployment"), LARGE)
    await pod(client, owned("fresh-6f7c8d9b4b-bcdfg", young, "ReplicaSet"), LARGE)
    # One that somebody's own controller keeps as it is.
    kept = await workload(client, DEPLOYMENT, owned("kept", web, "Shop"), LARGE, image="shop/kept:1")
    its = await workload(client, REPLICA_SET, owned("kept-5d4f8c7b9f", kept, "Deployment"), LARGE)
    await pod(client, owned("kept-5d4f8c7b9f-bcdfg", its, "ReplicaSet"), LARGE)


def situation(access: Path, window: timedelta, now: float = NOW) -> Situation:
    obj = {"metadata": {"name": "web"}, "spec": {"nodePools": [{"name": "a", "machineType": "medium"}]}}
    nothing = cast("Any", None)
    at = datetime.fromtimestamp(now, UTC)
    return Situation(Key("project-shop", "web"), CLUSTER, obj, access, nothing, None, window, at)


@pytest.mark.usefixtures("space")
async def test_a_cluster_is_advised_on_from_its_metrics_and_its_objects(
    client: AsyncClient, access: Path, server: Server
):
    """From nothing to advice: no pods, pods without metrics, two weeks of them, and a minute of them."""
    topic = ResourcesTopic(client, cast("Any", Host(server.url, access)))
    look = situation(access, timedelta(days=30))
    empty = await topic.look(look)
    assert isinstance(empty, Found)
    assert (empty.advice.findings, empty.clean) == ((), "nothing runs in it")
    assert empty.until is not None, "what is deployed next does not wait for the hour"

    await declare(client)
    silent = await topic.look(look)
    assert isinstance(silent, Silent)
    assert silent.reason == "NoMetrics"
    assert silent.until is not None

    begin = NOW // 300 * 300 - 14 * DAY
    server.write(used("fresh-6f7c8d9b4b-bcdfg", 0.1, 100 * MIB, NOW - DAY, NOW))
    silent = await topic.look(look)
    assert isinstance(silent, Silent)
    assert silent.reason == "Collecting"
    assert "The use of 3 days is needed" in silent.message
    assert silent.until is not None
    assert abs(silent.until.timestamp() - (NOW - DAY + 3 * DAY)) < HOUR

    server.write([
        # The pod of the rollout before is known by its name alone; the other cluster is none of ours.
        *used("web-7b8c9d4f5b-zzzzz", 0.1, 150 * MIB, begin, NOW - DAY),
        *used("web-5d4f8c7b9f-xk2lp", 0.1, 150 * MIB, NOW - DAY, NOW),
        *used("web-5d4f8c7b9f-xk2lp", 3, 3 * GIB, begin, NOW, cluster="k-two"),
        *used("db-0", 0.1, 250 * MIB, begin, NOW),
        *used("kept-5d4f8c7b9f-bcdfg", 0.1, 150 * MIB, begin, NOW),
        *used("nobodys-pod", 0.1, 150 * MIB, begin, NOW),
    ])  # fmt: skip
    found = await topic.look(look)
    assert isinstance(found, Found)
    said = {(each.subject, each.code): each for each in found.advice.findings}
    assert set(said) == {
        (f"Deployment {SPACE}/web, container app", "cpu-request-large"),
        (f"Deployment {SPACE}/web, container app", "memory-request-large"),
        (f"StatefulSet {SPACE}/db, container app", "oom-killed"),
        (f"Deployment {SPACE}/kept, container app", "cpu-request-large"),
        (f"Deployment {SPACE}/kept, container app", "memory-request-large"),
    }
    large = said[f"Deployment {SPACE}/web, container app", "cpu-request-large"]
    assert "110m would fit" in large.summary
    assert large.evidence["history"].startswith(("13.9 days", "14 days"))
    assert "2 pods" in large.evidence["history"], "one of them is gone"
    assert large.confidence > 0.9
    assert "EUR a month" in large.consequence
    assert "caution" not in large.evidence
    killed = said[f"StatefulSet {SPACE}/db, container app", "oom-killed"]
    assert killed.evidence["oomKills"] == killed.evidence["restarts"] == 1
    unchangeable = said[f"Deployment {SPACE}/kept, container app", "cpu-request-large"]
    assert unchangeable.change == ()
    assert f"Shop {SPACE}/web" in unchangeable.evidence["managedBy"]
    # Other tests have workloads on the same server.
    mine = {subject for subject in found.unjudged if f" {SPACE}/" in subject}
    assert mine == {f"Deployment {SPACE}/fresh, container app"}
    notes = " ".join(found.advice.notes)
    assert "1 container of pods whose owner is not known" in notes
    assert "Of 1 node" in notes


async def test_newcomers_get_what_fitted_those_of_their_name_or_their_image(
    client: AsyncClient, access: Path, server: Server
):
    """One is gone and comes back, one is new and has siblings, one is unlike any other."""
    assert await get(client, DEPLOYMENT, "web", SPACE), "the test before made it"
    await delete(client, POD, "web-5d4f8c7b9f-xk2lp", SPACE)
    child = Child()
    question = Question(
        "shop/web",
        Store(server.url, f'cluster_id="{CLUSTER}"'),
        datetime.fromtimestamp(NOW, UTC),
        14.0 * DAY,
        kubeconfig_file=str(access),
        newcomers=(
            Newcomer(SPACE, "Deployment", "web", "app", "shop/web:2"),
            Newcomer(SPACE, "Deployment", "other", "main", "docker.io/shop/web@sha256:0"),
            Newcomer(SPACE, "Deployment", "strange", "main", "strange"),
        ),
    )
    history, siblings = sorted((await child.ask(question)).proposed, key=lambda each: each.source)
    assert (history.newcomer.name, history.source, history.cpu) == ("web", Source.HISTORY, "110m")
    assert (siblings.newcomer.name, siblings.source) == ("other", Source.SIBLINGS)
    assert (siblings.cpu, siblings.memory) == (history.cpu, history.memory) == ("110m", "165Mi")


@pytest.mark.parametrize("window", [timedelta(minutes=1), timedelta(minutes=10)])
async def test_a_short_window_is_enough_where_it_is_wanted_and_is_called_short(
    client: AsyncClient, access: Path, server: Server, window: timedelta
):
    assert await get(client, DEPLOYMENT, "web", SPACE), "the test before made it"
    topic = ResourcesTopic(client, cast("Any", Host(server.url, access)))
    later = NOW - 20 * DAY + window.total_seconds()
    server.write(used("web-5d4f8c7b9f-xk2lp", 0.1, 150 * MIB, later - window.total_seconds() - 45, later, 15))
    found = await topic.look(situation(access, window, later))
    assert isinstance(found, Found)
    [cpu, memory] = found.advice.findings
    assert (cpu.code, memory.code) == ("cpu-request-large", "memory-request-large")
    assert cpu.confidence <= 0.3
    assert "of history: little is known" in cpu.evidence["caution"]
    assert cpu.evidence["proposed"]["requests.cpu"] == "110m"
