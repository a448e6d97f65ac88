"""The admission webhook: questions of the API server in, answers out; and how the API server finds it."""

from __future__ import annotations

import base64
import json
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from lightkube import AsyncClient

from moorage.api.meta import GROUP, VERSION
from moorage.api.models import InvalidObjectError
from moorage.clusters import admission
from moorage.clusters.admission import Verdict
from moorage.clusters.checks import Problem
from moorage.clusters.facts import Question, Reader, ask
from moorage.kube.kinds import MUTATING_WEBHOOK, VALIDATING_WEBHOOK, Kind, Object
from moorage.kube.objects import FAILED, explain

logger = logging.getLogger(__name__)

NAME = "moorage"
"""The name of the webhook configurations: the operator may change these and no others."""

LOOPBACK = "127.0.0.1"

_VALIDATE = "/admission/validate"
_MUTATE = "/admission/mutate"
_TIMEOUT_SECONDS = 10
_LARGEST_BODY = 8 * 1024**2  # two objects of the largest size that etcd takes, and their wrapping
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Certificate:
    """The server's certificate, its key, and who signed it (PEM files)."""

    certificate: Path
    key: Path
    authority: Path

    def context(self) -> ssl.SSLContext:
        """Return what a server needs to speak TLS."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(str(self.certificate), str(self.key))
        return context


@asynccontextmanager
async def serve(client: AsyncClient, certificate: Certificate, port: int) -> AsyncIterator[None]:
    """Answer the API server's questions on loopback while the context is open.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(application(Reader(client)), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port, ssl_context=certificate.context()).start()
        yield
    finally:
        await runner.cleanup()


def application(reader: Reader) -> web.Application:
    """Return the web application."""
    app = web.Application(client_max_size=_LARGEST_BODY)
    app.router.add_post(_VALIDATE, _handler(lambda question: _validate(question, reader)))
    app.router.add_post(_MUTATE, _handler(lambda question: _mutate(question, reader)))
    return app


def configurations(server: str, authority: bytes) -> list[tuple[Kind, Object]]:
    """Return what tells the API server to ask us.

    Args:
        server: where we listen: ``https://host:port``.
        authority: who signed our certificate (PEM).
    """
    bundle = base64.b64encode(authority).decode()
    common: Object = {
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": _TIMEOUT_SECONDS,
        # Finalizers, labels and the like do not need us: an object can go also while no operator is there.
        "matchConditions": [
            {
                "name": "declaration-changes",
                "expression": "request.operation != 'UPDATE' || object.?spec != oldObject.?spec",
            }
        ],
    }

    def webhook(name: str, path: str, *rules: Object) -> Object:
        client = {"url": f"{server}{path}", "caBundle": bundle}
        return {**common, "name": f"{name}.{GROUP}", "clientConfig": client, "rules": [*rules]}

    changes = ["CREATE", "UPDATE"]
    return [
        (
            MUTATING_WEBHOOK,
            {
                "metadata": {"name": NAME},
                "webhooks": [webhook("default", _MUTATE, _rule(changes, "kubernetesclusters"))],
            },
        ),
        (
            VALIDATING_WEBHOOK,
            {
                "metadata": {"name": NAME},
                "webhooks": [
                    webhook(
                        "validate",
                        _VALIDATE,
                        _rule(changes, "kubernetesclusters"),
                        _rule([*changes, "DELETE"], "projects"),
                        _rule(["UPDATE", "DELETE"], "machinetypes"),
                    )
                ],
            },
        ),
    ]


def _rule(operations: list[str], resource: str) -> Object:
    return {
        "apiGroups": [GROUP],
        "apiVersions": [VERSION],
        "operations": operations,
        "resources": [resource],
        "scope": "*",
    }


async def _validate(question: Question, reader: Reader) -> Object:
    verdict = await ask(question, reader)
    response: Object = {"allowed": verdict.allowed}
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    if verdict.refusal is not None:
        logger.info("refused %s of %s: %s", question.operation, question.where, verdict.refusal)
        response["status"] = {"code": _FORBIDDEN, "message": verdict.refusal}
    return response


async def _mutate(question: Question, reader: Reader) -> Object:
    new = question.new or {}
    project = await reader.project(question.namespace)
    spec = admission.default_cluster(new, question.old, project)
    if not spec.get("version"):
        version = admission.default_version(spec, await reader.offers())
        if isinstance(version, Problem):
            return _refusal(Verdict(version.message))
        spec["version"] = version
    before = new.get("spec") or {}
    patch = [
        {"op": "add", "path": f"/spec/{key}", "value": value}
        for key, value in spec.items()
        if before.get(key) != value
    ]
    if not patch:
        return {"allowed": True}
    if "spec" not in new:
        patch = [{"op": "add", "path": "/spec", "value": spec}]
    encoded = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}


def _handler(
    answer: Callable[[Question], Awaitable[Object]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        review: dict[str, Any] = await request.json()
        asked = review["request"]
        try:
            response = await answer(Question.read(asked))
        except InvalidObjectError as error:
            response = _refusal(Verdict(str(error.message)))
        except FAILED as error:
            # Not knowing is no reason to let something through, nor to call it wrong.
            return web.Response(status=503, text=f"the operator cannot tell: {explain(error)}")
        return web.json_response(
            {
                "apiVersion": "admission.k8s.io/v1",
                "kind": "AdmissionReview",
                "response": {"uid": asked["uid"], **response},
            }
        )

    return handle


def _refusal(verdict: Verdict) -> Object:
    return {"allowed": False, "status": {"code": _FORBIDDEN, "message": verdict.refusal}}
