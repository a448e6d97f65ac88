"""Names for a shell to complete: of projects, clusters, pools and machine types.

A shell waits while it completes. So whoever asks is told what the management cluster says at once, and
nothing where it does not: no platform, no rights and no answer are all no names. Nothing is ever printed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from moorage.cli._request import ApiServer

_SECONDS = 2.5
_ROOT = "/apis/moorage.dev/v1alpha1"
_ADVICE = "/apis/advice.moorage.dev/v1alpha1"


def projects(incomplete: str) -> list[str]:
    """Return the projects whose names begin so."""
    return _beginning(incomplete, _answer(_projects))


def clusters(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the clusters whose names begin so: NAME where the project is known, PROJECT/NAME elsewhere."""
    named = ctx.params.get("project")
    return _beginning(incomplete, _answer(lambda server: _clusters(server, named, incomplete)))


def pools(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the node pools of the cluster that the command line names already."""
    cluster, named = ctx.params.get("cluster"), ctx.params.get("project")
    if not cluster:
        return []
    return _beginning(incomplete, _answer(lambda server: _pools(server, str(cluster), named)))


def machine_types(incomplete: str) -> list[str]:
    """Return the machine types whose names begin so."""
    return _beginning(incomplete, _answer(lambda server: map(_name, _items(server, f"{_ROOT}/machinetypes"))))


def advices(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of advice that begin so: NAME where the project is known, PROJECT/NAME elsewhere."""
    named = ctx.params.get("project")
    return _beginning(incomplete, _answer(lambda server: _advices(server, named, incomplete)))


def _answer(ask: Callable[[ApiServer], Iterable[str]]) -> list[str]:
    """Ask the management cluster; what is not answered in time is not answered."""
    found: list[str] = []

    def work() -> None:
        from moorage.cli._identity import management_kubeconfig
        from moorage.cli._request import ApiServer

        server = ApiServer(management_kubeconfig(), timeout_seconds=_SECONDS, quiet=True)
        try:
            found.extend(ask(server))
        finally:
            server.close()

    def quietly() -> None:
        try:
            work()
        except Exception:
            # Whatever it is: the command itself will say it, to a person who has asked for something.
            if os.environ.get("MOORAGE_DEBUG"):
                raise

    # Not in this thread: a credential plugin, or a name that is looked up, may take as long as it likes.
    worker = threading.Thread(target=quietly, daemon=True)
    worker.start()
    worker.join(_SECONDS)
    return [] if worker.is_alive() else sorted(found)


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _projects(server: ApiServer) -> list[str]:
    from moorage.api.meta import project_of
    from moorage.cli._request import AnswerError

    try:
        return [_name(item) for item in _items(server, f"{_ROOT}/projects")]
    except AnswerError as error:
        # A member may not list projects; their kubeconfig is for their own.
        mine = project_of(server.namespace)
        if error.status != HTTPStatus.FORBIDDEN or mine is None:
            raise
        return [mine]


def _clusters(server: ApiServer, named: str | None, incomplete: str) -> list[str]:
    from moorage.api.meta import project_namespace, project_of

    before, slash, _ = incomplete.rpartition("/")
    if slash:
        path = f"{_ROOT}/namespaces/{project_namespace(before)}/kubernetesclusters"
        return [f"{before}/{_name(item)}" for item in _items(server, path)]
    project = named or os.environ.get("MOORAGE_PROJECT") or project_of(server.namespace)
    if project:
        path = f"{_ROOT}/namespaces/{project_namespace(project)}/kubernetesclusters"
        return [_name(item) for item in _items(server, path)]
    found = _items(server, f"{_ROOT}/kubernetesclusters")
    return [f"{project_of(item['metadata']['namespace'])}/{_name(item)}" for item in found]


def _advices(server: ApiServer, named: str | None, incomplete: str) -> list[str]:
    from moorage.api.meta import project_namespace, project_of

    before, slash, _ = incomplete.rpartition("/")
    project = before or named or os.environ.get("MOORAGE_PROJECT") or project_of(server.namespace)
    if project:
        found = _items(server, f"{_ADVICE}/namespaces/{project_namespace(project)}/advices")
        return [f"{before}/{_name(item)}" if slash else _name(item) for item in found]
    return [f"{project_of(item['metadata']['namespace'])}/{_name(item)}"
            for item in _items(server, f"{_ADVICE}/advices")]  # fmt: skip


def _pools(server: ApiServer, cluster: str, named: str | None) -> list[str]:
    from moorage.api.meta import project_namespace
    from moorage.cli._names import split

    project, name = split(cluster, named)
    if project is None:
        [project] = _projects(server)  # several: it cannot be known which is meant
    path = f"{_ROOT}/namespaces/{project_namespace(project)}/kubernetesclusters/{name}"
    return [str(pool["name"]) for pool in server.request("GET", path)["spec"].get("nodePools") or ()]


def _items(server: ApiServer, path: str) -> list[dict[str, Any]]:
    return list(server.request("GET", path).get("items") or ())


def _name(item: dict[str, Any]) -> str:
    return str(item["metadata"]["name"])
