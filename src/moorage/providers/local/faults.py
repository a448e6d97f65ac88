"""What can be made to go wrong with a machine, and what each fault is like. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Fault(StrEnum):
    """A way in which a machine can fail."""

    KUBELET_STOPPED = "kubelet-stopped"
    NODE_GONE = "node-gone"
    DISK_PRESSURE = "disk-pressure"
    NEVER_JOINS = "never-joins"
    PROVIDER_ERROR = "provider-error"

    @property
    def reason(self) -> str:
        """The fault as the reason of a condition: ``KubeletStopped``."""
        return "".join(word.capitalize() for word in self.value.split("-"))


@dataclass(frozen=True, slots=True)
class Symptom:
    """What a fault looks like from outside.

    Args:
        summary: what happens, for a person.
        instance_error: what the provider says of the machine itself, when it says anything.
    """

    summary: str
    instance_error: str | None = None


SYMPTOMS: Final = MappingProxyType(
    {
        Fault.KUBELET_STOPPED: Symptom("the node's heartbeats stop; Kubernetes finds it unreachable"),
        Fault.NODE_GONE: Symptom(
            "the machine and its node vanish, and stay away until the fault is cleared",
            "the machine has been removed behind Moorage's back",
        ),
        Fault.DISK_PRESSURE: Symptom("the node reports that its disk is full"),
        Fault.NEVER_JOINS: Symptom("the machine runs, and its node does not join"),
        Fault.PROVIDER_ERROR: Symptom(
            "the provider fails to make the machine", "the machine could not be made: no capacity is left"
        ),
    }
)
