"""A user cluster in which the platform follows advice: its rules, its workloads, and the time."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from lightkube import AsyncClient

from moorage.advisors.advice import Advice as Found
from moorage.advisors.advice import Change, Finding
from moorage.advisors.automatic.controller import AutomaticController
from moorage.advisors.automatic.model import OPT_IN, Policy
from moorage.advisors.automatic.proposals import Proposer
from moorage.advisors.keeping import keep
from moorage.advisors.keeping.written import name_of
from moorage.api.advice import Advice
from moorage.kube.controller import Cache, Key
from moorage.kube.kinds import (
    DEPLOYMENT,
    KUBERNETES_CLUSTER,
    NAMESPACE,
    POD,
    PROJECT,
    SERVICE_ACCOUNT,
    Object,
)
from moorage.kube.objects import create, get, merge_patch
from moorage.reports.findings import Action, Severity

from .advice import finding, read

SUNDAY: Final = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
WINDOW: Final = {"days": ["Sunday"], "start": "02:00", "durationHours": 4}
WATCH: Final = timedelta(minutes=10)
LABELS: Final = {"app": "web"}


@dataclass
class Site:
    """One API server that is both clusters: the namespaces tell what is of which."""

    admin: AsyncClient
    auto: Path
    project: str
    now: datetime = SUNDAY
    proposer: Proposer | None = None
    shops: list[str] = field(default_factory=list)

    @property
    def namespace(self) -> str:
        return f"project-{self.project}"

    @property
    def key(self) -> Key:
        return Key(self.namespace, "web")

    def object(self, key: Key) -> Object | None:
        return self._cluster

    async def access(self, key: Key, obj: Object) -> Path:
        return self.auto

    def controller(self) -> AutomaticController:
        """A new process of the platform."""
        return AutomaticController(
            self.admin,
            Cache([KUBERNETES_CLUSTER, PROJECT]),
            self,
            Policy(watch=WATCH),
            proposer=self.proposer,
            clock=lambda: self.now,
        )

    async def turn(self, controller: AutomaticController | None = None) -> None:
        """Let the platform look once."""
        self._cluster = await self.cluster()
        await (controller or self.controller()).reconcile(self.key)

    async def cluster(self) -> Object:
        found = await get(self.admin, KUBERNETES_CLUSTER, "web", self.namespace)
        assert found is not None
        return {"apiVersion": KUBERNETES_CLUSTER.api_version, "kind": KUBERNETES_CLUSTER.kind, **found}

    async def declare(self, window: dict[str, Any] | None) -> None:
        patch = {"spec": {"maintenanceWindow": window}}
        await merge_patch(self.admin, KUBERNETES_CLUSTER, "web", self.namespace, patch, field_manager="test")

    async def said(self) -> tuple[str, str] | None:
        """The reason and the message of the condition."""
        status = (await self.cluster()).get("status") or {}
        for each in status.get("conditions") or ():
            if each["type"] == "AdviceAutomatic":
                return each["reason"], each["message"]
        return None

    async def shop(self, *, wanted: bool = True) -> str:
        """A namespace in which advice is followed, or not."""
        name = f"shop-{secrets.token_hex(3)}"
        labels = {OPT_IN: "true"} if wanted else {}
        await create(
            self.admin, NAMESPACE, {"metadata": {"name": name, "labels": labels}}, field_manager="kubectl"
        )
        account = {"metadata": {"name": "default", "namespace": name}}
        await create(self.admin, SERVICE_ACCOUNT, account, field_manager="test")
        self.shops.append(name)
        return name

    async def workload(self, shop: str, name: str = "web", **labels: str) -> None:
        """A Deployment of two pods that is well."""
        await create(self.admin, DEPLOYMENT, deployment(shop, name, **labels), field_manager="kubectl")
        await self.rolled_out(shop, name)

    async def rolled_out(self, shop: str, name: str = "web", ready: int = 2) -> None:
        """What the controllers of a cluster would say when a change is rolled out."""
        found = await self.deployment(shop, name)
        status = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": ready, "availableReplicas": ready}
        status["observedGeneration"] = found["metadata"]["generation"]
        patch = {"status": status}
        await merge_patch(self.admin, DEPLOYMENT, name, shop, patch, field_manager="test", status=True)

    async def killed_for_memory(self, shop: str) -> None:
        """A pod whose container was killed a minute ago."""
        pod = {
            "metadata": {"name": f"web-{secrets.token_hex(3)}", "namespace": shop, "labels": LABELS},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        }
        made = await create(self.admin, POD, pod, field_manager="test")
        assert made is not None
        ended = {
            "reason": "OOMKilled",
            "exitCode": 137,
            "finishedAt": (self.now - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        container = {
            "name": "app",
            "image": "app:1",
            "imageID": "",
            "ready": True,
            "restartCount": 1,
            "lastState": {"terminated": ended},
        }
        patch = {"status": {"containerStatuses": [container]}}
        name = made["metadata"]["name"]
        await merge_patch(self.admin, POD, name, shop, patch, field_manager="test", status=True)

    async def deployment(self, shop: str, name: str = "web") -> Object:
        found = await get(self.admin, DEPLOYMENT, name, shop)
        assert found is not None
        return found

    async def requests(self, shop: str, name: str = "web") -> dict[str, str]:
        """What the container ``app`` asks for."""
        [app] = [
            each
            for each in (await self.deployment(shop, name))["spec"]["template"]["spec"]["containers"]
            if each["name"] == "app"
        ]
        return dict(app.get("resources", {}).get("requests", {}))

    async def advise(self, *findings: Finding) -> list[str]:
        """Keep advice as the platform does, all that a run has found; return its names."""
        found = Found("resources", findings, time=self.now)
        await keep(self.admin, project_namespace=self.namespace, cluster="web", advice=found, now=self.now)
        return [name_of(each, "web") for each in findings]

    async def look(self, name: str) -> Advice:
        return await read(self.admin, self.namespace, name)


def deployment(shop: str, name: str = "web", **labels: str) -> Object:
    return {
        "metadata": {"name": name, "namespace": shop, "labels": labels, "annotations": {"team": "shop"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {
                    "containers": [
                        {"name": "log", "image": "log:1", "env": [{"name": "A", "value": "1"}]},
                        {
                            "name": "app",
                            "image": "app:1",
                            "resources": {"requests": {"cpu": "2", "memory": "4Gi"}},
                        },
                    ]
                },
            },
        },
    }


def applied(shop: str, name: str = "web", **requests: str) -> Object:
    """What of a Deployment a change sets."""
    containers = [{"name": "app", "resources": {"requests": requests}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": shop},
        "spec": {"template": {"spec": {"containers": containers}}},
    }


def too_large(shop: str, name: str = "web", code: str = "cpu-request-large", **requests: str) -> Finding:
    """The advice to ask for less."""
    return finding(
        f"Deployment {shop}/{name}, container app",
        advisor="resources",
        code=code,
        severity=Severity.MEDIUM,
        evidence={"now": {"requests.cpu": "2", "requests.memory": "4Gi"}},
        change=(Change(Action.APPLY, applied(shop, name, **(requests or {"cpu": "250m"}))),),
        summary="Its CPU request of 2 is 8.0 times what it needs; 250m would fit.",
    )
