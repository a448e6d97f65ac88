"""The permissions advisor beside a real API server: its decisions, its audit log, its objects."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube import AsyncClient

from moorage.advisors.advice import Advice
from moorage.advisors.permissions.evaluate import allows
from moorage.advisors.permissions.model import ACCOUNT, Place, Rbac, Request, Who
from moorage.advisors.permissions.parsing import parse
from moorage.advisors.permissions.plan import Wanted, plan
from moorage.advisors.permissions.scan import scan
from moorage.kube.kinds import NAMESPACE, Kind
from moorage.kube.objects import apply, create, delete
from moorage.local.supervisor import in_thread
from moorage.reports.findings import Action

from ...unit.advisors.permissions.helpers import BACKGROUND, binding, event_of, lines, role
from .conftest import AuditedApiServer

Kubectl = Callable[..., Coroutine[None, None, "subprocess.CompletedProcess[str]"]]

RBAC = "rbac.authorization.k8s.io"
KINDS = {
    "Role": Kind(RBAC, "v1", "Role", "roles"),
    "RoleBinding": Kind(RBAC, "v1", "RoleBinding", "rolebindings"),
    "ClusterRole": Kind(RBAC, "v1", "ClusterRole", "clusterroles", namespaced=False),
    "ClusterRoleBinding": Kind(RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
}
REVIEW = Kind("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False)
AT_ONCE = 16
SOON_SECONDS = 20

VERBS = ("get", "list", "watch", "update", "create", "deletecollection", "escalate")
GROUPS = ("", "apps", "example.com")
RESOURCES = ("pods", "secrets", "deployments", "nodes")
NAMES = ("", "a", "b", "c")
PATHS = ("/api", "/metrics", "/apis/apps", "/apis", "/healthz/etcd")


def users(prefix: str) -> list[Who]:
    namespace = f"{prefix}-one"
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return [
        Who(f"{ACCOUNT}{namespace}:web", groups),
        Who(f"{prefix}-ann", (f"{prefix}-devs", "system:authenticated")),
        Who(f"{prefix}-bob", (f"{prefix}-devs", f"{prefix}-ops", "system:authenticated")),
    ]


def random_world(rnd: random.Random, prefix: str) -> list[dict[str, Any]]:
    """Roles and bindings, in two namespaces and for the cluster."""
    namespaces = (f"{prefix}-one", f"{prefix}-two")
    subjects = (
        f"sa:{prefix}-one/web",
        f"user:{prefix}-ann",
        f"user:{prefix}-bob",
        f"group:{prefix}-devs",
        f"group:{prefix}-ops",
        f"group:system:serviceaccounts:{prefix}-one",
    )
    objects = []
    for number in range(rnd.randint(3, 6)):
        namespace = rnd.choice(("", *namespaces))
        rules = [_random_rule(rnd, paths=not namespace) for _ in range(rnd.randint(1, 3))]
        objects.append(role(*rules, name=f"{prefix}-r{number}", namespace=namespace))
        for place in range(rnd.randint(1, 2)):
            where = namespace or rnd.choice(("", *namespaces))
            objects.append(
                binding(
                    *rnd.sample(subjects, rnd.randint(1, 2)),
                    to=f"{prefix}-r{number}",
                    kind="Role" if namespace else "ClusterRole",
                    name=f"{prefix}-b{number}{place}",
                    namespace=where,
                )
            )
    return objects


def _random_rule(rnd: random.Random, *, paths: bool) -> dict[str, Any]:
    def some(words: Iterable[str], most: int) -> list[str]:
        words = list(words)
        return rnd.sample(words, rnd.randint(1, min(most, len(words))))

    if paths and rnd.random() < 0.2:
        return {
            "verbs": some(("get", "post", "*"), 2),
            "nonResourceURLs": some((*PATHS, "/apis/*", "/h*", "*"), 2),
        }
    found = {
        "verbs": some((*VERBS, "*"), 3),
        "apiGroups": some((*GROUPS, "*"), 2),
        "resources": some((*RESOURCES, "pods/log", "*/status", "*/log", "*"), 3),
    }
    return {**found, **({"resourceNames": some("abc", 2)} if rnd.random() < 0.3 else {})}


def every_request(prefix: str) -> list[Request]:
    found = [
        Request(verb, group, resource, subresource, namespace, name)
        for verb, group, resource, subresource, namespace, name in product(
            VERBS, GROUPS, RESOURCES, ("", "log", "status"), ("", f"{prefix}-one", f"{prefix}-two"), NAMES
        )
    ]
    return found + [Request(verb, path=path) for verb, path in product(("get", "post", "put"), PATHS)]


async def ask(client: AsyncClient, who: Who, request: Request) -> bool:
    """Have the API server decide."""
    spec: dict[str, Any] = {"user": who.name, "groups": list(who.groups)}
    if request.path:
        spec["nonResourceAttributes"] = {"verb": request.verb, "path": request.path}
    else:
        fields = ("verb", "group", "resource", "subresource", "namespace", "name")
        spec["resourceAttributes"] = {
            field: getattr(request, field) for field in fields if getattr(request, field)
        }
    review = REVIEW.resource(apiVersion=REVIEW.api_version, kind=REVIEW.kind, spec=spec)
    return bool((await client.create(review))["status"]["allowed"])


async def differences(client: AsyncClient, rbac: Rbac, sample: list[tuple[Who, Request]]) -> list[Any]:
    """Return where the API server and our evaluator differ; its caches need a moment."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def differs(who: Who, request: Request) -> bool:
        expected = allows(rbac, who, request)
        for _ in range(SOON_SECONDS * 4):
            async with gate:
                if await ask(client, who, request) == expected:
                    return False
            await asyncio.sleep(0.25)
        return True

    found = await asyncio.gather(*(differs(who, request) for who, request in sample))
    return [each for each, wrong in zip(sample, found, strict=True) if wrong]


