"""A kubeconfig's credentials, for kopf."""

from __future__ import annotations

from pathlib import Path

import kopf
from lightkube import KubeConfig
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ConfigError

from moorage.kube.client import UNUSABLE, unusable


def connection_info(kubeconfig: Path) -> kopf.ConnectionInfo:
    """Return how to reach the API server of a kubeconfig's current context, and as whom.

    Raises:
        KubeconfigError: the file is missing or is not a kubeconfig.
    """
    try:
        config = _current(kubeconfig)
        cluster, user = config.cluster, config.user
        return kopf.ConnectionInfo(
            server=cluster.server,
            ca_path=config.abs_file(cluster.certificate_auth) if cluster.certificate_auth else None,
            ca_data=None if cluster.certificate_auth else cluster.certificate_auth_data,
            insecure=cluster.insecure,
            certificate_path=config.abs_file(user.client_cert) if user and user.client_cert else None,
            certificate_data=user.client_cert_data if user and not user.client_cert else None,
            private_key_path=config.abs_file(user.client_key) if user and user.client_key else None,
            private_key_data=user.client_key_data if user and not user.client_key else None,
            token=user.token if user else None,
        )
    except UNUSABLE as error:
        raise unusable(str(kubeconfig), error) from error


def _current(kubeconfig: Path) -> SingleConfig:
    config = KubeConfig.from_file(kubeconfig).get()
    if config is None:
        raise ConfigError("it has no current context")
    return config
