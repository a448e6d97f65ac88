"""Splitting work into runs: all of it is done, in runs that are worth their start."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.policies.compiling import compile_policies
from moorage.policies.engine.inventory import Inventory
from moorage.policies.engine.partition import BYTES_MAX, Case, partition
from moorage.policies.engine.rules import Rule, bind
from moorage.policies.engine.subjects import Subject

from ..builders import REGO, library, policy_files

NOW = datetime(2027, 1, 1, tzinfo=UTC)
SERVICE = ("", "Service")
NOTHING = Inventory([], [], [])


def read(*services: Subject) -> Inventory:
    return Inventory([SERVICE], [], services)


def _rules() -> tuple[Rule, ...]:
    files = [policy_files(f"p{number}") for number in range(12)]
    files.append(policy_files("reads", rego=REGO, inventory=[{"version": "v1", "kind": "Service"}]))
    compiled = compile_policies([library(*files)], now=NOW, everything=True)
    return tuple(bound.rule for bound in bind(compiled))


RULES = _rules()
READS = next(rule for rule in RULES if rule.inventory)
PLAIN = tuple(rule for rule in RULES if not rule.inventory)


def subject(name: str, kind: str = "Pod", size: int = 0) -> Subject:
    return Subject.of(
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "x": "y" * size}
    )


def work(runs: list) -> set[tuple[bytes, bytes]]:
    return {(each.digest, rule.id) for run in runs for each in run.subjects for rule in run.rules}


cases = st.lists(
    st.builds(
        Case,
        subject=st.builds(
            subject, st.sampled_from([f"n{number}" for number in range(8)]), size=st.integers(0, 3)
        ),
        rules=st.lists(st.sampled_from(RULES), min_size=1, unique=True).map(tuple),
        alone=st.booleans(),
    ),
    max_size=40,
    unique_by=lambda case: case.subject.digest,
)


@given(cases=cases, workers=st.integers(1, 4))
def test_every_rule_is_held_against_every_object_that_needs_it(cases: list[Case], workers: int):
    runs = partition(cases, read(subject("s", "Service")), workers=workers)
    asked = {(case.subject.digest, rule.id) for case in cases for rule in case.rules}
    assert asked <= work(runs)
    for run in runs:
        identities = [each.identity for each in run.subjects]
        assert len(identities) == len(set(identities))
        if READS in run.rules:
            assert [each.identity.name for each in run.inventory] == ["s"]


@given(cases=cases)
def test_what_is_not_in_the_cluster_is_read_by_nobody_else(cases: list[Case]):
    by_digest = {case.subject.digest: case for case in cases}
    for run in partition(cases, read(), workers=2):
        if READS in run.rules and any(by_digest[each.digest].alone for each in run.subjects):
            assert len(run.subjects) == 1


def test_what_needs_the_same_is_one_run():
    [run] = partition([Case(subject(f"n{number}"), PLAIN) for number in range(5)], NOTHING, workers=2)
    assert (len(run.subjects), set(run.rules)) == (5, set(PLAIN))


def test_one_run_may_use_every_core():
    [run] = partition([Case(subject("a"), PLAIN)], NOTHING, workers=4)
    assert run.cores == 4


def test_many_objects_are_shared_out_evenly():
    runs = partition([Case(subject(f"n{number}"), PLAIN) for number in range(1000)], NOTHING, workers=2)
    assert sorted(len(run.subjects) for run in runs) == [500, 500]
    assert {run.cores for run in runs} == {1}


def test_small_groups_are_made_one_rather_than_started_apart():
    mine = [Case(subject(f"n{number}"), PLAIN[: number + 1]) for number in range(10)]
    assert len(partition(mine, NOTHING, workers=2)) == 1


def test_large_groups_with_nothing_in_common_stay_apart():
    mine = [Case(subject(f"a{number}"), PLAIN[:6]) for number in range(400)]
    mine += [Case(subject(f"b{number}"), PLAIN[6:]) for number in range(400)]
    for run in partition(mine, NOTHING, workers=1):
        assert len(run.rules) == 6


def test_a_large_inventory_is_read_only_by_those_who_need_it():
    inventory = read(*(subject(f"s{number}", "Service") for number in range(2000)))
    mine = [Case(subject(f"n{number}"), PLAIN) for number in range(300)]
    mine.append(Case(subject("reader"), (READS,)))
    runs = partition(mine, inventory, workers=2)
    assert [len(run.subjects) for run in runs if run.inventory] == [1]


@pytest.mark.parametrize("keep", [True, False])
def test_kinds_are_kept_where_most_is_not_for_most(keep: bool):
    count = 3 if keep else 1000
    mine = [Case(subject(f"n{number}"), PLAIN[number % 3 :: 3] if keep else PLAIN) for number in range(count)]
    assert {run.keep_kinds for run in partition(mine, NOTHING, workers=1)} == {keep}


def test_a_run_holds_no_more_than_the_engine_has_memory_for():
    mine = [Case(subject(f"n{number}", size=BYTES_MAX // 3), PLAIN[:1]) for number in range(7)]
    runs = partition(mine, NOTHING, workers=1)
    assert all(sum(len(each.json) for each in run.subjects) <= BYTES_MAX for run in runs)
    assert sum(len(run.subjects) for run in runs) == 7


def test_nothing_to_do_is_no_run():
    assert partition([], NOTHING, workers=2) == []
