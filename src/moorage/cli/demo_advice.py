"""The end of the demo: what the platform itself has to say about what runs there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from moorage.cli.demo_workload import APP, GREETING, NAMESPACE

if TYPE_CHECKING:
    from lightkube import AsyncClient

    from moorage.cli._names import ClusterRef
    from moorage.cli._objects import Object
    from moorage.clusters.kubeconfig import Kubeconfig

WINDOW: Final = timedelta(minutes=1)
"""How long a right was not used, here: elsewhere it is 30 days, and nobody watches a demo for that long."""

_WAITING: Final = {
    "permissions": "what is granted there and not used; elsewhere, it takes 30 days",
    "resources": "what is asked for and not used; elsewhere, it takes 3 days",
    "apis": "what uses an API that is deprecated",
}
_AGAIN: Final = timedelta(seconds=5)
_TIMEOUT_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Told:
    """An advice of the demo: its name, what it is about, and what it says."""

    name: str
    subject: str
    says: str


@dataclass(frozen=True, slots=True)
class _Expected:
    """Which advice the demo waits for."""

    subject: str
    code: str


_EXPECTED: Final[Mapping[str, _Expected]] = {
    "permissions": _Expected(f"ServiceAccount {NAMESPACE}/{APP}", "unused-binding"),
    "resources": _Expected(f"Deployment {NAMESPACE}/{APP}", "cpu-request-large"),
    "apis": _Expected(f"{GREETING} {NAMESPACE}/{APP}", "applied-deprecated"),
}


def in_a_minute(project: Object) -> Object:
    """Return a project with advice about what was not used for a minute."""
    window = f"{WINDOW.total_seconds() / 60:.0f}m"
    return {**project, "spec": {**project["spec"], "advice": {"window": window}}}


async def advice_about_it(client: AsyncClient, ref: ClusterRef, config: Kubeconfig) -> list[Told]:
    """Wait for what each advisor has to say about the Deployment; return it in the order of the advisors.

    Raises:
        TimeIsOverError: one of them says nothing.
    """
    from moorage.cli._live import Board, Row, State
    from moorage.cli._wait import TimeIsOverError
    from moorage.kube.objects import poll

    found: dict[str, Told] = {}
    ask_at = await _granted(config) + WINDOW
    with Board(f"Watching cluster {ref} for a minute or two") as board:

        async def look() -> bool | None:
            nonlocal ask_at
            if datetime.now(UTC) > ask_at:
                # Events come in some seconds late, and advice goes no further than they do.
                ask_at = datetime.now(UTC) + _AGAIN
                await _ask(client, ref)
            found.update(await _find(client, ref))
            for advisor in _EXPECTED:
                told = found.get(advisor)
                row = (f"about {told.subject}", State.DONE) if told else (_WAITING[advisor], State.WAITING)
                board.show(Row(advisor, *row))
            return True if found.keys() == _EXPECTED.keys() else None

        if not await poll(look, timeout_seconds=_TIMEOUT_SECONDS, interval_seconds=1):
            missing = ", ".join(sorted(_EXPECTED.keys() - found.keys()))
            raise TimeIsOverError(
                f"there is no advice about {missing} after {_TIMEOUT_SECONDS:g} s",
                hint=f"`moorage cluster get {ref}` says why",
            )
    return [found[advisor] for advisor in _EXPECTED]


async def _granted(config: Kubeconfig) -> datetime:
    """Return since when the ServiceAccount has what it has."""
    from moorage.kube.client import connect
    from moorage.kube.kinds import ROLE_BINDING
    from moorage.kube.objects import get

    async with connect(config) as client:
        binding = await get(client, ROLE_BINDING, APP, NAMESPACE)
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


async def _find(client: AsyncClient, ref: ClusterRef) -> dict[str, Told]:
    """Return what is open of the advice that the demo waits for, or was followed."""
    from moorage.kube.kinds import ADVICE
    from moorage.kube.objects import list_objects

    found = {}
    for obj in await list_objects(client, ADVICE, ref.namespace):
        spec, wanted = obj["spec"], _EXPECTED.get(obj["spec"]["advisor"])
        mine = wanted is not None and spec["cluster"] == ref.name and spec["code"] == wanted.code
        if mine and wanted is not None and str(spec["subject"]).startswith(wanted.subject):
            found[spec["advisor"]] = Told(obj["metadata"]["name"], spec["subject"], spec["summary"])
    return found
