"""Posting Kubernetes Events: what has happened to an object, for whoever asks `kubectl get events` about it.

Events are told as well as can be: one that cannot be posted is dropped, and holds up nothing. What happens
again is counted on the Event that is there, and an object to which too much happens falls silent for a while.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from lightkube import AsyncClient

from moorage.kube.kinds import EVENT, Object
from moorage.kube.objects import FAILED, create, explain, merge_patch

logger = logging.getLogger(__name__)

NOTE_MAX: Final = 1024
"""How long the API server lets a note be."""

_INSTANCE_MAX: Final = 128
_NAME_MAX: Final = 63  # of an object's name, in an Event's: the rest is a digest
_POST_SECONDS: Final = 5.0
_BURST: Final = 25
_SECONDS_PER_EVENT: Final = 60.0
_KNOWN: Final = 4096


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that has happened to an object.

    Args:
        reason: one word for programs, in CamelCase.
        note: for people.
        warning: whether somebody should look.
    """

    reason: str
    note: str
    warning: bool = False

    @property
    def type(self) -> str:
        """As the API has it."""
        return "Warning" if self.warning else "Normal"


class EventPoster:
    """Posts Events about objects.

    Args:
        client: for the API server that has the objects.
        controller: who posts, as a qualified name: ``moorage.dev/clusters``.
        action: what the controller was about, in CamelCase.
        now: the time, for Events.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        client: AsyncClient,
        controller: str,
        action: str = "Reconcile",
        *,
        now: Callable[[], datetime] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._controller = controller
        self._action = action
        self._instance = f"{controller.rpartition('/')[2]}-{socket.gethostname()}"[:_INSTANCE_MAX]
        self._now = now or (lambda: datetime.now(UTC))
        self._allowances = _Allowances(clock)

    async def post(self, regarding: Object, occurrences: Iterable[Occurrence]) -> None:
        """Post what has happened to an object. It never fails, and never takes long.

        Args:
            regarding: the object, with its ``apiVersion``, ``kind`` and metadata.
            occurrences: what has happened, in this order.
        """
        metadata = regarding["metadata"]
        for occurrence in occurrences:
            if not self._allowances.take(str(metadata["uid"])):
                logger.debug("%s/%s: too many events", metadata.get("namespace"), metadata["name"])
                return
            try:
                async with asyncio.timeout(_POST_SECONDS):
                    await self._post(regarding, occurrence)
            except (*FAILED, TimeoutError) as error:
                logger.debug("an event is dropped (%s): %s", explain(error), occurrence.note)

    async def _post(self, regarding: Object, occurrence: Occurrence) -> None:
        event = self._event(regarding, occurrence)
        if await create(self._client, EVENT, event, field_manager=self._controller) is not None:
            return
        # It has happened before. The right to patch is enough to read by: what is patched is answered.
        metadata = event["metadata"]
        before = await self._patch(metadata, {})
        if before is None:
            return
        series = {
            "count": int((before.get("series") or {}).get("count") or 1) + 1,
            "lastObservedTime": event["eventTime"],
        }
        version = {"resourceVersion": before["metadata"]["resourceVersion"]}
        await self._patch(metadata, {"metadata": version, "series": series})

    async def _patch(self, metadata: Object, patch: Object) -> Object | None:
        return await merge_patch(
            self._client,
            EVENT,
            metadata["name"],
            metadata["namespace"],
            patch,
            field_manager=self._controller,
        )

    def _event(self, regarding: Object, occurrence: Occurrence) -> Object:
        about = {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            **{key: regarding["metadata"][key] for key in ("namespace", "name", "uid")},
        }
        note = occurrence.note
        if len(note.encode()) > NOTE_MAX:
            note = note.encode()[: NOTE_MAX - 3].decode(errors="ignore") + "..."
        same = f"{self._controller} {about['uid']} {occurrence.type} {occurrence.reason} {note}"
        return {
            "metadata": {
                "name": f"{about['name'][:_NAME_MAX]}.{sha256(same.encode()).hexdigest()[:16]}",
                "namespace": about["namespace"],
            },
            "eventTime": self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": self._action,
            "reason": occurrence.reason,
            "type": occurrence.type,
            "note": note,
            "regarding": about,
        }


class _Allowances:
    """How many Events each object may still have: some at once, then one now and then."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, uid: str) -> bool:
        """Take one; say whether there was one."""
        now = self._clock()
        left, at = self._left.pop(uid, (float(_BURST), now))
        left = min(float(_BURST), left + (now - at) / _SECONDS_PER_EVENT)
        allowed = left >= 1
        self._left[uid] = (left - 1 if allowed else left, now)
        while len(self._left) > _KNOWN:
            self._left.popitem(last=False)
        return allowed
