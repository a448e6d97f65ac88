"""What the demo runs, as many teams would: it works, and there is something to be said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lightkube import AsyncClient

    from moorage.cli._objects import Object
    from moorage.clusters.kubeconfig import Kubeconfig

APP: Final = "hello"
NAMESPACE: Final = "default"
REPLICAS: Final = 5
GREETING: Final = "Greeting"

_GROUP: Final = "demo.example.com"
_PLURAL: Final = "greetings"
_RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_MANAGER: Final = "moorage-demo"
_SECONDS: Final = 60.0


def deployment() -> Object:
    """Return the Deployment: it asks for far more than it uses, which here its annotations say."""
    labels = {"app": APP}
    usage = {"kwok.x-k8s.io/usage-cpu": "40m", "kwok.x-k8s.io/usage-memory": "60Mi"}
    container = {
        "name": "web",
        "image": "nginx:stable",
        "resources": {"requests": {"cpu": "400m", "memory": "512Mi"}},
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    return {
        "metadata": {"name": APP, "namespace": NAMESPACE},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": usage},
                "spec": {
                    "serviceAccountName": APP,
                    "containers": [container],
                    "topologySpreadConstraints": [spread],
                },
            },
        },
    }


async def prepare(config: Kubeconfig) -> None:
    """Make what the Deployment goes with, as a member would: rights, and a resource of the team's own."""
    from moorage.kube.client import connect

    async with connect(config) as client:
        await _grant(client)
        await _greet(client)


async def _grant(client: AsyncClient) -> None:
    """Give the Deployment's ServiceAccount more than it needs."""
    from moorage.kube.kinds import ROLE, ROLE_BINDING, SERVICE_ACCOUNT
    from moorage.kube.objects import apply

    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]},
    ]
    binding = {
        "roleRef": {"apiGroup": _RBAC_GROUP, "kind": "Role", "name": APP},
        "subjects": [{"kind": "ServiceAccount", "name": APP, "namespace": NAMESPACE}],
    }
    for kind, content in ((SERVICE_ACCOUNT, {}), (ROLE, {"rules": rules}), (ROLE_BINDING, binding)):
        metadata = {"name": APP, "namespace": NAMESPACE}
        await apply(client, kind, {"metadata": metadata, **content}, field_manager=_MANAGER)


async def _greet(client: AsyncClient) -> None:
    """Define a resource whose first version is deprecated, and write an object in that version.

    Raises:
        TimeIsOverError: the API server does not serve it.
    """
    from moorage.cli._wait import TimeIsOverError
    from moorage.kube.kinds import CRD, Kind
    from moorage.kube.objects import FAILED, NOT_FOUND, apply, get, is_status, poll

    await apply(client, CRD, _definition(), field_manager=_MANAGER)
    if await get(client, Kind(_GROUP, "v1", GREETING, _PLURAL), APP, NAMESPACE) is not None:
        return  # somebody may have followed the advice about it
    greeting = {"metadata": {"name": APP, "namespace": NAMESPACE}, "spec": {"text": "Hello from Moorage"}}

    async def write() -> bool | None:
        try:
            await apply(client, Kind(_GROUP, "v1beta1", GREETING, _PLURAL), greeting, field_manager=_MANAGER)
        except FAILED as error:
            if is_status(error, NOT_FOUND):
                return None
            raise
        return True

    if not await poll(write, timeout_seconds=_SECONDS):
        raise TimeIsOverError(f"{_PLURAL}.{_GROUP} is not served after {_SECONDS:g} s")


def _definition() -> Object:
    text = {"type": "object", "properties": {"text": {"type": "string"}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": text}}}
    warning = f"{_GROUP}/v1beta1 {GREETING} is deprecated; use {_GROUP}/v1"
    old = {"deprecated": True, "deprecationWarning": warning}
    return {
        "metadata": {"name": f"{_PLURAL}.{_GROUP}"},
        "spec": {
            "group": _GROUP,
            "names": {
                "kind": GREETING,
                "listKind": f"{GREETING}List",
                "plural": _PLURAL,
                "singular": GREETING.lower(),
            },
            "scope": "Namespaced",
            "versions": [
                {"name": "v1beta1", "served": True, "storage": False, "schema": schema, **old},
                {"name": "v1", "served": True, "storage": True, "schema": schema},
            ],
        },
    }
