"""PolicyException: what a policy does not judge, for a while, and who answers for it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from moorage.api.models import ApiModel, Column, Definition, ObjectMeta, Resource
from moorage.api.names import LabelValue
from moorage.api.schema import Rule, rules

POLICY_GROUP: Final = "policy.moorage.dev"
LABELS_MAX: Final = 16
REASON_MIN: Final = 10

_DAY: Final = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME: Final = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"

PolicyName = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Rule(
        "!format.dns1123Subdomain().validate(self).hasValue()",
        "this cannot be the name of a policy: see `moorage policy list`",
    ),
]


class ExceptionState(StrEnum):
    """What has become of an exception."""

    ACTIVE = "Active"
    EXPIRED = "Expired"
    AWAITING_APPROVAL = "AwaitingApproval"
    UNUSED = "Unused"
    UNKNOWN_POLICY = "UnknownPolicy"
    INVALID = "Invalid"
    PENDING = "Pending"


class ExceptionTarget(ApiModel):
    """What is excepted: an object, and what a workload of that name makes; anything where nothing is said."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.name) || (has(self.labels) && self.labels.size() > 0)",
                "write a name (a trailing * is any rest) or labels",
            )
        )
    )

    kind: (
        Annotated[
            str,
            Rule(
                "self.matches('^[A-Z][A-Za-z0-9]*$')", "a kind is one word in CamelCase, such as Deployment"
            ),
        ]
        | None
    ) = Field(None, min_length=1, max_length=63, description="The kind of the object or workload.")
    name: (
        Annotated[
            str,
            Rule(
                r"self.matches('^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?[*]?$|^[a-z0-9][-a-z0-9.:]*[*]$|^[*]$')",
                "a name has lower case letters, digits, hyphens and dots; only its end may be a star",
            ),
        ]
        | None
    ) = Field(None, min_length=1, max_length=253, description="Its name; a trailing * stands for any rest.")
    labels: dict[str, LabelValue] | None = Field(
        None, max_length=LABELS_MAX, description="Labels that it has, among others."
    )


class PolicyExceptionSpec(ApiModel):
    """What one policy does not judge, until when, and who answers for it."""

    policy: PolicyName = Field(description="Which policy does not judge.")
    target: ExceptionTarget = Field(description="What it does not judge, in this namespace.")
    reason: Annotated[str, Rule("self.trim().size() >= 10", "say why, in ten characters or more")] = Field(
        min_length=REASON_MIN, max_length=1024, description="Why: for those who come across it later."
    )
    owner: Annotated[str, Rule("self.trim().size() > 0", "say who answers for it")] = Field(
        min_length=1, max_length=253, description="Who answers for it: a person or a team."
    )
    expires: Annotated[
        str,
        Rule(
            f"self.matches('^{_DAY}(T{_TIME})?$')",
            "write a day or a time with its zone: 2027-03-31, 2027-03-31T12:00:00Z",
        ),
    ] = Field(
        max_length=40,
        description="When it counts no more: a day, to its end in UTC, or a time. At most a year after it is "
        "made.",
    )
    approved: bool | None = Field(
        None, description="Whether an owner of the project approves; only they may set it."
    )


class PolicyExceptionStatus(ApiModel):
    """What has become of an exception."""

    state: ExceptionState | None = Field(
        None,
        description="Active, Expired, AwaitingApproval, Unused (nothing here is meant by it), UnknownPolicy "
        "(no policy of that name judges here), Invalid (it does not say what it has to) or Pending (nobody "
        "has looked at it yet).",
    )
    message: str | None = Field(None, max_length=1024, description="Why that is so, where it needs saying.")


class PolicyException(Resource):
    """Somebody answers for it that one policy does not judge some objects of a namespace, for a while."""

    definition = Definition(
        plural="policyexceptions",
        group=POLICY_GROUP,
        short_names=("polex",),
        columns=(
            Column("Policy", ".spec.policy"),
            Column("Kind", ".spec.target.kind"),
            Column("Target", ".spec.target.name"),
            Column("State", ".status.state"),
            Column("Expires", ".spec.expires"),
            Column("Owner", ".spec.owner", wide=True),
            Column("Reason", ".spec.reason", wide=True),
            Column("Message", ".status.message", wide=True),
        ),
    )

    api_version: Literal["policy.moorage.dev/v1alpha1"] = "policy.moorage.dev/v1alpha1"
    kind: Literal["PolicyException"] = "PolicyException"
    metadata: ObjectMeta
    spec: PolicyExceptionSpec = Field(description="What is excepted, until when, and who answers for it.")
    status: PolicyExceptionStatus | None = Field(
        None,
        description="What has become of it.",
        json_schema_extra={"default": {"state": ExceptionState.PENDING.value}},
    )
