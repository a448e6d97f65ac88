"""Kubeconfigs for people."""

from __future__ import annotations

import stat
import threading
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import yaml

from moorage.clusters import kubeconfig
from moorage.clusters.kubeconfig import Command, KubeconfigFileError, Server

SERVER = Server("https://127.0.0.1:6443", b"-----BEGIN CERTIFICATE-----\n")
TOKEN = Command(["moorage", "token", "--cluster", "shop/web"], {"MOORAGE_HOME": "/srv/m"})

THEIRS = """\
apiVersion: v1
kind: Config
preferences: {colors: true}
current-context: work
clusters:
- name: work
  cluster: {server: 'https://work', insecure-skip-tls-verify: true}
- name: moorage/shop/web
  cluster: {server: 'https://old'}
users:
- name: work
  user: {token: secret}
contexts:
- name: work
  context: {cluster: work, user: work, namespace: mine}
"""


def ours() -> dict[str, Any]:
    return kubeconfig.with_command("moorage/shop/web", SERVER, TOKEN, namespace="apps")


def test_it_holds_a_command_and_no_secret() -> None:
    config = ours()

    [user] = config["users"]
    assert user["name"] == "moorage/shop/web"
    assert user["user"]["exec"]["command"] == "moorage"
    assert user["user"]["exec"]["args"] == ["token", "--cluster", "shop/web"]
    assert user["user"]["exec"]["env"] == [{"name": "MOORAGE_HOME", "value": "/srv/m"}]
    assert user["user"]["exec"]["interactiveMode"] == "Never"
    assert set(user["user"]) == {"exec"}
    [cluster] = config["clusters"]
    assert b64decode(cluster["cluster"]["certificate-authority-data"]) == SERVER.authority
    assert config["contexts"][0]["context"]["namespace"] == "apps"
    assert config["current-context"] == "moorage/shop/web"


def test_what_is_there_is_kept_and_what_is_ours_is_replaced_in_its_place() -> None:
    before = yaml.safe_load(THEIRS)

    after = kubeconfig.merged(before, ours())

    assert [item["name"] for item in after["clusters"]] == ["work", "moorage/shop/web"]
    assert after["clusters"][0] == before["clusters"][0]
    assert after["clusters"][1]["cluster"]["server"] == SERVER.url
    assert after["users"][0] == before["users"][0]
    assert after["contexts"][0] == before["contexts"][0]
    assert after["preferences"] == {"colors": True}
    assert after["current-context"] == "moorage/shop/web"
    assert kubeconfig.merged(after, ours()) == after, "merging again changes nothing"
    assert kubeconfig.merged(None, ours()) == ours()


def test_lists_that_are_empty_or_missing_are_no_obstacle() -> None:
    after = kubeconfig.merged({"kind": "Config", "clusters": None, "users": []}, ours())

    assert after["clusters"] == ours()["clusters"]
    assert after["contexts"] == ours()["contexts"]


def test_it_is_written_for_its_owner_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"

    kubeconfig.merge_into(path, ours())

    assert kubeconfig.read(path) == ours()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [item.name for item in path.parent.iterdir()] == ["config"], "no lock and no half file stays"


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    target = tmp_path / "real"
    target.write_text(THEIRS)
    link = tmp_path / "config"
    link.symlink_to(target)

    kubeconfig.merge_into(link, ours())

    assert link.is_symlink()
    assert {item["name"] for item in kubeconfig.read(target)["contexts"]} == {"work", "moorage/shop/web"}


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config"
    names = [f"cluster-{number}" for number in range(8)]

    def add(name: str) -> None:
        kubeconfig.merge_into(path, kubeconfig.with_command(name, SERVER, TOKEN))

    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = kubeconfig.read(path)
    assert found is not None
    assert sorted(item["name"] for item in found["contexts"]) == names


def test_a_lock_that_nobody_lets_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "_LOCK_SECONDS", 0.1)
    path = tmp_path / "config"
    path.write_text(THEIRS)
    lock = tmp_path / "config.lock"
    lock.touch()

    with pytest.raises(KubeconfigFileError, match="is being changed by another program") as raised:
        kubeconfig.merge_into(path, ours())

    assert str(lock) in str(raised.value.hint)
    assert path.read_text() == THEIRS
    assert lock.exists(), "it is not ours to remove"


@pytest.mark.parametrize("content", ["- a list", "kind: Deployment", "clusters: {a: b}", "a: [", "\x00"])
def test_a_file_that_is_something_else_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)

    with pytest.raises(KubeconfigFileError, match=str(path)):
        kubeconfig.merge_into(path, ours())

    assert path.read_text() == content


def test_an_empty_file_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("")

    assert kubeconfig.read(path) is None
    assert kubeconfig.read(tmp_path / "none") is None


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(KubeconfigFileError, match="cannot be written"):
        kubeconfig.write(tmp_path / "file" / "config", ours())


def test_the_current_context_alone_under_another_name() -> None:
    config = kubeconfig.merged(yaml.safe_load(THEIRS), ours())

    alone = kubeconfig.renamed({**config, "current-context": "work"}, "moorage/admin")

    assert alone["current-context"] == "moorage/admin"
    assert alone["contexts"] == [
        {
            "name": "moorage/admin",
            "context": {"cluster": "moorage/admin", "user": "moorage/admin", "namespace": "mine"},
        }
    ]
    assert alone["users"] == [{"name": "moorage/admin", "user": {"token": "secret"}}]
    with pytest.raises(KubeconfigFileError, match='no context "other"'):
        kubeconfig.renamed({**config, "current-context": "other"}, "x")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"KUBECONFIG": "/a/b:/c"}, Path("/a/b")),
        ({"KUBECONFIG": ":/c"}, Path("/c")),
        ({"KUBECONFIG": ""}, None),
    ],
)
def test_the_file_is_the_one_that_kubectl_would_change(
    environment: dict[str, str], expected: Path | None
) -> None:
    assert kubeconfig.default_path(environment) == (expected or Path.home() / ".kube" / "config")
