"""Waiting, in tests, for what comes in its own time."""

from __future__ import annotations

import time


def eventually(look, *, seconds, between=0.5):
    """Look again and again until there is something; return that, or what there is in the end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(between)
    return look()
