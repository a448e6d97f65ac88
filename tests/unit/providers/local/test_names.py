"""Names that follow from what the provider is given."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from moorage.local.controlplane import KUBELET_SELECTOR, POD_CIDR, SERVICE_CIDR
from moorage.providers.local.names import (
    KUBELET_LABEL,
    KUBELET_RUNNING,
    NODE_NETWORK,
    cluster_id,
    machine_address,
    provider_id,
)


def test_two_clusters_of_one_name_one_after_the_other_have_different_ids():
    first = cluster_id("web", "7a2c89ee-3c11-4f6e-9f3e-0a1b2c3d4e5f")
    assert first == "web-7a2c89ee3c"
    assert cluster_id("web", "7a2c89ee-3d11-4f6e-9f3e-0a1b2c3d4e5f") != first


def test_a_provider_id_names_the_cluster_and_the_machine():
    assert provider_id("web-7a2c89ee3c", "web-main-x") == "local:///web-7a2c89ee3c/web-main-x"


@given(st.lists(st.uuids().map(str), unique=True, max_size=60))
def test_no_two_machines_of_a_cluster_share_an_address(uids):
    taken: set[str] = set()
    for uid in uids:
        address = machine_address(uid, frozenset(taken))
        assert address not in taken
        assert IPv4Address(address) in NODE_NETWORK
        assert address.rpartition(".")[2] not in ("0", "255")
        taken.add(address)


@given(st.uuids().map(str), st.integers(min_value=1, max_value=12))
def test_an_address_that_is_taken_is_stepped_over_and_found_again(uid, collisions):
    taken: list[str] = []
    for _ in range(collisions):
        taken.append(machine_address(uid, frozenset(taken)))
    assert len(set(taken)) == collisions
    assert machine_address(uid, frozenset(taken[:-1])) == taken[-1]


def test_nodes_services_and_pods_have_networks_of_their_own():
    networks = [NODE_NETWORK, IPv4Network(SERVICE_CIDR), IPv4Network(POD_CIDR)]
    for number, network in enumerate(networks):
        assert not any(network.overlaps(other) for other in networks[number + 1 :])


def test_kwok_looks_after_the_nodes_that_the_provider_labels():
    assert f"{KUBELET_LABEL}={KUBELET_RUNNING}" == KUBELET_SELECTOR
