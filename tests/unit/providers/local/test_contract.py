"""What is read of Cluster API's objects."""

from __future__ import annotations

import pytest

from moorage.kube.cache import Key
from moorage.kube.kinds import LOCAL_MACHINE
from moorage.providers.local.contract import (
    endpoint_of,
    owner_name,
    parse_cluster,
    parse_machine,
    parse_owner,
    referred,
    waiting,
)
from moorage.providers.local.machine.observe import is_provisioned

from .builders import NAMESPACE, cache_of, cluster, local_cluster, local_machine, machine


def test_a_cluster_as_cluster_api_has_it():
    found = parse_cluster(cluster())
    assert found.key == Key(NAMESPACE, "web")
    assert found.id == "web-123456789a"
    assert found.product_uid == "uid-product"
    assert found.endpoint == ("127.0.0.1", 20001)
    assert found.zones == ("a", "b", "c")
    assert (found.infrastructure_provisioned, found.control_plane_initialized) == (True, True)
    assert found.local_control_plane
    assert not found.deleting
    assert not found.paused


def test_a_cluster_that_nobody_declared_as_a_product_stands_for_itself():
    assert parse_cluster(cluster(owner=None)).product_uid == "12345678-9abc-def0"


def test_a_cluster_at_its_very_beginning():
    found = parse_cluster({"metadata": {"name": "web", "namespace": NAMESPACE, "uid": "12345678-9abc"}})
    assert found.endpoint is None
    assert not found.infrastructure_provisioned
    assert not found.control_plane_initialized
    assert not found.local_control_plane


def test_a_cluster_of_a_class_has_its_control_plane_to_come():
    found = parse_cluster(
        {
            "metadata": {"name": "web", "namespace": NAMESPACE, "uid": "12345678-9abc"},
            "spec": {"topology": {"version": "v1.36.0"}, "infrastructureRef": {"kind": "LocalCluster"}},
        }
    )
    assert found.local_control_plane


def test_a_cluster_of_a_class_may_have_its_control_plane_elsewhere():
    elsewhere = {"apiGroup": "controlplane.cluster.x-k8s.io", "kind": "KubeadmControlPlane", "name": "web"}
    found = parse_cluster(
        {
            "metadata": {"name": "web", "namespace": NAMESPACE, "uid": "12345678-9abc"},
            "spec": {"topology": {"version": "v1.36.0"}, "controlPlaneRef": elsewhere},
        }
    )
    assert not found.local_control_plane


@pytest.mark.parametrize("half", [{"host": "127.0.0.1"}, {"port": 1}, {"host": "", "port": 0}, {}])
def test_half_an_endpoint_is_none(half):
    assert endpoint_of({"spec": {"controlPlaneEndpoint": half}}) is None


def test_a_machine_as_cluster_api_has_it():
    found = parse_machine(machine(failure_domain="c", node_ready=True))
    assert (found.name, found.version, found.failure_domain) == ("web-main-1", "v1.36.0", "c")
    assert found.bootstrap_secret == "web-main-1"
    assert found.node_ready


def test_an_owner_counts_by_its_group_and_kind():
    obj = local_machine()
    assert owner_name(obj, "Machine") == "web-main-1"
    assert owner_name(obj, "Cluster") is None
    obj["metadata"]["ownerReferences"][0]["apiVersion"] = "machines.example/v1"
    assert owner_name(obj, "Machine") is None


def test_the_cluster_is_known_by_label_or_else_by_owner():
    obj = local_machine()
    assert parse_owner(obj).cluster_name == "web"
    obj["metadata"]["labels"] = {}
    assert parse_owner(obj).cluster_name is None
    obj["metadata"]["ownerReferences"] = [
        {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster", "name": "by-owner", "uid": "u"}
    ]
    assert parse_owner(obj).cluster_name == "by-owner"


@pytest.mark.parametrize("where", ["labels", "annotations"])
def test_infrastructure_that_somebody_else_manages_is_left_to_them(where):
    obj = local_cluster()
    obj["metadata"].setdefault(where, {})["cluster.x-k8s.io/managed-by"] = "terraform"
    assert parse_owner(obj).externally_managed


def test_a_reference_to_another_providers_object_is_not_followed():
    assert referred(machine(), "infrastructureRef", kind="LocalMachine") == (Key(NAMESPACE, "web-main-1"),)
    assert referred(machine(), "infrastructureRef", kind="OpenStackMachine") == ()
    assert referred(machine(), "bootstrap", "configRef", kind="LocalBootstrapConfig")
    assert referred({"metadata": {}}, "infrastructureRef", kind="LocalMachine") == ()


def test_a_change_of_a_cluster_concerns_only_machines_that_wait_for_it():
    made, open_ = local_machine("made", provisioned=True), local_machine("open")
    cache = cache_of(made, open_)
    assert waiting(cache, LOCAL_MACHINE, cluster(), is_provisioned) == [Key(NAMESPACE, "open")]


def test_a_pause_and_its_end_concern_all_machines():
    def settled(paused: str):
        return local_machine(provisioned=True, conditions=[{"type": "Paused", "status": paused}])

    key = Key(NAMESPACE, "web-main-1")
    assert waiting(cache_of(settled("False")), LOCAL_MACHINE, cluster(paused=True), is_provisioned) == [key]
    assert waiting(cache_of(settled("True")), LOCAL_MACHINE, cluster(), is_provisioned) == [key]
    assert waiting(cache_of(settled("False")), LOCAL_MACHINE, cluster(), is_provisioned) == []