async def install(client: AsyncClient, objects: Iterable[dict[str, Any]]) -> None:
    for each in sorted(objects, key=lambda each: str(each["kind"]).endswith("Binding")):
        await apply(client, KINDS[each["kind"]], each, field_manager="test")


async def carry_out(client: AsyncClient, advice: Advice) -> None:
    done = []
    for finding in advice.findings:
        for change in finding.change:
            if change in done:
                continue
            done.append(change)
            content, kind = dict(change.content), KINDS[change.content["kind"]]
            if change.action is Action.DELETE:
                await delete(client, kind, content["metadata"]["name"], content["metadata"].get("namespace"))
            else:
                await apply(client, kind, content, field_manager="test")


async def read(client: AsyncClient, prefix: str) -> Rbac:
    """Read what the cluster has, of the objects of one test."""
    found = []
    for name, kind in KINDS.items():
        where = {"namespace": "*"} if kind.namespaced else {}
        found += [
            ({"apiVersion": kind.api_version, "kind": name, **item}, Place())
            async for item in client.list(kind.resource, **where)
            if item["metadata"]["name"].startswith(prefix)
        ]
    rbac = parse(found, origin="the API server")
    # As if they were older than the window: the API server does not let anybody set when they were made.
    return replace(rbac, bindings=tuple(replace(each, created=None) for each in rbac.bindings))


