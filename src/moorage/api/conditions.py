"""Conditions, by the conventions of Kubernetes and Cluster API."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from moorage.api.models import ApiModel, Timestamp
from moorage.api.schema import ListMap, Rule


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """One observation of an object's state."""

    type: str = Field(
        min_length=1, max_length=316, description="What is observed, in CamelCase: Ready, NodesReady."
    )
    status: ConditionStatus = Field(description="Whether it holds: True, False, or Unknown.")
    reason: Annotated[
        str,
        Rule("self.matches('^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$')", "a reason is one word in CamelCase"),
    ] = Field(min_length=1, max_length=256, description="Why, as one word in CamelCase, for programs.")
    message: str = Field("", max_length=32768, description="Why, for people.")
    last_transition_time: Timestamp = Field(description="When the status last changed.")
    observed_generation: int | None = Field(
        None, ge=0, description="The generation of the object that was looked at."
    )

    @property
    def is_true(self) -> bool:
        """Whether the condition holds."""
        return self.status is ConditionStatus.TRUE


CONDITIONS_MAX: Final = 32
Conditions = Annotated[list[Condition], ListMap(("type",))]


def condition(
    type_: str,
    status: ConditionStatus | bool | None,  # noqa: FBT001 - the value of a condition is what it is about
    reason: str,
    message: str = "",
    *,
    now: datetime,
    observed_generation: int | None = None,
) -> Condition:
    """Return a condition; ``None`` as status is Unknown."""
    if not isinstance(status, ConditionStatus):
        status = {
            True: ConditionStatus.TRUE,
            False: ConditionStatus.FALSE,
            None: ConditionStatus.UNKNOWN,
        }[status]
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=now,
        observed_generation=observed_generation,
    )


def get_condition(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """Return the condition of a type, or ``None``."""
    return next((found for found in conditions if found.type == type_), None)


def is_true(conditions: Iterable[Condition], type_: str) -> bool:
    """Say whether a condition is there and holds."""
    found = get_condition(conditions, type_)
    return found is not None and found.is_true


def set_condition(conditions: Iterable[Condition], new: Condition, now: datetime) -> list[Condition]:
    """Return the conditions with this one in its place (or last, when it was not there).

    The time of transition is `now` when the status changes, and stays what it was when it does not: a message
    that is reworded is no transition. A generation, once observed, is not unlearned.
    """
    present = list(conditions)
    old = get_condition(present, new.type)
    if old is None:
        return [*present, new.model_copy(update={"last_transition_time": _second(now)})]
    changed = old.status is not new.status
    update: dict[str, object] = {
        "last_transition_time": _second(now) if changed else old.last_transition_time,
    }
    if new.observed_generation is None and old.observed_generation is not None:
        update["observed_generation"] = old.observed_generation
    placed = new.model_copy(update=update)
    return [placed if item.type == new.type else item for item in present]


def set_conditions(
    conditions: Iterable[Condition], new: Iterable[Condition], now: datetime
) -> list[Condition]:
    """Return the conditions with all of these in their place."""
    result = list(conditions)
    for item in new:
        result = set_condition(result, item, now)
    return result


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
