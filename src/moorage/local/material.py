"""The files of a control plane: certificates, kubeconfigs, and the API server's configuration.

All of it follows from the cluster's keys, so that it can be lost and made again.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from moorage.files import private_folder, write_if_changed
from moorage.local import kubeconfig
from moorage.local.controlplane import (
    API_SERVER,
    API_SERVICE_IP,
    CONTROLLER_MANAGER,
    KWOK,
    SCHEDULER,
    ControlPlane,
)
from moorage.local.pki import KeyPair, Leaf, new_authority, new_signing_key, public_key
from moorage.local.ports import LOOPBACK

PLATFORM_ADMINS = "moorage:platform-admins"
KWOK_USER = "moorage:kwok"
_MACHINERY = ["system:apiserver", KWOK_USER, "system:kube-controller-manager", "system:kube-scheduler"]

_ENCRYPTION_KEY_BYTES = 32
_SERVER_HOSTS = (LOOPBACK, "localhost")
_API_SERVER_HOSTS = (
    *_SERVER_HOSTS,
    API_SERVICE_IP,
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


@dataclass(frozen=True, slots=True)
class ClusterKeys:
    """What a cluster's identity consists of; everything else is derived from it."""

    authority: KeyPair
    front_proxy_authority: KeyPair
    service_account_key: bytes = field(repr=False)
    encryption_key: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> ClusterKeys:
        """Make the keys of a new cluster."""
        return cls(
            authority=new_authority(f"{name} CA"),
            front_proxy_authority=new_authority(f"{name} front proxy CA"),
            service_account_key=new_signing_key(),
            encryption_key=secrets.token_bytes(_ENCRYPTION_KEY_BYTES),
        )


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Whose tokens a user cluster accepts: the management cluster's, for the members of its project.

    Args:
        url: the management API server's service-account issuer.
        authority: the authority that signed its certificate (PEM).
        audience: what a token must be meant for.
        namespace: the namespace of the project, where the members' ServiceAccounts are.
    """

    url: str
    authority: bytes
    audience: str
    namespace: str


def component_users(components: Iterable[str]) -> dict[str, Leaf]:
    """Return who each component of a control plane is to its API server."""
    users = {
        CONTROLLER_MANAGER: Leaf("system:kube-controller-manager", hosts=_SERVER_HOSTS),
        SCHEDULER: Leaf("system:kube-scheduler", hosts=_SERVER_HOSTS),
        KWOK: Leaf(KWOK_USER, hosts=_SERVER_HOSTS),
    }
    return {name: users[name] for name in components}


def write_material(
    plane: ControlPlane,
    keys: ClusterKeys,
    users: dict[str, Leaf],
    *,
    issuer: TokenIssuer | None = None,
    public_paths: Iterable[str] = (),
) -> None:
    """Write whatever is missing, out of date or about to expire.

    Args:
        plane: the control plane.
        keys: its keys.
        users: the clients that get a certificate and a kubeconfig, by name.
        issuer: whose tokens it accepts beside its own.
        public_paths: what may be read without saying who one is, beside the health of the server.
    """
    pki = plane.pki
    private_folder(plane.folder)
    for name, pair in (("ca", keys.authority), ("front-proxy-ca", keys.front_proxy_authority)):
        if pki.load(name) != pair:
            pki.save(name, pair)
    write_if_changed(pki.key("service-account"), keys.service_account_key)
    write_if_changed(pki.path / "service-account.pub", public_key(keys.service_account_key))
    pki.leaf(API_SERVER, keys.authority, Leaf(API_SERVER, hosts=_API_SERVER_HOSTS, client=False))
    pki.leaf("front-proxy-client", keys.front_proxy_authority, Leaf("front-proxy-client"))
    for name, leaf in users.items():
        pki.leaf(name, keys.authority, leaf)
        text = kubeconfig.render(kubeconfig.by_files(plane.server, pki, name))
        write_if_changed(plane.kubeconfig(name), text)
    for name, content in (
        ("audit-policy.yaml", audit_policy(workloads=issuer is not None)),
        ("authentication.yaml", authentication(issuer, public_paths)),
        ("encryption.yaml", encryption(keys.encryption_key)),
    ):
        write_if_changed(plane.folder / name, yaml.safe_dump(content, sort_keys=False))


def encryption(key: bytes) -> dict[str, Any]:
    """Return the API server's configuration of encryption at rest: Secrets, by XSalsa20 and Poly1305."""
    provider = {"secretbox": {"keys": [{"name": "key1", "secret": b64encode(key).decode()}]}}
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": [provider, {"identity": {}}]}],
    }


