"""Types for the names, labels and taints that objects carry, each with the rule that an API server holds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from moorage.api.meta import LABEL_VALUE_MAX, MACHINE_TYPE_NAME_MAX
from moorage.api.models import ApiModel
from moorage.api.schema import ListMap, Rule

LABELS_MAX: Final = 32
TAINTS_MAX: Final = 16
LABEL_KEY_MAX: Final = 253 + 1 + LABEL_VALUE_MAX

# Domains whose labels Kubernetes, Cluster API or Moorage set themselves; and the two in them that are meant
# for whoever runs the nodes.
_RESERVED: Final = r"^([^/]*[.])?(kubernetes[.]io|k8s[.]io|x-k8s[.]io|moorage[.]dev)/"
_GIVEN: Final = r"^node-(role|restriction)[.]kubernetes[.]io/"

DnsLabel = Annotated[
    str,
    Rule(
        "!format.dns1123Label().validate(self).hasValue()",
        "a name has lower case letters, digits and hyphens, with a letter or digit at both ends",
    ),
]
"""A name of lower case letters, digits and hyphens. Annotate it with its longest length."""

MachineTypeName = Annotated[
    str,
    Field(min_length=1, max_length=MACHINE_TYPE_NAME_MAX),
    Rule(
        "!format.dns1123Subdomain().validate(self).hasValue()",
        "this cannot be the name of a machine type: see `kubectl get machinetypes`",
    ),
]

LabelKey = Annotated[
    str,
    Field(min_length=1, max_length=LABEL_KEY_MAX),
    Rule(
        "!format.qualifiedName().validate(self).hasValue()",
        "a key is NAME or DOMAIN/NAME",
    ),
]

LabelValue = Annotated[
    str,
    Field(max_length=LABEL_VALUE_MAX),
    Rule(
        "!format.labelValue().validate(self).hasValue()",
        "a value has letters, digits, hyphens, underscores and dots, with a letter or digit at both ends",
    ),
]

NodeLabels = Annotated[
    dict[str, LabelValue],
    Field(max_length=LABELS_MAX),
    Rule(
        "self.all(key, key.size() <= 317 && !format.qualifiedName().validate(key).hasValue())",
        "a label's key is NAME or DOMAIN/NAME",
    ),
    Rule(
        f"self.all(key, !key.matches('{_RESERVED}') || key.matches('{_GIVEN}'))",
        "labels of kubernetes.io, k8s.io, x-k8s.io and moorage.dev are reserved "
        "(node-role.kubernetes.io and node-restriction.kubernetes.io are yours)",
    ),
]
"""Labels for nodes: any but those that the system itself sets."""


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Taint(ApiModel):
    """Something about a node that keeps pods away, unless they tolerate it."""

    key: LabelKey = Field(description="The taint's key, as NAME or DOMAIN/NAME.")
    value: LabelValue | None = Field(None, min_length=1, description="The taint's value, if it has one.")
    effect: TaintEffect = Field(description="What it does to pods that do not tolerate it.")


Taints = Annotated[list[Taint], Field(max_length=TAINTS_MAX), ListMap(("key", "effect"))]
