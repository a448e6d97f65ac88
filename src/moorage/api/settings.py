"""Parts of a cluster's declaration that a project can give defaults for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from moorage.api.models import ApiModel
from moorage.api.names import DnsLabel
from moorage.api.schema import ListSet, Rule
from moorage.api.versions import VERSION_PATTERN

TIME_OF_DAY_PATTERN: Final = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
ADVICE_WINDOW_PATTERN: Final = "^([1-9][0-9]{0,4}m|[1-9][0-9]{0,2}h|([1-9]|[1-8][0-9]|90)d|([1-9]|1[0-2])w)$"
TIME_ZONE_PATTERN: Final = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"

RequestedVersion = Annotated[
    str,
    Field(min_length=1, max_length=16),
    Rule(
        f"self.matches(r'{VERSION_PATTERN}')",
        "a Kubernetes version is a minor (1.36) or a patch (1.36.0), without a leading v",
    ),
]
"""A minor (its newest patch on offer is meant) or a patch of Kubernetes."""

ProviderName = Annotated[DnsLabel, Field(min_length=1, max_length=63)]


class Weekday(StrEnum):
    """A day of the week."""

    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"


class MaintenanceWindow(ApiModel):
    """When Moorage may do work that moves pods and that nobody asked for just now."""

    days: Annotated[list[Weekday], ListSet()] = Field(
        min_length=1, max_length=7, description="The days on which the window opens."
    )
    start: Annotated[
        str, Rule(f"self.matches('{TIME_OF_DAY_PATTERN}')", "a time of day is HH:MM, from 00:00 to 23:59")
    ] = Field(max_length=5, description="When it opens, as HH:MM in the time zone.")
    duration_hours: int = Field(
        4, ge=1, le=24, description="How many hours it stays open, past midnight if need be."
    )
    time_zone: Annotated[
        str,
        Rule(
            f"self.matches('{TIME_ZONE_PATTERN}')",
            "a time zone is a name of the IANA database, such as UTC or Europe/Paris",
        ),
    ] = Field(
        "UTC",
        min_length=1,
        max_length=64,
        description="The time zone of the days and of the start, by its name in the IANA database.",
    )


class Cni(ApiModel):
    """The network plugin of a cluster."""

    name: DnsLabel = Field(
        min_length=1, max_length=63, description="Which network plugin: one that the provider offers."
    )


class AdviceSettings(ApiModel):
    """How advice about a cluster is made."""

    window: Annotated[
        str,
        Rule(
            f"self.matches('{ADVICE_WINDOW_PATTERN}')",
            "a window is a number and m, h, d or w, from 1m to 90d: 90m, 12h, 30d, 2w",
        ),
    ] = Field(
        max_length=6,
        description="How long something must not have been used to be called unused: 90m, 12h, 30d. "
        "At most 90d.",
    )
