"""What a cluster can ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moorage.api.versions import parse_version
from moorage.clusters.checks import (
    Running,
    check_machine_types,
    check_offered,
    check_provider,
    check_step,
    check_zones,
)

from .builders import OFFER, cluster, machine_type, pool


def running(control_plane: str, oldest_node: str | None = None) -> Running:
    return Running(parse_version(control_plane), parse_version(oldest_node) if oldest_node else None)


@pytest.mark.parametrize("requested", ["1.34", "1.36", "1.36.0", "1.36.1", "1.37.2"])
def test_what_is_offered_can_be_had(requested: str) -> None:
    assert check_offered(requested, OFFER) is None


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        (
            "1.38",
            "Kubernetes 1.38 is not offered by provider local (offered: 1.34, 1.35, 1.36, 1.37)",
        ),
        (
            "1.36.9",
            "Kubernetes 1.36.9 is not offered by provider local (offered of 1.36: 1.36.0, 1.36.1)",
        ),
        (
            "1.33.1",
            "Kubernetes 1.33.1 is not offered by provider local (offered: 1.34, 1.35, 1.36, 1.37)",
        ),
    ],
)
def test_what_is_not_offered_is_told_with_what_is(requested: str, message: str) -> None:
    problem = check_offered(requested, OFFER)

    assert problem is not None
    assert problem.reason == "VersionNotOffered"
    assert problem.message == message


@pytest.mark.parametrize("zones", [None, ("a", "b")])
@pytest.mark.parametrize("zone", [None, "a"])
def test_a_zone_that_there_is_can_be_had(zone: str | None, zones: tuple[str, ...] | None) -> None:
    spec = cluster("web", pool("workers", zone=zone)).spec
    assert check_zones(spec, replace(OFFER, zones=zones)) is None


@pytest.mark.parametrize(("zones", "there"), [(("a", "b"), "there is: a, b"), ((), "it has none")])
def test_a_zone_that_there_is_not_is_told_with_those_there_are(zones: tuple[str, ...], there: str) -> None:
    spec = cluster("web", pool("workers", zone="mars")).spec
    problem = check_zones(spec, replace(OFFER, zones=zones))
    assert problem is not None
    assert problem.message == f"node pool workers: there is no zone mars at provider local ({there})"


@pytest.mark.parametrize(
    ("wanted", "now", "reason", "words"),
    [
        ("1.36.0", running("1.36.0"), None, ""),
        ("1.36.1", running("1.36.0", "1.36.0"), None, ""),
        ("1.37.0", running("1.36.0", "1.36.0"), None, ""),
        ("1.37.0", running("1.37.0", "1.36.0"), None, ""),
        (
            "1.35.0",
            running("1.36.0"),
            "VersionDowngrade",
            "downgraded to 1.35.0: the control plane is at 1.36.0",
        ),
        (
            "1.36.0",
            running("1.36.1"),
            "VersionDowngrade",
            "downgraded to 1.36.0: the control plane is at 1.36.1",
        ),
        (
            "1.37.0",
            running("1.35.0"),
            "VersionSkipped",
            "until all runs 1.36: the control plane is at 1.35.0",
        ),
        (
            "1.37.0",
            running("1.36.0", "1.35.2"),
            "VersionSkipped",
            "until all runs 1.36: there are nodes at 1.35.2",
        ),
    ],
)
def test_a_cluster_goes_up_one_minor_at_a_time_and_never_down(
    wanted: str, now: Running, reason: str | None, words: str
) -> None:
    problem = check_step(parse_version(wanted), now)

    assert (problem.reason if problem else None) == reason
    assert words in (problem.message if problem else "")


def test_an_unknown_provider_is_told_with_those_there_are() -> None:
    problem = check_provider("aws", ["openstack", "local"])

    assert problem is not None
    assert problem.message == "there is no provider aws (there is: local, openstack)"


def test_a_machine_type_must_be_there_and_be_offered_by_the_provider() -> None:
    types = {"small": machine_type(), "cloud": machine_type("cloud", openstack={"flavor": "m1"})}

    assert check_machine_types(cluster("web", pool()).spec, types) is None
    unknown = check_machine_types(cluster("web", pool(), pool("gpu", machineType="huge")).spec, types)
    elsewhere = check_machine_types(cluster("web", pool("gpu", machineType="cloud")).spec, types)
    control_plane = check_machine_types(cluster("web", controlPlane={"machineType": "huge"}).spec, types)

    assert unknown is not None
    assert unknown.message == "node pool gpu: there is no machine type huge"
    assert elsewhere is not None
    assert elsewhere.message == "node pool gpu: machine type cloud is not offered by provider local"
    assert control_plane is not None
    assert control_plane.message == "the control plane: there is no machine type huge"
