"""Who gets how much of a project's quota."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.clusters.quota import NOTHING, Amounts, Claim, Limits, allot, shortages, usage

from .builders import EARLIER

amounts = st.builds(
    Amounts,
    clusters=st.integers(0, 1),
    nodes=st.integers(0, 20),
    cpu_millicores=st.integers(0, 40_000),
    memory_bytes=st.integers(0, 64 * 1024**3),
)
limit = st.none() | st.integers(0, 30)
quotas = st.builds(
    Limits,
    clusters=limit,
    nodes=limit,
    cpu_millicores=st.none() | st.integers(0, 100_000),
    memory_bytes=st.none() | st.integers(0, 128 * 1024**3),
)


@st.composite
def claims_of_a_project(draw: st.DrawFn) -> list[Claim]:
    minutes = draw(st.lists(st.integers(0, 5), max_size=8))
    return [
        Claim(
            f"c{number}", EARLIER + timedelta(minutes=minute), draw(st.just(NOTHING) | amounts), draw(amounts)
        )
        for number, minute in enumerate(minutes)
    ]


def nodes(name: str, wanted: int, *, held: int = 0, minute: int = 0) -> Claim:
    return Claim(name, EARLIER + timedelta(minutes=minute), Amounts(nodes=held), Amounts(nodes=wanted))


def test_what_was_declared_first_comes_first() -> None:
    refused = allot([nodes("late", 6, minute=2), nodes("early", 6, minute=1)], Limits(nodes=10))

    assert set(refused) == {"late"}


def test_of_two_that_were_declared_at_once_the_name_decides() -> None:
    assert set(allot([nodes("b", 6), nodes("a", 6)], Limits(nodes=10))) == {"b"}


def test_a_smaller_one_still_fits_after_one_that_was_too_large() -> None:
    refused = allot(
        [nodes("a", 4, minute=1), nodes("b", 9, minute=2), nodes("c", 6, minute=3)], Limits(nodes=10)
    )

    assert set(refused) == {"b"}


def test_an_older_cluster_does_not_grow_into_what_a_younger_one_stands_on() -> None:
    refused = allot(
        [nodes("old", 5, held=3, minute=1), nodes("young", 7, held=7, minute=2)], Limits(nodes=10)
    )

    assert set(refused) == {"old"}
    assert usage([nodes("old", 5, held=3), nodes("young", 7, held=7)], refused) == Amounts(nodes=10)


def test_what_one_gives_back_another_may_have_at_once() -> None:
    assert not allot([nodes("a", 2, held=8), nodes("b", 8, minute=1)], Limits(nodes=10))


def test_a_quota_that_was_lowered_takes_nothing_away_and_lets_others_shrink() -> None:
    claims = [nodes("a", 5, held=5), nodes("b", 4, held=5)]

    assert not allot(claims, Limits(nodes=3))


def test_a_quota_that_was_lowered_in_one_thing_does_not_stop_growth_in_another() -> None:
    grows = Claim(
        "a", EARLIER, Amounts(nodes=5, cpu_millicores=10_000), Amounts(nodes=5, cpu_millicores=20_000)
    )

    assert not allot([grows], Limits(nodes=3, cpu_millicores=20_000))


def test_a_shortage_is_told_with_its_numbers() -> None:
    limits = Limits(clusters=1, nodes=10, cpu_millicores=20_000, memory_bytes=64 * 1024**3)
    used = Amounts(1, 8, 15_500, 60 * 1024**3)
    wanted = Amounts(1, 3, 6_000, 12 * 1024**3)

    assert [str(short) for short in shortages(limits, used, wanted)] == [
        "1 cluster wanted, 0 of 1 left",
        "3 nodes wanted, 2 of 10 left",
        "6 CPUs wanted, 4.5 of 20 left",
        "12 GiB of memory wanted, 4 of 64 left",
    ]


def test_what_is_not_asked_for_is_not_short() -> None:
    assert not shortages(Limits(nodes=3), Amounts(nodes=5), Amounts(clusters=1))


@given(claims=claims_of_a_project(), limits=quotas)
def test_nobody_gets_what_is_not_there(claims: list[Claim], limits: Limits) -> None:
    before = sum((claim.held for claim in claims), NOTHING)
    after = usage(claims, allot(claims, limits))

    for what in ("clusters", "nodes", "cpu_millicores", "memory_bytes"):
        allowed = getattr(limits, what)
        if allowed is not None:
            # Also where more is held than is allowed: then at least it grows no further.
            assert getattr(after, what) <= max(allowed, getattr(before, what))


@given(claims=claims_of_a_project(), limits=quotas, data=st.data())
def test_the_answer_does_not_depend_on_the_order_of_the_claims(
    claims: list[Claim], limits: Limits, data: st.DataObject
) -> None:
    assert allot(data.draw(st.permutations(claims)), limits) == allot(claims, limits)


@given(claims=claims_of_a_project(), limits=quotas)
def test_whoever_shrinks_may(claims: list[Claim], limits: Limits) -> None:
    refused = allot(claims, limits)

    assert not [claim for claim in claims if claim.wanted.fits(claim.held) and claim.name in refused]


@given(claims=claims_of_a_project())
def test_without_limits_everybody_gets_everything(claims: list[Claim]) -> None:
    assert Limits().unlimited
    assert not allot(claims, Limits())


@given(claims=claims_of_a_project(), limits=quotas)
def test_what_was_let_in_stays_when_asked_again(claims: list[Claim], limits: Limits) -> None:
    refused = allot(claims, limits)
    later = [
        claim if claim.name in refused else Claim(claim.name, claim.created, claim.wanted, claim.wanted)
        for claim in claims
    ]

    assert allot(later, limits).keys() <= refused.keys()


@pytest.mark.parametrize(
    ("small", "large", "fits"),
    [
        (Amounts(1, 2), Amounts(1, 2), True),
        (Amounts(1, 2, 3, 4), Amounts(1, 2, 3, 3), False),
        (Amounts(2), Amounts(1, 9, 9, 9), False),
    ],
)
def test_fitting_is_in_everything(small: Amounts, large: Amounts, fits: bool) -> None:
    assert small.fits(large) is fits
