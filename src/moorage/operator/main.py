"""Wiring: admission always; controllers while this operator leads."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

from lightkube import AsyncClient

from moorage.api.meta import CLUSTERS_MANAGER, SYSTEM_NAMESPACE
from moorage.clusters import webhook
from moorage.clusters.claims import Ledger
from moorage.clusters.cluster.controller import ClusterController
from moorage.clusters.project.controller import ProjectController
from moorage.clusters.user_access import AccessController
from moorage.daemon import until_signalled
from moorage.errors import ExitCode, MoorageError
from moorage.kube.client import connect
from moorage.kube.controller import Cache, Controller, run_controllers
from moorage.kube.lease import lead
from moorage.kube.objects import FAILED, apply, explain
from moorage.local.home import Home
from moorage.local.programs import SUPERVISED
from moorage.local.recover import watch_supervisor
from moorage.operator import health
from moorage.operator.advising import advising
from moorage.operator.health import Health, Stage
from moorage.operator.identity import Identity, release_for_the_dead
from moorage.operator.settings import Settings, parse
from moorage.policies.cluster.controller import PoliciesController
from moorage.policies.cluster.host import EngineHost, LocalEngineHost
from moorage.providers.local.clusterclass import install_cluster_class
from moorage.providers.local.provider import local_provider

logger = logging.getLogger(__name__)

LEASE_NAME = "moorage-operator"
_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 10.0
_STOP_SECONDS = 15.0


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Be an operator until told to stop.

    Raises:
        LeadershipLost: another operator may lead by now; this process must end.
        MoorageError: it cannot be an operator with these settings.
    """
    ready = Health(standby_is_ready=settings.home is None)
    identity = Identity.of_this_process(settings.home)
    async with AsyncExitStack() as stack:
        if settings.home is not None and SUPERVISED in os.environ:
            guard = asyncio.create_task(watch_supervisor(Home(settings.home)), name="supervisor")
            stack.callback(guard.cancel)
        client = await stack.enter_async_context(connect(settings.kubeconfig))
        try:
            await stack.enter_async_context(
                webhook.serve(client, settings.certificate, settings.webhook_port)
            )
            await stack.enter_async_context(health.serve(ready, settings.health_port))
        except OSError as error:
            raise MoorageError(f"the operator cannot listen: {error.strerror or error}") from error

        async def work() -> None:
            ready.stage = Stage.SYNCING
            await _work(settings, client, ready, stop)

        await _insist("the lease", lambda: _inherit(client, identity), stop)
        leading = asyncio.create_task(
            lead(client, LEASE_NAME, SYSTEM_NAMESPACE, str(identity), run=work), name="lead"
        )
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({leading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if ready.stage is Stage.STANDING:
            leading.cancel()
        ready.stage = Stage.STOPPING
        await asyncio.wait({leading}, timeout=_STOP_SECONDS)
        if not leading.done():
            leading.cancel()
        [failure] = await asyncio.gather(leading, return_exceptions=True)
        if isinstance(failure, Exception):
            raise failure


async def _work(settings: Settings, client: AsyncClient, ready: Health, stop: asyncio.Event) -> None:
    """Do what a leader does: say where admission is asked, offer the providers, run the controllers."""
    cache = Cache()
    ledger = Ledger(cache)
    controllers: list[Controller] = [
        ProjectController(client, cache, ledger),
        ClusterController(client, cache, ledger),
        AccessController(client, cache),
    ]
    engines: list[EngineHost] = [LocalEngineHost(Home(settings.home))] if settings.home is not None else []
    controllers.append(PoliciesController(client, cache, engines))
    if settings.home is not None:
        controllers += advising(client, cache, Home(settings.home), settings)
    async with AsyncExitStack() as stack:
        if settings.home is not None:
            provider = local_provider(client, cache, Home(settings.home))
            stack.push_async_callback(provider.close)
            controllers += provider.controllers
        await _insist("admission", lambda: _register(settings, client), stop)
        if settings.home is not None:
            await _insist("the provider local", lambda: install_cluster_class(client), stop)

        def working() -> None:
            ready.stage = Stage.WORKING

        await run_controllers(
            controllers,
            kubeconfig=settings.kubeconfig,
            cache=cache,
            stop=stop,
            on_synced=working,
            identity="moorage-operator",
        )


async def _register(settings: Settings, client: AsyncClient) -> None:
    server = f"https://{webhook.LOOPBACK}:{settings.webhook_port}"
    authority = settings.certificate.authority.read_bytes()
    for kind, configuration in webhook.configurations(server, authority):
        await apply(client, kind, configuration, field_manager=CLUSTERS_MANAGER)


async def _inherit(client: AsyncClient, identity: Identity) -> None:
    if await release_for_the_dead(client, LEASE_NAME, SYSTEM_NAMESPACE, identity):
        logger.info("the operator that led is gone; its lease is free")


async def _insist(what: str, attempt: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Try until it works: the API server may be starting, and Cluster API's webhooks may not listen yet."""
    delay = _RETRY_SECONDS
    while not stop.is_set():
        try:
            await attempt()
        except FAILED as error:
            logger.info("%s: %s (again in %.1f s)", what, explain(error), delay)
        else:
            return
        try:
            async with asyncio.timeout(delay):
                await stop.wait()
        except TimeoutError:
            delay = min(2 * delay, _LONGEST_RETRY_SECONDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator; return the exit status."""
    settings = parse(arguments)
    _log()
    try:
        asyncio.run(until_signalled(partial(run, settings)))
    except MoorageError as error:
        logger.error("%s", error)  # noqa: TRY400 - for a person, who needs no traceback
        return ExitCode.FAILURE
    return ExitCode.OK


def _log() -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for noisy in ("httpx2", "httpcore2", "kopf", "asyncio", "aiohttp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
