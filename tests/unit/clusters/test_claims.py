"""What clusters hold and want, read from the cache."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from moorage.api.project import Quota
from moorage.api.versions import parse_version
from moorage.clusters.claims import Ledger, MachineSize, held, limits, reported, wanted
from moorage.clusters.cluster.topology import cluster_of
from moorage.clusters.quota import Amounts, Limits
from moorage.kube.cache import Cache
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, MACHINE_TYPE

from .builders import EARLIER, cluster, cluster_object, machine_type, pool

SIZES = {"small": MachineSize(2000, 4 * 1024**3), "large": MachineSize(8000, 32 * 1024**3)}


def cache_of(*objects: dict[str, Any]) -> Cache:
    cache = Cache((KUBERNETES_CLUSTER, CAPI_CLUSTER, MACHINE_TYPE))
    cache.put(MACHINE_TYPE, machine_type().wire())
    for obj in objects:
        cache.put(KUBERNETES_CLUSTER, obj)
    return cache


def made_for(obj: dict[str, Any]) -> dict[str, Any]:
    declared = cluster(obj["metadata"]["name"], *obj["spec"]["nodePools"])
    made = cluster_of(declared, "shop", parse_version("1.36.1"), {"small": machine_type()})
    made["metadata"].update(uid=f"made-{declared.metadata.name}", resourceVersion="1")
    return made


def test_a_cluster_wants_what_its_pools_can_become() -> None:
    spec = cluster("web", pool("a", 2), pool("b", None, min=1, max=3, machineType="large")).spec

    assert wanted(spec, SIZES) == Amounts(1, 5, 28_000, 104 * 1024**3)


def test_a_machine_type_that_there_is_not_counts_by_its_nodes() -> None:
    assert wanted(cluster("web", pool(machineType="gone")).spec, SIZES) == Amounts(clusters=1, nodes=3)


def test_a_cluster_holds_what_it_was_made_with() -> None:
    pools = (pool("a", 2), pool("b", None, min=1, max=3))
    made = cluster_of(cluster("web", *pools), "shop", parse_version("1.36.1"), {"small": machine_type()})

    assert held(made) == Amounts(1, 5, 10_000, 20 * 1024**3)
    assert held(None) == Amounts()
    assert held({"metadata": {}, "spec": {}}) == Amounts(clusters=1)


def test_a_quota_is_read_and_a_use_is_written_as_quantities() -> None:
    quota = Quota.model_validate({"clusters": 2, "cpu": "1500m", "memory": "4Gi"})

    assert limits(quota) == Limits(2, None, 1500, 4 * 1024**3)
    assert limits(None).unlimited
    assert reported(Amounts(1, 3, 6000, 12 * 1024**3)).wire() == {
        "clusters": 1,
        "nodes": 3,
        "cpu": "6",
        "memory": "12Gi",
    }


def test_the_quota_of_a_project_is_shared_out_among_its_clusters_alone() -> None:
    cache = cache_of(
        cluster_object("a", pool("main", 3)),
        cluster_object("b", pool("main", 3), created=EARLIER + timedelta(hours=1)),
        cluster_object("c", pool("main", 9), namespace="project-other"),
    )
    ledger = Ledger(cache)

    allotment = ledger.allotment("project-shop", Quota(nodes=5))

    assert set(allotment.refused) == {"b"}
    assert allotment.used == Amounts(1, 3, 6000, 12 * 1024**3)
    assert ledger.allotment("project-none", Quota(nodes=5)).used == Amounts()


def test_one_that_is_being_deleted_counts_with_what_it_still_has() -> None:
    cache = cache_of(cluster_object("a", pool("main", 9), deleting=True))
    ledger = Ledger(cache)
    assert ledger.allotment("project-shop", None).used == Amounts()

    cache.put(CAPI_CLUSTER, made_for(cluster_object("a", pool("main", 2))))
    ledger.touch("project-shop", "a")

    assert ledger.allotment("project-shop", None).used == Amounts(1, 2, 4000, 8 * 1024**3)


def test_what_changes_is_read_again_and_the_rest_is_not() -> None:
    first, second = cluster_object("a", pool("main", 3)), cluster_object("b", pool("main", 3))
    cache = cache_of(first, second)
    ledger = Ledger(cache)
    before = {claim.name: claim for claim in ledger.claims("project-shop")}

    first["metadata"]["resourceVersion"] = "2"
    cache.put(KUBERNETES_CLUSTER, {**first, "spec": {**first["spec"], "nodePools": [pool("main", 5)]}})
    ledger.touch("project-shop", "a")
    after = {claim.name: claim for claim in ledger.claims("project-shop")}

    assert after["a"].wanted.nodes == 5
    assert after["b"] is before["b"]
    assert ledger.allotment("project-shop", None).used.nodes == 8


def test_a_new_machine_type_changes_what_all_claims_come_to() -> None:
    cache = cache_of(cluster_object("a", pool("main", 1, machineType="large")))
    ledger = Ledger(cache)
    assert ledger.allotment("project-shop", None).used.cpu_millicores == 0

    cache.put(MACHINE_TYPE, machine_type("large", cpu="8", memory="32Gi").wire())

    assert ledger.allotment("project-shop", None).used.cpu_millicores == 8000


def test_one_that_is_gone_gives_back_what_it_had() -> None:
    first = cluster_object("a", pool("main", 3))
    cache = cache_of(first, cluster_object("b", pool("main", 3), created=EARLIER + timedelta(hours=1)))
    ledger = Ledger(cache)
    assert set(ledger.allotment("project-shop", Quota(nodes=5)).refused) == {"b"}

    cache.remove(KUBERNETES_CLUSTER, first)
    ledger.touch("project-shop", "a")

    allotment = ledger.allotment("project-shop", Quota(nodes=5))
    assert not allotment.refused
    assert allotment.used.nodes == 3


claimed = st.dictionaries(
    st.sampled_from("abcde"),
    st.none() | st.tuples(st.integers(0, 5), st.none() | st.integers(0, 5)),
    max_size=5,
)


@given(steps=st.lists(claimed, max_size=5), quota=st.integers(0, 12))
def test_the_sums_are_those_of_the_claims_whatever_happened_before(
    steps: list[dict[str, tuple[int, int | None] | None]], quota: int
) -> None:
    cache = cache_of()
    ledger = Ledger(cache)
    ledger.claims("project-shop")
    for version, step in enumerate(steps, start=2):
        for name, counts in step.items():
            change(cache, name, counts, version)
            ledger.touch("project-shop", name)

    kept, fresh = ledger.allotment("project-shop", Quota(nodes=quota)), Ledger(cache)
    assert kept == fresh.allotment("project-shop", Quota(nodes=quota))


def change(cache: Cache, name: str, counts: tuple[int, int | None] | None, version: int) -> None:
    """Give a cluster so many wanted nodes and (if it is made) held nodes, or remove it."""
    for kind in (KUBERNETES_CLUSTER, CAPI_CLUSTER):
        if before := cache.get(kind, name, "project-shop"):
            cache.remove(kind, before)
    if counts is None:
        return
    wants, holds = counts
    uid = {"uid": f"{name}-{version}", "resourceVersion": str(version)}
    obj = cluster_object(name, pool("main", wants))
    cache.put(KUBERNETES_CLUSTER, {**obj, "metadata": {**obj["metadata"], **uid}})
    if holds is not None:
        made = made_for(cluster_object(name, pool("main", holds)))
        made["metadata"].update(uid=f"made-{name}-{version}")
        cache.put(CAPI_CLUSTER, made)
