"""Which project and which cluster is meant."""

from __future__ import annotations

import pytest

from moorage.cli._names import ClusterRef, UnknownNameError, find_cluster, find_project, split


class Client:
    """A client of an API server that has these projects."""

    def __init__(self, *projects, namespace="default"):
        self.namespace = namespace
        self._projects = projects

    async def list(self, resource, **_):
        for name in self._projects:
            yield {"metadata": {"name": name}}


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch):
    monkeypatch.delenv("MOORAGE_PROJECT", raising=False)


@pytest.mark.parametrize(
    ("said", "project", "meant"),
    [
        ("web", None, (None, "web")),
        ("web", "shop", ("shop", "web")),
        ("shop/web", None, ("shop", "web")),
        ("shop/web", "shop", ("shop", "web")),
    ],
)
def test_a_cluster_is_said_as_name_or_project_and_name(said, project, meant):
    assert split(said, project) == meant


@pytest.mark.parametrize("said", ["", "/", "shop/", "/web", "a/b/c"])
def test_what_is_no_name_is_refused(said):
    with pytest.raises(UnknownNameError, match="is not the name of a cluster"):
        split(said, None)


def test_two_projects_cannot_be_meant():
    with pytest.raises(UnknownNameError, match="two projects are named: shop and lab"):
        split("shop/web", "lab")


def test_the_environment_says_the_project_unless_the_command_line_does(monkeypatch):
    monkeypatch.setenv("MOORAGE_PROJECT", "lab")
    assert split("web", None) == ("lab", "web")
    assert split("web", "shop") == ("shop", "web")
    assert split("shop/web", None) == ("shop", "web")


async def test_the_only_project_is_meant():
    assert await find_project(Client("shop"), None) == "shop"
    assert await find_cluster(Client("shop"), "web", None) == ClusterRef("shop", "web")


async def test_a_members_kubeconfig_says_which_project():
    assert await find_project(Client("a", "b", namespace="project-shop"), None) == "shop"


async def test_of_several_projects_one_must_be_said():
    with pytest.raises(UnknownNameError, match=r"which project\? There are lab, shop"):
        await find_project(Client("shop", "lab"), None)
    assert await find_project(Client("shop", "lab"), "lab") == "lab"


async def test_without_a_project_the_way_to_one_is_said():
    with pytest.raises(UnknownNameError, match="no project") as raised:
        await find_project(Client(), None)
    assert "moorage project create" in (raised.value.hint or "")