def sample(rnd: random.Random, rbac: Rbac, prefix: str, count: int) -> list[tuple[Who, Request]]:
    """Some requests, half of them such as are allowed."""
    every = [(who, request) for who in users(prefix) for request in every_request(prefix)]
    rnd.shuffle(every)
    allowed = [each for each in every if allows(rbac, *each)]
    return [*allowed[: count // 2], *every[: count // 2]]


@pytest.mark.parametrize("seed", range(6))
async def test_any_rbac_is_judged_as_the_api_server_does_and_its_advice_is_proved_there(
    client: AsyncClient, tmp_path: Path, seed: int
) -> None:
    rnd, prefix = random.Random(seed), f"w{seed}"  # noqa: S311 - the same every time
    for namespace in (f"{prefix}-one", f"{prefix}-two"):
        await create(client, NAMESPACE, {"metadata": {"name": namespace}}, field_manager="test")
    await install(client, random_world(rnd, prefix))
    before = await read(client, prefix)
    asked = sample(rnd, before, prefix, 120)
    assert await differences(client, before, asked) == []

    traffic = [each for each in asked if allows(before, *each)]
    traffic = [
        (who, request)
        for who, request in rnd.sample(traffic, len(traffic) // 4)
        if request.verb != "escalate"
    ]
    log = tmp_path / "audit.log"
    events = [event_of(who, request, requestURI=_uri(request)) for who, request in traffic]
    log.write_text(lines([*BACKGROUND, *events]))
    advice = plan(scan([str(log)]), before, Wanted(), now=datetime(2026, 11, 1, tzinfo=UTC))
    await carry_out(client, advice)

    after = await read(client, prefix)
    assert [each for each in traffic if not allows(after, *each)] == []
    assert await differences(client, after, [*traffic, *asked]) == []
    assert [each for each in asked if allows(after, *each) and not allows(before, *each)] == []
    assert any(allows(before, *each) and not allows(after, *each) for each in asked)


def _uri(request: Request) -> str:
    return request.path or f"/x/{request.resource}/{request.name}"


async def test_from_its_audit_log_to_a_least_role_under_which_the_same_work_goes_on(
    audited: AuditedApiServer, client: AsyncClient, kubectl: Kubectl, tmp_path: Path
) -> None:
    everything = {"verbs": ["*"], "apiGroups": ["", "apps"], "resources": ["*"]}
    await create(client, NAMESPACE, {"metadata": {"name": "live"}}, field_manager="test")
    web = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "live"}}
    await kubectl(audited.kubeconfig, "apply", "-f", "-", stdin=json.dumps(web))
    await install(
        client,
        [
            role(everything, name="live-all", namespace=""),
            binding("sa:live/web", to="live-all", kind="ClusterRole", name="live-all", namespace=""),
        ],
    )
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}
    work = (
        (("apply", "--server-side", "-n", "live", "-f", "-"), json.dumps(settings)),
        (("get", "configmaps", "settings", "-n", "live"), None),
        (("get", "deployments", "-n", "live"), None),
        (("delete", "configmap", "settings", "-n", "live"), None),
    )
    as_web = f"--as={ACCOUNT}live:web"
    await _until_allowed(kubectl, audited, as_web, "list", "deployments.apps", "-n", "live")
    for arguments, stdin in work:
        await kubectl(audited.kubeconfig, as_web, *arguments, stdin=stdin)

    dump = await kubectl(
        audited.kubeconfig,
        "get",
        "roles,clusterroles,rolebindings,clusterrolebindings,serviceaccounts",
        "-A",
        "-ojson",
    )
    files = tmp_path / "rbac.json"
    files.write_text(_made_long_ago(dump.stdout))
    told = await _moorage(
        "--audit-log", str(audited.audit_log), "--rbac", str(files), "--subject", "live/web", "-o", "json"
    )
    assert told.returncode == 1, told.stderr
    report = json.loads(told.stdout)
    assert report["facts"]["corruptLines"] == report["facts"]["foreignLines"] == 0
    found = {finding["code"]: finding for finding in report["findings"]}
    assert {"wildcard-used-in-part", "cluster-wide-in-one-namespace", "escalation"} <= set(found)
    change = found["wildcard-used-in-part"]["change"]
    rules = change[0]["object"]["rules"]
    assert {verb for each in rules if "configmaps" in each["resources"] for verb in each["verbs"]} == {
        "get", "create", "patch", "delete",
    }  # fmt: skip

    for each in change:
        verb = "apply" if each["action"] == "apply" else "delete"
        flags = ("--server-side", "--force-conflicts") if verb == "apply" else ()
        await kubectl(audited.kubeconfig, verb, *flags, "-f", "-", stdin=yaml.safe_dump(each["object"]))
    await _until_allowed(kubectl, audited, as_web, "list", "secrets", "-n", "live", allowed=False)
    for arguments, stdin in work:
        await kubectl(audited.kubeconfig, as_web, *arguments, stdin=stdin)
    refused = await kubectl(audited.kubeconfig, as_web, "get", "deployments", "-A", check=False)
    assert "forbidden" in refused.stderr


async def test_a_cluster_is_read_by_its_context_and_its_own_rbac_is_left_alone(
    audited: AuditedApiServer,
) -> None:
    environment = {"KUBECONFIG": str(audited.kubeconfig)}
    told = await _moorage(
        "--audit-log", str(audited.audit_log), "--context", "bare", "-o", "json", environment=environment
    )
    assert told.returncode in (0, 1), told.stderr
    report = json.loads(told.stdout)
    assert not [
        each for each in report["findings"] if each["subject"].startswith("ServiceAccount kube-system/")
    ]
    assert any("left alone, of Kubernetes itself" in note for note in report["notes"])


async def test_a_cluster_that_is_not_there_is_said_in_a_line(
    audited: AuditedApiServer, tmp_path: Path
) -> None:
    told = await _moorage(
        "--audit-log", str(audited.audit_log), "--context", "none", "--kubeconfig", str(tmp_path / "x")
    )
    assert told.returncode == 2
    assert told.stderr.startswith("error: context none cannot be read")


async def _until_allowed(
    kubectl: Kubectl, audited: AuditedApiServer, as_who: str, *what: str, allowed: bool = True
) -> None:
    for _ in range(SOON_SECONDS * 4):
        answer = await kubectl(audited.kubeconfig, as_who, "auth", "can-i", *what, check=False)
        if (answer.stdout.strip() == "yes") is allowed:
            return
        await asyncio.sleep(0.25)
    pytest.fail(f"{as_who} {what}: still not {allowed}")


def _made_long_ago(text: str) -> str:
    content = json.loads(text)
    for item in content["items"]:
        item["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    return json.dumps(content)


async def _moorage(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return await in_thread(
        lambda: subprocess.run(
            [sys.executable, "-m", "moorage", "advise", "permissions", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, **(environment or {})},
        )
    )
