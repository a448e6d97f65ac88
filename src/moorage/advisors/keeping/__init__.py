"""The life of Advice objects: findings of a run go in, objects are written, moved on, removed."""

from __future__ import annotations

from moorage.advisors.keeping.plan import plan_advice
from moorage.advisors.keeping.write import Kept, keep, reopen_applied, withdraw_outgrown

__all__ = ["Kept", "keep", "plan_advice", "reopen_applied", "withdraw_outgrown"]
