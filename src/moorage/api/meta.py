"""Names that hold everywhere: the API group, labels, annotations, finalizers, field managers, name limits."""

from __future__ import annotations

from typing import Final

GROUP: Final = "moorage.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
LOCAL_GROUP: Final = f"local.{GROUP}"
LOCAL_API_VERSION: Final = f"{LOCAL_GROUP}/{VERSION}"

CATEGORY: Final = "moorage"
"""``kubectl get moorage`` shows what users declare."""

# Labels on everything that derives from a project, a cluster, a pool.
PROJECT_LABEL: Final = f"{GROUP}/project"
CLUSTER_LABEL: Final = f"{GROUP}/cluster"
POOL_LABEL: Final = f"{GROUP}/pool"
PROVIDER_LABEL: Final = f"{GROUP}/provider"
ZONES_ANNOTATION: Final = f"{GROUP}/zones"
"""On a ClusterClass: the zones that its provider has, separated by commas."""

MEMBER_ANNOTATION: Final = f"{GROUP}/member"
"""On a member's ServiceAccount: the member's name, which no label value could hold."""

CLUSTER_FINALIZER: Final = f"{GROUP}/cluster"
PROJECT_FINALIZER: Final = f"{GROUP}/project"

CLUSTERS_MANAGER: Final = "moorage-clusters"
PROJECTS_MANAGER: Final = "moorage-projects"
LOCAL_PROVIDER_MANAGER: Final = "moorage-provider-local"
CLI_MANAGER: Final = "moorage-cli"

SYSTEM_NAMESPACE: Final = "moorage-system"
CAPI_NAMESPACE: Final = "capi-system"
PROJECT_NAMESPACE_PREFIX: Final = "project-"

WORKER_CLASS: Final = "default-worker"
"""The machine deployment class of every ClusterClass that node pools are made from."""

DEFAULT_PROVIDER: Final = "local"

# Cluster API names a Machine CLUSTER-POOL-xxxxx-xxxxx-xxxxx (one suffix each for the machine deployment, the
# machine set and the machine), and the Node, its hostname and several label values get that name: 63
# characters at most. Cluster API cuts what is longer, and what is cut is what tells pools and machine sets
# apart. 63 - 18 (three suffixes) - 1 (the hyphen) leaves 44 for both names.
LABEL_VALUE_MAX: Final = 63
CLUSTER_NAME_MAX: Final = 28
POOL_NAME_MAX: Final = 16
PROJECT_NAME_MAX: Final = LABEL_VALUE_MAX - len(PROJECT_NAMESPACE_PREFIX)
MACHINE_TYPE_NAME_MAX: Final = LABEL_VALUE_MAX  # the value of node.kubernetes.io/instance-type


def project_namespace(project: str) -> str:
    """Return the namespace of a project."""
    return f"{PROJECT_NAMESPACE_PREFIX}{project}"


def project_of(namespace: str) -> str | None:
    """Return the project that a namespace belongs to, by its name; ``None`` for any other namespace."""
    project = namespace.removeprefix(PROJECT_NAMESPACE_PREFIX)
    return project if project and project != namespace else None
