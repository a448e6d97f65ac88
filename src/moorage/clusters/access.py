"""Who may do what: RBAC for a project's members, in the management cluster and in user clusters. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from moorage.api.meta import GROUP, MEMBER_ANNOTATION, PROJECT_LABEL, project_namespace
from moorage.api.project import Member, MemberKind, MemberRole
from moorage.clusters.names import member_account, user_cluster_username
from moorage.kube.kinds import Object

RBAC_GROUP = "rbac.authorization.k8s.io"
ACCESS_LABEL = f"{GROUP}/access"

OPERATOR_USER = "moorage:operator"
OPERATOR_IN_PROJECT = "moorage:operator-project"
"""The ClusterRole that the operator has in the namespaces of projects, and nowhere else."""


IN_USER_CLUSTER: Mapping[MemberRole, tuple[str, ...]] = {
    MemberRole.OWNER: ("cluster-admin",),
    MemberRole.EDITOR: ("edit", "system:aggregate-to-edit", "system:aggregate-to-view"),
    MemberRole.VIEWER: ("view", "system:aggregate-to-view"),
}
"""Kubernetes' own roles that a member has throughout the project's clusters.

`edit` and `view` hold what add-ons bring for their kinds, but a controller fills them some seconds after a
new control plane serves. What Kubernetes itself puts into them is in the `system:` roles, there at once.
"""

_NODE_READER = "moorage:node-reader"


IN_NAMESPACE: Mapping[str, frozenset[MemberRole]] = {
    "moorage:project-viewer": frozenset(MemberRole),
    "moorage:project-editor": frozenset({MemberRole.EDITOR, MemberRole.OWNER}),
}
"""The ClusterRoles that members have in their project's namespace, and whose they are."""


def project_role(project: str) -> str:
    """Return the name of the ClusterRole that lets members see their project."""
    return f"moorage:project:{project}"


def project_owner_role(project: str) -> str:
    """Return the name of the ClusterRole that lets owners change their project."""
    return f"moorage:project:{project}:owner"


def service_accounts(project: str, members: Iterable[Member]) -> list[Object]:
    """Return a ServiceAccount for each user; no Pod ever runs as it, and no token of it is stored."""
    return [
        {
            "metadata": {
                "name": member_account(member.name),
                "namespace": project_namespace(project),
                "labels": _labels(project),
                "annotations": {MEMBER_ANNOTATION: member.name},
            },
            "automountServiceAccountToken": False,
        }
        for member in _users(members)
    ]


def token_roles(project: str, members: Iterable[Member]) -> list[Object]:
    """Return a Role for each user that allows tokens of their own ServiceAccount, and of no other."""
    return [
        {
            "metadata": _in_project(project, member_account(member.name)),
            "rules": [
                _rule("", ["serviceaccounts/token"], ["create"], names=[member_account(member.name)]),
                _rule("", ["serviceaccounts"], ["get"], names=[member_account(member.name)]),
            ],
        }
        for member in _users(members)
    ]


def role_bindings(project: str, members: Sequence[Member]) -> list[Object]:
    """Return what gives members their roles in the project's namespace, and users their own tokens."""
    bindings = [
        _binding(
            _in_project(project, member_account(member.name)),
            {"kind": "Role", "name": member_account(member.name)},
            _management_subjects(project, [member]),
        )
        for member in _users(members)
    ]
    bindings += [
        _binding(
            _in_project(project, name.replace(":", "-")),
            {"kind": "ClusterRole", "name": name},
            _management_subjects(project, [member for member in members if member.role in roles]),
        )
        for name, roles in IN_NAMESPACE.items()
    ]
    return bindings


def operator_binding(project: str) -> Object:
    """Return what lets the operator work in a project's namespace."""
    return _binding(
        _in_project(project, "moorage-operator"),
        {"kind": "ClusterRole", "name": OPERATOR_IN_PROJECT},
        [{"kind": "User", "name": OPERATOR_USER, "apiGroup": RBAC_GROUP}],
    )


