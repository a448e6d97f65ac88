"""Which policies judge in clusters: parts of a project's and of a cluster's declaration."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from moorage.api.models import ApiModel
from moorage.api.schema import ListMap, Rule

BUNDLES_MAX: Final = 16
FLOOR_MAX: Final = 64
_REFERENCE: Final = (
    r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9._-]*)?(@sha256:[0-9a-f]{64})?$"
)


class PolicyAction(StrEnum):
    """What happens to what a policy finds."""

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"


class ExceptionGrant(StrEnum):
    """Who may grant exceptions from policies."""

    MEMBERS = "members"
    OWNERS = "owners"


class PolicyBundle(ApiModel):
    """A bundle of policies."""

    reference: Annotated[
        str,
        Rule(
            f"self.matches(r'{_REFERENCE}')",
            "a bundle is REGISTRY/NAME with a channel (:stable) or a digest (@sha256:...)",
        ),
        Rule(
            "self.contains('@') || self.matches(':[^/@]+$')",
            "name a channel (:stable) or a digest (@sha256:...): neither is the newest there happens to be",
        ),
    ] = Field(
        min_length=3,
        max_length=512,
        description="Where the bundle is: REGISTRY/NAME with a channel, whose newest is used "
        "(registry.example/policies:stable), or with a digest, which never changes.",
    )


class ClusterPolicies(ApiModel):
    """Which policies judge in a cluster. Namespaces opt in by label; a floor holds for all of them."""

    bundles: Annotated[list[PolicyBundle], ListMap(("reference",))] = Field(
        default_factory=list,
        max_length=BUNDLES_MAX,
        description="Where the policies come from; those of project and cluster are taken together.",
    )
    floor: Annotated[
        dict[str, PolicyAction],
        Field(max_length=FLOOR_MAX),
        Rule(
            "self.all(name, name.size() <= 63 && !format.dns1123Subdomain().validate(name).hasValue())",
            "a floor names a set: baseline, restricted, ...",
        ),
    ] = Field(
        default_factory=dict,
        description="The action, by set, below which no namespace can go: enforce, warn or audit. "
        "The stronger one counts where project and cluster both have one.",
    )


class ProjectPolicies(ClusterPolicies):
    """Which policies judge in the clusters of a project, and who may grant exceptions from them."""

    exceptions: ExceptionGrant = Field(
        ExceptionGrant.OWNERS,
        description="Who may grant exceptions: owners, who approve those that others ask for; or members, "
        "whose own count at once.",
    )
