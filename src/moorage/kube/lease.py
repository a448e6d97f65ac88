"""Leader election: of several processes with the same work, one does it.

The algorithm is client-go's. A Lease object says who leads. The leader renews it; the others look at it, and
take over when it has not changed for its duration, each by its own clock: clocks are never compared.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lightkube import AsyncClient

from moorage.errors import MoorageError
from moorage.kube.kinds import LEASE, Object
from moorage.kube.objects import CONFLICT, FAILED, create, explain, get, is_status, merge_patch

logger = logging.getLogger(__name__)

FIELD_MANAGER = "moorage-lease"
JITTER = 1.2


class LeadershipLost(MoorageError):  # noqa: N818 - it is what happened, as client-go calls it
    """The lease could not be renewed in time: somebody else may lead by now."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long a lease holds, and how it is kept.

    Attributes:
        duration_seconds: how long the others wait after the last renewal that they saw.
        renew_deadline_seconds: how long the leader tries to renew before it gives up. The rest of the
            duration is for its work to end in.
        retry_period_seconds: how long to wait between two tries.
    """

    duration_seconds: float = 15.0
    renew_deadline_seconds: float = 10.0
    retry_period_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not self.duration_seconds > self.renew_deadline_seconds > self.retry_period_seconds * JITTER > 0:
            msg = f"a lease must outlast the renew deadline, and that the retry period: {self}"
            raise ValueError(msg)


async def lead(
    client: AsyncClient,
    name: str,
    namespace: str,
    identity: str,
    *,
    run: Callable[[], Awaitable[None]],
    times: LeaseTimes | None = None,
) -> None:
    """Wait for the lease, then run while holding it; give it back at the end.

    Ends when `run` ends, or raises what it raises. When cancelled, `run` is cancelled first.

    Args:
        client: the API server that has the lease.
        name: the lease's name.
        namespace: the lease's namespace.
        identity: who this is: unique among those who stand for election, and across restarts.
        run: the work of a leader.
        times: how long, how often.

    Raises:
        LeadershipLost: the lease was lost. `run` has been cancelled; if it has not ended in the time that
            was left, the process must.
    """
    election = _Election(client, name, namespace, identity, times or LeaseTimes())
    await election.acquire()
    work = asyncio.ensure_future(run())
    renewing = asyncio.create_task(election.renew(), name=f"lease {namespace}/{name}")
    try:
        await asyncio.wait({work, renewing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = work.done()
        work.cancel()  # and while it ends, the lease is kept
        await asyncio.wait({work, renewing}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({work}, timeout=election.seconds_left)
        renewing.cancel()
        (lost,) = await asyncio.gather(renewing, return_exceptions=True)
        if work.done() and election.held:
            await election.release()
    if not ended and lost is not None:
        raise lost
    await work


class _Election:
    """One candidate's view of a lease."""

    def __init__(
        self, client: AsyncClient, name: str, namespace: str, identity: str, times: LeaseTimes
    ) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._times = times
        self._seen: Object | None = None
        self._seen_at = 0.0
        self._said = ""
        self._expires = 0.0

    @property
    def held(self) -> bool:
        """Whether nobody else can have the lease yet."""
        return time.monotonic() < self._expires

    @property
    def seconds_left(self) -> float:
        """How long it is held at least."""
        return max(0.0, self._expires - time.monotonic())

    async def acquire(self) -> None:
        """Try until the lease is ours."""
        while True:
            if await self._attempt(self._times.renew_deadline_seconds):
                break
            await asyncio.sleep(self._times.retry_period_seconds * random.uniform(1.0, JITTER))  # noqa: S311 - spreads
        logger.info("%s leads %s/%s", self._identity, self._namespace, self._name)

    async def renew(self) -> None:
        """Keep the lease; raise when that has failed for too long."""
        deadline = time.monotonic() + self._times.renew_deadline_seconds
        while True:
            await asyncio.sleep(self._times.retry_period_seconds)
            now = time.monotonic()
            if now < deadline and await self._attempt(deadline - now):
                deadline = time.monotonic() + self._times.renew_deadline_seconds
            elif time.monotonic() >= deadline or not self._ours:
                why = self._said or "it was not renewed in time"
                raise LeadershipLost(
                    f"lease {self._namespace}/{self._name} is lost: {why}",
                    hint="the process ends, and stands for election when it is started again",
                )

    async def release(self) -> None:
        """Let go of the lease, so that the next leader need not wait for its end."""
        self._expires = 0.0
        try:
            async with asyncio.timeout(self._times.retry_period_seconds):
                lease = await get(self._client, LEASE, self._name, self._namespace)
                if lease and _holder(lease) == self._identity:
                    await self._write(lease, holder="", duration_seconds=1)
        except (*FAILED, TimeoutError) as error:
            logger.warning("lease %s/%s is not given back: %s", self._namespace, self._name, explain(error))

    @property
    def _ours(self) -> bool:
        return self._seen is None or _holder(self._seen) in (self._identity, "")

    async def _attempt(self, timeout_seconds: float) -> bool:
        """Try once to get or renew the lease; say whether it is ours now."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(timeout_seconds):
                written = await self._acquire_or_renew()
        except (*FAILED, TimeoutError) as error:
            if not is_status(error, CONFLICT):
                self._say(f"it cannot be renewed: {explain(error)}")
            return False
        if written is None:
            return False
        self._observe(written)
        self._expires = begun + self._times.duration_seconds
        self._said = ""
        return True

    async def _acquire_or_renew(self) -> Object | None:
        lease = await get(self._client, LEASE, self._name, self._namespace)
        if lease is None:
            metadata = {"name": self._name, "namespace": self._namespace}
            fresh = {
                "metadata": metadata,
                "spec": self._spec({}, self._identity, self._times.duration_seconds),
            }
            return await create(self._client, LEASE, fresh, field_manager=FIELD_MANAGER)
        self._observe(lease)
        holder = _holder(lease)
        if holder not in ("", self._identity) and time.monotonic() < self._seen_at + _duration(lease):
            self._say(f"{holder} leads")
            return None
        return await self._write(lease, self._identity, self._times.duration_seconds)

    def _observe(self, lease: Object) -> None:
        """Take note of a record, and of when it changed, by the clock here."""
        if self._seen is None or self._seen["spec"] != lease["spec"]:
            self._seen, self._seen_at = lease, time.monotonic()

    async def _write(self, lease: Object, holder: str, duration_seconds: float) -> Object | None:
        """Write the record over the one that was read; the API server refuses it when that has changed."""
        patch = {
            "metadata": {"resourceVersion": lease["metadata"]["resourceVersion"]},
            "spec": self._spec(lease["spec"], holder, duration_seconds),
        }
        return await merge_patch(
            self._client, LEASE, self._name, self._namespace, patch, field_manager=FIELD_MANAGER
        )

    def _spec(self, before: Object, holder: str, duration_seconds: float) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        kept = before.get("holderIdentity") == holder
        taken = holder != "" and not kept
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, math.ceil(duration_seconds)),
            "acquireTime": now if not kept else before.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + int(taken and bool(before)),
        }

    def _say(self, what: str) -> None:
        if what != self._said:
            self._said = what
            logger.info("lease %s/%s: %s", self._namespace, self._name, what)


def _holder(lease: Object) -> str:
    return str(lease["spec"].get("holderIdentity") or "")


def _duration(lease: Object) -> float:
    return float(lease["spec"].get("leaseDurationSeconds") or 0)
