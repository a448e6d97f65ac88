"""Conditions of the provider's objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from moorage.api.conditions import Condition, ConditionStatus, condition, set_conditions
from moorage.kube.kinds import Object


@dataclass(frozen=True, slots=True)
class Report:
    """Says in conditions what was found, of which generation of an object, and when."""

    generation: int
    now: datetime

    def true(self, type_: str, reason: str, message: str = "") -> Condition:
        """Say that a condition holds."""
        return self._say(ConditionStatus.TRUE, type_, reason, message)

    def false(self, type_: str, reason: str, message: str = "") -> Condition:
        """Say that a condition does not hold."""
        return self._say(ConditionStatus.FALSE, type_, reason, message)

    def merged(self, obj: Object, found: Iterable[Condition], *, drop: Iterable[str] = ()) -> list[Condition]:
        """Return an object's conditions with these in their place, and without those to drop."""
        dropped = set(drop)
        present = [
            Condition.model_validate(item)
            for item in (obj.get("status") or {}).get("conditions") or ()
            if item["type"] not in dropped
        ]
        return set_conditions(present, found, self.now)

    def _say(self, status: ConditionStatus, type_: str, reason: str, message: str) -> Condition:
        return condition(type_, status, reason, message, now=self.now, observed_generation=self.generation)
