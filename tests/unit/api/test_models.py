"""Objects survive the way to an API server and back, and nothing is sent that nobody said."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from moorage.api.kubernetescluster import KubernetesCluster, KubernetesClusterSpec, NodePool
from moorage.api.local import LocalMachine, LocalMachineTemplate
from moorage.api.machinetype import MachineType
from moorage.api.meta import (
    CLUSTER_NAME_MAX,
    LABEL_VALUE_MAX,
    POOL_NAME_MAX,
    PROJECT_NAME_MAX,
    project_namespace,
    project_of,
)
from moorage.api.models import InvalidObjectError, ObjectMeta
from moorage.api.names import Taint, TaintEffect
from moorage.api.project import Member, MemberKind, MemberRole, Project, ProjectSpec, Quota
from moorage.api.settings import Cni, MaintenanceWindow, Weekday

names = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
label_values = st.from_regex(r"[A-Za-z0-9]{0,10}", fullmatch=True)
taints = st.builds(Taint, key=names, value=st.none() | names, effect=st.sampled_from(TaintEffect))
amounts = st.integers(0, 9) | st.sampled_from(["0%", "10%", "100%"])
sizes = st.one_of(
    st.fixed_dictionaries({"replicas": st.integers(0, 9)}),
    st.fixed_dictionaries({"min": st.integers(0, 4), "max": st.integers(4, 9)}),
)
pools = st.builds(
    lambda size, **rest: NodePool(**size, **rest),
    size=sizes,
    name=names,
    machine_type=names,
    labels=st.dictionaries(names, label_values, max_size=2),
    taints=st.lists(taints, max_size=2),
    max_surge=amounts,
    max_unavailable=amounts,
    zone=st.none() | names,
)
windows = st.builds(
    MaintenanceWindow,
    days=st.lists(st.sampled_from(Weekday), min_size=1, unique=True),
    start=st.just("02:30"),
    duration_hours=st.integers(1, 24),
)
clusters = st.builds(
    KubernetesCluster,
    metadata=st.builds(ObjectMeta, name=names, namespace=names),
    spec=st.builds(
        KubernetesClusterSpec,
        version=st.just("1.36"),
        provider=names,
        node_pools=st.lists(pools, max_size=3),
        maintenance_window=st.none() | windows,
        cni=st.none() | st.builds(Cni, name=names),
        paused=st.booleans(),
    ),
)
members = st.builds(Member, name=names, role=st.sampled_from(MemberRole), kind=st.sampled_from(MemberKind))
projects = st.builds(
    Project,
    metadata=st.builds(ObjectMeta, name=names),
    spec=st.builds(
        ProjectSpec,
        display_name=st.none() | names,
        members=st.lists(members, max_size=3),
        quota=st.none()
        | st.builds(Quota, clusters=st.none() | st.integers(0, 9), cpu=st.sampled_from(["2", "500m"])),
    ),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(clusters | projects)
def test_an_object_survives_the_way_to_an_api_server_and_back(obj):
    assert type(obj).parse(obj.wire()) == obj


def test_nothing_is_sent_that_nobody_said():
    cluster = KubernetesCluster(
        metadata=ObjectMeta(name="web", namespace="project-shop"),
        spec=KubernetesClusterSpec(node_pools=[NodePool(name="workers", replicas=3)]),
    )
    assert cluster.wire() == {
        "apiVersion": "moorage.dev/v1alpha1",
        "kind": "KubernetesCluster",
        "metadata": {"name": "web", "namespace": "project-shop"},
        "spec": {"nodePools": [{"name": "workers", "replicas": 3}]},
    }


def test_what_a_newer_moorage_wrote_can_be_read():
    project = Project.parse({"metadata": {"name": "shop", "selfLink": "/x"}, "spec": {"colour": "red"}})
    assert project.spec == ProjectSpec()
    assert project.namespace == "project-shop"


def test_a_quantity_may_be_a_number_and_stays_as_it_was_written():
    small = MachineType.parse(
        {"metadata": {"name": "small"}, "spec": {"cpu": 2, "memory": "4Gi", "providers": {"local": {}}}}
    )
    assert (small.spec.cpu, small.spec.memory) == ("2", "4Gi")
    assert small.spec.offered_by("local")
    assert not small.spec.offered_by("openstack")
    assert not small.spec.offered_by("elsewhere")


def test_names_that_are_not_camel_case_are_as_the_contracts_have_them():
    machine = LocalMachine.parse(
        {
            "metadata": {"name": "web-workers-x"},
            "spec": {"cpu": "2", "memory": "4Gi", "providerID": "local:///a/b"},
        }
    )
    assert machine.spec.provider_id == "local:///a/b"
    assert machine.wire()["spec"]["providerID"] == "local:///a/b"


def test_a_template_reads_what_machines_are_made_from():
    template = LocalMachineTemplate.parse(
        {
            "metadata": {"name": "t"},
            "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"cpu": 2, "memory": "4Gi"}}},
            "status": {"capacity": {"cpu": 2, "memory": "4Gi"}},
        }
    )
    assert template.spec.template.spec.memory == "4Gi"
    assert template.status.capacity == {"cpu": "2", "memory": "4Gi"}


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"kind": "MachineType", "metadata": {"name": "web"}, "spec": {}}, "kind: "),
        (
            {"metadata": {"name": "web"}, "spec": {"nodePools": [{"name": "w", "replicas": -1}]}},
            "nodePools.0.replicas",
        ),
        ({"metadata": {"name": "web"}}, "KubernetesCluster web: spec: "),
    ],
)
def test_an_object_that_does_not_follow_its_schema_is_refused_in_one_line(obj, message):
    with pytest.raises(InvalidObjectError) as caught:
        KubernetesCluster.parse(obj)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert "kubectl explain kubernetesclusters" in caught.value.hint


def test_a_quantity_that_is_none_is_refused():
    with pytest.raises(ValidationError, match="is not a quantity"):
        Quota(cpu="many")


def test_an_object_cannot_be_changed_behind_somebody_s_back():
    pool = NodePool(name="workers", machine_type="small", replicas=3)
    with pytest.raises(ValidationError, match="frozen"):
        pool.replicas = 4


@pytest.mark.parametrize(
    ("size", "most", "autoscaled"), [({"replicas": 3}, 3, False), ({"min": 1, "max": 7}, 7, True)]
)
def test_quota_counts_the_most_nodes_that_a_pool_can_have(size, most, autoscaled):
    pool = NodePool(name="workers", machine_type="small", **size)
    assert (pool.most_nodes, pool.autoscaled) == (most, autoscaled)


def test_the_longest_names_leave_room_for_what_derives_from_them():
    suffix = "-xxxxx"
    machine = "c" * CLUSTER_NAME_MAX + "-" + "p" * POOL_NAME_MAX + 3 * suffix
    assert len(machine) == LABEL_VALUE_MAX
    assert len(project_namespace("p" * PROJECT_NAME_MAX)) == LABEL_VALUE_MAX


@given(names)
def test_a_namespace_and_its_project_name_each_other(name):
    assert project_of(project_namespace(name)) == name


@pytest.mark.parametrize("namespace", ["default", "project-", "kube-system", "my-project-a"])
def test_other_namespaces_belong_to_no_project(namespace):
    assert project_of(namespace) is None
