"""PolicyReport: what the policies of a cluster find there, summed up."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from moorage.api.meta import GROUP
from moorage.api.models import ApiModel, Column, Definition, ObjectMeta, Resource, Timestamp
from moorage.api.schema import ListMap

ROWS_MAX: Final = 500
EXAMPLES_MAX: Final = 200
TREND_MAX: Final = 64


class ReportedBundle(ApiModel):
    """A bundle that judges."""

    reference: str = Field(min_length=1, max_length=512, description="Where it was taken from.")
    digest: str = Field(min_length=1, max_length=128, description="What it is.")


class Totals(ApiModel):
    """How many violations there are, by what happens to them."""

    enforce: int = Field(
        0, ge=0, description="Of what would be refused now: it was there before, or was let through."
    )
    warn: int = Field(0, ge=0, description="Of what is warned of.")
    audit: int = Field(0, ge=0, description="Of what is only counted.")

    @property
    def all(self) -> int:
        """All of them."""
        return self.enforce + self.warn + self.audit


class ReportRow(ApiModel):
    """How often one policy is violated in one namespace."""

    namespace: str = Field(
        "", max_length=253, description="Where; empty for what is in no namespace, and for the rest."
    )
    policy: str = Field(min_length=1, max_length=253, description="Which policy.")
    action: str = Field(min_length=1, max_length=16, description="What happens: enforce, warn or audit.")
    severity: str = Field("", max_length=16, description="How bad it is to break it.")
    violations: int = Field(ge=0, description="How many violations there are.")


class ReportExample(ApiModel):
    """One object that violates a policy."""

    policy: str = Field(min_length=1, max_length=253, description="Which policy.")
    namespace: str = Field("", max_length=253, description="Where it is.")
    kind: str = Field(min_length=1, max_length=63, description="What it is.")
    name: str = Field("", max_length=253, description="Its name.")
    message: str = Field("", max_length=512, description="What is wrong with it.")


class TrendPoint(ApiModel):
    """How many violations there were."""

    at: Timestamp = Field(description="When.")
    enforce: int = Field(0, ge=0, description="Of what would have been refused.")
    warn: int = Field(0, ge=0, description="Of what was warned of.")
    audit: int = Field(0, ge=0, description="Of what was only counted.")


class PolicyReportStatus(ApiModel):
    """What is found."""

    audited: Timestamp | None = Field(None, description="When the cluster was looked through last.")
    bundles: list[ReportedBundle] = Field(
        default_factory=list, max_length=64, description="What it was judged by."
    )
    totals: Totals | None = Field(None, description="How many violations there are.")
    rows: list[ReportRow] = Field(
        default_factory=list,
        max_length=ROWS_MAX + 1,
        description="Where they are, the most first; what is left over is in the last row, policy `*`.",
    )
    examples: list[ReportExample] = Field(
        default_factory=list, max_length=EXAMPLES_MAX, description="Some of the objects that are meant."
    )
    trend: Annotated[list[TrendPoint], ListMap(("at",))] = Field(
        default_factory=list,
        max_length=TREND_MAX,
        description="How many there were: by the hour for a day, by the day for a month.",
    )


class PolicyReport(Resource):
    """What the policies of a cluster find there, summed up. It has the cluster's name and namespace."""

    definition = Definition(
        plural="policyreports",
        group=f"policy.{GROUP}",
        short_names=("polr",),
        columns=(
            Column("Enforce", ".status.totals.enforce", "integer"),
            Column("Warn", ".status.totals.warn", "integer"),
            Column("Audit", ".status.totals.audit", "integer"),
            Column("Audited", ".status.audited", "date"),
        ),
    )

    api_version: Literal["policy.moorage.dev/v1alpha1"] = "policy.moorage.dev/v1alpha1"
    kind: Literal["PolicyReport"] = "PolicyReport"
    metadata: ObjectMeta
    status: PolicyReportStatus | None = Field(None, description="What is found.")
