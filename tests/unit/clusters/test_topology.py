"""The Cluster of Cluster API that a declaration stands for."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.api.versions import parse_version
from moorage.clusters.cluster.topology import (
    DECLARATION_ANNOTATION,
    MAX_SIZE_ANNOTATION,
    MIN_SIZE_ANNOTATION,
    cluster_of,
    follows,
    machine_deployments,
    strangers,
)

from .builders import cluster, machine_type, pool

TYPES = {
    "small": machine_type(),
    "cloud": machine_type("cloud", openstack={"flavor": "m1.small"}),
}


def made_of(*pools: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return cluster_of(cluster("web", *pools, **spec), "shop", parse_version("1.36.1"), TYPES)


def deployment(*pools: dict[str, Any], **spec: Any) -> dict[str, Any]:
    [found] = machine_deployments(made_of(*pools, **spec))
    return found


def test_a_cluster_is_its_providers_class_in_a_version() -> None:
    made = made_of(controlPlane={"replicas": 3})

    assert made["metadata"]["labels"] == {"moorage.dev/project": "shop", "moorage.dev/cluster": "web"}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-web"
    assert made["spec"]["paused"] is False
    topology = made["spec"]["topology"]
    assert topology["classRef"] == {"name": "local", "namespace": "moorage-system"}
    assert topology["version"] == "v1.36.1"
    assert topology["controlPlane"]["replicas"] == 3
    assert "workers" not in topology
    assert "variables" not in topology


def test_a_pool_is_a_machine_deployment_of_its_machine_type() -> None:
    found = deployment(pool("main", 3, maxSurge="25%", maxUnavailable=1))

    assert found["name"] == "main"
    assert found["class"] == "default-worker"
    assert found["replicas"] == 3
    assert found["metadata"]["labels"]["moorage.dev/pool"] == "main"
    assert found["rollout"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": 1}
    assert found["variables"]["overrides"] == [
        {"name": "machineType", "value": {"name": "small", "cpu": "2", "memory": "4Gi"}}
    ]
    assert "taints" not in found
    assert "failureDomain" not in found


def test_a_machine_type_brings_what_its_provider_needs() -> None:
    found = deployment(pool("main", machineType="cloud"), provider="openstack")

    assert found["variables"]["overrides"][0]["value"]["flavor"] == "m1.small"


def test_an_autoscaled_pool_says_its_bounds_and_leaves_the_number_to_the_autoscaler() -> None:
    found = deployment(pool("main", None, min=1, max=5))

    assert "replicas" not in found
    assert found["metadata"]["annotations"] == {MIN_SIZE_ANNOTATION: "1", MAX_SIZE_ANNOTATION: "5"}


def test_labels_taints_and_zone_reach_the_nodes() -> None:
    found = deployment(
        pool(
            labels={"tier": "front"},
            taints=[
                {"key": "gpu", "effect": "NoSchedule"},
                {"key": "a", "value": "b", "effect": "NoExecute"},
            ],
            zone="b",
        )
    )

    assert found["metadata"]["labels"]["tier"] == "front"
    assert found["failureDomain"] == "b"
    assert found["taints"] == [
        {"key": "gpu", "effect": "NoSchedule", "propagation": "Always"},
        {"key": "a", "value": "b", "effect": "NoExecute", "propagation": "Always"},
    ]


def test_no_declared_label_takes_a_machine_out_of_its_project() -> None:
    labels = {"moorage.dev/project": "theirs", "moorage.dev/pool": "other"}

    found = deployment(pool(labels=labels))["metadata"]["labels"]

    assert (found["moorage.dev/project"], found["moorage.dev/pool"]) == ("shop", "main")


def test_the_network_plugin_and_the_control_planes_machine_type_are_variables() -> None:
    variables = made_of(cni={"name": "cilium"}, controlPlane={"machineType": "small"})["spec"]["topology"][
        "variables"
    ]

    assert variables == [
        {"name": "cni", "value": "cilium"},
        {"name": "controlPlaneMachineType", "value": {"name": "small", "cpu": "2", "memory": "4Gi"}},
    ]


def test_the_digest_changes_with_everything_that_is_declared_and_with_nothing_else() -> None:
    def digest(made: dict[str, Any]) -> str:
        return str(made["metadata"]["annotations"][DECLARATION_ANNOTATION])

    assert digest(made_of(pool())) == digest(made_of(pool()))
    others = [
        made_of(),
        made_of(pool(labels={"a": "b"})),
        made_of(pool("main", 4)),
        made_of(pool(zone="a")),
        made_of(pool(taints=[{"key": "gpu", "effect": "NoSchedule"}])),
        made_of(pool(), pool("second")),
    ]
    assert len({digest(made) for made in [made_of(pool()), *others]}) == len(others) + 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(json_values.filter(lambda value: not isinstance(value, list)))
def test_everything_follows_itself(value: Any) -> None:
    assert follows(value, deepcopy(value))


def test_what_cluster_api_fills_in_is_no_drift() -> None:
    declared = made_of(pool("main"), pool("second"))
    observed = deepcopy(declared)
    observed["spec"]["controlPlaneEndpoint"] = {"host": "h", "port": 1}
    observed["spec"]["topology"]["workers"]["machineDeployments"][0]["healthCheck"] = {"enabled": False}
    observed["spec"]["topology"]["workers"]["machineDeployments"].reverse()

    assert follows(observed, declared)


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made["spec"].update(paused=True),
        lambda made: made["spec"]["topology"].update(version="v1.35.0"),
        lambda made: made["spec"]["topology"]["workers"]["machineDeployments"][0].update(replicas=9),
        lambda made: made["spec"]["topology"]["workers"]["machineDeployments"].pop(),
        lambda made: made["spec"]["topology"].pop("workers"),
        lambda made: made["metadata"]["labels"].clear(),
        lambda made: made["metadata"]["ownerReferences"].clear(),
        lambda made: made["metadata"]["annotations"].update({DECLARATION_ANNOTATION: "older"}),
        lambda made: made["spec"]["topology"]["workers"]["machineDeployments"][0]["taints"][0].update(
            value="x"
        ),
    ],
)
def test_what_somebody_changed_is_drift(change: Any) -> None:
    declared = made_of(pool(taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]), pool("second"))
    observed = deepcopy(declared)
    change(observed)

    assert not follows(observed, declared)


def test_a_pool_that_nobody_declared_is_a_stranger() -> None:
    declared = made_of(pool("main"))
    observed = made_of(pool("main"), pool("crept-in"))

    assert follows({**observed, "metadata": declared["metadata"]}, declared), (
        "it does not show in what was declared"
    )
    assert strangers(observed, declared) == ["crept-in"]
    assert strangers(declared, declared) == []
