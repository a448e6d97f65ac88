"""Waiting for an API server that asks for it, as client-go does.

A server answers 429 when it has too much to do, and while the storage of a kind that has just been defined is
made ready; 503 while it starts. With ``Retry-After`` it says that the same request may be sent again: nothing
was done.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

import httpx2

ASKS_TO_WAIT: Final = frozenset({429, 503})
MOST_TRIES: Final = 10
"""How often a request is sent again before the answer is handed on; client-go's number."""

_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 30.0


class PatientTransport(httpx2.AsyncBaseTransport):
    """Send a request again when the server asks for it.

    ``Retry-After`` has no unit below a second, and storage is mostly ready after a tenth of one: the waits
    begin there and double until they are as long as the server says.

    Attributes:
        inner: what sends.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self.inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer; the last one when the server has asked to wait too often."""
        pause = _FIRST_SECONDS
        for _ in range(MOST_TRIES):
            response = await self.inner.handle_async_request(request)
            asked = _asked_seconds(response)
            if asked is None:
                return response
            await response.aclose()
            await asyncio.sleep(min(pause * random.uniform(0.8, 1.2), asked))  # noqa: S311 - spreads
            pause *= 2
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.inner.aclose()


def _asked_seconds(response: httpx2.Response) -> float | None:
    """Return for how long a server asks to wait; ``None`` when it does not."""
    if response.status_code not in ASKS_TO_WAIT:
        return None
    value = response.headers.get("retry-after", "")
    # A date is for caches and proxies; an API server sends seconds.
    return min(float(value), _LONGEST_SECONDS) if value.isdecimal() else None
