"""Advice: one thing that an advisor has found in a cluster, on what evidence, and what became of it.

The spec is what was found: the platform writes it, and nobody else. What people decide about it is in the
status, as with certificate signing requests: the right to decide is ``update advices/status``, which a role
can give without giving the right to alter what was found.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from moorage.api.conditions import CONDITIONS_MAX, Conditions
from moorage.api.meta import CLUSTER_NAME_MAX, GROUP, project_of
from moorage.api.models import ApiModel, Column, Definition, ObjectMeta, Resource, Timestamp
from moorage.api.schema import ListWhole, Rule, Schema, rules
from moorage.reports.findings import Action, Severity

ADVICE_GROUP: Final = f"advice.{GROUP}"
ADVISOR_LABEL: Final = f"{ADVICE_GROUP}/advisor"
CHANGE_LABEL: Final = f"{ADVICE_GROUP}/change"
"""Digest of the change: advice with the same one is resolved together."""

CHANGES_MAX: Final = 32
HISTORY_MAX: Final = 20
IMAGE_MAX: Final = 384 * 1024
DIFF_MAX: Final = 16 * 1024
REASON_MIN: Final = 10
_WORD: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_SAME: Final = "self == oldSelf"
_SHORT: Final[dict[str, Any]] = {"maxLength": 40}


class _Free:
    """An object whose fields are somebody else's business."""

    def __init__(self, *, embedded: bool = False) -> None:
        self._embedded = embedded

    def __get_pydantic_json_schema__(
        self, _core_schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        return {**schema, "x-kubernetes-embedded-resource": True} if self._embedded else schema


class AdviceState(StrEnum):
    """What has become of an advice."""

    OPEN = "Open"
    APPLIED = "Applied"
    DISMISSED = "Dismissed"
    RESOLVED = "Resolved"


class AdviceChange(ApiModel):
    """What is done with one object; those of an advice are carried out in their order."""

    action: Action = Field(description="What is done with it: apply (server-side) or delete.")
    object: Annotated[dict[str, Any], _Free(embedded=True)] = Field(
        description="The object as it shall be; of one that is deleted, what names it."
    )
    was: Annotated[dict[str, Any], _Free()] | None = Field(
        None,
        description="What of it the advice rests on, as it was when it was made; empty where there was none.",
    )
    diff: str = Field(
        "", max_length=2 * DIFF_MAX, description="The change as a unified diff, cut where it is long."
    )


class AdviceLocation(ApiModel):
    """Where it was found."""

    object: str = Field("", max_length=512, description="The object, in words: RoleBinding shop/web.")
    file: str = Field("", max_length=1024, description="The file that it comes from, where that is known.")
    line: int | None = Field(None, ge=1, description="The line in that file.")


class StoredPart(ApiModel):
    """What was too large for this object, and is in the store of the platform."""

    key: str = Field(min_length=1, max_length=128, description="By what it is found there.")
    size: int = Field(ge=0, description="How many bytes it has.")
    digest: str = Field(min_length=1, max_length=128, description="SHA-256 of it.")


class AdviceSpec(ApiModel):
    """What was found, on what evidence, and what would resolve it. Only the platform writes it."""

    advisor: Annotated[
        str,
        Rule(f"self.matches('{_WORD}')", "an advisor is a word in lower case, such as permissions"),
        Rule(_SAME, "an advice stays one of its advisor", forbidden=True),
    ] = Field(min_length=1, max_length=32, description="Who found it: permissions, resources, apis.")
    cluster: Annotated[str, Rule(_SAME, "an advice stays one about its cluster", forbidden=True)] = Field(
        min_length=1, max_length=CLUSTER_NAME_MAX, description="The KubernetesCluster that it is about."
    )
    subject: Annotated[str, Rule(_SAME, "an advice stays one about its subject", forbidden=True)] = Field(
        min_length=1, max_length=512, description="Whom or what in the cluster it is about."
    )
    code: Annotated[
        str,
        Rule(f"self.matches('{_WORD}')", "a code is words in lower case, with hyphens"),
        Rule(_SAME, "an advice stays one of its code", forbidden=True),
    ] = Field(min_length=1, max_length=63, description="What is wrong, in a word: unused-binding.")
    severity: Severity = Field(
        description="How bad it is when nothing is done: critical, high, medium or low."
    )
    confidence: int = Field(ge=0, le=100, description="How sure the advisor is, in percent.")
    summary: str = Field(min_length=1, max_length=2048, description="What is wrong, in a sentence.")
    consequence: str = Field("", max_length=2048, description="What happens when nothing is done.")
    by: Timestamp | None = Field(
        None, description="When that happens, where it is known.", json_schema_extra=_SHORT
    )
    evidence: Annotated[dict[str, Any], _Free()] = Field(
        default_factory=dict,
        description="What it rests on: counts, the window, the sources; the rest is stored.",
    )
    time: Timestamp | None = Field(
        None, description="Until when the evidence reaches.", json_schema_extra=_SHORT
    )
    location: AdviceLocation = Field(default_factory=AdviceLocation, description="Where it was found.")
    change: Annotated[list[AdviceChange], ListWhole()] = Field(
        default_factory=list,
        max_length=CHANGES_MAX,
        description="What resolves it; empty where nothing can be said for sure, or where it is stored.",
    )
    stored_evidence: StoredPart | None = Field(
        None, description="All the evidence, where it is too much for here."
    )
    stored_change: StoredPart | None = Field(None, description="The change, where it is too large for here.")


class Dismissal(ApiModel):
    """That somebody does not want to follow the advice."""

    by: str = Field(min_length=1, max_length=253, description="Who decided it.")
    at: Timestamp = Field(description="When.")
    reason: Annotated[
        str, Rule(f"self.trim().size() >= {REASON_MIN}", "say why, in ten characters or more")
    ] = Field(min_length=REASON_MIN, max_length=1024, description="Why: for those who come across it later.")
    until: Timestamp | None = Field(
        None, description="When the advice opens again, if it still holds; never without it."
    )


class ApplicationPhase(StrEnum):
    """How far the application of an advice is."""

    APPLYING = "Applying"
    APPLIED = "Applied"
    REVERTING = "Reverting"
    REVERTED = "Reverted"


class AppliedStep(ApiModel):
    """What is done with one object, and how it was."""

    action: Action = Field(description="What is done with it.")
    object: Annotated[dict[str, Any], _Free(embedded=True)] = Field(
        description="The object that was applied; of one that was deleted, what names it."
    )
    before: str | None = Field(
        None,
        max_length=IMAGE_MAX,
        description="All of it as it was before, in JSON; nothing where there was none.",
    )
    after: str | None = Field(
        None,
        max_length=IMAGE_MAX,
        description="All of it as it became, in JSON; nothing where it was deleted.",
    )


class WatchedWorkload(ApiModel):
    """A workload that is watched, and how it was before the change."""

    namespace: str = Field(min_length=1, max_length=63, description="Its namespace.")
    kind: str = Field(min_length=1, max_length=63, description="Its kind.")
    name: str = Field(min_length=1, max_length=253, description="Its name.")
    wanted: int = Field(ge=0, description="How many pods it was to have.")
    ready: int = Field(ge=0, description="How many were ready.")
    settled: bool = Field(description="Whether all pods were as declared.")
    failing: int = Field(ge=0, description="How many containers were started again a short while before.")
    oom_killed: int = Field(ge=0, description="How many of these were killed for want of memory.")


class Watch(ApiModel):
    """That the platform watches what a change does that nobody asked for just then."""

    until: Timestamp = Field(description="How long.")
    over: bool = Field(default=False, description="Whether it has ended, and no workload was worse off.")
    before: list[WatchedWorkload] = Field(
        default_factory=list, max_length=CHANGES_MAX, description="How the workloads were before."
    )


class Application(ApiModel):
    """That the advice was followed: enough to finish what was interrupted, and to undo it."""

    phase: ApplicationPhase = Field(description="How far it is: Applying, Applied, Reverting or Reverted.")
    by: str = Field(min_length=1, max_length=253, description="Who does it.")
    at: Timestamp = Field(description="When the phase began.")
    message: str = Field("", max_length=1024, description="What there is to say about it.")
    harm: str = Field(
        "",
        max_length=1024,
        description="What went wrong since it was applied; it can be reverted, unless it was already.",
    )
    watch: Watch | None = Field(
        None, description="How it is watched, where no person but the platform applied it."
    )
    steps: list[AppliedStep] = Field(
        default_factory=list, max_length=CHANGES_MAX, description="What is done, in its order."
    )


class Happening(ApiModel):
    """One change in the life of an advice."""

    at: Timestamp = Field(description="When.")
    by: str = Field(min_length=1, max_length=253, description="Who did it.")
    what: str = Field(min_length=1, max_length=1024, description="What it was.")


class SeverityChange(ApiModel):
    """That the advice was less or more severe before."""

    was: Severity = Field(description="How severe it was before.")
    at: Timestamp = Field(description="When that changed.")


class AdviceStatus(ApiModel):
    """What has become of an advice."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.state) || self.state != 'Dismissed' || has(self.dismissal)",
                "who dismisses an advice says why: write a dismissal",
                field=".dismissal",
            ),
            Rule(
                "!has(self.state) || self.state != 'Applied' || has(self.application)",
                "what was applied is written down: write an application",
                field=".application",
            ),
            Rule(
                "!has(self.dismissal) || !has(self.dismissal.until) "
                "|| self.dismissal.until > self.dismissal.at",
                "until is later than the dismissal",
                field=".dismissal.until",
            ),
        )
    )

    state: AdviceState | None = Field(
        None,
        description="Open (somebody should decide), Applied (the change was made; the advisor has yet to see "
        "it), Dismissed (somebody decided against it) or Resolved (the advisor finds it no more).",
    )
    dismissal: Dismissal | None = Field(None, description="Who decided against it, why and until when.")
    application: Application | None = Field(None, description="The last time that it was followed.")
    severity_change: SeverityChange | None = Field(
        None, description="How severe it was before it became what it is."
    )
    history: list[Happening] = Field(
        default_factory=list, max_length=HISTORY_MAX, description="What has become of it, the newest last."
    )
    conditions: Conditions = Field(
        default_factory=list,
        max_length=CONDITIONS_MAX,
        description="Resolved: whether the advisor finds it no more; the reason is the state until then.",
    )


class Advice(Resource):
    """One thing that an advisor has found in a cluster, and what became of it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.metadata.name.startsWith(self.spec.cluster + '-')",
                "the name of an advice begins with its cluster's, and a hyphen",
                field=".metadata.name",
            )
        )
    )
    definition = Definition(
        plural="advices",
        group=ADVICE_GROUP,
        short_names=("adv",),
        columns=(
            Column("Advisor", ".spec.advisor"),
            Column("Cluster", ".spec.cluster"),
            Column("Severity", ".spec.severity"),
            Column("State", ".status.state"),
            Column("Code", ".spec.code"),
            Column("Subject", ".spec.subject"),
            Column("Sure", ".spec.confidence", "integer", wide=True),
            Column("By", ".spec.by", "date", wide=True),
            Column("Summary", ".spec.summary", wide=True),
        ),
    )

    api_version: Literal["advice.moorage.dev/v1alpha1"] = "advice.moorage.dev/v1alpha1"
    kind: Literal["Advice"] = "Advice"
    metadata: ObjectMeta
    spec: AdviceSpec = Field(description="What was found, on what evidence, and what would resolve it.")
    status: AdviceStatus | None = Field(
        None,
        description="What has become of it.",
        json_schema_extra={"default": {"state": AdviceState.OPEN.value}},
    )

    @property
    def state(self) -> AdviceState:
        """What has become of it; open where nobody has said."""
        return (self.status.state if self.status is not None else None) or AdviceState.OPEN

    @property
    def full_name(self) -> str:
        """PROJECT/NAME: what commands take for it, however many projects there are."""
        project = project_of(self.metadata.namespace or "")
        return f"{project}/{self.metadata.name}" if project else self.metadata.name
