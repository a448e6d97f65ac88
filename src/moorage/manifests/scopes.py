"""Which kinds of object are in no namespace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from moorage.manifests.model import Object

Scoped = tuple[str, str]
"""A kind by its group and name; versions share their scope."""

_RBAC: Final = "rbac.authorization.k8s.io"
_ADMISSION: Final = "admissionregistration.k8s.io"
_STORAGE: Final = "storage.k8s.io"
_CERTIFICATES: Final = "certificates.k8s.io"
_FLOW: Final = "flowcontrol.apiserver.k8s.io"
_INTERNAL: Final = "internal.apiserver.k8s.io"
_RESOURCE: Final = "resource.k8s.io"
_AUTHORIZATION: Final = "authorization.k8s.io"
_AUTHENTICATION: Final = "authentication.k8s.io"

CLUSTER_SCOPED: Final[frozenset[Scoped]] = frozenset(
    {
        ("", "ComponentStatus"),
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        (_ADMISSION, "MutatingAdmissionPolicy"),
        (_ADMISSION, "MutatingAdmissionPolicyBinding"),
        (_ADMISSION, "MutatingWebhookConfiguration"),
        (_ADMISSION, "ValidatingAdmissionPolicy"),
        (_ADMISSION, "ValidatingAdmissionPolicyBinding"),
        (_ADMISSION, "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        (_AUTHENTICATION, "SelfSubjectReview"),
        (_AUTHENTICATION, "TokenReview"),
        (_AUTHORIZATION, "SelfSubjectAccessReview"),
        (_AUTHORIZATION, "SelfSubjectRulesReview"),
        (_AUTHORIZATION, "SubjectAccessReview"),
        (_CERTIFICATES, "CertificateSigningRequest"),
        (_CERTIFICATES, "ClusterTrustBundle"),
        ("extensions", "PodSecurityPolicy"),
        (_FLOW, "FlowSchema"),
        (_FLOW, "PriorityLevelConfiguration"),
        (_INTERNAL, "StorageVersion"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("node.k8s.io", "RuntimeClass"),
        ("policy", "PodSecurityPolicy"),
        (_RBAC, "ClusterRole"),
        (_RBAC, "ClusterRoleBinding"),
        (_RESOURCE, "DeviceClass"),
        (_RESOURCE, "DeviceTaintRule"),
        (_RESOURCE, "ResourceSlice"),
        ("scheduling.k8s.io", "PriorityClass"),
        (_STORAGE, "CSIDriver"),
        (_STORAGE, "CSINode"),
        (_STORAGE, "StorageClass"),
        (_STORAGE, "VolumeAttachment"),
        (_STORAGE, "VolumeAttributesClass"),
        ("storagemigration.k8s.io", "StorageVersionMigration"),
        # Kinds of other projects that are met everywhere, and whose definitions rarely lie beside them.
        ("cert-manager.io", "ClusterIssuer"),
        ("gateway.networking.k8s.io", "GatewayClass"),
        ("karpenter.sh", "NodePool"),
        ("snapshot.storage.k8s.io", "VolumeSnapshotClass"),
        ("snapshot.storage.k8s.io", "VolumeSnapshotContent"),
    }
)


def defined_scopes(objects: Iterable[Object]) -> dict[Scoped, bool]:
    """Return whether kinds are namespaced, as far as the CustomResourceDefinitions among some objects say."""
    found: dict[Scoped, bool] = {}
    for content in objects:
        if content.get("kind") != "CustomResourceDefinition":
            continue
        spec = content.get("spec")
        names = spec.get("names") if isinstance(spec, dict) else None
        if isinstance(spec, dict) and isinstance(names, dict):
            found[str(spec.get("group")), str(names.get("kind"))] = spec.get("scope") != "Cluster"
    return found


def is_namespaced(content: Object, defined: dict[Scoped, bool]) -> bool:
    """Say whether an object is in a namespace; a kind that nothing is known about is taken to be.

    Args:
        content: the object.
        defined: what definitions say, which is more than what is known in general.
    """
    group, slash, _ = str(content.get("apiVersion", "")).partition("/")
    scoped = (group if slash else "", str(content.get("kind")))
    return defined.get(scoped, scoped not in CLUSTER_SCOPED)
