"""Control planes of user clusters: real processes, on the session's platform."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import re
import secrets
import signal
import ssl
import subprocess
import sys
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lightkube import AsyncClient

from moorage.kube.client import connect
from moorage.kube.kinds import CONFIG_MAP, NAMESPACE, NODE, POD, SECRET, SERVICE_ACCOUNT, Object
from moorage.kube.objects import create, get, poll
from moorage.local.controlplane import API_SERVER, ETCD, KUBELET_SELECTOR, KWOK, EtcdClient
from moorage.local.home import Home
from moorage.local.management import CLUSTER_API, etcd_client, etcd_pki
from moorage.local.material import ClusterKeys
from moorage.local.metrics import metrics_endpoint
from moorage.local.pki import new_signing_key
from moorage.local.ports import Ports, port_is_free
from moorage.local.supervisor import Supervisor, platform_processes
from moorage.local.usercluster import (
    COMPONENTS,
    failing_components,
    known_clusters,
    remove_control_plane,
    reserve_endpoint,
)

SECONDS = 60.0
VERSIONS = ("1.34", "1.35", "1.36", "1.37")
OLDEST, NEWEST = VERSIONS[0], VERSIONS[-1]
PLAINTEXT = "correct horse battery staple"
MEMBER = "member-jane-0123abcd"
MEASURED = "measured"
OK, UNAUTHORIZED = 200, 401

# What a controller does, in a process that may be killed.
ENSURE = """
import asyncio, pickle, sys, time
from pathlib import Path
from moorage.local.home import Home
from moorage.local.usercluster import ensure_control_plane
spec, keys = pickle.load(open(sys.argv[2], "rb"))
async def main():
    while not (await ensure_control_plane(Home(Path(sys.argv[1])), spec, keys)).ready:
        await asyncio.sleep(0.05)
asyncio.run(main())
"""
REMOVE = """
import asyncio, sys
from pathlib import Path
from moorage.local.home import Home
from moorage.local.usercluster import remove_control_plane
asyncio.run(remove_control_plane(Home(Path(sys.argv[1])), sys.argv[2]))
"""

Kubectl = Callable[..., Coroutine[None, None, "subprocess.CompletedProcess[str]"]]


@pytest.fixture(scope="module")
async def clusters(platform: Home, declare: Any) -> AsyncIterator[dict[str, Any]]:
    """One control plane of each minor; all were asked for at once."""
    made = {version: declare(version) for version in VERSIONS}
    try:
        await asyncio.gather(*(cluster.ensure() for cluster in made.values()))
        yield made
    finally:
        await asyncio.gather(*(remove_control_plane(platform, cluster.id) for cluster in made.values()))


@pytest.fixture
async def single(platform: Home, declare: Any) -> AsyncIterator[Any]:
    """A control plane of the test's own, of which there is nothing yet."""
    cluster = declare(OLDEST)
    try:
        yield cluster
    finally:
        await remove_control_plane(platform, cluster.id)


@pytest.fixture(scope="module")
async def oldest(clusters: dict[str, Any]) -> AsyncIterator[tuple[Any, AsyncClient]]:
    """The control plane of the oldest minor, and its administrator; a Pod runs there for the last test."""
    cluster = clusters[OLDEST]
    async with cluster.client() as client:
        await run_measured_pod(client)
        yield cluster, client


async def run_measured_pod(client: AsyncClient) -> None:
    """Run a Pod of two containers that are said to use something."""
    key, value = KUBELET_SELECTOR.split("=")
    node: Object = {"metadata": {"name": MEASURED, "labels": {key: value}}}
    await create(client, NODE, node, field_manager="test")
    used = {"kwok.x-k8s.io/usage-cpu": "200m", "kwok.x-k8s.io/usage-memory.app": "96Mi"}
    asked = {"requests": {"memory": "1Gi"}}
    containers = [{"name": name, "image": "x", "resources": asked} for name in ("app", "rest")]
    pod: Object = {
        "metadata": {"name": MEASURED, "namespace": "default", "annotations": used},
        "spec": {"nodeName": MEASURED, "containers": containers},
    }
    assert await poll(lambda: get(client, SERVICE_ACCOUNT, "default", "default"), timeout_seconds=SECONDS)
    assert await create(client, POD, pod, field_manager="test")


