"""The end of the demo: rights that nobody uses, found by the platform itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lightkube import AsyncClient

    from moorage.cli._names import ClusterRef
    from moorage.cli._objects import Object
    from moorage.clusters.kubeconfig import Kubeconfig

ACCOUNT: Final = "reporter"
WINDOW: Final = timedelta(minutes=1)
"""How long a right was not used, here: elsewhere it is 30 days, and nobody watches a demo for that long."""

_WAITING: Final = "elsewhere, it takes 30 days"
_ABOUT: Final = f"about ServiceAccount {ACCOUNT}"
_AGAIN: Final = timedelta(seconds=5)
_TIMEOUT_SECONDS: Final = 240.0
_RBAC_GROUP: Final = "rbac.authorization.k8s.io"


def in_a_minute(project: Object) -> Object:
    """Return a project with advice about what was not used for a minute."""
    window = f"{WINDOW.total_seconds() / 60:.0f}m"
    return {**project, "spec": {**project["spec"], "advice": {"window": window}}}


async def grant(config: Kubeconfig) -> None:
    """Give a ServiceAccount more than it needs, as a member would."""
    from moorage.kube.client import connect
    from moorage.kube.kinds import ROLE, ROLE_BINDING, SERVICE_ACCOUNT
    from moorage.kube.objects import apply

    metadata = {"name": ACCOUNT, "namespace": "default"}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "default"}
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]},
    ]
    async with connect(config) as client:
        for kind, content in (
            (SERVICE_ACCOUNT, {}),
            (ROLE, {"rules": rules}),
            (
                ROLE_BINDING,
                {
                    "roleRef": {"apiGroup": _RBAC_GROUP, "kind": "Role", "name": ACCOUNT},
                    "subjects": [subject],
                },
            ),
        ):
            await apply(client, kind, {"metadata": metadata, **content}, field_manager="moorage-demo")


async def advice_about_it(client: AsyncClient, ref: ClusterRef, config: Kubeconfig) -> tuple[str, str]:
    """Wait for the advice about the ServiceAccount; return its name and what it says.

    Raises:
        TimeIsOverError: there is none.
    """
    from moorage.cli._live import Board, Row, State
    from moorage.cli._wait import TimeIsOverError
    from moorage.kube.objects import poll

    title = f"Watching cluster {ref} for a minute: what is granted there and not used"
    ask_at = await _granted(config) + WINDOW
    with Board(title) as board:

        async def look() -> tuple[str, str] | None:
            nonlocal ask_at
            if datetime.now(UTC) > ask_at:
                # Events come in some seconds late, and advice goes no further than they do.
                ask_at = datetime.now(UTC) + _AGAIN
                await _ask(client, ref)
            found = await _find(client, ref)
            board.show(Row("advice", *((_ABOUT, State.DONE) if found else (_WAITING, State.WAITING))))
            return found

        found = await poll(look, timeout_seconds=_TIMEOUT_SECONDS, interval_seconds=1)
    if found is None:
        raise TimeIsOverError(
            f"there is no advice after {_TIMEOUT_SECONDS:g} s", hint=f"`moorage cluster get {ref}` says why"
        )
    return found


async def _granted(config: Kubeconfig) -> datetime:
    """Return since when the ServiceAccount has what it has."""
    from moorage.kube.client import connect
    from moorage.kube.kinds import ROLE_BINDING
    from moorage.kube.objects import get

    async with connect(config) as client:
        binding = await get(client, ROLE_BINDING, ACCOUNT, "default")
    made: Any = binding["metadata"]["creationTimestamp"] if binding is not None else None
    return datetime.fromisoformat(made) if made else datetime.now(UTC)


async def _ask(client: AsyncClient, ref: ClusterRef) -> None:
    from moorage.api.meta import GROUP
    from moorage.kube.kinds import KUBERNETES_CLUSTER
    from moorage.kube.objects import merge_patch

    annotation = {f"{GROUP}/advise": datetime.now(UTC).isoformat()}
    await merge_patch(
        client,
        KUBERNETES_CLUSTER,
        ref.name,
        ref.namespace,
        {"metadata": {"annotations": annotation}},
        field_manager="moorage-demo",
    )


async def _find(client: AsyncClient, ref: ClusterRef) -> tuple[str, str] | None:
    from moorage.kube.kinds import ADVICE
    from moorage.kube.objects import list_objects

    for obj in await list_objects(client, ADVICE, ref.namespace):
        spec, state = obj["spec"], (obj.get("status") or {}).get("state")
        mine = spec["cluster"] == ref.name and spec["subject"] == f"ServiceAccount default/{ACCOUNT}"
        if mine and spec["code"] == "unused-binding" and state == "Open":
            return str(obj["metadata"]["name"]), str(spec["summary"])
    return None
