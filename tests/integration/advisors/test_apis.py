"""The APIs advisor beside a real API server: what it converts, and what it finds in a live cluster."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from moorage.advisors.apis.calls import read_calls
from moorage.advisors.apis.cluster import read_cluster
from moorage.advisors.apis.convert import Refused, convert_on, minor_for
from moorage.advisors.apis.model import How, Seen
from moorage.advisors.apis.scratch import PROGRAMS, api_server
from moorage.advisors.apis.table import State, Table, table
from moorage.advisors.apis.versions import Targets
from moorage.local.supervisor import in_thread
from moorage.toolchain import ensure

from ..kube.conftest import started
from .conftest import AuditedApiServer

Kubectl = Callable[..., Coroutine[None, None, "subprocess.CompletedProcess[str]"]]

OLD, NEW = "resource.k8s.io/v1beta1", "resource.k8s.io/v1"
CLAIM: dict[str, Any] = {
    "apiVersion": OLD,
    "kind": "ResourceClaim",
    "metadata": {"name": "gpu", "namespace": "default", "labels": {"app": "web"}},
    "spec": {"devices": {"requests": [{"name": "one", "deviceClassName": "gpu.example.com"}]}},
}
DEVICES: dict[str, Any] = {
    "apiVersion": OLD,
    "kind": "DeviceClass",
    "metadata": {"name": "gpu.example.com"},
    "spec": {"selectors": [{"cel": {"expression": "device.driver == 'gpu.example.com'"}}]},
}
WIDGETS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": False,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            },
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            },
        ],
    },
}
HOOKS: dict[str, Any] = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "guard"},
    "webhooks": [
        {
            "name": name,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "timeoutSeconds": 1,
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "rules": [
                {
                    "apiGroups": ["resource.k8s.io"],
                    "apiVersions": versions,
                    "operations": ["DELETE"],
                    "resources": ["resourceslices"],
                }
            ],
        }
        for name, versions in (("old.example.com", ["v1beta1"]), ("both.example.com", ["v1beta1", "v1"]))
    ],
}
AHEAD = Targets((1, 38))


class EveryApi(AuditedApiServer):
    """One that serves what is deprecated, too."""

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        if name == "kube-apiserver":
            arguments += ("--runtime-config=api/all=true",)
        return super()._spawn(name, *arguments)


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[EveryApi]:
    await ensure(["kubectl"])
    async with started(EveryApi) as server:
        yield server


def chart(folder: Path, *manifests: dict[str, Any]) -> Path:
    """A chart that installs some manifests."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": "shop", "version": "1.2.3"}))
    for number, each in enumerate(manifests):
        (folder / "templates" / f"{number}.yaml").write_text(json.dumps(each))
    return folder


def release(*manifests: dict[str, Any], name: str = "web", revision: int = 3) -> dict[str, Any]:
    """A release as Helm stores it."""
    told = {
        "name": name,
        "namespace": "default",
        "version": revision,
        "info": {"status": "deployed"},
        "chart": {"metadata": {"name": "shop", "version": "1.2.3"}},
        "manifest": "".join(
            f"---\n# Source: shop/templates/x.yaml\n{json.dumps(each)}\n" for each in manifests
        ),
    }
    packed = base64.b64encode(gzip.compress(json.dumps(told).encode()))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {
            "name": f"sh.helm.release.v1.{name}.v{revision}",
            "labels": {"owner": "helm", "name": name, "status": "deployed", "version": str(revision)},
        },
        "data": {"release": base64.b64encode(packed).decode()},
    }


async def moorage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "moorage", "advise", "apis", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
            check=False,
        )

    return await in_thread(run)