async def answer(
    cluster: Any, path: str, *, token: str | None = None, method: str = "GET", body: object = None
) -> httpx2.Response:
    """What an API server answers to somebody with a token, or to nobody in particular."""
    context = ssl.create_default_context(cadata=cluster.keys.authority.certificate.decode())
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(verify=context, trust_env=False, headers=headers) as http:
        return await http.request(method, cluster.server + path, json=body)


async def read_etcd(client: EtcdClient, prefix: str) -> dict[str, bytes]:
    """Everything below a prefix, as it is on the disk."""
    context = ssl.create_default_context(cafile=str(client.pki.certificate("ca")))
    context.load_cert_chain(client.pki.certificate(client.user), client.pki.key(client.user))
    asked = {
        "key": b64encode(prefix.encode()).decode(),
        "range_end": b64encode(prefix[:-1].encode() + bytes([ord(prefix[-1]) + 1])).decode(),
    }
    async with httpx2.AsyncClient(verify=context, trust_env=False) as http:
        found = (await http.post(f"{client.endpoint}/v3/kv/range", json=asked)).raise_for_status().json()
    return {b64decode(kv["key"]).decode(): b64decode(kv.get("value", "")) for kv in found.get("kvs", ())}


async def cpu_seconds(home: Home, cluster: Any, node: str) -> dict[str, float]:
    """What kwok tells of each container of a node."""
    port = Ports(home).known()[f"clusters/{cluster.id}/{KWOK}"]
    context = ssl.create_default_context(cadata=cluster.keys.authority.certificate.decode())
    async with httpx2.AsyncClient(verify=context, trust_env=False) as http:
        said = await http.get(f"https://127.0.0.1:{port}/metrics/nodes/{node}/metrics/cadvisor")
    found = re.findall(
        r'^container_cpu_usage_seconds_total{container="([^"]+)".*} (.+)$', said.text, re.MULTILINE
    )
    return {name: float(value) for name, value in found}


async def make_secret(client: AsyncClient) -> str:
    name = f"secret-{secrets.token_hex(3)}"
    obj: Object = {"metadata": {"name": name, "namespace": "default"}, "stringData": {"password": PLAINTEXT}}
    assert await create(client, SECRET, obj, field_manager="test")
    return name


def processes_of(home: Home, cluster_id: str) -> list[int]:
    mark = f"{home.clusters / cluster_id}/"
    return [p.pid for p in platform_processes(home) if any(mark in word for word in p.cmdline())]


# ---- what it serves ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_it_serves_the_minor_that_was_asked_for(clusters: dict[str, Any], version: str) -> None:
    async with clusters[version].client() as client:
        said = (await client._client._client.get("/version")).json()
    assert f"{said['emulationMajor']}.{said['emulationMinor']}" == version


async def test_what_a_newer_minor_brought_is_not_served_by_an_older_one(clusters: dict[str, Any]) -> None:
    groups = {}
    for version in (OLDEST, NEWEST):
        async with clusters[version].client() as client:
            found = (await client._client._client.get("/apis")).json()["groups"]
        groups[version] = {v["groupVersion"] for group in found for v in group["versions"]}
    assert "apps/v1" in groups[OLDEST] & groups[NEWEST]
    assert "storagemigration.k8s.io/v1" in groups[NEWEST] - groups[OLDEST]


async def test_its_nodes_are_played_by_kwok(oldest: tuple[Any, AsyncClient]) -> None:
    _, client = oldest
    key, value = KUBELET_SELECTOR.split("=")
    node = {
        "metadata": {"name": "node", "labels": {key: value}, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    }
    assert await create(client, NODE, node, field_manager="test")

    async def ready() -> bool | None:
        found = await get(client, NODE, "node") or {}
        conditions = found.get("status", {}).get("conditions") or ()
        return True if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) else None

    assert await poll(ready, timeout_seconds=SECONDS)


async def test_its_controllers_work(oldest: tuple[Any, AsyncClient]) -> None:
    _, client = oldest
    name = f"n-{secrets.token_hex(3)}"
    await create(client, NAMESPACE, {"metadata": {"name": name}}, field_manager="test")
    assert await poll(lambda: get(client, SERVICE_ACCOUNT, "default", name), timeout_seconds=SECONDS)


