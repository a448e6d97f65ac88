"""What a machine is, what is to be done with it, and what is said of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final

from moorage.api.conditions import Condition
from moorage.api.local import LocalMachineStatus, MachineAddress, Provisioned
from moorage.kube.kinds import LOCAL_MACHINE, Object
from moorage.providers.local.contract import PAUSED, READY, Owner, OwnerCluster, OwnerMachine
from moorage.providers.local.faults import SYMPTOMS, Fault
from moorage.providers.local.machine.placement import Place
from moorage.providers.local.names import provider_id
from moorage.providers.local.nodes import NodeFacts, NodeShape, correction, registration
from moorage.providers.local.reporting import Report
from moorage.providers.local.writing import finalizer

FAULT_INJECTED: Final = "FaultInjected"


class Step(Enum):
    """What is to be done with a LocalMachine."""

    NOTHING = auto()
    PAUSE = auto()
    WAIT = auto()
    TAKE_FAULT = auto()
    FAIL = auto()
    RUN = auto()
    REMOVE = auto()


@dataclass(frozen=True, slots=True)
class PoolFault:
    """A fault that a pool's LocalMachineTemplate holds ready for the next machine.

    Args:
        template: the LocalMachineTemplate.
        version: its resource version, under which the fault can be taken.
        fault: which one.
        taker: the machine that is about to take it.
    """

    template: str
    version: str
    fault: str
    taker: str | None


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """A LocalMachine and what it depends on.

    Args:
        owner: what it says about itself.
        cluster: the Cluster that it belongs to.
        machine: the Machine that it is for.
        machine_type: the name of its machine type.
        cpu: a quantity.
        memory: a quantity.
        zone: the zone that its template names.
        provider_id: how Cluster API finds its Node, once that is written down.
        provisioned: whether it has been made.
        reported_fault: whether its status speaks of a fault.
        place: where it is, when that is decided.
        fault: the fault that is asked for.
        unknown_fault: what is asked for, when that is none.
        pool_fault: a fault that waits for its pool's next machine.
    """

    owner: Owner
    cluster: OwnerCluster | None
    machine: OwnerMachine | None
    machine_type: str | None
    cpu: str
    memory: str
    zone: str | None
    provider_id: str | None
    provisioned: bool
    reported_fault: bool
    place: Place | None = None
    fault: Fault | None = None
    unknown_fault: str | None = None
    pool_fault: PoolFault | None = None

    @property
    def node_in_doubt(self) -> bool:
        """Whether the Node needs a look.

        Cluster API watches it: while the Node is found ready, and no fault comes or goes, it does not.
        """
        ready = self.machine is not None and self.machine.node_ready
        return not ready or self.fault is not None or self.reported_fault


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and what is waited for when nothing is."""

    step: Step
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """Let the machine's kubelet register its Node."""

    node: Object


@dataclass(frozen=True, slots=True)
class Correct:
    """Put a Node's metadata right."""

    patch: Object


@dataclass(frozen=True, slots=True)
class Vanish:
    """Take the Node away."""


NodeAction = Register | Correct | Vanish


def plan(facts: MachineFacts) -> Decision:
    """Decide what is to be done.

    A machine is made when its Cluster's infrastructure is there and its bootstrap data says how it joins.
    """
    owner, cluster, machine = facts.owner, facts.cluster, facts.machine
    if owner.paused or (cluster is not None and cluster.paused):
        return Decision(Step.PAUSE)
    if owner.deleting:
        held = finalizer(LOCAL_MACHINE) in owner.finalizers
        return Decision(Step.REMOVE if held else Step.NOTHING)
    if cluster is None or machine is None:
        return Decision(Step.NOTHING)
    if not facts.provisioned and (missing := _missing(facts, cluster, machine)):
        return missing
    return Decision(Step.FAIL if facts.fault is Fault.PROVIDER_ERROR else Step.RUN)


