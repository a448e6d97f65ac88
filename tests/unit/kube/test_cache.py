"""The cache: what readers find, and what may not happen to it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage.kube.cache import Cache, Key
from moorage.kube.kinds import CLUSTER_ROLE, CONFIG_MAP, MACHINE, SECRET


def config_map(
    name: str = "web", version: int = 1, *, namespace: str = "shop", uid: str = "", **labels: str
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-of-{namespace}-{name}",
            "resourceVersion": str(version),
            "labels": labels,
            "managedFields": [{"manager": "kubectl"}],
        }
    }


def names(objects: list[dict[str, Any]]) -> set[str]:
    return {str(Key.of(obj)) for obj in objects}


@pytest.fixture
def cache() -> Cache:
    return Cache([CONFIG_MAP, CLUSTER_ROLE])


def test_an_object_is_found_by_its_name(cache: Cache) -> None:
    cache.put(CONFIG_MAP, config_map("web"))
    found = cache.get(CONFIG_MAP, "web", "shop")
    assert found is not None
    assert found["metadata"]["name"] == "web"
    assert cache.get(CONFIG_MAP, "web", "other") is None
    assert cache.get(CONFIG_MAP, "web") is None


def test_an_object_says_what_it_is_and_nothing_of_its_field_managers(cache: Cache) -> None:
    cache.put(CONFIG_MAP, config_map())
    (found,) = cache.list(CONFIG_MAP)
    assert (found["apiVersion"], found["kind"]) == ("v1", "ConfigMap")
    assert "managedFields" not in found["metadata"]


def test_what_was_put_is_not_changed(cache: Cache) -> None:
    obj = config_map()
    cache.put(CONFIG_MAP, obj)
    assert obj == config_map()


def test_a_kind_that_nobody_watches_is_an_error_and_not_empty(cache: Cache) -> None:
    with pytest.raises(LookupError, match="secrets is not watched"):
        cache.list(SECRET)
    with pytest.raises(LookupError, match="secrets is not watched"):
        cache.get(SECRET, "web", "shop")


def test_objects_are_listed_by_namespace_and_by_all_of_the_labels(cache: Cache) -> None:
    cache.put(CONFIG_MAP, config_map("a", cluster="web", pool="blue"))
    cache.put(CONFIG_MAP, config_map("b", cluster="web", pool="red"))
    cache.put(CONFIG_MAP, config_map("c", cluster="api", pool="red"))
    cache.put(CONFIG_MAP, config_map("a", namespace="other", cluster="web", pool="red"))
    assert names(cache.list(CONFIG_MAP)) == {"shop/a", "shop/b", "shop/c", "other/a"}
    assert names(cache.list(CONFIG_MAP, "shop")) == {"shop/a", "shop/b", "shop/c"}
    assert names(cache.list(CONFIG_MAP, "shop", {"cluster": "web"})) == {"shop/a", "shop/b"}
    assert names(cache.list(CONFIG_MAP, "shop", {"cluster": "web", "pool": "red"})) == {"shop/b"}
    assert names(cache.list(CONFIG_MAP, labels={"cluster": "web", "pool": "red"})) == {"shop/b", "other/a"}
    assert cache.list(CONFIG_MAP, "nowhere") == []
    assert cache.list(CONFIG_MAP, "shop", {"cluster": "nothing"}) == []


def test_cluster_wide_objects_are_found_by_name_and_label(cache: Cache) -> None:
    role = {"metadata": {"name": "viewer", "uid": "1", "resourceVersion": "1", "labels": {"a": "b"}}}
    cache.put(CLUSTER_ROLE, role)
    assert cache.get(CLUSTER_ROLE, "viewer") is not None
    assert names(cache.list(CLUSTER_ROLE, labels={"a": "b"})) == {"viewer"}


def test_a_label_that_changes_moves_the_object(cache: Cache) -> None:
    cache.put(CONFIG_MAP, config_map(version=1, pool="blue"))
    cache.put(CONFIG_MAP, config_map(version=2, pool="red"))
    assert cache.list(CONFIG_MAP, "shop", {"pool": "blue"}) == []
    assert len(cache.list(CONFIG_MAP, "shop", {"pool": "red"})) == 1


def test_a_change_says_what_was_and_what_is(cache: Cache) -> None:
    added = cache.put(CONFIG_MAP, config_map(version=1))
    changed = cache.put(CONFIG_MAP, config_map(version=2))
    removed = cache.remove(CONFIG_MAP, config_map(version=3))
    assert added is not None
    assert changed is not None
    assert removed is not None
    assert added.before is None
    assert changed.before == added.after
    assert removed.before == changed.after
    assert removed.after is None


@pytest.mark.parametrize("version", [4, 5])
def test_what_is_as_old_or_older_changes_nothing(cache: Cache, version: int) -> None:
    cache.put(CONFIG_MAP, config_map(version=5, pool="red"))
    assert cache.put(CONFIG_MAP, config_map(version=version, pool="blue")) is None
    assert len(cache.list(CONFIG_MAP, "shop", {"pool": "red"})) == 1


def test_a_deleted_object_does_not_come_back_by_late_news(cache: Cache) -> None:
    cache.put(CONFIG_MAP, config_map(version=1))
    cache.remove(CONFIG_MAP, config_map(version=3))
    assert cache.put(CONFIG_MAP, config_map(version=2)) is None
    assert cache.list(CONFIG_MAP) == []


def test_a_name_can_be_used_again(cache: Cache) -> None:
    cache.put(CONFIG_MAP, config_map(version=1, uid="first"))
    cache.remove(CONFIG_MAP, config_map(version=2, uid="first"))
    assert cache.put(CONFIG_MAP, config_map(version=3, uid="second")) is not None


def test_the_late_deletion_of_a_predecessor_leaves_the_successor(cache: Cache) -> None:
    cache.put(CONFIG_MAP, config_map(version=1, uid="first"))
    cache.put(CONFIG_MAP, config_map(version=3, uid="second"))
    assert cache.remove(CONFIG_MAP, config_map(version=2, uid="first")) is None
    assert cache.get(CONFIG_MAP, "web", "shop") is not None


def test_a_list_drops_what_has_vanished_and_keeps_what_is_newer_than_it(cache: Cache) -> None:
    cache.put(CONFIG_MAP, config_map("vanished", 3))
    cache.put(CONFIG_MAP, config_map("changed", 4))
    cache.put(CONFIG_MAP, config_map("same", 5))
    cache.put(CONFIG_MAP, config_map("newer", 11))
    changes = cache.replace(
        CONFIG_MAP, [config_map("changed", 9), config_map("same", 5), config_map("missed", 8)], "10"
    )
    assert names(cache.list(CONFIG_MAP)) == {"shop/changed", "shop/same", "shop/newer", "shop/missed"}
    steps = {
        Key.of(change.after or change.before or {}).name: (bool(change.before), bool(change.after))
        for change in changes
    }
    assert steps == {"changed": (True, True), "missed": (False, True), "vanished": (True, False)}


def test_a_list_does_not_bring_back_what_was_deleted_while_it_was_under_way(cache: Cache) -> None:
    cache.put(CONFIG_MAP, config_map(version=1))
    cache.remove(CONFIG_MAP, config_map(version=12))
    assert cache.replace(CONFIG_MAP, [config_map(version=1)], "10") == []
    assert cache.list(CONFIG_MAP) == []


def test_a_restored_backup_replaces_all_that_was_known(cache: Cache) -> None:
    cache.replace(CONFIG_MAP, [config_map("kept", 90, pool="new"), config_map("lost", 95)], "100")
    cache.remove(CONFIG_MAP, config_map("revived", 99))
    changes = cache.replace(CONFIG_MAP, [config_map("kept", 40, pool="old"), config_map("revived", 41)], "50")
    assert names(cache.list(CONFIG_MAP)) == {"shop/kept", "shop/revived"}
    assert len(cache.list(CONFIG_MAP, "shop", {"pool": "old"})) == 1
    assert len(changes) == 3
    assert cache.put(CONFIG_MAP, config_map("kept", 51)) is not None


def test_a_kind_that_is_not_served_any_more_has_no_objects(cache: Cache) -> None:
    cache.put(CONFIG_MAP, config_map("a"))
    cache.put(CONFIG_MAP, config_map("b"))
    assert {Key.of(change.before or {}).name for change in cache.clear(CONFIG_MAP)} == {"a", "b"}
    assert cache.list(CONFIG_MAP) == []


def test_watching_a_kind_again_keeps_what_is_known(cache: Cache) -> None:
    cache.put(CONFIG_MAP, config_map())
    cache.watch(CONFIG_MAP)
    assert len(cache.list(CONFIG_MAP)) == 1


labels = st.dictionaries(st.sampled_from(["cluster", "pool"]), st.sampled_from(["a", "b"]))
places = st.tuples(st.sampled_from(["one", "two"]), st.sampled_from(["x", "y", "z"]))
steps = st.lists(st.tuples(st.sampled_from(["put", "remove", "list"]), places, labels), max_size=40)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.sampled_from([None, "one", "two"]), labels)
def test_the_indexes_say_what_a_walk_over_everything_says(
    steps: list[tuple[str, tuple[str, str], dict[str, str]]], namespace: str | None, wanted: dict[str, str]
) -> None:
    cache, model = Cache([CONFIG_MAP]), {}
    for version, (step, place, carried) in enumerate(steps, start=1):
        obj = config_map(place[1], version, namespace=place[0], uid=f"{place}-{version}", **carried)
        if step == "put":
            cache.put(CONFIG_MAP, obj)
            model[place] = obj
        elif step == "remove" and place in model:
            cache.remove(CONFIG_MAP, model.pop(place))
        elif step == "list":
            model = {place: obj}
            cache.replace(CONFIG_MAP, [obj], str(version))
    expected = {
        f"{space}/{name}"
        for (space, name), obj in model.items()
        if namespace in (None, space) and wanted.items() <= obj["metadata"]["labels"].items()
    }
    assert names(cache.list(CONFIG_MAP, namespace, wanted)) == expected


def test_a_fleet_is_looked_up_by_label_without_a_walk_over_it() -> None:
    cache = Cache([MACHINE])
    for cluster in range(500):
        for machine in range(10):
            cache.put(MACHINE, config_map(f"{cluster}-{machine}", 1, cluster=str(cluster), role="worker"))
    began = time.perf_counter()
    for cluster in range(500):
        assert len(cache.list(MACHINE, "shop", {"role": "worker", "cluster": str(cluster)})) == 10
    assert time.perf_counter() - began < 0.2  # 6 ms here; 1.2 s with a walk
