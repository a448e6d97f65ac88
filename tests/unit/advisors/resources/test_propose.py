"""What new workloads get that ask for nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moorage.advisors.resources.model import (
    GIB,
    MIB,
    Bounds,
    HpaTarget,
    Quota,
    Resource,
    Setting,
    Workload,
    World,
)
from moorage.advisors.resources.propose import propose_for, repository
from moorage.advisors.resources.recommenders import Proposal
from moorage.advisors.resources.wire import Newcomer, Source

NEW = Newcomer("shop", "Deployment", "new", "main", "shop/web:2")
OWN = (Workload("shop", "Deployment", "new"), "main")


def sibling(number: int, namespace: str = "shop"):
    return (Workload(namespace, "Deployment", f"web-{number}"), "app")


def world(*declared: Setting, **more) -> World:
    settings = {sibling(number): setting for number, setting in enumerate(declared)}
    return World(settings=settings, images=dict.fromkeys(settings, "docker.io/shop/web:1"), **more)


def test_what_was_used_under_the_same_name_counts_most():
    known = {OWN: Proposal(0.2, 200 * MIB), sibling(0): Proposal(2.0, GIB)}
    (found,) = propose_for([NEW], world(Setting()), known)
    assert (found.cpu, found.memory, found.source, found.of) == ("200m", "200Mi", Source.HISTORY, 1)


def test_siblings_say_what_would_fit_them_and_else_what_they_ask_for():
    """In the middle of three: a typical one, whatever the largest asks for."""
    declared = (Setting(cpu_request=4.0, memory_request=8 * GIB), Setting(0.3, None, 300 * MIB), Setting())
    known = {sibling(0): Proposal(0.1, 100 * MIB), sibling(2): Proposal(0.5, None)}
    (found,) = propose_for([NEW], world(*declared), known)
    assert (found.cpu, found.memory, found.source, found.of) == ("300m", "300Mi", Source.SIBLINGS, 3)


def test_nothing_is_said_where_nobody_knows():
    assert propose_for([NEW], world(Setting()), {}) == ()
    assert propose_for([replace(NEW, image="shop/other")], world(Setting(0.1, None, MIB)), {}) == ()
    assert propose_for([replace(NEW, image="")], world(Setting(0.1, None, MIB)), {}) == ()


def test_what_a_newcomer_declares_itself_is_no_sibling():
    itself = World(settings={OWN: Setting(1.0)}, images={OWN: "shop/web:2"})
    assert propose_for([NEW], itself, {}) == ()


def test_an_autoscaler_does_not_hold_a_first_request_back():
    hpas = {OWN[0]: (HpaTarget("h", Resource.CPU, 60),)}
    (found,) = propose_for([NEW], world(Setting(0.3, None, 300 * MIB), hpas=hpas), {})
    assert found.cpu == "300m"


def test_a_limit_range_sets_the_bounds_and_a_quota_that_is_full_leaves_nothing():
    declared = Setting(0.3, None, 300 * MIB)
    bounds = {"shop": (Bounds("b", {Resource.CPU: 0.5}, {Resource.MEMORY: 200 * MIB}),)}
    (found,) = propose_for([NEW], world(declared, bounds=bounds), {})
    assert (found.cpu, found.memory) == ("500m", "200Mi")
    full = {"shop": (Quota("q", {"requests.cpu": 0.1}),)}
    assert propose_for([NEW], world(declared, quotas=full), {}) == ()


def test_the_order_makes_no_difference():
    other = replace(NEW, name="newer")
    declared = [Setting(0.1 * number, None, number * MIB) for number in range(1, 6)]
    there = world(*declared)
    back = replace(
        there,
        settings=dict(reversed(there.settings.items())),
        images=dict(reversed(there.images.items())),
    )
    assert propose_for([NEW, other], there, {}) == propose_for([other, NEW], back, {})


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1.27", "docker.io/library/nginx"),
        ("shop/web:2", "docker.io/shop/web"),
        ("docker.io/shop/web@sha256:00", "docker.io/shop/web"),
        ("registry.example.com:5000/shop/web:2@sha256:00", "registry.example.com:5000/shop/web"),
        ("localhost/web", "localhost/web"),
        ("", ""),
    ],
)
def test_an_image_is_the_same_whatever_its_version(image: str, name: str):
    assert repository(image) == name