# ---- who may do what ---------------------------------------------------------------------------------------


async def test_nobody_in_particular_sees_its_health_and_nothing_else(clusters: dict[str, Any]) -> None:
    open_paths = ("/healthz", "/livez", "/readyz")
    closed_paths = (
        "/",
        "/api",
        "/apis",
        "/version",
        "/metrics",
        "/openapi/v2",
        "/openid/v1/jwks",
        "/readyz/etcd",
    )
    seen = {path: (await answer(clusters[OLDEST], path)).status_code for path in open_paths + closed_paths}
    assert seen == dict.fromkeys(open_paths, OK) | dict.fromkeys(closed_paths, UNAUTHORIZED)


async def test_secrets_are_encrypted_where_they_are_stored(
    platform: Home, oldest: tuple[Any, AsyncClient]
) -> None:
    cluster, client = oldest
    name = await make_secret(client)
    prefix = f"/clusters/{cluster.id}/secrets/default/{name}"
    [stored] = (await read_etcd(etcd_client(platform, cluster.id), prefix)).values()
    assert stored.startswith(b"k8s:enc:secretbox:v1:key1:")
    assert PLAINTEXT.encode() not in stored
    assert b64encode(PLAINTEXT.encode()) not in stored


async def test_the_audit_log_says_who_did_what_and_never_what_was_in_it(
    platform: Home, oldest: tuple[Any, AsyncClient]
) -> None:
    cluster, client = oldest
    name = await make_secret(client)
    log = platform.clusters / cluster.id / "audit.log"

    async def look() -> list[dict[str, Any]] | None:
        events = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
        return [
            e for e in events if e["verb"] == "create" and e.get("objectRef", {}).get("name") == name
        ] or None

    [event] = await poll(look, timeout_seconds=SECONDS) or ()
    assert event["user"]["username"] == "kubernetes-admin"
    assert not {"requestObject", "responseObject"} & event.keys()
    assert PLAINTEXT not in log.read_text()
    assert b64encode(PLAINTEXT.encode()).decode() not in log.read_text()


@pytest.fixture(scope="module")
async def member_token(platform: Home, kubectl: Kubectl) -> Callable[..., Coroutine[None, None, str]]:
    """Get a token of a ServiceAccount of the management cluster, as `moorage token` does."""

    async def token(audience: str, *, namespace: str, account: str = MEMBER, duration: str = "3600s") -> str:
        admin = platform.admin_kubeconfig
        await kubectl(admin, "create", "namespace", namespace, check=False)
        await kubectl(admin, "create", "serviceaccount", account, f"--namespace={namespace}", check=False)
        arguments = (f"--namespace={namespace}", f"--audience={audience}", f"--duration={duration}")
        return (await kubectl(admin, "create", "token", account, *arguments)).stdout.strip()

    return token


async def whoami(cluster: Any, token: str) -> httpx2.Response:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    return await answer(
        cluster,
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        token=token,
        method="POST",
        body=review,
    )


async def test_a_members_token_is_accepted_and_names_the_member(
    clusters: dict[str, Any], member_token: Callable[..., Coroutine[None, None, str]]
) -> None:
    cluster = clusters[OLDEST]
    token = await member_token(cluster.spec.audience, namespace=cluster.spec.namespace)
    response = await whoami(cluster, token)
    assert response.status_code == 201, response.text
    user = response.json()["status"]["userInfo"]
    assert user["username"] == f"moorage:{MEMBER}"
    assert sorted(user["groups"]) == ["moorage:members", "system:authenticated"]


@pytest.mark.parametrize(
    "changed",
    [
        {"namespace": "project-other"},
        {"account": "operator"},
        {"audience": "https://moorage.dev/clusters/another"},
        {"duration": "7200s"},
    ],
    ids=["of another project", "of no member", "for another cluster", "for too long"],
)
async def test_another_token_of_the_same_issuer_is_refused(
    clusters: dict[str, Any], member_token: Callable[..., Coroutine[None, None, str]], changed: dict[str, str]
) -> None:
    cluster = clusters[OLDEST]
    asked = {"audience": cluster.spec.audience, "namespace": cluster.spec.namespace} | changed
    assert (await whoami(cluster, await member_token(**asked))).status_code == UNAUTHORIZED


