"""Deciding what one project needs next. Pure: a snapshot and the time in, actions out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from moorage.api.meta import PROJECT_FINALIZER, PROJECT_LABEL
from moorage.api.project import Member, ProjectStatus
from moorage.clusters import access
from moorage.clusters.derived import Derived, Step, difference, is_as_derived
from moorage.clusters.project.snapshot import Snapshot
from moorage.clusters.project.status import differs, roll_up
from moorage.kube.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    Object,
)


@dataclass(frozen=True, slots=True)
class HoldObject:
    """Keep the Project from vanishing before what was made for it."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Nothing is left: let the Project vanish."""


@dataclass(frozen=True, slots=True)
class ApplyNamespace:
    """Make the project's namespace, or put it right."""

    namespace: Object = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeleteNamespace:
    """Remove the project's namespace and all that is in it."""


@dataclass(frozen=True, slots=True)
class Change:
    """Write or remove one of the objects by which members have their rights."""

    step: Step


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Say how the project is."""

    status: ProjectStatus


# What brings an event of its own when it is done, or changes nothing that is looked at here.
QUIET = (LetGo, DeleteNamespace, WriteStatus)

Action = HoldObject | LetGo | ApplyNamespace | DeleteNamespace | Change | WriteStatus


def plan_project(snapshot: Snapshot, now: datetime) -> list[Action]:
    """Decide what a project needs next."""
    held = PROJECT_FINALIZER in snapshot.declared.metadata.finalizers
    if snapshot.deleting:
        return _deletion(snapshot, now) if held else []
    if not held:
        return [HoldObject()]
    actions: list[Action] = []
    namespace = namespace_of(snapshot)
    if snapshot.namespace is None or not is_as_derived(snapshot.namespace, namespace):
        actions.append(ApplyNamespace(namespace))
    if snapshot.rights is not None and not snapshot.namespace_deleting:
        members = snapshot.declared.spec.members
        actions += [Change(step) for step in difference(rights_of(snapshot.name, members), snapshot.rights)]
    return _with_status(actions, snapshot, now)


def namespace_of(snapshot: Snapshot) -> Object:
    """Return the namespace that a project is to have."""
    return {"metadata": {"name": snapshot.declared.namespace, "labels": {PROJECT_LABEL: snapshot.name}}}


def rights_of(project: str, members: list[Member]) -> list[Derived]:
    """Return all objects by which the operator and the members have their rights, in the order to make them.

    The operator's own binding comes first: it may give only what it has.
    """
    return [
        Derived(ROLE_BINDING, access.operator_binding(project)),
        *(Derived(SERVICE_ACCOUNT, obj) for obj in access.service_accounts(project, members)),
        *(Derived(ROLE, obj) for obj in access.token_roles(project, members)),
        *(Derived(ROLE_BINDING, obj) for obj in access.role_bindings(project, members)),
        *(Derived(CLUSTER_ROLE, obj) for obj in access.cluster_roles(project)),
        *(Derived(CLUSTER_ROLE_BINDING, obj) for obj in access.cluster_role_bindings(project, members)),
    ]


def _deletion(snapshot: Snapshot, now: datetime) -> list[Action]:
    """Take a project down: people delete its clusters; its namespace and its rights go with it."""
    actions: list[Action] = []
    if snapshot.namespace is None:
        everywhere = [item for item in snapshot.rights or () if item.namespace is None]
        return [*(Change(step) for step in difference([], everywhere)), LetGo()]
    if not snapshot.clusters and not snapshot.namespace_deleting:
        actions.append(DeleteNamespace())
    return _with_status(actions, snapshot, now)


def _with_status(actions: list[Action], snapshot: Snapshot, now: datetime) -> list[Action]:
    status = roll_up(snapshot, settled=not actions, now=now)
    if differs(status, snapshot.declared.status):
        actions.append(WriteStatus(status))
    return actions
