"""What a person is told when something cannot be: one line that says what, one that says what to do."""

from __future__ import annotations

import pytest


def refused(moorage, *arguments):
    done = moorage(*arguments, check=False)
    assert done.returncode == 2, done
    assert done.stdout == ""
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert len(rest) <= 1
    assert all(line.startswith("hint: ") for line in rest)
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--kubernetes-version", "1.38"], "Kubernetes 1.38 is not offered by provider local (offered: 1.34"),
        (["--kubernetes-version", "v1.36"], "without a leading v"),
        (["--provider", "cloud"], "there is no provider cloud (there is: local)"),
        (["--machine-type", "gigantic"], "there is no machine type gigantic"),
        (["--machine-type", "gigantic"], "hint: `moorage machinetype list`"),
        (["--control-plane-replicas", "2"], "1, 3 or 5"),
        (["--pool", "a-name-that-is-too-long"], "16"),
        (["--nodes", "5000"], "1000"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(moorage, common_project, arguments, told):
    nodes = [] if "--nodes" in arguments else ["--nodes", "1"]
    assert told in refused(moorage, "cluster", "create", "no", "-p", common_project, *nodes, *arguments)
    assert moorage.json("cluster", "list", "-p", common_project)["items"] == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a-name-that-is-longer-than-28", "at most 28 characters"),
        ("Web", "lower-case letters"),
        ("a.b", "no dots"),
    ],
)
def test_a_name_that_cannot_be_is_refused(moorage, common_project, name, told):
    assert told in refused(moorage, "cluster", "create", name, "-p", common_project, "--nodes", "1")


def test_what_is_not_there_is_named(moorage, common_project):
    assert "there is no project nope" in refused(moorage, "cluster", "list", "-p", "nope")
    assert "there is no project nope" in refused(moorage, "cluster", "create", "nope/web", "--nodes", "1")
    assert f"there is no cluster {common_project}/nope" in refused(
        moorage, "cluster", "get", f"{common_project}/nope"
    )
    assert "there is no project nope" in refused(moorage, "project", "delete", "nope", "--yes")
    assert "eve is not a member" in refused(moorage, "project", "kubeconfig", common_project, "--as", "eve")


def test_what_is_there_already_is_named_and_can_be_accepted(moorage, project):
    assert f"project {project} already exists" in refused(moorage, "project", "create", project)
    moorage("project", "create", project, "--if-not-exists")
    moorage("cluster", "create", "web", "-p", project, "--no-wait")
    told = refused(moorage, "cluster", "create", "web", "-p", project, "--no-wait")
    assert f"cluster {project}/web already exists" in told
    assert "--if-not-exists" in told


def test_quota_is_told_in_numbers(moorage, project):
    moorage.kubectl(
        *("patch", "project", project, "--type=merge", '-p={"spec":{"quota":{"nodes":4}}}'),
        kubeconfig=moorage.home.admin_kubeconfig,
    )
    moorage("cluster", "create", "web", "-p", project, "--nodes", "3", "--no-wait")
    told = refused(moorage, "cluster", "scale", f"{project}/web", "--nodes", "5", "--no-wait")
    assert "5 nodes" in told
    assert "of 4" in told
    assert "0 of 4" not in moorage("project", "list").stdout


def test_a_version_goes_up_one_minor_at_a_time(moorage, project):
    moorage("cluster", "create", "web", "-p", project, "--kubernetes-version", "1.35", "--no-wait")
    ref = f"{project}/web"
    assert "downgraded" in refused(moorage, "cluster", "upgrade", ref, "1.34", "--no-wait")
    assert "1.37" in refused(moorage, "cluster", "upgrade", ref, "1.37", "--no-wait")


def test_deleting_needs_a_yes(moorage, project):
    moorage("cluster", "create", "web", "-p", project, "--no-wait")
    told = refused(moorage, "cluster", "delete", f"{project}/web")
    assert f"cluster {project}/web and everything in it will be gone" in told
    assert "--yes" in told
    assert "will be gone" in refused(moorage, "down", "--delete")
    told = refused(moorage, "project", "delete", project, "--yes")
    assert f"project {project} still has a cluster: web" in told
    assert f"delete it first: `moorage cluster delete {project}/web`" in told


def test_several_projects_need_to_be_told_apart(moorage, project):
    moorage("project", "create", f"{project}-2")
    try:
        told = refused(moorage, "cluster", "create", "web", "--nodes", "1")
        assert "which project? There are" in told
        assert "MOORAGE_PROJECT" in told
        moorage.using(MOORAGE_PROJECT=project)("cluster", "create", "web", "--dry-run")
    finally:
        moorage("project", "delete", f"{project}-2", "--yes")


def test_a_wait_that_is_over_says_what_is_missing(moorage, project):
    told = moorage("cluster", "create", "web", "-p", project, "--nodes", "1", "--timeout", "1s", check=False)
    assert told.returncode == 2
    error, hint = told.stderr.splitlines()[-2:]
    assert error.startswith(f"error: cluster {project}/web is not there yet after 1 s")
    assert f"moorage cluster events {project}/web" in hint
