"""Opting in: labels and floors, and the selectors that say the same to Gatekeeper."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.policies.engine.matching import selects
from moorage.policies.levels import EXEMPT_NAMESPACES, effective, levels, read_levels, strongest
from moorage.policies.model import SET_LABEL_PREFIX, Action

SETS = ("baseline", "cost", "restricted")
ACTIONS = st.sampled_from([*Action])
FLOORS = st.dictionaries(st.sampled_from(SETS), ACTIONS)
LABELS = st.dictionaries(
    st.sampled_from([f"{SET_LABEL_PREFIX}{name}" for name in SETS] + ["team"]),
    st.sampled_from([*(str(action) for action in Action), "on", ""]),
)


def test_a_namespace_opts_in_by_label():
    found = read_levels(
        {"policy.moorage.dev/baseline": "enforce", "policy.moorage.dev/cost": "warn", "team": "x"}
    )
    assert found.actions == {"baseline": Action.ENFORCE, "cost": Action.WARN}
    assert found.unknown == {}


@pytest.mark.parametrize("value", ["", "on", "Enforce", "deny", "true"])
def test_a_value_that_is_no_action_counts_as_no_label_and_is_told(value: str):
    found = read_levels({"policy.moorage.dev/baseline": value})
    assert found.actions == {}
    assert found.unknown == {"baseline": value}


def test_enforce_is_stronger_than_warn_and_warn_than_audit():
    assert strongest(Action.AUDIT, Action.ENFORCE, Action.WARN) is Action.ENFORCE
    assert strongest(Action.AUDIT, None, Action.WARN) is Action.WARN
    assert strongest(None, None) is None


@pytest.mark.parametrize(
    ("labels", "floor", "judged"),
    [
        ({}, {}, {}),
        ({"baseline": "audit"}, {}, {"baseline": "audit"}),
        ({}, {"baseline": "warn"}, {"baseline": "warn"}),
        ({"baseline": "audit"}, {"baseline": "warn"}, {"baseline": "warn"}),
        ({"baseline": "enforce"}, {"baseline": "warn"}, {"baseline": "enforce"}),
        ({"cost": "warn"}, {"baseline": "warn"}, {"baseline": "warn", "cost": "warn"}),
        ({"baseline": "off"}, {"baseline": "warn"}, {"baseline": "warn"}),
    ],
)
def test_a_namespace_can_go_above_the_floor_and_not_below(labels: dict, floor: dict, judged: dict):
    labels = {f"{SET_LABEL_PREFIX}{name}": value for name, value in labels.items()}
    floor = {name: Action(action) for name, action in floor.items()}
    assert effective("shop", labels, floor) == judged


@pytest.mark.parametrize("namespace", EXEMPT_NAMESPACES)
def test_a_system_namespace_is_never_judged(namespace: str):
    asked = {f"{SET_LABEL_PREFIX}baseline": "enforce"}
    assert effective(namespace, asked, {"baseline": Action.ENFORCE}) == {}


@given(labels=LABELS, floor=FLOORS, sets=st.lists(st.sampled_from(SETS), min_size=1, unique=True))
def test_of_all_levels_exactly_the_strongest_selects_a_namespace(labels: dict, floor: dict, sets: list[str]):
    judged = effective("shop", labels, floor)
    wanted = strongest(*(judged.get(name) for name in sets))
    selected = [level for level in levels(tuple(sets), floor) if selects(level.selector, labels)]
    assert [level.action for level in selected] == ([wanted] if wanted else [])
    # What selected it is a set that really asks for it.
    assert all(judged[level.set] is level.action for level in selected)


@given(floor=FLOORS, sets=st.lists(st.sampled_from(SETS), min_size=1, unique=True))
def test_levels_have_names_of_their_own(floor: dict, sets: list[str]):
    names = [level.name for level in levels(tuple(sets), floor)]
    assert len(names) == len(set(names))


def test_without_a_floor_nothing_judges_what_did_not_opt_in():
    assert all(level.by_label for level in levels(SETS))
    assert not any(selects(level.selector, {"team": "x"}) for level in levels(SETS))


def test_nothing_is_stronger_than_a_floor_that_enforces():
    [only] = levels(("baseline",), {"baseline": Action.ENFORCE})
    assert (only.name, only.action, only.selector, only.by_label) == (
        "baseline.floor",
        Action.ENFORCE,
        {},
        False,
    )
