"""Where the API server asks: each request at most once, and nobody who did not opt in."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.policies.cluster.resources import Resources, resources
from moorage.policies.cluster.webhooks import NAMESPACE_NAME_LABEL, Engine, configuration
from moorage.policies.engine.matching import selects
from moorage.policies.levels import EXEMPT_NAMESPACES, effective, strongest
from moorage.policies.model import SET_LABEL_PREFIX, Action

ENGINE = Engine("https://127.0.0.1:1", b"authority")
PODS = (Resources("", ("pods",)),)
SETS = ("baseline", "cost", "restricted")
ACTIONS = st.sampled_from(list(Action))


def asked(namespace: str, labels: Mapping[str, str], floor: Mapping[str, Action]) -> list[dict]:
    """The webhooks that a Pod in a namespace is sent to."""
    known = {**labels, NAMESPACE_NAME_LABEL: namespace}
    hooks = configuration(ENGINE, SETS, floor, PODS)["webhooks"]
    return [hook for hook in hooks if selects(hook["namespaceSelector"], known)]


@given(
    labels=st.dictionaries(st.sampled_from(SETS), st.sampled_from([*Action, "loud"])),
    floor=st.dictionaries(st.sampled_from(SETS), ACTIONS, max_size=2),
)
def test_a_request_is_judged_by_one_call_exactly_when_it_could_be_refused_or_warned_of(
    labels: dict[str, str], floor: dict[str, Action]
) -> None:
    worn = {f"{SET_LABEL_PREFIX}{name}": str(value) for name, value in labels.items()}
    hooks = asked("shop", worn, floor)
    action = strongest(*effective("shop", worn, floor).values())
    assert len(hooks) == (1 if action in (Action.ENFORCE, Action.WARN) else 0)
    if hooks:
        assert hooks[0]["failurePolicy"] == ("Fail" if action is Action.ENFORCE else "Ignore")


@pytest.mark.parametrize("namespace", EXEMPT_NAMESPACES)
@pytest.mark.parametrize("floor", [{}, {"baseline": Action.ENFORCE}, {"baseline": Action.WARN}])
def test_a_cluster_can_always_be_repaired(namespace: str, floor: dict[str, Action]) -> None:
    assert asked(namespace, {f"{SET_LABEL_PREFIX}baseline": "enforce"}, floor) == []


def test_what_is_in_no_namespace_is_asked_about_by_the_floor_alone() -> None:
    """To a namespace selector, it is in every namespace."""
    everything = resources([{"apiGroups": ["*"], "kinds": ["*"]}])
    for hook in configuration(ENGINE, SETS, {}, everything)["webhooks"]:
        assert [rule["scope"] for rule in hook["rules"]] == ["Namespaced", "Cluster"]
        assert hook["rules"][1]["resources"] == ["namespaces"]  # which have labels of their own
    [floor] = configuration(ENGINE, SETS, {"cost": Action.ENFORCE}, everything)["webhooks"]
    assert [rule["scope"] for rule in floor["rules"]] == ["*"]


def test_the_platform_and_nodes_are_never_asked_about() -> None:
    for hook in configuration(ENGINE, SETS, {}, PODS)["webhooks"]:
        said = {item["name"]: item["expression"] for item in hook["matchConditions"]}
        assert "system:masters" in said["not-the-platform"]
        assert "system:nodes" in said["not-a-node"]


def test_a_container_that_is_added_for_debugging_is_asked_about() -> None:
    [hook, *_] = configuration(ENGINE, SETS, {}, PODS)["webhooks"]
    assert hook["rules"][0]["resources"] == ["pods", "pods/ephemeralcontainers", "pods/resize"]
    assert hook["rules"][0]["operations"] == ["CREATE", "UPDATE"]


def test_without_policies_nobody_is_asked() -> None:
    assert configuration(ENGINE, (), {}, ())["webhooks"] == []


def test_kinds_become_resources_and_unknown_ones_all_of_their_group() -> None:
    found = resources(
        [
            {"apiGroups": ["apps"], "kinds": ["Deployment", "StatefulSet"]},
            {"apiGroups": ["", "batch"], "kinds": ["Pod", "Job"]},
            {"apiGroups": ["example.org"], "kinds": ["Ship"]},
        ]
    )
    assert found == (
        Resources("", ("*",)),  # "" has no Job that is known here
        Resources("apps", ("deployments", "statefulsets")),
        Resources("batch", ("*",)),
        Resources("example.org", ("*",)),
    )
    assert resources([{}]) == (Resources("*", ("*",)),)
