"""The kinds of object that Moorage reads and writes, by their coordinates in the API."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from lightkube.generic_resource import create_global_resource, create_namespaced_resource

Object = dict[str, Any]
"""An object as the API server sends it. It does not travel further than the function that parses it."""


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """Where in the API a kind of object is served."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def resource(self) -> Any:
        """The lightkube class that speaks to it."""
        return _resource(self)


@cache
def _resource(kind: Kind) -> Any:
    create = create_namespaced_resource if kind.namespaced else create_global_resource
    return create(kind.group, kind.version, kind.kind, kind.plural)


NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
NODE = Kind("", "v1", "Node", "nodes", namespaced=False)
SECRET = Kind("", "v1", "Secret", "secrets")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
POD = Kind("", "v1", "Pod", "pods")
EVENT = Kind("events.k8s.io", "v1", "Event", "events")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
CLUSTER_ROLE = Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)
CLUSTER_ROLE_BINDING = Kind(
    "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
CRD = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
_ADMISSION = "admissionregistration.k8s.io"
VALIDATING_WEBHOOK = Kind(
    _ADMISSION, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", namespaced=False
)
MUTATING_WEBHOOK = Kind(
    _ADMISSION, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", namespaced=False
)

PROJECT = Kind("moorage.dev", "v1alpha1", "Project", "projects", namespaced=False)
MACHINE_TYPE = Kind("moorage.dev", "v1alpha1", "MachineType", "machinetypes", namespaced=False)
KUBERNETES_CLUSTER = Kind("moorage.dev", "v1alpha1", "KubernetesCluster", "kubernetesclusters")
ADVICE = Kind("advice.moorage.dev", "v1alpha1", "Advice", "advices")

CAPI_CLUSTER = Kind("cluster.x-k8s.io", "v1beta2", "Cluster", "clusters")
CLUSTER_CLASS = Kind("cluster.x-k8s.io", "v1beta2", "ClusterClass", "clusterclasses")
MACHINE_DEPLOYMENT = Kind("cluster.x-k8s.io", "v1beta2", "MachineDeployment", "machinedeployments")
MACHINE_SET = Kind("cluster.x-k8s.io", "v1beta2", "MachineSet", "machinesets")
MACHINE = Kind("cluster.x-k8s.io", "v1beta2", "Machine", "machines")

LOCAL_CLUSTER = Kind("local.moorage.dev", "v1alpha1", "LocalCluster", "localclusters")
LOCAL_CLUSTER_TEMPLATE = Kind(
    "local.moorage.dev", "v1alpha1", "LocalClusterTemplate", "localclustertemplates"
)
LOCAL_CONTROL_PLANE = Kind("local.moorage.dev", "v1alpha1", "LocalControlPlane", "localcontrolplanes")
LOCAL_CONTROL_PLANE_TEMPLATE = Kind(
    "local.moorage.dev", "v1alpha1", "LocalControlPlaneTemplate", "localcontrolplanetemplates"
)
LOCAL_MACHINE = Kind("local.moorage.dev", "v1alpha1", "LocalMachine", "localmachines")
LOCAL_MACHINE_TEMPLATE = Kind(
    "local.moorage.dev", "v1alpha1", "LocalMachineTemplate", "localmachinetemplates"
)
LOCAL_BOOTSTRAP_CONFIG = Kind(
    "local.moorage.dev", "v1alpha1", "LocalBootstrapConfig", "localbootstrapconfigs"
)
LOCAL_BOOTSTRAP_CONFIG_TEMPLATE = Kind(
    "local.moorage.dev", "v1alpha1", "LocalBootstrapConfigTemplate", "localbootstrapconfigtemplates"
)
