"""Counts in either kind of database."""

from __future__ import annotations

import pytest

from moorage.advisors.audit.counts import Counts
from moorage.advisors.evidence import engine

from ..evidence.conftest import postgresql, url

__all__ = ["postgresql", "url"]


@pytest.fixture
def stored(url: str) -> Counts:
    return Counts(engine(url))