def audit_policy(*, workloads: bool = False) -> dict[str, Any]:
    """Return what the audit log keeps: who did what, not the machinery's chatter.

    Args:
        workloads: whether it also keeps the workloads that people and their tools declare, so that it can be
            said what a policy would have refused. No other body is ever kept: no Secret, no ConfigMap.
    """
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "omitManagedFields": True,
        "rules": [
            {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version"]},
            {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
            {"level": "None", "resources": [{"group": "", "resources": ["events"]}]},
            {"level": "None", "resources": [{"group": "events.k8s.io", "resources": ["events"]}]},
            # Whoever reads a Secret is known. What else Kubernetes' own parts read is no news, and would be
            # most of what there is while a cluster starts.
            {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
            {"level": "None", "users": _MACHINERY, "verbs": ["get", "list", "watch"]},
            *(_workload_bodies() if workloads else ()),
            {"level": "Metadata"},
        ],
    }


def _workload_bodies() -> list[dict[str, Any]]:
    """Return the rules for workloads: what a controller makes of one is known by the one."""
    return [
        {
            "level": "Metadata",
            "userGroups": ["system:masters", "system:nodes", "system:serviceaccounts:kube-system"],
        },
        {
            "level": "Metadata",
            "users": _MACHINERY,
        },
        {
            "level": "RequestResponse",
            "verbs": ["create", "update", "patch"],
            "resources": [
                {"group": "", "resources": ["pods", "replicationcontrollers", "services"]},
                {"group": "apps", "resources": ["daemonsets", "deployments", "replicasets", "statefulsets"]},
                {"group": "autoscaling", "resources": ["horizontalpodautoscalers"]},
                {"group": "batch", "resources": ["cronjobs", "jobs"]},
                {"group": "networking.k8s.io", "resources": ["ingresses", "networkpolicies"]},
                {"group": "policy", "resources": ["poddisruptionbudgets"]},
            ],
        },
    ]


def authentication(issuer: TokenIssuer | None, public_paths: Iterable[str]) -> dict[str, Any]:
    """Return the API server's configuration of authentication, beside client certificates."""
    paths = ["/healthz", "/livez", "/readyz", *public_paths]
    config: dict[str, Any] = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": True, "conditions": [{"path": path} for path in paths]},
    }
    if issuer is not None:
        config["jwt"] = [_member_tokens(issuer)]
    return config


def _member_tokens(issuer: TokenIssuer) -> dict[str, Any]:
    account = "claims['kubernetes.io'].serviceaccount.name"
    return {
        "issuer": {
            "url": issuer.url,
            "certificateAuthority": issuer.authority.decode(),
            "audiences": [issuer.audience],
        },
        "claimValidationRules": [
            {
                "expression": f"claims['kubernetes.io'].namespace == '{issuer.namespace}'",
                "message": "the token is of another project",
            },
            {
                "expression": f"{account}.startsWith('member-')",
                "message": "the token is not a project member's",
            },
            {
                "expression": "claims.exp - claims.iat <= 3600",
                "message": "the token is valid for more than an hour",
            },
        ],
        "claimMappings": {
            "username": {"expression": f"'moorage:' + {account}"},
            "groups": {"expression": "['moorage:members']"},
        },
    }