async def test_a_live_cluster_tells_who_uses_what_goes(
    server: EveryApi, kubectl: Kubectl, tmp_path: Path
) -> None:
    kubeconfig = server.kubeconfig
    agent_of = {"claims": "--field-manager=claims"}
    for content, flags in (
        (CLAIM, ("--server-side", agent_of["claims"])),
        (DEVICES, ()),
        (WIDGETS, ()),
        (HOOKS, ()),
        (release(DEVICES, {**CLAIM, "kind": "ResourceClaimTemplate"}), ()),
        (release({**CLAIM, "apiVersion": NEW}, name="new"), ()),
    ):
        await kubectl(kubeconfig, "apply", *flags, "-f", "-", stdin=json.dumps(content))
    await kubectl(kubeconfig, "wait", "--for=condition=Established", "crd/widgets.example.com")
    after = json.loads(json.dumps(WIDGETS))
    new, old = after["spec"]["versions"]
    new["storage"], old["storage"], old["deprecated"] = True, False, True
    await kubectl(kubeconfig, "apply", "-f", "-", stdin=json.dumps(after))

    seen = await in_thread(lambda: read_cluster("", str(kubeconfig), table()))
    assert seen.unread == ()
    assert seen.facts["helmReleases"] == 2
    found = {
        (each.how, each.thing, str(each.api.name), each.who)
        for each in seen.sightings
        if each.api.state(AHEAD) is not State.SERVED
    }
    claim, devices = f"{OLD} ResourceClaim", f"{OLD} DeviceClass"
    assert {
        (How.APPLIED, "ResourceClaim default/gpu", claim, "claims"),
        (How.APPLIED, "DeviceClass gpu.example.com", devices, "kubectl-client-side-apply"),
        (How.RELEASED, "DeviceClass gpu.example.com", devices, ""),
        (How.RELEASED, "ResourceClaimTemplate default/gpu", f"{OLD} ResourceClaimTemplate", ""),
        (How.STORED, "CustomResourceDefinition widgets.example.com", "example.com/v1beta1 Widget", ""),
        (
            How.MATCHED,
            "ValidatingWebhookConfiguration guard",
            f"{OLD} ResourceSlice",
            "old.example.com",
        ),
        (How.REQUESTED, "resourceclaims.v1beta1.resource.k8s.io", claim, ""),
        (How.REQUESTED, "deviceclasses.v1beta1.resource.k8s.io", devices, ""),
    } <= found
    assert not [each for each in found if "both.example.com" in each]
    assert _last_applied(seen) == DEVICES["spec"]

    told = await moorage(
        f"--kubeconfig={kubeconfig}", "--context=bare", f"--audit-log={server.audit_log}", "-o", "json"
    )
    assert told.returncode == 1, told.stderr
    report = json.loads(told.stdout)
    assert report["facts"]["corruptLines"] == report["facts"]["foreignLines"] == 0
    calls = [each for each in report["findings"] if each["code"] == "call-removed"]
    mine = [
        each
        for each in calls
        if each["evidence"]["version"] == claim and each["evidence"]["userAgent"].startswith("kubectl/")
    ]
    assert [each["subject"] for each in mine] == ["User admin"]
    assert mine[0]["evidence"]["requests"] >= 1
    assert mine[0]["evidence"]["verbs"] == ["patch"]
    assert mine[0]["evidence"]["removedIn"] == "1.38"
    assert {each["code"] for each in report["findings"]} >= {
        "applied-removed",
        "admission-removed",
        "helm-release-removed",
        "requested-removed",
        "stored-deprecated",
    }

    calm = await moorage(f"--kubeconfig={kubeconfig}", "--context=bare", "--target=1.33", "-o", "json")
    assert calm.returncode == 0, calm.stderr


def _last_applied(seen: Seen) -> Any:
    [found] = [each.content for each in seen.sightings if each.how is How.APPLIED and each.content]
    return found["spec"]


async def test_what_helm_itself_has_installed_is_read(server: EveryApi, tmp_path: Path) -> None:
    helm = (await ensure(["helm"]))["helm"]
    template = {
        **CLAIM,
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": "real"},
        "spec": {"spec": CLAIM["spec"]},
    }
    place = chart(tmp_path / "shop", template)

    def install() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [helm, "install", "real", place, f"--kubeconfig={server.kubeconfig}", "--namespace=default"],
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
            check=False,
        )

    done = await in_thread(install)
    assert done.returncode == 0, done.stderr
    seen = await in_thread(lambda: read_cluster("", str(server.kubeconfig), table()))
    [found] = [
        each for each in seen.sightings if each.how is How.RELEASED and each.evidence["release"] == "real"
    ]
    assert str(found.api.name) == f"{OLD} ResourceClaimTemplate"
    assert found.evidence == {"release": "real", "revision": 1, "status": "deployed", "chart": "shop 1.2.3"}
    # Helm applies on the server under its own name; that is seen on the object itself, too.
    assert any(each.how is How.APPLIED and each.who == "helm" for each in seen.sightings)


