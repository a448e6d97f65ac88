"""The kinds that Kubernetes itself serves, in the versions of it that Moorage offers (1.34 to 1.37).

From the types that k8s.io/api registers, without those whose lifecycle had ended. Kinds of other groups come
from definitions, and nothing is known of them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from moorage.policies.model import GroupVersionKind

_KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "": {
        "v1": (
            "Binding ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node "
            "PersistentVolume PersistentVolumeClaim Pod PodStatusResult PodTemplate "
            "ReplicationController ResourceQuota Secret Service ServiceAccount"
        ),
    },
    "admission.k8s.io": {
        "v1": "AdmissionReview",
    },
    "admissionregistration.k8s.io": {
        "v1": (
            "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding MutatingWebhookConfiguration "
            "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration"
        ),
        "v1alpha1": "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding",
        "v1beta1": "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding",
    },
    "apiextensions.k8s.io": {
        "v1": "CustomResourceDefinition",
    },
    "apiregistration.k8s.io": {
        "v1": "APIService",
    },
    "apps": {
        "v1": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
    },
    "authentication.k8s.io": {
        "v1": "SelfSubjectReview TokenRequest TokenReview",
    },
    "authorization.k8s.io": {
        "v1": "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    },
    "autoscaling": {
        "v1": "HorizontalPodAutoscaler Scale",
        "v2": "HorizontalPodAutoscaler",
    },
    "batch": {
        "v1": "CronJob Job",
    },
    "certificates.k8s.io": {
        "v1": "CertificateSigningRequest ClusterTrustBundle PodCertificateRequest",
        "v1alpha1": "ClusterTrustBundle PodCertificateRequest",
        "v1beta1": "ClusterTrustBundle PodCertificateRequest",
    },
    "coordination.k8s.io": {
        "v1": "Lease",
        "v1alpha2": "LeaseCandidate",
        "v1beta1": "LeaseCandidate",
    },
    "discovery.k8s.io": {
        "v1": "EndpointSlice",
    },
    "events.k8s.io": {
        "v1": "Event",
    },
    "extensions": {},  # of old; nothing of it is served any more
    "flowcontrol.apiserver.k8s.io": {
        "v1": "FlowSchema PriorityLevelConfiguration",
    },
    "internal.apiserver.k8s.io": {
        "v1alpha1": "StorageVersion",
    },
    "lifecycle.k8s.io": {
        "v1alpha1": "Eviction EvictionRequest",
    },
    "networking.k8s.io": {
        "v1": "IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR",
        "v1beta1": "IPAddress ServiceCIDR",
    },
    "node.k8s.io": {
        "v1": "RuntimeClass",
    },
    "policy": {
        "v1": "Eviction PodDisruptionBudget",
    },
    "rbac.authorization.k8s.io": {
        "v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    },
    "resource.k8s.io": {
        "v1": "DeviceClass DeviceTaintRule ResourceClaim ResourceClaimTemplate ResourceSlice",
        "v1alpha3": "DeviceTaintRule ResourcePoolStatusRequest",
        "v1beta1": "DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice",
        "v1beta2": "DeviceClass DeviceTaintRule ResourceClaim ResourceClaimTemplate ResourceSlice",
    },
    "scheduling.k8s.io": {
        "v1": "PriorityClass",
        "v1alpha1": "PriorityClass Workload",
        "v1beta1": "PodGroup Workload",
    },
    "storage.k8s.io": {
        "v1": "CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment VolumeAttributesClass",
        "v1alpha1": "VolumeAttributesClass",
        "v1beta1": "VolumeAttributesClass",
    },
    "storagemigration.k8s.io": {
        "v1": "StorageVersionMigration",
        "v1alpha1": "StorageVersionMigration",
        "v1beta1": "StorageVersionMigration",
    },
}


def is_of_kubernetes(kind: GroupVersionKind) -> bool:
    """Say whether the group of a kind is one of Kubernetes' own."""
    return kind.group in _KINDS


def unserved(kind: GroupVersionKind) -> str:
    """Say why Kubernetes does not serve a kind; empty where it does, or where the group is not its own."""
    versions = _KINDS.get(kind.group)
    if versions is None or kind.kind in versions.get(kind.version, "").split():
        return ""
    others = {kind.group: versions, **_KINDS}
    elsewhere = next(
        (
            f"{group}/{version}".lstrip("/")
            for group, each in others.items()
            for version, kinds in each.items()
            if kind.kind in kinds.split()
        ),
        "",
    )
    if elsewhere:
        return f"{kind.api_version} has no {kind.kind}, {elsewhere} has"
    from difflib import get_close_matches

    known = {name for kinds in versions.values() for name in kinds.split()}
    close = get_close_matches(kind.kind, known, n=1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return f"{kind.api_version} has no {kind.kind}{meant}"
