"""Where an object is between before and after, and how exactly it gets back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.advisors.advice import Change
from moorage.advisors.applying.images import Images, Position, agrees, content, flat, image
from moorage.advisors.applying.plan import (
    ApplyError,
    Doing,
    Step,
    Target,
    back,
    forward,
    require_room,
    require_unchanged,
)
from moorage.kube.kinds import ROLE, SECRET
from moorage.reports.findings import Action

NAMES = st.sampled_from(["web", "db", "log"])
VALUES = st.one_of(
    st.text("ab", max_size=2), st.integers(0, 3), st.lists(st.text("ab", max_size=1), max_size=2)
)
MAPS = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3)
CONTAINERS = st.lists(
    st.builds(lambda name, rest: {"name": name, **rest}, NAMES, st.fixed_dictionaries({}, optional={
        "image": st.text("ab", min_size=1, max_size=2),
        "resources": st.dictionaries(st.sampled_from(["limits", "requests"]), MAPS, max_size=2),
    })),
    max_size=3,
    unique_by=lambda item: item["name"],
)  # fmt: skip
OBJECTS = st.builds(
    lambda labels, spec, containers: {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": labels, "uid": "1"},
        "spec": {**spec, "containers": containers},
    },
    MAPS,
    MAPS,
    CONTAINERS,
)


def deployment(**containers: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "1", "resourceVersion": "7"},
        "spec": {
            "replicas": 2,
            "template": {
                "spec": {"containers": [{"name": name, **rest} for name, rest in containers.items()]}
            },
        },
        "status": {"readyReplicas": 2},
    }


def binding(role: str = "web") -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "web", "namespace": "shop"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}],
    }


def role(*verbs: str) -> dict[str, Any]:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": list(verbs)}]
    metadata = {"name": "web", "namespace": "shop"}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": rules,
    }


def step(before: Any, after: Any) -> Step:
    return Step(Action.APPLY if after else Action.DELETE, content(after or before), Images(before, after))


def flattened(obj: Any) -> Any:
    """An object, without what holds nothing: a map that is empty says no more than one that is not there."""
    return {path: value for path, value in flat(obj).items() if value not in ({}, [])}


@settings(max_examples=200, deadline=None)
@given(OBJECTS, OBJECTS)
def test_what_becomes_of_an_object_is_undone_exactly(before: Any, after: Any) -> None:
    images = Images(before, after)
    assert images.position(after) is Position.AFTER
    if images.delta():
        assert images.position(before) is Position.BEFORE
    live = copy.deepcopy(after)
    assert flattened(images.restored(live)) == flattened(before)
    assert live == after, "what is looked at is not changed"


@settings(max_examples=200, deadline=None)
@given(OBJECTS, OBJECTS, st.text("xyz", min_size=1, max_size=2))
def test_what_somebody_else_changes_meanwhile_is_kept(before: Any, after: Any, theirs: str) -> None:
    images = Images(before, after)
    live = copy.deepcopy(after)
    live["metadata"].setdefault("annotations", {})["theirs"] = theirs
    assert images.position(live) is Position.AFTER
    restored = images.restored(live)
    assert restored["metadata"]["annotations"] == {"theirs": theirs}
    del restored["metadata"]["annotations"]
    assert flattened(restored) == flattened(before)


@settings(max_examples=200, deadline=None)
@given(OBJECTS, OBJECTS, OBJECTS)
def test_an_object_is_only_changed_where_it_is_as_expected(before: Any, after: Any, live: Any) -> None:
    images = Images(before, after)
    delta, now = images.delta(), flat(live)
    fits = [all(now.get(path) == flat(side).get(path) for path in delta) for side in (before, after)]
    expected = {(True, True): Position.AFTER, (True, False): Position.BEFORE, (False, True): Position.AFTER}
    assert images.position(live) is expected.get((fits[0], fits[1]), Position.ELSEWHERE)


def test_a_container_that_was_added_goes_and_the_image_that_was_deployed_since_stays() -> None:
    before = deployment(app={"image": "app:1", "resources": {"requests": {"cpu": "2"}}})
    after = deployment(
        app={"image": "app:1", "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}}
    )
    live = deployment(
        log={"image": "log:1"},
        app={"image": "app:2", "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}},
    )
    live["spec"]["replicas"] = 5
    assert back(step(before, after), live) is Doing.PUT
    restored = Images(before, after).restored(live)
    assert restored["spec"]["replicas"] == 5
    assert restored["spec"]["template"]["spec"]["containers"] == [
        {"name": "log", "image": "log:1"},
        {"name": "app", "image": "app:2", "resources": {"requests": {"cpu": "2"}}},
    ]


@pytest.mark.parametrize(
    ("before", "after", "live", "forwards", "backwards"),
    [
        (None, role("get"), None, Doing.CREATE, Doing.NOTHING),
        (None, role("get"), role("get"), Doing.NOTHING, Doing.DELETE),
        (role("get", "list"), role("get"), role("list", "get"), Doing.PATCH, Doing.NOTHING),
        (role("get", "list"), role("get"), role("get"), Doing.NOTHING, Doing.PUT),
        (binding(), None, binding(), Doing.DELETE, Doing.NOTHING),
        (binding(), None, None, Doing.NOTHING, Doing.CREATE),
        (binding(), binding("other"), binding(), Doing.DELETE, Doing.NOTHING),
        (binding(), binding("other"), None, Doing.CREATE, Doing.CREATE),
        (binding(), binding("other"), binding("other"), Doing.NOTHING, Doing.DELETE),
        (None, None, None, Doing.NOTHING, Doing.NOTHING),
    ],
)
def test_each_step_goes_on_from_wherever_it_was_interrupted(
    before: Any, after: Any, live: Any, forwards: Doing, backwards: Doing
) -> None:
    named = step(before, after) if before or after else Step(Action.DELETE, binding(), Images(None, None))
    assert forward(named, live) is forwards
    assert back(named, live) is backwards


@pytest.mark.parametrize(
    ("before", "after", "live"),
    [
        (role("get", "list"), role("get"), role("watch")),
        (role("get", "list"), role("get"), None),
        (None, role("get"), role("watch")),
        (binding(), None, binding("third")),
        (binding(), binding("other"), binding("third")),
    ],
)
def test_what_somebody_else_has_made_of_it_is_never_overwritten(before: Any, after: Any, live: Any) -> None:
    for decide in (forward, back):
        with pytest.raises(ApplyError, match="somebody else has changed"):
            decide(step(before, after), live)


def test_an_advice_that_rests_on_what_is_no_more_is_refused_with_the_difference() -> None:
    change = Change(Action.APPLY, role("get"), role("get", "list"))
    require_unchanged([Target(change, ROLE, {**role("list", "get"), "extra": 1})])
    require_unchanged([Target(change, ROLE, role("get"))])
    with pytest.raises(ApplyError, match=r"(?s)has changed since.*\+  - watch"):
        require_unchanged([Target(change, ROLE, role("get", "list", "watch"))])
    with pytest.raises(ApplyError, match="is not there any more"):
        require_unchanged([Target(change, ROLE, None)])
    with pytest.raises(ApplyError, match="has changed since"):
        require_unchanged([Target(Change(Action.APPLY, role("get"), {}), ROLE, role("watch"))])
    require_unchanged([Target(Change(Action.DELETE, binding(), binding()), ROLE, None)])
    require_unchanged([Target(Change(Action.APPLY, role("get")), ROLE, role("watch"))])


def test_secrets_are_never_written_down() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}}
    with pytest.raises(ApplyError, match="Secret shop/s is not changed from here"):
        require_unchanged([Target(Change(Action.APPLY, secret), SECRET, None)])


def test_a_step_is_read_as_it_was_written() -> None:
    before = {**binding(), "metadata": {**binding()["metadata"], "managedFields": [{}], "uid": "1"}}
    written = step(before, None).written()
    assert "managedFields" not in written.before
    read = Step.read(written)
    assert read.images.before == {**binding(), "metadata": {**binding()["metadata"], "uid": "1"}}
    assert read.images.after is None
    assert image(None) is None


def test_agreeing_knows_sets_and_lists_that_are_shared() -> None:
    live = deployment(log={"image": "l"}, app={"image": "a", "resources": {"requests": {"cpu": 1}}})
    assert agrees(live, deployment(app={"image": "a"}) | {"metadata": {}, "status": {}})
    assert not agrees(live, deployment(app={"image": "b"}) | {"metadata": {}, "status": {}})
    assert not agrees(live, deployment(other={"image": "a"}) | {"metadata": {}, "status": {}})
    assert agrees({"replicas": 0}, {"replicas": 0})
    assert not agrees({"replicas": 0}, {"replicas": 1})
    assert not agrees({}, {"paused": False, "replicas": 1})


def test_what_is_too_large_to_be_had_back_is_not_changed() -> None:
    def sized(name: str, size: int) -> Step:
        before = {**role("get"), "metadata": {"name": name, "namespace": "shop"}, "extra": "x" * size}
        return step(before, {**before, "extra": ""})

    require_room([sized("a", 300_000), sized("b", 300_000)])
    with pytest.raises(ApplyError, match="Role shop/a is too large to be written down"):
        require_room([sized("a", 400_000)])
    with pytest.raises(ApplyError, match="is too large to be written down"):
        require_room([sized(name, 300_000) for name in ("a", "b", "c")])