async def test_what_the_api_server_annotates_is_enough_without_a_table(
    server: EveryApi, kubectl: Kubectl
) -> None:
    await kubectl(server.kubeconfig, "get", "--raw", f"/apis/{OLD}/deviceclasses")
    nothing = Table((), newest=(1, 30))
    for _ in range(20):
        seen = await in_thread(lambda: read_calls([str(server.audit_log)], nothing))
        found = [each for each in seen.sightings if str(each.api.name) == f"{OLD} deviceclasses"]
        if found:
            break
        await asyncio.sleep(0.1)
    assert {each.thing for each in found} == {"User admin"}
    assert {each.api.removed for each in found} == {(1, 38)}


async def test_what_may_not_be_read_is_named_and_the_rest_is_read(
    server: EveryApi, kubectl: Kubectl, tmp_path: Path
) -> None:
    kubeconfig = server.kubeconfig
    await kubectl(
        kubeconfig, "create", "clusterrole", "few", "--verb=list", "--resource=deviceclasses", check=False
    )
    await kubectl(
        kubeconfig, "create", "clusterrolebinding", "few", "--clusterrole=few", "--user=eve", check=False
    )
    config = server.config(server.port)
    config["users"][0]["user"]["as"] = "eve"  # type: ignore[index]
    mine = kubeconfig.with_name("eve.kubeconfig")
    mine.write_text(json.dumps(config))
    await kubectl(kubeconfig, "apply", "-f", "-", stdin=json.dumps(DEVICES))
    for _ in range(40):
        seen = await in_thread(lambda: read_cluster("bare", str(mine), table()))
        if any(each.thing == "DeviceClass gpu.example.com" for each in seen.sightings):
            break
        await asyncio.sleep(0.25)
    assert any(each.thing == "DeviceClass gpu.example.com" for each in seen.sightings)
    assert any("secrets" in problem and "forbidden" in problem for problem in seen.unread)
    assert any("/metrics" in problem for problem in seen.unread)
    told = await moorage(f"--kubeconfig={mine}", "--context=bare")
    assert told.returncode == 2


async def test_an_object_is_converted_by_the_api_server_and_the_conversion_is_proved() -> None:
    await ensure(PROGRAMS)
    api = table().by_name(OLD, "ResourceClaim")
    assert api is not None
    assert minor_for(api, table().newest) == table().newest
    async with api_server() as client:
        conversion = await convert_on(client, CLAIM, api)
        assert conversion.content is not None
        assert conversion.content["apiVersion"] == NEW
        assert conversion.content["metadata"] == CLAIM["metadata"]
        [request] = conversion.content["spec"]["devices"]["requests"]
        assert request["exactly"]["deviceClassName"] == "gpu.example.com"
        assert any("deviceClassName" in each for each in conversion.attention)
        with pytest.raises(Refused):
            await convert_on(
                client, {**CLAIM, "spec": {"devices": {"requests": [{"name": "no name!"}]}}}, api
            )
        # Nothing is left of it, and the same again gives the same.
        assert await convert_on(client, CLAIM, api) == conversion


async def test_a_version_that_is_gone_already_is_converted_by_an_older_minor(tmp_path: Path) -> None:
    await ensure(PROGRAMS)
    manifest = {
        "apiVersion": "storage.k8s.io/v1beta1",
        "kind": "VolumeAttributesClass",
        "metadata": {"name": "fast"},
        "driverName": "csi.example.com",
        "parameters": {"iops": "4000"},
    }
    file = tmp_path / "fast.json"
    file.write_text(json.dumps(manifest))
    told = await moorage(str(file), "--convert", "-o", "json")
    assert told.returncode == 1, told.stderr
    [finding] = json.loads(told.stdout)["findings"]
    assert finding["change"] == [
        {"action": "apply", "object": {**manifest, "apiVersion": "storage.k8s.io/v1"}}
    ]
    assert "Kubernetes 1.36 has converted it" in finding["evidence"]["conversion"]