async def test_a_token_of_another_issuer_is_refused(
    clusters: dict[str, Any], kubectl: Kubectl, tmp_path: Path
) -> None:
    cluster, other = clusters[OLDEST], clusters[NEWEST]
    config = tmp_path / "other.kubeconfig"
    config.write_text(json.dumps(other.state.kubeconfig))
    for namespace, account in ((cluster.spec.namespace, MEMBER), ("kube-system", "default")):
        await kubectl(config, "create", "namespace", namespace, check=False)
        await kubectl(config, "create", "serviceaccount", account, f"-n={namespace}", check=False)
        made = await kubectl(
            config, "create", "token", account, f"-n={namespace}", f"--audience={cluster.spec.audience}"
        )
        assert (await whoami(cluster, made.stdout.strip())).status_code == UNAUTHORIZED


async def test_a_token_that_somebody_else_signed_is_refused(
    clusters: dict[str, Any], member_token: Callable[..., Coroutine[None, None, str]]
) -> None:
    cluster = clusters[OLDEST]
    token = await member_token(cluster.spec.audience, namespace=cluster.spec.namespace)
    signed, _, _ = token.rpartition(".")
    key = load_pem_private_key(new_signing_key(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    numbers = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    signature = b"".join(number.to_bytes(32, "big") for number in numbers)
    forged = f"{signed}.{urlsafe_b64encode(signature).decode().rstrip('=')}"
    assert len(forged) == len(token)
    assert (await whoami(cluster, forged)).status_code == UNAUTHORIZED


async def test_a_certificate_of_another_cluster_is_refused(clusters: dict[str, Any]) -> None:
    cluster, other = clusters[OLDEST], clusters[NEWEST]
    stolen = json.loads(json.dumps(other.state.kubeconfig))
    stolen["clusters"][0]["cluster"] = cluster.state.kubeconfig["clusters"][0]["cluster"]
    async with connect(stolen) as client:
        response = await client._client._client.get("/api/v1/namespaces")
    assert response.status_code == UNAUTHORIZED


# ---- what it survives --------------------------------------------------------------------------------------


@pytest.mark.parametrize("component", [*COMPONENTS, ETCD])
async def test_a_component_that_is_killed_comes_back(
    platform: Home, clusters: dict[str, Any], component: str
) -> None:
    cluster = clusters[NEWEST]
    name = component if component == ETCD else f"{cluster.id}.{component}"
    supervisor = Supervisor(platform)
    endpoint, before = cluster.state.endpoint, supervisor.statuses()[name].pid
    assert before
    os.kill(before, signal.SIGKILL)

    async def another() -> int | None:
        status = supervisor.statuses()[name]
        return status.pid if status.state == "RUNNING" and status.pid != before else None

    assert await poll(another, timeout_seconds=SECONDS)
    await cluster.ensure()
    assert cluster.state.endpoint == endpoint

    async def well() -> bool | None:
        return None if await failing_components(platform, cluster.id) else True

    assert await poll(well, timeout_seconds=SECONDS)
    async with cluster.client() as client:
        assert await get(client, NAMESPACE, "default")


async def test_asking_again_restarts_nothing(platform: Home, clusters: dict[str, Any]) -> None:
    cluster = clusters[NEWEST]
    supervisor = Supervisor(platform)
    before = {name: status.pid for name, status in supervisor.statuses().items()}
    await cluster.ensure()
    assert {name: status.pid for name, status in supervisor.statuses().items()} == before


async def test_files_that_are_lost_are_made_again(platform: Home, clusters: dict[str, Any]) -> None:
    cluster = clusters["1.36"]
    folder = platform.clusters / cluster.id
    before = (folder / "pki" / "ca.crt").read_bytes()
    for path in [*folder.glob("*.kubeconfig"), *(folder / "pki").iterdir()]:
        path.unlink()
    await cluster.ensure()
    assert (folder / "pki" / "ca.crt").read_bytes() == before
    async with cluster.client() as client:
        assert await get(client, NAMESPACE, "default")


async def test_a_version_change_keeps_what_is_stored_and_where_it_is(platform: Home, single: Any) -> None:
    await single.ensure()
    endpoint = single.state.endpoint
    async with single.client() as client:
        await create(
            client, CONFIG_MAP, {"metadata": {"name": "kept", "namespace": "default"}}, field_manager="test"
        )
        secret = await make_secret(client)
    await single.ensure(version="1.35")
    assert single.state.endpoint == endpoint
    async with single.client() as client:
        assert (await client._client._client.get("/version")).json()["emulationMinor"] == "35"
        assert await get(client, CONFIG_MAP, "kept", "default")
        stored = await get(client, SECRET, secret, "default")
        assert stored
        assert b64decode(stored["data"]["password"]).decode() == PLAINTEXT
    commands = {
        word
        for pid in processes_of(platform, single.id)
        for word in psutil.Process(pid).cmdline()
        if "--emulated-version" in word
    }
    assert commands == {"--emulated-version=1.35"}


async def test_what_is_removed_leaves_nothing_behind(platform: Home, single: Any) -> None:
    await single.ensure()
    etcd = etcd_client(platform, single.id)
    prefix = f"/clusters/{single.id}/"
    assert await read_etcd(etcd, prefix)
    ports = [port for name, port in Ports(platform).known().items() if single.id in name]
    assert len(processes_of(platform, single.id)) == len(COMPONENTS)

    await remove_control_plane(platform, single.id)

    assert processes_of(platform, single.id) == []
    assert all(port_is_free(port) for port in ports)
    assert not [name for name in Ports(platform).known() if single.id in name]
    assert single.id not in await known_clusters(platform)
    assert not [path for path in platform.root.rglob("*") if single.id in str(path)]
    assert not await read_etcd(etcd_client(platform, "management"), prefix)
    assert not [name for name in Supervisor(platform).declared() if single.id in name]


async def test_removing_one_cluster_leaves_one_whose_name_begins_alike(platform: Home, declare: Any) -> None:
    first = declare(OLDEST)
    longer = f"{first.id}-b"
    try:
        endpoint = await reserve_endpoint(platform, longer)
        await reserve_endpoint(platform, first.id)
        (platform.clusters / longer).mkdir(mode=0o700)
        await remove_control_plane(platform, first.id)
        assert await reserve_endpoint(platform, longer) == endpoint
        assert longer in await known_clusters(platform)
        assert first.id not in await known_clusters(platform)
    finally:
        await remove_control_plane(platform, longer)


async def test_removing_what_never_was_is_no_error(platform: Home) -> None:
    await remove_control_plane(platform, "never-was")
    assert "never-was" not in await known_clusters(platform)
    assert not etcd_pki(platform).certificate("never-was").exists()


@pytest.mark.parametrize("cluster_id", ["", ".", "..", "../pki", "a/b", "/"])
async def test_no_name_makes_removal_reach_further(platform: Home, cluster_id: str) -> None:
    with pytest.raises(ValueError, match="not the id of"):
        await remove_control_plane(platform, cluster_id)
    assert platform.clusters.exists()


async def test_whoever_makes_or_removes_it_may_be_killed_at_any_moment(
    platform: Home, single: Any, tmp_path: Path
) -> None:
    declaration = tmp_path / "declaration.pickle"
    keys = (single.keys.authority, single.keys.front_proxy_authority)
    assert all(isinstance(pair.key, bytes) for pair in keys)
    declaration.write_bytes(pickle.dumps((single.spec, single.keys)))
    declaration.chmod(0o600)
    for seconds in (0.3, 0.8, 1.2, 2.0, 4.0):
        await _run_and_kill(ENSURE, [str(platform.root), str(declaration)], seconds)
    await single.ensure()
    async with single.client() as client:
        await make_secret(client)
    for seconds in (0.3, 0.6, 0.8, 1.0):
        await _run_and_kill(REMOVE, [str(platform.root), single.id], seconds)
    await remove_control_plane(platform, single.id)
    assert processes_of(platform, single.id) == []
    assert not [path for path in platform.root.rglob("*") if single.id in str(path)]
    assert not await read_etcd(etcd_client(platform, "management"), f"/clusters/{single.id}/")


async def _run_and_kill(code: str, arguments: list[str], seconds: float) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *arguments, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(seconds):
            _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
    except TimeoutError:
        process.kill()
        await process.wait()


async def test_keys_are_not_shown_by_accident() -> None:
    keys = ClusterKeys.generate("shown")
    assert "PRIVATE KEY" not in repr(keys)
    assert repr(keys.encryption_key) not in repr(keys)


async def test_no_secret_is_on_a_command_line(platform: Home, clusters: dict[str, Any]) -> None:
    cluster = clusters[OLDEST]
    words = [
        word for pid in processes_of(platform, cluster.id) for word in psutil.Process(pid).cmdline() if word
    ]
    secret = b64encode(cluster.keys.encryption_key).decode()
    assert words
    assert not [word for word in words if "PRIVATE" in word or secret in word or "eyJ" in word]
    environments = [psutil.Process(pid).environ() for pid in processes_of(platform, cluster.id)]
    assert not [
        value for env in environments for value in env.values() if "PRIVATE" in value or secret in value
    ]


async def test_nothing_listens_beyond_this_machine(platform: Home, clusters: dict[str, Any]) -> None:
    beyond = {
        connection.laddr.port
        for process in platform_processes(platform)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.ip != "127.0.0.1"
    }
    # Cluster API's webhooks listen on every address: it has no flag for another.
    assert beyond <= {Ports(platform).known()[CLUSTER_API]}


async def test_kwok_and_api_server_are_where_the_ports_say(platform: Home, clusters: dict[str, Any]) -> None:
    cluster = clusters[OLDEST]
    ports = Ports(platform).known()
    listening = {
        connection.laddr.port
        for process in platform_processes(platform)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {ports[f"clusters/{cluster.id}/{name}"] for name in (API_SERVER, KWOK)} <= listening
    assert listening <= set(ports.values())


# ---- what is known of it: last, because that takes half a minute ------------------------------------------


async def test_what_its_containers_use_is_kept_under_its_name(
    platform: Home, oldest: tuple[Any, AsyncClient]
) -> None:
    cluster, _ = oldest
    endpoint = metrics_endpoint(platform)
    labels = {"cluster_id": cluster.id, "project": "trial", "cluster": cluster.id, "node": MEASURED}
    of_this = f"{{{','.join(f'{name}={value!r}' for name, value in {**labels, 'pod': MEASURED}.items())}}}"
    trusted = ssl.create_default_context(cafile=str(endpoint.ca))
    async with httpx2.AsyncClient(verify=trusted, trust_env=False, base_url=endpoint.url) as http:
        assert (await http.get("/api/v1/query", params={"query": "up"})).status_code == UNAUTHORIZED
        http.headers.update(endpoint.headers)

        async def ask(metric: str) -> dict[str, float]:
            answer = await http.get("/api/v1/query", params={"query": f"{metric}{of_this}"})
            return {
                series["metric"]["container"]: float(series["value"][1])
                for series in answer.raise_for_status().json()["data"]["result"]
            }

        async def told() -> dict[str, float] | None:
            return await ask("container_memory_working_set_bytes") or None

        memory = await poll(told, timeout_seconds=SECONDS, interval_seconds=0.5)
        requested = await ask("kube_pod_container_resource_requests")
        assert (await ask("container_cpu_usage_seconds_total")).keys() == {"app", "rest"}
    # What is said of one container, and what is not: 85 % of what was asked for.
    assert memory == {"app": 96 * 1024**2, "rest": pytest.approx(0.85 * 1024**3)}
    assert requested == {"app": 1024**3, "rest": 1024**3}
    # A rate of what is kept would take two rounds of asking.
    begin, before = time.monotonic(), await cpu_seconds(platform, cluster, MEASURED)
    await asyncio.sleep(1)
    seconds, after = time.monotonic() - begin, await cpu_seconds(platform, cluster, MEASURED)
    used_cores = {name: (after[name] - before[name]) / seconds for name in after}
    assert used_cores == {name: pytest.approx(0.2, rel=0.2) for name in ("app", "rest")}
