"""What a control plane is, what is to be done with it, and what is said of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Final

from moorage.api.conditions import Condition, ConditionStatus
from moorage.api.local import ControlPlaneInitialization, LocalControlPlaneStatus, StatusVersion
from moorage.api.versions import InvalidVersionError, parse_version
from moorage.kube.cache import Cache
from moorage.kube.kinds import CAPI_CLUSTER, LOCAL_CLUSTER, LOCAL_CONTROL_PLANE, MACHINE, Object
from moorage.providers.local.contract import (
    AVAILABLE,
    CLUSTER_NAME_LABEL,
    PAUSED,
    Owner,
    OwnerCluster,
    endpoint_of,
    is_named,
    parse_cluster,
    parse_owner,
    referred,
)
from moorage.providers.local.reporting import Report
from moorage.providers.local.writing import finalizer

CERTIFICATES_AVAILABLE: Final = "CertificatesAvailable"
COMPONENTS_HEALTHY: Final = "ComponentsHealthy"
ROLLING_OUT: Final = "RollingOut"
DELETING: Final = "Deleting"

OFFERED: Final = ("v1.34.0", "v1.35.0", "v1.36.0", "v1.37.2")
"""The versions on offer: what the binaries (the last one) can emulate."""

_MINORS: Final = frozenset(parse_version(tag).minor_version for tag in OFFERED)


class Step(Enum):
    """What is to be done with a LocalControlPlane."""

    NOTHING = auto()
    PAUSE = auto()
    WAIT = auto()
    RUN = auto()
    REMOVE = auto()
    LET_GO = auto()


@dataclass(frozen=True, slots=True)
class ControlPlaneFacts:
    """A LocalControlPlane, what it depends on, and what it has reported.

    Args:
        owner: what it says about itself.
        cluster: the Cluster that it belongs to.
        address_decided: whether it is known where its API server is to listen.
        version: the version that it shall serve.
        replicas: how many instances are declared.
        served_version: the version that it has last served; ``None`` before the first time.
        machines: how many Machines the cluster has.
        named: whether the Cluster refers to it (`is_named`).
    """

    owner: Owner
    cluster: OwnerCluster | None
    address_decided: bool
    version: str
    replicas: int | None
    served_version: str | None
    machines: int
    named: bool | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and why nothing is when something is waited for."""

    step: Step
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of the processes.

    Args:
        serving: whether the API server answers, with the version that was asked for.
        reason: what it waits for, as one word.
        message: what it waits for, for a person.
        failing: components that do not stay up, and what is known about each.
        keys_lost: what is wrong with the cluster's keys.
    """

    serving: bool
    reason: str = ""
    message: str = ""
    failing: Mapping[str, str] = field(default_factory=dict)
    keys_lost: str = ""


def observe(cache: Cache, obj: Object) -> ControlPlaneFacts:
    """Read a LocalControlPlane and what it depends on."""
    owner = parse_owner(obj)
    namespace, name = owner.key.namespace, owner.cluster_name
    cluster = cache.get(CAPI_CLUSTER, name, namespace) if name else None
    machines = cache.list(MACHINE, namespace, {CLUSTER_NAME_LABEL: name}) if owner.deleting and name else ()
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return ControlPlaneFacts(
        owner=owner,
        cluster=parse_cluster(cluster) if cluster else None,
        address_decided=cluster is not None and _address_decided(cache, cluster),
        version=spec["version"],
        replicas=spec.get("replicas"),
        served_version=status.get("version"),
        machines=len(machines),
        named=is_named(cluster, "controlPlaneRef", obj),
    )


def _address_decided(cache: Cache, cluster: Object) -> bool:
    """Say whether the address is known: to the Cluster, or for now to its LocalCluster.

    The Cluster takes it over only when its infrastructure is provisioned, and that waits for the API server.
    """
    if endpoint_of(cluster) is not None:
        return True
    for key in referred(cluster, "infrastructureRef", kind=LOCAL_CLUSTER.kind):
        infrastructure = cache.get(LOCAL_CLUSTER, key.name, key.namespace)
        if infrastructure is not None and endpoint_of(infrastructure) is not None:
            return True
    return False


def plan(facts: ControlPlaneFacts) -> Decision:
    """Decide what is to be done.

    One that is not the Cluster's does nothing, and takes nothing with it: the processes are the other's.
    A control plane waits for its address, and goes only when the cluster's machines are gone: they could not
    be drained without it.
    """
    owner, cluster = facts.owner, facts.cluster
    if owner.paused or (cluster is not None and cluster.paused):
        return Decision(Step.PAUSE)
    if owner.deleting:
        return _plan_deletion(facts)
    if cluster is None or facts.named is False:
        return Decision(Step.NOTHING)
    if not facts.address_decided:
        return Decision(Step.WAIT, "WaitingForInfrastructure", "the cluster's address is not decided yet")
    if minor(facts.version) is None:
        return Decision(
            Step.WAIT,
            "VersionNotOffered",
            f"Kubernetes {facts.version} is not offered here (offered: {', '.join(sorted(_MINORS))})",
        )
    return Decision(Step.RUN)


def _plan_deletion(facts: ControlPlaneFacts) -> Decision:
    if finalizer(LOCAL_CONTROL_PLANE) not in facts.owner.finalizers:
        return Decision(Step.NOTHING)
    in_use = facts.cluster is not None and not facts.cluster.deleting
    if facts.named is False or (in_use and facts.named is None):
        return Decision(Step.LET_GO)
    if facts.machines:
        noun = "machine" if facts.machines == 1 else "machines"
        return Decision(
            Step.WAIT, "WaitingForWorkersDeletion", f"{facts.machines} {noun} of the cluster must go first"
        )
    return Decision(Step.REMOVE)


def minor(version: str) -> str | None:
    """Return the minor that is to be emulated for a version, or ``None`` when that cannot be."""
    try:
        found = parse_version(version).minor_version
    except InvalidVersionError:
        return None
    return found if found in _MINORS else None


def plan_status(
    obj: Object, facts: ControlPlaneFacts, decision: Decision, outcome: Outcome | None, now: datetime
) -> LocalControlPlaneStatus:
    """Say how far a control plane is.

    The version that is reported is the one that is served: it stays the old one until the new API server
    answers, which is what holds back the upgrade of the nodes.
    """
    report = Report(facts.owner.generation, now)
    serving = outcome is not None and outcome.serving
    served = facts.version if serving else facts.served_version
    replicas = facts.replicas
    found = plan_conditions(report, facts, decision, outcome)
    drop = () if facts.owner.deleting or decision.step is Step.PAUSE else (DELETING,)
    running = 0 if replicas is None or not _available(found, obj) else replicas
    declared = {
        "observed_generation": facts.owner.generation,
        "initialization": ControlPlaneInitialization(control_plane_initialized=True) if served else None,
        "external_managed_control_plane": True,
        "version": served,
        "versions": [StatusVersion(version=served, replicas=replicas)] if served else None,
        "conditions": report.merged(obj, found, drop=drop),
    }
    if replicas is not None:
        declared |= {
            "selector": f"{CLUSTER_NAME_LABEL}={facts.owner.cluster_name},cluster.x-k8s.io/control-plane",
            "replicas": replicas if served else 0,
            "ready_replicas": running,
            "available_replicas": running,
            "up_to_date_replicas": replicas if served == facts.version else 0,
        }
    return LocalControlPlaneStatus.model_validate(declared)


def plan_conditions(
    report: Report, facts: ControlPlaneFacts, decision: Decision, outcome: Outcome | None
) -> list[Condition]:
    """Say in conditions how far a control plane is."""
    if decision.step is Step.PAUSE:
        return [report.true(PAUSED, "Paused")]
    found = [report.false(PAUSED, "NotPaused")]
    if facts.owner.deleting:
        reason, message = decision.reason or "Deleting", decision.message or "its processes are being ended"
        return [*found, report.true(DELETING, reason, message)]
    if outcome is None:
        return [*found, report.false(AVAILABLE, decision.reason, decision.message)]
    if outcome.keys_lost:
        return [*found, report.false(CERTIFICATES_AVAILABLE, "KeysUnavailable", outcome.keys_lost)]
    return [
        *found,
        report.true(CERTIFICATES_AVAILABLE, "Available"),
        *(_serving(report, outcome) if outcome.serving else _starting(report, facts, outcome)),
    ]


def _serving(report: Report, outcome: Outcome) -> list[Condition]:
    message = "; ".join(f"{name}: {why}" for name, why in sorted(outcome.failing.items()))
    return [
        report.true(AVAILABLE, "Available"),
        report.false(ROLLING_OUT, "NotRollingOut"),
        report.false(COMPONENTS_HEALTHY, "ComponentsFailing", message)
        if outcome.failing
        else report.true(COMPONENTS_HEALTHY, "AllRunning"),
    ]


def _starting(report: Report, facts: ControlPlaneFacts, outcome: Outcome) -> list[Condition]:
    if facts.served_version in (None, facts.version):
        return [
            report.false(AVAILABLE, outcome.reason, outcome.message),
            report.false(ROLLING_OUT, "NotRollingOut"),
        ]
    return [
        report.false(AVAILABLE, "Upgrading", outcome.message),
        report.true(ROLLING_OUT, "Upgrading", f"from {facts.served_version} to {facts.version}"),
    ]


def _available(found: list[Condition], obj: Object) -> bool:
    """Say whether the control plane is available: by what is known now, or else by what was last reported."""
    for item in found:
        if item.type == AVAILABLE:
            return item.status is ConditionStatus.TRUE
    reported = (obj.get("status") or {}).get("conditions") or ()
    return any(item["type"] == AVAILABLE and item["status"] == "True" for item in reported)
