"""Conditions change as the conventions of Kubernetes say."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.api.conditions import (
    Condition,
    ConditionStatus,
    condition,
    get_condition,
    is_true,
    set_condition,
    set_conditions,
)

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
LATER = START + timedelta(minutes=5)

statuses = st.sampled_from(ConditionStatus)
conditions = st.builds(
    condition,
    st.sampled_from(["Ready", "NodesReady", "UpToDate"]),
    statuses,
    st.sampled_from(["Fine", "Broken"]),
    st.text(max_size=5),
    now=st.just(START),
)


@pytest.mark.parametrize(
    ("given_status", "status"),
    [(True, "True"), (False, "False"), (None, "Unknown"), (ConditionStatus.TRUE, "True")],
)
def test_a_status_is_a_word(given_status, status):
    assert condition("Ready", given_status, "Why", now=START).status == status


def test_the_time_of_transition_stays_while_the_status_does():
    old = [condition("Ready", False, "Waiting", "for nodes", now=START)]
    [new] = set_condition(old, condition("Ready", False, "Waiting", "for one node", now=LATER), LATER)
    assert (new.message, new.last_transition_time) == ("for one node", START)


def test_the_time_of_transition_is_when_the_status_changed_to_the_second():
    old = [condition("Ready", False, "Waiting", now=START)]
    moment = LATER + timedelta(milliseconds=700)
    [new] = set_condition(old, condition("Ready", True, "Fine", now=START), moment)
    assert new.last_transition_time == LATER
    assert new.is_true


def test_a_generation_once_observed_is_not_unlearned():
    old = [condition("Ready", True, "Fine", now=START, observed_generation=3)]
    assert set_condition(old, condition("Ready", True, "Fine", now=LATER), LATER)[0].observed_generation == 3
    newer = condition("Ready", True, "Fine", now=LATER, observed_generation=4)
    assert set_condition(old, newer, LATER)[0].observed_generation == 4


def test_a_condition_that_is_not_there_is_not_true():
    assert not is_true([], "Ready")
    assert get_condition([], "Ready") is None
    assert not is_true([condition("Ready", None, "NotSeenYet", now=START)], "Ready")


def test_a_condition_is_written_as_an_api_server_writes_it():
    written = condition("Ready", True, "Fine", "all is well", now=START, observed_generation=2).wire()
    assert written == {
        "type": "Ready",
        "status": "True",
        "reason": "Fine",
        "message": "all is well",
        "lastTransitionTime": "2026-03-01T12:00:00Z",
        "observedGeneration": 2,
    }


@given(st.lists(conditions, unique_by=lambda item: item.type), conditions)
def test_setting_one_condition_leaves_the_others_in_their_place(present, new):
    result = set_condition(present, new, LATER)
    types = [item.type for item in present]
    assert [item.type for item in result] == types + ([] if new.type in types else [new.type])
    assert [item for item in result if item.type != new.type] == [c for c in present if c.type != new.type]
    assert get_condition(result, new.type).status is new.status


@given(st.lists(conditions, unique_by=lambda item: item.type), st.lists(conditions))
def test_setting_the_same_again_changes_nothing(present, new):
    once = set_conditions(present, new, LATER)
    again = set_conditions(once, once, LATER + timedelta(days=1))
    assert again == once


@given(conditions)
def test_a_condition_survives_being_written_and_read(item):
    assert Condition.model_validate(item.wire()) == item
