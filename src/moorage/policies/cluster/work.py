"""The work on one cluster: from libraries and exceptions to what judges there, and what that has found."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lightkube import AsyncClient

from moorage.kube.client import connect
from moorage.kube.clusters import Said
from moorage.kube.kinds import Object
from moorage.local import manifests
from moorage.local.supervisor import in_thread
from moorage.policies import exceptions as excepting
from moorage.policies.cluster import approval, excepted, webhooks
from moorage.policies.cluster.act import Interrupted, act, dismantle
from moorage.policies.cluster.condition import of_plan
from moorage.policies.cluster.declared import Declared
from moorage.policies.cluster.host import EngineHost, EngineState, Place
from moorage.policies.cluster.observe import namespace_labels, observe, policy_exceptions
from moorage.policies.cluster.optins import lost
from moorage.policies.cluster.plan import Invalid, Memory, Plan, plan
from moorage.policies.cluster.report import Reporter
from moorage.policies.cluster.sources import Taken
from moorage.policies.cluster.steps import Step
from moorage.policies.cluster.trying import invalid_policies
from moorage.policies.cluster.wanted import Wanted, reading_rules, wanted
from moorage.policies.compiled import Compiled
from moorage.policies.compiling import compile_policies
from moorage.policies.model import Library
from moorage.toolchain import locate

logger = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 10.0
_SOON_SECONDS: Final = 0.4
_LINES: Final = 5
_REMEMBERED: Final = 32
_PERIPHERY: Final = timedelta(minutes=10)
"""How often it is looked whether kinds and roles are still there."""

_OPT_INS: Final = timedelta(seconds=30)
"""How often it is looked what namespaces opt in to: for what is said alone, the engine sees for itself."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a cluster is.

    Args:
        said: for its condition.
        again_seconds: when to look again.
        waits_for: what the engine waits for; ``None`` when it judges.
    """

    said: Said
    again_seconds: float
    waits_for: str | None = None


@dataclass(frozen=True, slots=True)
class _Compiled:
    key: tuple[Any, ...]
    compiled: Compiled
    wanted: Wanted
    refused: tuple[Invalid, ...]


class Work:
    """The work on one cluster, and what this process remembers of it."""

    def __init__(
        self, management: AsyncClient, name: str, owner: Object, clock: Callable[[], datetime]
    ) -> None:
        self._name = name
        self._clock = clock
        self._memory = Memory()
        self._compiled: _Compiled | None = None
        self._periphery_at: datetime | None = None
        self._unused_at: datetime | None = None
        self._unused_key: tuple[tuple[str, str], ...] = ()
        self._unused: Sequence[Any] = ()
        self._labels: tuple[datetime, dict[str, dict[str, str]]] | None = None
        self._reporter = Reporter(management, owner, clock)

    async def further(
        self, place: Place, host: EngineHost, wants: Declared, taken: Sequence[Taken]
    ) -> Progress:
        """Bring the cluster a step further.

        Raises:
            PolicyError: what is declared contradicts itself; nothing was done.
            httpx2.HTTPError: the cluster's API server does not answer, or refuses.
        """
        async with connect(place.kubeconfig) as client:
            state = await host.ensure(place, client)
            if state.engine is None or state.waits_for is not None:
                why = state.waits_for or "the engine is not there yet"
                said = Said(ok=False, reason="EngineStarting", message=why)
                return Progress(said, 1.0, waits_for=why)
            await self._periphery(client)
            now = self._clock()
            exceptions = excepted.read(await policy_exceptions(client), approval=wants.approval)
            compiled = await self._compile(wants, taken, exceptions.parsed, now)
            step = await self._step(client, compiled, wants, state, now)
            counting = excepting.active(exceptions.parsed, now)
            said = of_plan(
                step,
                len(compiled.compiled.policies),
                len(compiled.wanted.constraints),
                len(counting),
                await self._lost_optins(client, taken, now) if step.settled else (),
            )
            if not step.settled:
                return Progress(said, _SOON_SECONDS if step.steps or step.waiting else 1.0)
            await self._exceptions(client, exceptions, compiled.compiled, now)
            await self._reporter.report(await host.audit(place), compiled.wanted, taken)
        return Progress(said, _next_look(exceptions.parsed, now))

    @staticmethod
    async def leave(place: Place, host: EngineHost) -> bool:
        """Remove everything from a cluster, and say whether it is gone."""
        async with connect(place.kubeconfig) as client:
            if not await dismantle(client):
                return False
            await host.remove(place, client)
        return True

    async def _step(
        self,
        client: AsyncClient,
        compiled: _Compiled,
        wants: Declared,
        state: EngineState,
        now: datetime,
    ) -> Plan:
        wanted_now = compiled.wanted
        assert state.engine is not None  # noqa: S101 - the caller has looked
        hooks = webhooks.configuration(state.engine, wanted_now.sets, wants.floor, wanted_now.judged)
        seen = await observe(client, wanted_now)
        decided = plan(
            wanted_now,
            hooks,
            reading_rules(wanted_now.read),
            seen,
            self._memory,
            now,
            refused=compiled.refused,
        )
        try:
            self._memory = await act(client, decided.steps, decided.memory, self._clock)
        except Interrupted as error:
            self._memory = error.memory
            raise error.__cause__ or error from None
        for text in _told(decided.steps):
            logger.info("%s: %s", self._name, text)
        return decided

    async def _compile(
        self,
        wants: Declared,
        taken: Sequence[Taken],
        exceptions: Sequence[Any],
        now: datetime,
    ) -> _Compiled:
        libraries = [item.library for item in taken]
        counting = tuple(sorted(map(repr, excepting.active(exceptions, now))))
        key = (tuple(item.digest for item in libraries), tuple(wants.floor.items()), counting)
        if self._compiled is None or self._compiled.key != key:

            def work() -> _Compiled:
                compiled = compile_policies(libraries, floor=wants.floor, exceptions=exceptions, now=now)
                refused = tried(libraries, now)
                without = {item.policy for item in refused}
                return _Compiled(key, compiled, wanted(compiled, without), refused)

            self._compiled = await in_thread(work)
        return self._compiled

    async def _periphery(self, client: AsyncClient) -> None:
        now = self._clock()
        if self._periphery_at is not None and now - self._periphery_at < _PERIPHERY:
            return
        objects = [approval.custom_resource_definition(), *approval.roles(), *approval.admission()]
        digest = hashlib.sha256(repr(objects).encode()).hexdigest()[:16]
        await manifests.install(client, objects, digest=digest)
        self._periphery_at = now

    async def _lost_optins(self, client: AsyncClient, taken: Sequence[Taken], now: datetime) -> Sequence[str]:
        """Say which namespaces opted in to something that there is not; they are read now and then."""
        if self._labels is None or now - self._labels[0] >= _OPT_INS:
            self._labels = now, await namespace_labels(client)
        return lost(self._labels[1], {name for item in taken for name in item.library.sets})

    async def _exceptions(
        self, client: AsyncClient, exceptions: excepted.Exceptions, compiled: Compiled, now: datetime
    ) -> None:
        active = excepting.active(exceptions.parsed, now)
        key = tuple(sorted((item.namespace, item.name) for item in active))
        due = self._unused_at is None or now - self._unused_at >= excepted.CHECK
        if due or key != self._unused_key:
            self._unused_key = key
            self._unused = await excepted.find_unused(client, active, compiled.policies)
            self._unused_at = now
        found = excepted.states(exceptions, compiled.policies, self._unused, now)
        await excepted.write_states(client, exceptions, found)


_tried: dict[tuple[str, ...], tuple[Invalid, ...]] = {}


def tried(libraries: Sequence[Library], now: datetime) -> tuple[Invalid, ...]:
    """Return which policies cannot judge; libraries that many clusters have are tried once. Blocks."""
    key = tuple(library.digest for library in libraries)
    if key not in _tried:
        if len(_tried) > _REMEMBERED:
            _tried.clear()
        _tried[key] = invalid_policies(libraries, locate("gator"), now)
    return _tried[key]


def _told(steps: Sequence[Step]) -> list[str]:
    """Say what was done: in one line where it was much."""
    if len(steps) <= _LINES:
        return [str(step) for step in steps]
    kinds = Counter(type(step).__name__ for step in steps)
    return [", ".join(f"{name} x {count}" for name, count in kinds.items())]


def _next_look(exceptions: Sequence[Any], now: datetime) -> float:
    """Return when to look again: soon in any case, and when the next exception counts no more."""
    expiry = excepting.next_expiry(exceptions, now)
    if expiry is None:
        return AGAIN_SECONDS
    return min(AGAIN_SECONDS, max(0.1, (expiry - now).total_seconds()))