def cluster_roles(project: str) -> list[Object]:
    """Return what makes the project itself visible to its members and changeable for its owners."""
    return [
        {
            "metadata": {"name": project_role(project), "labels": _labels(project)},
            "rules": [
                _rule(GROUP, ["projects"], ["get", "list", "watch"], names=[project]),
                _rule(GROUP, ["machinetypes"], ["get", "list", "watch"]),
                _rule("", ["namespaces"], ["get"], names=[project_namespace(project)]),
            ],
        },
        {
            "metadata": {"name": project_owner_role(project), "labels": _labels(project)},
            "rules": [_rule(GROUP, ["projects"], ["update", "patch"], names=[project])],
        },
    ]


def cluster_role_bindings(project: str, members: Sequence[Member]) -> list[Object]:
    """Return who sees the project and who may change it."""
    owners = [member for member in members if member.role is MemberRole.OWNER]
    return [
        _binding(
            {"name": name, "labels": _labels(project)},
            {"kind": "ClusterRole", "name": name},
            _management_subjects(project, who),
        )
        for name, who in ((project_role(project), members), (project_owner_role(project), owners))
    ]


def user_cluster_roles() -> list[Object]:
    """Return the one ClusterRole that Kubernetes lacks: who may see workloads may see where they run."""
    resources = ["nodes", "persistentvolumes"]
    return [
        {
            "metadata": {"name": _NODE_READER, "labels": {ACCESS_LABEL: "members"}},
            "rules": [
                _rule("", resources, ["get", "list", "watch"]),
                _rule("storage.k8s.io", ["storageclasses"], ["get", "list", "watch"]),
                _rule("metrics.k8s.io", ["nodes"], ["get", "list"]),
            ],
        }
    ]


def user_cluster_bindings(members: Sequence[Member]) -> list[Object]:
    """Return who of a project may do what inside its clusters.

    Only users: a group's tokens would have to come from an identity provider that user clusters know.
    """
    by_role = {
        role: sorted(user_cluster_username(member.name) for member in _users(members) if member.role is role)
        for role in MemberRole
    }
    readers = sorted({*by_role[MemberRole.EDITOR], *by_role[MemberRole.VIEWER]})
    bindings = [
        (f"moorage:{member_role.value}:{role}", role, usernames)
        for member_role, usernames in by_role.items()
        for role in IN_USER_CLUSTER[member_role]
    ]
    bindings.append((_NODE_READER, _NODE_READER, readers))
    return [
        _binding(
            {"name": name, "labels": {ACCESS_LABEL: "members"}},
            {"kind": "ClusterRole", "name": role},
            [{"kind": "User", "name": username, "apiGroup": RBAC_GROUP} for username in usernames],
        )
        for name, role, usernames in bindings
    ]


def _users(members: Iterable[Member]) -> list[Member]:
    return _sorted(member for member in members if member.kind is MemberKind.USER)


def _sorted(members: Iterable[Member]) -> list[Member]:
    return sorted(members, key=lambda member: (member.kind, member.name))


def _labels(project: str) -> dict[str, str]:
    return {PROJECT_LABEL: project, ACCESS_LABEL: "members"}


def _in_project(project: str, name: str) -> Object:
    return {"name": name, "namespace": project_namespace(project), "labels": _labels(project)}


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str], *, names: Sequence[str] = ()) -> Object:
    rule: Object = {"apiGroups": [group], "resources": [*resources], "verbs": [*verbs]}
    if names:
        rule["resourceNames"] = [*names]
    return rule


def _binding(metadata: Object, role: Object, subjects: Sequence[Object]) -> Object:
    return {
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC_GROUP, **role},
        "subjects": [*subjects],
    }


def _management_subjects(project: str, members: Iterable[Member]) -> list[Object]:
    """A user comes as whom an identity provider says, or with their ServiceAccount's token."""
    subjects: list[Object] = []
    for member in _sorted(members):
        subjects.append({"kind": member.kind.value, "name": member.name, "apiGroup": RBAC_GROUP})
        if member.kind is MemberKind.USER:
            subjects.append(
                {
                    "kind": "ServiceAccount",
                    "name": member_account(member.name),
                    "namespace": project_namespace(project),
                }
            )
    return subjects