def _missing(facts: MachineFacts, cluster: OwnerCluster, machine: OwnerMachine) -> Decision | None:
    """Return what must come before a machine can be made."""
    if not cluster.infrastructure_provisioned:
        return Decision(Step.WAIT, "WaitingForInfrastructure", "the cluster has no infrastructure yet")
    if machine.bootstrap_secret is None:
        return Decision(Step.WAIT, "WaitingForBootstrapData", "it is not known yet how the machine joins")
    return Decision(Step.TAKE_FAULT) if _takes(facts) else None


def _takes(facts: MachineFacts) -> bool:
    waiting = facts.pool_fault
    return (
        waiting is not None
        and waiting.taker in (None, facts.owner.key.name)
        and facts.fault in (None, waiting.fault)
    )


def plan_node(
    shape: NodeShape, fault: Fault | None, found: NodeFacts | None, *, leaving: bool
) -> NodeAction | None:
    """Decide what is to be done with a running machine's Node.

    A Node that somebody has deleted registers itself again, as that of a kubelet does that is started anew:
    unless the machine is about to go, or has a fault that forbids it.
    """
    if fault is Fault.NODE_GONE:
        return None if found is None else Vanish()
    if found is None:
        return None if leaving or fault is Fault.NEVER_JOINS else Register(registration(shape, fault))
    patch = correction(shape, fault, found)
    return Correct(patch) if patch else None


def node_shape(
    facts: MachineFacts, cluster: OwnerCluster, machine: OwnerMachine, place: Place, architecture: str
) -> NodeShape:
    """Return what a machine's Node is to be."""
    return NodeShape(
        name=machine.name,
        machine_uid=facts.owner.uid,
        provider_id=provider_id(cluster.id, machine.name),
        machine_type=facts.machine_type,
        cpu=facts.cpu,
        memory=facts.memory,
        zone=place.zone,
        address=place.address,
        kubelet_version=machine.version,
        architecture=architecture,
    )


def plan_status(
    obj: Object, facts: MachineFacts, decision: Decision, place: Place | None, now: datetime
) -> LocalMachineStatus:
    """Say how far a machine is. What has been made stays made, whatever happens to it later."""
    report = Report(facts.owner.generation, now)
    provisioned = facts.provisioned or decision.step is Step.RUN
    drop = () if facts.fault or facts.unknown_fault else (FAULT_INJECTED,)
    return LocalMachineStatus.model_validate(
        {
            "observed_generation": facts.owner.generation,
            "initialization": Provisioned(provisioned=True) if provisioned else None,
            **(_place_status(facts, place) if provisioned and place else {}),
            "conditions": report.merged(obj, plan_conditions(report, facts, decision), drop=drop),
        }
    )


def _place_status(facts: MachineFacts, place: Place) -> dict[str, object]:
    name = facts.machine.name if facts.machine else facts.owner.key.name
    return {
        "failure_domain": place.zone,
        "addresses": [
            MachineAddress(type="InternalIP", address=place.address),
            MachineAddress(type="Hostname", address=name),
        ],
    }


def plan_conditions(report: Report, facts: MachineFacts, decision: Decision) -> list[Condition]:
    """Say in conditions how far a machine is."""
    if decision.step is Step.PAUSE:
        return [report.true(PAUSED, "Paused")]
    found = [*_ready(report, facts, decision), report.false(PAUSED, "NotPaused")]
    if facts.fault is not None:
        found.append(report.true(FAULT_INJECTED, facts.fault.reason, SYMPTOMS[facts.fault].summary))
    elif facts.unknown_fault is not None:
        known = ", ".join(fault.value for fault in Fault)
        message = f'"{facts.unknown_fault}" is no fault that can be injected; there are {known}'
        found.append(report.false(FAULT_INJECTED, "UnknownFault", message))
    return found


def _ready(report: Report, facts: MachineFacts, decision: Decision) -> list[Condition]:
    if decision.step is Step.REMOVE:
        return [report.false(READY, "Deleting", decision.message)]
    if decision.step is Step.WAIT:
        return [report.false(READY, decision.reason, decision.message)]
    error = SYMPTOMS[facts.fault].instance_error if facts.fault else None
    if facts.fault and error:
        return [report.false(READY, facts.fault.reason, error)]
    return [report.true(READY, "Running")] if decision.step is Step.RUN else []
