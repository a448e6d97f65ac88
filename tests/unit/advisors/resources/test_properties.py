"""What holds for every method, whatever was used."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage.advisors.resources.backtest import back_test, upper
from moorage.advisors.resources.model import DAY, GIB, MIB, PodUse, Resource, Samples, Use, World
from moorage.advisors.resources.recommenders import NotYet, Strategy, recommender
from moorage.advisors.resources.recommenders.own import OwnRecommender
from moorage.advisors.resources.recommenders.simple import SimpleRecommender
from moorage.advisors.resources.recommenders.vpa import VpaRecommender
from moorage.advisors.resources.savings import first_fit
from moorage.advisors.resources.signals import signals

from .helpers import NOW, pod, use

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
EVERY = [recommender(strategy) for strategy in Strategy]


@st.composite
def histories(draw: st.DrawFn) -> Use:
    seed = draw(st.integers(0, 10_000))
    rnd = np.random.default_rng(seed)
    pods = []
    for number in range(draw(st.integers(1, 4))):
        cores, level = 10 ** rnd.uniform(-1, 1), 10 ** rnd.uniform(8.5, 9.5)
        spread = rnd.uniform(0, 1)
        gaps = rnd.uniform(0, 0.3)

        def curve(times, value, spread=spread, gaps=gaps):
            found = value * (1 + spread * rnd.random(len(times)))
            found[rnd.random(len(times)) < gaps] = np.nan
            return found

        pods.append(
            pod(
                f"p{number}",
                cpu=lambda times, value=cores: curve(times, value),
                memory=lambda times, value=level: curve(times, value),
                days=rnd.uniform(5, 14),
            )
        )
    return use(*pods)


def scaled(of: Use, factor: float) -> Use:
    def times(samples: Samples) -> Samples:
        return Samples(samples.begin, samples.step, samples.values * factor)

    return replace(
        of, pods=tuple(replace(each, cpu=times(each.cpu), memory=times(each.memory)) for each in of.pods)
    )


@pytest.mark.parametrize("method", EVERY, ids=lambda method: method.name)
@FEW
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_pods_makes_no_difference(method, found: Use, rnd: random.Random):
    pods = list(found.pods)
    rnd.shuffle(pods)
    assert method.recommend(found, World(), NOW) == method.recommend(
        replace(found, pods=tuple(pods)), World(), NOW
    )


@FEW
@given(histories())
def test_the_own_proposal_is_never_below_what_it_says_that_it_is(found: Use):
    proposal = OwnRecommender().recommend(found, World(), NOW)
    seen = signals(found)
    assert not isinstance(proposal, NotYet)
    pooled = np.concatenate([each.cpu.present for each in found.pods])
    assert proposal.cpu >= np.percentile(pooled, 95)
    assert proposal.cpu >= seen.hot
    assert proposal.memory >= max(each.memory.present.max() for each in found.pods)


@FEW
@given(histories())
def test_the_simple_proposal_is_never_below_what_it_says_that_it_is(found: Use):
    proposal = SimpleRecommender().recommend(found, World(), NOW)
    assert not isinstance(proposal, NotYet)
    assert all(proposal.cpu >= np.percentile(each.cpu.present, 95) * (1 - 1e-6) for each in found.pods)
    assert proposal.memory >= 1.15 * max(each.memory.present.max() for each in found.pods) * (1 - 1e-6)


@FEW
@given(histories())
def test_the_bounds_of_the_vpa_are_in_their_order(found: Use):
    for bounds in VpaRecommender().bounds(found).values():
        assert bounds.lower <= bounds.target <= bounds.upper


@FEW
@given(histories(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_margin_never_gives_less(found: Use, one: float, other: float):
    less, more = sorted((one, other))
    for of in (
        lambda margin: OwnRecommender(cpu_margin=margin, memory_margin=margin),
        lambda margin: VpaRecommender(margin=margin),
        lambda margin: SimpleRecommender(margin=margin),
    ):
        small, large = (of(margin).recommend(found, World(), NOW) for margin in (less, more))
        assert small.cpu <= large.cpu
        assert small.memory <= large.memory


@FEW
@given(histories(), st.floats(1, 8))
def test_twice_the_use_is_twice_the_proposal(found: Use, factor: float):
    before, after = (
        OwnRecommender().recommend(each, World(), NOW) for each in (found, scaled(found, factor))
    )
    assert after.cpu == pytest.approx(before.cpu * factor, rel=1e-6)
    assert after.memory == pytest.approx(before.memory * factor, rel=1e-6)


@FEW
@given(histories(), st.floats(1, 8))
def test_the_vpa_scales_as_far_as_its_buckets_are_fine(found: Use, factor: float):
    before, after = (VpaRecommender().bounds(each) for each in (found, scaled(found, factor)))
    for resource in Resource:
        assert after[resource].target == pytest.approx(before[resource].target * factor, rel=0.12)


@pytest.mark.parametrize("method", EVERY, ids=lambda method: method.name)
def test_more_of_the_same_pods_change_nothing_of_what_one_needs(method):
    one = use(pod("p0", cpu=0.3, memory=300 * MIB))
    many = use(*(pod(f"p{number}", cpu=0.3, memory=300 * MIB) for number in range(5)))
    first, second = (method.recommend(each, World(), NOW) for each in (one, many))
    assert first.cpu == pytest.approx(second.cpu)
    assert first.memory == pytest.approx(second.memory)


@pytest.mark.parametrize("method", EVERY, ids=lambda method: method.name)
def test_a_back_test_sees_only_what_came_before(method):
    """A peak that comes after the answers is counted against them."""

    def jumps(times):
        return np.where(times > NOW - DAY, 4.0, 1.0) * GIB

    calm = back_test(method, use(pod(memory=GIB)), World(), begin=NOW - 14 * DAY, now=NOW)
    jump = back_test(method, use(pod(memory=jumps)), World(), begin=NOW - 14 * DAY, now=NOW)
    assert calm.over_memory == 0
    assert jump.over_memory == 1
    assert jump.highest > 1 > calm.highest


@given(st.integers(0, 200), st.integers(1, 200))
def test_the_odds_are_never_below_what_was_seen(seen: int, of: int):
    seen = min(seen, of)
    assert seen / of <= upper(seen, of) <= 1


@given(st.lists(st.tuples(st.floats(0.1, 3), st.floats(0.1, 3)), min_size=1, max_size=60))
def test_first_fit_needs_at_least_what_all_of_it_is_and_no_more_than_one_each(items):
    wanted = np.array([[*item, 1.0] for item in items])
    room = np.array([4.0, 4.0, 30.0])
    assert np.ceil((wanted.sum(axis=0) / room).max() - 1e-9) <= first_fit(wanted, room) <= len(items)


def test_a_sample_outside_of_a_span_is_not_in_it():
    samples = Samples(0.0, 10.0, np.arange(10.0))
    assert list(samples.between(20, 50).values) == [2, 3, 4]
    assert samples.between(21, 50).begin == 30
    assert len(samples.between(200, 300).values) == 0
    assert len(PodUse("p").between(0, 10).cpu.values) == 0
