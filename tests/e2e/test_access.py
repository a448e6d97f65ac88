"""Who may do what, asked with the real kubectl: what is allowed, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import urlsafe_b64decode

import pytest
import yaml

from moorage.api.versions import parse_version
from moorage.clusters.names import member_account
from moorage.providers.local.controlplane.plan import OFFERED
from moorage.toolchain import locate

from .waiting import eventually


@pytest.fixture
def web(moorage, project):
    """A cluster with one node."""
    moorage("cluster", "create", "web", "-p", project, "--nodes", "1")
    return f"{project}/web"


@pytest.fixture(scope="module")
def common_web(platform, common_project):
    """One that looks the same, for tests that change nothing of it."""
    platform("cluster", "create", "web", "-p", common_project, "--nodes", "1")
    return f"{common_project}/web"


def test_members_have_their_role_inside_a_cluster(moorage, common_web):
    allowed = {
        "ada": {"get pods", "create deployments", "get secrets", "create namespaces", "delete nodes"},
        "ed": {"get pods", "create deployments", "get secrets"},
        "bob": {"get pods"},
    }
    for user, can in allowed.items():
        moorage("cluster", "kubeconfig", common_web, "--as", user)
        for what in sorted(set().union(*allowed.values())):
            answer = moorage.kubectl("auth", "can-i", *what.split(), check=False).stdout.strip()
            assert answer == ("yes" if what in can else "no"), f"{user}: {what}"
    moorage.kubectl("get", "nodes")  # bob, a viewer, sees where pods run
    refused = moorage.kubectl("create", "namespace", "mine", check=False)
    assert "Forbidden" in refused.stderr


def test_who_is_removed_is_out_at_once_even_with_a_token(moorage, project, web):
    moorage("cluster", "kubeconfig", web, "--as", "bob")
    token = moorage("token", "--cluster", web, "--as", "bob", "--raw").stdout.strip()
    moorage.kubectl("get", "pods", f"--token={token}")
    moorage("project", "member", "remove", project, "bob")
    assert moorage("token", "--cluster", web, "--as", "bob", check=False).returncode == 2

    def is_out():
        done = moorage.kubectl("get", "pods", f"--token={token}", check=False)
        return done.returncode != 0 and ("Forbidden" in done.stderr or "Unauthorized" in done.stderr)

    assert eventually(is_out, seconds=15)


def test_a_token_is_good_for_one_cluster_and_an_hour(moorage, project, web):
    moorage("cluster", "create", "other", "-p", project, "--nodes", "0")
    moorage("cluster", "kubeconfig", f"{project}/other", "--as", "ada")
    moorage.kubectl("get", "namespaces")
    token = moorage("token", "--cluster", web, "--as", "ada", "--raw").stdout.strip()
    config = yaml.safe_load(moorage.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    moorage.kubeconfig.write_text(yaml.safe_dump(config))
    refused = moorage.kubectl("get", "namespaces", check=False)
    assert "Unauthorized" in refused.stderr or "logged in" in refused.stderr
    claims = decoded(token)
    assert claims["exp"] - claims["iat"] <= 3600
    for_management = decoded(moorage("token", "--project", project, "--as", "ada", "--raw").stdout.strip())
    assert for_management["exp"] - for_management["iat"] <= 3600


def test_a_member_sees_their_project_and_nothing_else(moorage, project):
    moorage("project", "create", f"{project}-2", "--owner", "eve")
    try:
        moorage("project", "kubeconfig", project, "--as", "bob")
        moorage.kubectl("get", "kubernetesclusters")
        moorage.kubectl("get", "project", project)
        moorage.kubectl("get", "machinetypes")
        for what in (
            ("get", "kubernetesclusters", "-n", f"project-{project}-2"),
            ("get", "kubernetesclusters", "-A"),
            ("get", "project", f"{project}-2"),
            ("get", "projects"),
            ("get", "secrets"),
            ("get", "secrets", "-n", "kube-system"),
            ("get", "nodes"),
            ("create", "namespace", "mine"),
        ):
            assert moorage.kubectl(*what, check=False).returncode != 0, what
        for user, answer in (("bob", "yes"), ("ada", "no"), ("eve", "no")):
            what = ("create", f"serviceaccounts/{member_account(user)}", "--subresource=token")
            assert moorage.kubectl("auth", "can-i", *what, check=False).stdout.strip() == answer, user
    finally:
        moorage("project", "delete", f"{project}-2", "--yes")


def test_roles_hold_in_the_management_cluster(moorage, project):
    quota = '-p={"spec":{"quota":{"nodes":1000}}}'
    display = '-p={"spec":{"displayName":"Ours"}}'
    expected = {
        ("ada", "create", "kc"): True,
        ("ed", "create", "kc"): True,
        ("bob", "create", "kc"): False,
        ("ada", "quota"): False,
        ("ada", "display"): True,
        ("ed", "display"): False,
    }
    for (user, *what), allowed in expected.items():
        moorage("project", "kubeconfig", project, "--as", user)
        if what == ["create", "kc"]:
            answer = moorage.kubectl("auth", "can-i", "create", "kubernetesclusters", check=False)
            assert (answer.stdout.strip() == "yes") is allowed, user
        else:
            patch = quota if what == ["quota"] else display
            done = moorage.kubectl("patch", "project", project, "--type=merge", patch, check=False)
            assert (done.returncode == 0) is allowed, (user, what, done.stderr)


def test_a_member_works_with_nothing_but_their_kubeconfig(moorage, common_project, common_web):
    file = moorage.folder / "member.kubeconfig"
    moorage("project", "kubeconfig", common_project, "--as", "bob", "--output", str(file))
    bob = moorage.using(MOORAGE_KUBECONFIG=str(file), MOORAGE_HOME=str(moorage.folder / "nowhere"))
    assert [item["metadata"]["name"] for item in bob.json("cluster", "list")["items"]] == ["web"]
    assert [item["metadata"]["name"] for item in bob.json("project", "list")["items"]] == [common_project]
    bob("cluster", "kubeconfig", "web")
    bob.kubectl("get", "pods")
    for refused in (
        ("cluster", "scale", "web", "--nodes", "2", "--no-wait"),
        ("cluster", "delete", "web", "--yes"),
        ("cluster", "kubeconfig", "web", "--admin", "--stdout"),
        ("project", "member", "add", common_project, "bob", "--role", "owner"),
        ("token", "--cluster", common_web, "--as", "ada"),
    ):
        done = bob(*refused, check=False)
        assert done.returncode == 2, refused
        assert done.stdout == ""


def test_an_editor_need_not_see_what_is_on_offer_to_create_a_cluster(moorage, project):
    file = moorage.folder / "editor.kubeconfig"
    moorage("project", "kubeconfig", project, "--as", "ed", "--output", str(file))
    ed = moorage.using(MOORAGE_KUBECONFIG=str(file), KUBECONFIG=str(file))
    made = ed.json("cluster", "create", "mine", "--no-wait")
    assert made["spec"]["version"] == max(map(parse_version, OFFERED)).minor_version
    done = ed("cluster", "create", "other", "--nodes", "1", "--provider", "cloud", "--no-wait", check=False)
    assert "there is no provider cloud (there is: local)" in done.stderr


def test_a_kubeconfig_keeps_what_is_there(moorage, common_web):
    mine = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "work",
        "preferences": {"colors": True},
        "clusters": [{"name": "work", "cluster": {"server": "https://work.example"}}],
        "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
        "users": [{"name": "me", "user": {"token": "s3cret"}}],
    }
    moorage.kubeconfig.write_text(yaml.safe_dump(mine))
    for _ in range(2):
        moorage("cluster", "kubeconfig", common_web, "--as", "ada")
    moorage("cluster", "kubeconfig", common_web, "--as", "bob")
    merged = yaml.safe_load(moorage.kubeconfig.read_text())
    assert merged["preferences"] == {"colors": True}
    assert merged["current-context"] == f"bob@{common_web}"
    assert [entry["name"] for entry in merged["contexts"]] == [
        "work",
        f"ada@{common_web}",
        f"bob@{common_web}",
    ]
    assert merged["users"][0] == mine["users"][0]
    assert moorage.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_printing_a_kubeconfig_changes_no_file_and_holds_no_secret(moorage, common_web):
    printed = yaml.safe_load(moorage("cluster", "kubeconfig", common_web, "--as", "ada", "--stdout").stdout)
    assert not moorage.kubeconfig.exists()
    assert set(printed["users"][0]["user"]) == {"exec"}
    admin = yaml.safe_load(moorage("cluster", "kubeconfig", common_web, "--admin", "--stdout").stdout)
    assert "client-key-data" in admin["users"][0]["user"]


def test_a_file_that_is_no_kubeconfig_is_left_as_it_is(moorage, common_web):
    moorage.kubeconfig.write_text("just some notes\n")
    done = moorage("cluster", "kubeconfig", common_web, "--as", "ada", check=False)
    assert done.returncode == 2
    assert "is not a kubeconfig" in done.stderr
    assert moorage.kubeconfig.read_text() == "just some notes\n"


def test_kubectl_gets_tokens_from_any_shell(moorage, common_web):
    """Another folder, another platform's variables, an almost empty PATH."""
    moorage("cluster", "kubeconfig", common_web, "--as", "ada")
    environment = {
        "HOME": str(moorage.folder),
        "KUBECONFIG": str(moorage.kubeconfig),
        "MOORAGE_HOME": "/nonexistent",
        "MOORAGE_KUBECONFIG": "/nonexistent",
        "PATH": "/usr/bin:/bin",
        **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
    }
    done = subprocess.run(
        [locate("kubectl"), "get", "nodes", "-o", "json"],
        capture_output=True,
        text=True,
        cwd="/",
        env=environment,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["items"]) == 1


def decoded(token):
    payload = token.split(".")[1]
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
