"""Connecting to an API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import yaml
from lightkube import AsyncClient, KubeConfig
from lightkube.config.client_adapter import verify_cluster
from lightkube.core.exceptions import ConfigError

from moorage.errors import MoorageError
from moorage.kube.patience import PatientTransport

TIMEOUT_SECONDS = 30.0

UNUSABLE = (ConfigError, OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError)
"""What lightkube raises for a file that is missing, or that is no kubeconfig."""


class KubeconfigError(MoorageError):
    """A kubeconfig that cannot be used."""


def connect(kubeconfig: Path | dict[str, Any], *, timeout_seconds: float = TIMEOUT_SECONDS) -> AsyncClient:
    """Return a client for the current context of a kubeconfig (a file, or its parsed content).

    Nothing is sent yet. Proxies of the environment are not asked: an API server is addressed directly. A
    request that the server asks to send again is sent again (`PatientTransport`).

    Raises:
        KubeconfigError: the file is missing or is not a kubeconfig.
    """
    try:
        if isinstance(kubeconfig, Path):
            content = yaml.safe_load(kubeconfig.expanduser().read_text())
            config = KubeConfig.from_dict(_with_known_exec_version(content), fname=kubeconfig)
        else:
            config = KubeConfig.from_dict(_with_known_exec_version(kubeconfig))
        return _client(config, timeout_seconds)
    except UNUSABLE as error:
        where = str(kubeconfig) if isinstance(kubeconfig, Path) else "this kubeconfig"
        raise unusable(where, error) from error


def _client(config: KubeConfig, timeout_seconds: float) -> AsyncClient:
    context = config.get()
    if context is None or context.user is None:
        msg = "its current context names no user"
        raise ValueError(msg)
    verify = verify_cluster(context.cluster, context.user, context.abs_file, trust_env=False)
    transport = PatientTransport(httpx2.AsyncHTTPTransport(verify=verify, trust_env=False))
    timeout = httpx2.Timeout(timeout_seconds)
    return AsyncClient(config=context, timeout=timeout, trust_env=False, transport=transport)


def unusable(where: str, error: Exception) -> KubeconfigError:
    """Say in a line what is wrong with a kubeconfig; ``error`` is one of ``UNUSABLE``."""
    if isinstance(error, yaml.YAMLError | UnicodeDecodeError):
        reason = "it is not YAML"
    elif isinstance(error, AttributeError | KeyError | TypeError):
        reason = "it is not a kubeconfig"
    elif isinstance(error, OSError):
        reason = error.strerror or str(error)
    else:
        reason = " ".join(str(error).split())
    return KubeconfigError(
        f"{where} cannot be used: {reason}",
        hint="`moorage up` writes the platform team's again, `moorage project kubeconfig` a member's",
    )


def _with_known_exec_version(config: dict[str, Any]) -> dict[str, Any]:
    """Lightkube runs credential plugins of v1beta1; v1 asks and answers the same."""
    users = []
    for entry in config.get("users", ()):
        user = dict(entry.get("user") or {})
        if "exec" in user:
            user["exec"] = {**user["exec"], "apiVersion": "client.authentication.k8s.io/v1beta1"}
        users.append({**entry, "user": user})
    return {**config, "users": users}
