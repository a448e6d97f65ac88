"""Kubeconfigs of the platform's own components, and of the platform team."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import yaml

from moorage.local.pki import KeyPair, PkiFolder

Kubeconfig = dict[str, Any]


def by_files(server: str, pki: PkiFolder, user: str) -> Kubeconfig:
    """Return a kubeconfig that names files: a certificate that is renewed is picked up without a restart."""
    return _kubeconfig(
        user,
        {"server": server, "certificate-authority": str(pki.certificate("ca"))},
        {"client-certificate": str(pki.certificate(user)), "client-key": str(pki.key(user))},
        cluster="moorage",
    )


def self_contained(server: str, authority: bytes, pair: KeyPair, user: str, *, cluster: str) -> Kubeconfig:
    """Return a kubeconfig that carries everything in itself."""
    return _kubeconfig(
        user,
        {"server": server, "certificate-authority-data": _base64(authority)},
        {
            "client-certificate-data": _base64(pair.certificate),
            "client-key-data": _base64(pair.key),
        },
        cluster=cluster,
    )


def render(kubeconfig: Kubeconfig) -> str:
    """Write a kubeconfig's text."""
    text: str = yaml.safe_dump(kubeconfig, sort_keys=False)
    return text


def load(path: Path) -> Kubeconfig:
    """Read a kubeconfig that the platform wrote."""
    content: Kubeconfig = yaml.safe_load(path.read_text())
    return content


def _kubeconfig(
    user: str, server: dict[str, str], credentials: dict[str, str], *, cluster: str
) -> Kubeconfig:
    name = f"{user}@{cluster}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": server}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": cluster, "user": user}}],
        "current-context": name,
    }


def _base64(content: bytes) -> str:
    return b64encode(content).decode()
