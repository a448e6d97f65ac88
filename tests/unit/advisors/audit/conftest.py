"""Counts in either kind of database."""

from __future__ import annotations

import pytest

from moorage.advisors.audit.counts import Counts
from moorage.advisors.evidence import engine


@pytest.fixture
def stored(url: str) -> Counts:
    return Counts(engine(url))
