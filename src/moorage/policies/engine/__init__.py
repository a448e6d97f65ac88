"""Judging objects with Gatekeeper's own engine: `judge`."""

from __future__ import annotations

from moorage.cache import Cache, cache_folder
from moorage.policies.engine.judgement import Effort, Failure, Finding, Judgement
from moorage.policies.engine.judging import JudgingError, judge
from moorage.policies.engine.subjects import Identity, NotAnObjectError, Subject

__all__ = [
    "Cache",
    "Effort",
    "Failure",
    "Finding",
    "Identity",
    "Judgement",
    "JudgingError",
    "NotAnObjectError",
    "Subject",
    "cache_folder",
    "judge",
]
