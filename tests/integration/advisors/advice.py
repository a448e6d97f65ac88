"""Two real API servers for advice: one that has the objects, and one that stands for a user cluster."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from lightkube import AsyncClient

from moorage.advisors.advice import Advice, Change, Finding, Location
from moorage.api.advice import Advice as AdviceObject
from moorage.api.crd import custom_resource_definition
from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.project import Project
from moorage.kube.client import connect
from moorage.kube.kinds import ADVICE, CRD, KUBERNETES_CLUSTER, NAMESPACE, PROJECT, Kind, Object
from moorage.kube.objects import apply, create, get, persist, poll
from moorage.local.pki import Leaf
from moorage.reports.findings import Action, Severity

from ..kube.conftest import BareApiServer

ESTABLISHED_SECONDS = 60
_ADMISSION = "admissionregistration.k8s.io"
_RBAC = "rbac.authorization.k8s.io"
_KINDS = {
    kind.kind: kind
    for kind in (
        Kind(_RBAC, "v1", "ClusterRole", "clusterroles", namespaced=False),
        Kind(
            _ADMISSION,
            "v1",
            "ValidatingAdmissionPolicy",
            "validatingadmissionpolicies",
            namespaced=False,
        ),
        Kind(
            _ADMISSION,
            "v1",
            "ValidatingAdmissionPolicyBinding",
            "validatingadmissionpolicybindings",
            namespaced=False,
        ),
    )
}


class PeopledApiServer(BareApiServer):
    """An API server that several people may enter, each with a certificate."""

    def as_user(self, name: str, groups: tuple[str, ...] = ()) -> Path:
        """Return somebody's kubeconfig."""
        path = self.root / f"kubeconfig-of-{name}"
        self._pki.leaf(f"user-{name}", self._pki.authority("ca", "bare-ca"), Leaf(name, groups))
        config = self.config(self.port)
        user = {"client-certificate": f"pki/user-{name}.crt", "client-key": f"pki/user-{name}.key"}
        config["users"] = [{"name": "admin", "user": user}]
        path.write_text(yaml.safe_dump(config))
        return path


async def install(client: AsyncClient) -> None:
    """Bring the kinds, the roles and the rules of the management cluster into an API server."""
    for kind in (Project, KubernetesCluster, AdviceObject):
        definition = custom_resource_definition(kind)
        await apply(client, CRD, definition, field_manager="test")
        await _established(client, definition["metadata"]["name"])
    text = files("moorage").joinpath("deploy", "members.yaml").read_text("utf-8")
    for obj in yaml.safe_load_all(text):
        await apply(client, _KINDS[obj["kind"]], obj, field_manager="test")


async def new_project(client: AsyncClient, cluster: str = "web") -> str:
    """Make the namespace of a project with a cluster, and return the project's name."""
    project = f"shop-{secrets.token_hex(3)}"
    namespace = f"project-{project}"
    await create(client, NAMESPACE, {"metadata": {"name": namespace}}, field_manager="test")
    declared = {
        "metadata": {"name": cluster, "namespace": namespace},
        "spec": {"version": "1.36", "provider": "local"},
    }

    async def attempt() -> None:
        await create(client, PROJECT, {"metadata": {"name": project}}, field_manager="test")
        await create(client, KUBERNETES_CLUSTER, declared, field_manager="test")

    await persist(attempt, timeout_seconds=20)
    return project


async def read(client: AsyncClient, namespace: str, name: str) -> AdviceObject:
    found = await get(client, ADVICE, name, namespace)
    assert found is not None
    return AdviceObject.parse(found)


def finding(subject: str = "ServiceAccount shop/web", **fields: Any) -> Finding:
    """A finding with everything in it."""
    told: dict[str, Any] = {
        "advisor": "permissions",
        "subject": subject,
        "code": "unused-binding",
        "severity": Severity.HIGH,
        "confidence": 0.9,
        "summary": "RoleBinding shop/web gives Role shop/web, and nothing of it was used.",
        "evidence": {"requests": 0, "window": {"days": 30}, "last": None},
        "change": (Change(Action.DELETE, head("RoleBinding", "web"), None),),
        "consequence": "Whoever takes it over can read secrets.",
        "location": Location("RoleBinding shop/web"),
    }
    return Finding(**{**told, **fields})


def head(kind: str, name: str, namespace: str | None = "shop") -> dict[str, Any]:
    where = {} if namespace is None else {"namespace": namespace}
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": {"name": name, **where}}


def advice(*findings: Finding, time: datetime | None = None) -> Advice:
    return Advice("permissions", tuple(findings), time=time or datetime.now(UTC))


@asynccontextmanager
async def entered(kubeconfig: Path) -> AsyncIterator[AsyncClient]:
    async with connect(kubeconfig) as client:
        yield client


async def put(client: AsyncClient, kind: Kind, *objects: Object) -> None:
    for obj in objects:
        await apply(client, kind, obj, field_manager="kubectl")


def without_bookkeeping(obj: Mapping[str, Any] | None) -> Any:
    """What of an object is anybody's business: all but what the API server notes of it."""
    if obj is None:
        return None
    server = {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"}
    metadata = {key: value for key, value in obj["metadata"].items() if key not in server}
    return {**obj, "metadata": metadata}


def names(items: Iterable[Object]) -> list[str]:
    return sorted(item["metadata"]["name"] for item in items)


async def _established(client: AsyncClient, name: str) -> None:
    async def look() -> Object | None:
        found = await get(client, CRD, name) or {}
        conditions = found.get("status", {}).get("conditions") or ()
        return (
            found if any(c["type"] == "Established" and c["status"] == "True" for c in conditions) else None
        )

    assert await poll(look, timeout_seconds=ESTABLISHED_SECONDS), f"{name} is not established"
