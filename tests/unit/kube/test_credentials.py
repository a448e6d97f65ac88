"""A kubeconfig's credentials as kopf takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from moorage.kube.client import KubeconfigError, connect
from moorage.kube.credentials import connection_info


def kubeconfig(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    path = folder / "kubeconfig"
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": "https://127.0.0.1:6443", **cluster}}],
        "users": [{"name": "me", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def test_files_are_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    user = {"client-certificate": "me.crt", "client-key": "/keys/me.key"}
    info = connection_info(kubeconfig(tmp_path, {"certificate-authority": "pki/ca.crt"}, user))
    assert info.server == "https://127.0.0.1:6443"
    assert info.ca_path == tmp_path / "pki/ca.crt"
    assert info.certificate_path == tmp_path / "me.crt"
    assert info.private_key_path == "/keys/me.key"


def test_embedded_certificates_are_taken_as_they_are(tmp_path: Path) -> None:
    user = {"client-certificate-data": "Y2VydA==", "client-key-data": "a2V5"}
    info = connection_info(kubeconfig(tmp_path, {"certificate-authority-data": "Y2E="}, user))
    assert (info.ca_data, info.certificate_data, info.private_key_data) == ("Y2E=", "Y2VydA==", "a2V5")
    assert info.ca_path is info.certificate_path is info.private_key_path is None


def test_a_file_goes_before_what_is_embedded_as_kubectl_has_it(tmp_path: Path) -> None:
    cluster = {"certificate-authority": "ca.crt", "certificate-authority-data": "Y2E="}
    user = {
        "client-certificate": "c",
        "client-certificate-data": "Yw==",
        "client-key": "k",
        "client-key-data": "aw==",
    }
    info = connection_info(kubeconfig(tmp_path, cluster, user))
    assert info.ca_data is info.certificate_data is info.private_key_data is None


def test_a_token_is_shown_as_bearer(tmp_path: Path) -> None:
    info = connection_info(kubeconfig(tmp_path, {}, {"token": "abc"}))
    assert info.as_http_headers() == {"Authorization": "Bearer abc"}


@pytest.mark.parametrize(
    "content", [None, "", "[]", "{}", "{", "clusters: []\ncontexts: []\ncurrent-context: gone\n"]
)
def test_what_is_not_a_kubeconfig_is_said(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(KubeconfigError, match="cannot be used"):
        connection_info(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"{", "it is not YAML"),
        (b"\xff\xfe\xab", "it is not YAML"),
        (b"{}", "it is not a kubeconfig"),
        (b"[]", "it is not a kubeconfig"),
    ],
)
def test_why_a_kubeconfig_cannot_be_used_is_a_line(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KubeconfigError) as told:
        connect(path)
    assert told.value.message == f"{path} cannot be used: {reason}"
