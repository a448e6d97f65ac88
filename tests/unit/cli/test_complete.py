"""Completing names: what the management cluster says at once, and nothing where it does not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from moorage.cli import _complete, _identity, _request
from moorage.cli._request import AnswerError

ROOT = "/apis/moorage.dev/v1alpha1"


def named(name, namespace=None, **spec):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


EVERYTHING = {
    f"{ROOT}/projects": [named("shop"), named("lab")],
    f"{ROOT}/machinetypes": [named("small"), named("large")],
    f"{ROOT}/kubernetesclusters": [named("web", "project-shop"), named("web", "project-lab")],
    f"{ROOT}/namespaces/project-shop/kubernetesclusters": [named("web", "project-shop")],
    f"{ROOT}/namespaces/project-shop/kubernetesclusters/web": named(
        "web", nodePools=[{"name": "workers"}, {"name": "big"}]
    ),
}


class Server:
    """A management cluster that answers from a table."""

    namespace = ""
    known = EVERYTHING
    delay_seconds = 0.0

    def __init__(self, kubeconfig, *, timeout_seconds, quiet):
        assert quiet, "a shell has no place for what a plugin says"
        assert timeout_seconds <= 3, "a person waits for it"

    def request(self, method, path):
        time.sleep(self.delay_seconds)
        if path not in self.known:
            raise AnswerError(403, "forbidden")
        found = self.known[path]
        return found if isinstance(found, dict) else {"items": found}

    def close(self):
        pass


@pytest.fixture(autouse=True)
def server(monkeypatch):
    monkeypatch.delenv("MOORAGE_PROJECT", raising=False)
    monkeypatch.delenv("MOORAGE_DEBUG", raising=False)
    monkeypatch.setattr(_identity, "management_kubeconfig", lambda: None)
    monkeypatch.setattr(_request, "ApiServer", Server)
    return monkeypatch


def typed(**params):
    return SimpleNamespace(params=params)


def test_projects_and_machine_types_are_completed():
    assert _complete.projects("") == ["lab", "shop"]
    assert _complete.projects("s") == ["shop"]
    assert _complete.machine_types("la") == ["large"]


@pytest.mark.parametrize(
    ("params", "incomplete", "completed"),
    [
        ({}, "", ["lab/web", "shop/web"]),
        ({}, "shop/", ["shop/web"]),
        ({"project": "shop"}, "", ["web"]),
        ({"project": "shop"}, "x", []),
    ],
)
def test_clusters_are_completed_as_they_have_to_be_named(params, incomplete, completed):
    assert _complete.clusters(typed(**params), incomplete) == completed


def test_the_project_of_the_environment_counts(monkeypatch):
    monkeypatch.setenv("MOORAGE_PROJECT", "shop")
    assert _complete.clusters(typed(), "") == ["web"]


def test_pools_are_those_of_the_cluster_that_is_named():
    assert _complete.pools(typed(cluster="shop/web"), "") == ["big", "workers"]
    assert _complete.pools(typed(cluster="web", project="shop"), "w") == ["workers"]
    assert _complete.pools(typed(), "") == []
    assert _complete.pools(typed(cluster="web"), "") == [], "there are two projects: which is meant?"


def test_a_member_completes_what_they_may_see(monkeypatch):
    mine = {path: found for path, found in EVERYTHING.items() if "project-shop" in path}
    monkeypatch.setattr(Server, "known", mine)
    monkeypatch.setattr(Server, "namespace", "project-shop")
    assert _complete.projects("") == ["shop"]
    assert _complete.clusters(typed(), "") == ["web"]
    assert _complete.pools(typed(cluster="web"), "") == ["big", "workers"]


def test_what_is_refused_completes_nothing(monkeypatch, capfd):
    monkeypatch.setattr(Server, "known", {})
    assert _complete.projects("") == _complete.clusters(typed(), "") == _complete.machine_types("") == []
    assert capfd.readouterr() == ("", "")


def test_a_silent_management_cluster_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(_complete, "_SECONDS", 0.1)
    monkeypatch.setattr(Server, "delay_seconds", 2.0)
    began = time.monotonic()
    assert _complete.projects("") == []
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("line", ["moorage cluster get ", "moorage pool scale web ", "moorage project get "])
def test_a_shell_without_a_platform_gets_nothing_at_all(tmp_path, line):
    done = subprocess.run(
        [sys.executable, "-m", "moorage"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            **os.environ,
            "MOORAGE_HOME": str(tmp_path),
            "MOORAGE_KUBECONFIG": "",
            "_MOORAGE_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        },
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")
