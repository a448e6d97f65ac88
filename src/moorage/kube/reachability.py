"""Saying once, not at each try, that an API server does not answer."""

from __future__ import annotations

import logging
import time

logger = logging.getLogger(__name__)

UNSAID_SECONDS = 2.0
"""A silence that is shorter than this is nobody's business: connections break."""


class Reachability:
    """Tells a person when an API server falls silent, and when it speaks again: one line each."""

    def __init__(self) -> None:
        self._silent_since: float | None = None
        self._said = False

    def silent(self, why: str) -> None:
        """Take note that a request got no answer."""
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        if not self._said and now - self._silent_since >= UNSAID_SECONDS:
            self._said = True
            logger.warning("the API server does not answer (%s); work goes on when it does", why)

    def answered(self) -> None:
        """Take note that a request got an answer."""
        since, said = self._silent_since, self._said
        self._silent_since, self._said = None, False
        if since is not None and said:
            logger.info("the API server answers again, after %.0f s", time.monotonic() - since)
