"""Moorage's own method: what goes into a proposal, and when it says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from moorage.advisors.resources.model import DAY, MIB, World
from moorage.advisors.resources.recommenders import NotYet, Proposal, Strategy, recommender
from moorage.advisors.resources.recommenders.own import OwnRecommender

from .helpers import NOW, flat, noisy, pod, use


def proposed(found_use, **settings) -> Proposal:
    found = OwnRecommender(**settings).recommend(found_use, World(), NOW)
    assert isinstance(found, Proposal)
    return found


def monday(low: float, high: float):
    return lambda times: np.where(((times // DAY + 3) % 7 == 0) & (times % DAY < 4 * 3600), high, low)


def test_a_steady_container_gets_what_it_uses_and_a_tenth():
    found = proposed(use(pod(cpu=0.2, memory=200 * MIB)))
    assert found.cpu == pytest.approx(0.22)
    assert found.memory == pytest.approx(220 * MIB)
    assert found.cpu_limit is found.memory_limit is None


def test_a_weekday_that_is_busier_than_the_others_counts():
    """Four hours a week are 2.4 % of the samples: no percentile 95 of all of them sees them."""
    found = proposed(use(pod(cpu=monday(0.1, 1.0))))
    assert found.cpu == pytest.approx(1.1)
    assert "Mondays, 10.0 times" in found.why[0]
    simple = recommender(Strategy.SIMPLE).recommend(use(pod(cpu=monday(0.1, 1.0))), World(), NOW)
    assert simple.cpu == pytest.approx(0.1)


def test_the_hottest_of_several_pods_counts():
    pods = [pod(f"p{number}", cpu=0.1) for number in range(19)] + [
        pod("hot", cpu=1.0),
        pod("hotter", cpu=1.0),
    ]
    pods += [pod("hottest", cpu=1.0)]
    found = proposed(use(*pods))
    assert found.cpu == pytest.approx(1.1)


def test_what_a_pod_uses_while_it_starts_is_not_what_it_asks_for():
    def starting(times):
        return np.where(times < times[0] + 600, 2.0, 0.1)

    pods = [
        pod("old", cpu=0.1),
        *(pod(f"new{day}", cpu=starting, days=0.3, ended=day) for day in range(1, 5)),
    ]
    assert proposed(use(*pods)).cpu == pytest.approx(0.11)


def test_a_container_that_is_killed_gets_more_than_it_had():
    had = 256 * MIB
    found = proposed(use(pod(memory=250 * MIB, kills=[1.0]), memory_request=had, memory_limit=had))
    assert found.memory == found.memory_limit == had + 100 * MIB


def test_a_container_that_is_killed_again_and_again_gets_half_as_much_again():
    had = 1024 * MIB
    kills = [1.0, 2.0, 3.0]
    found = proposed(use(pod(memory=1000 * MIB, kills=kills), memory_request=had, memory_limit=had))
    assert found.memory == pytest.approx(1.5 * had)


def test_kills_of_long_ago_no_longer_count():
    had = 512 * MIB
    found = proposed(use(pod(memory=100 * MIB, kills=[10.0]), memory_request=had, memory_limit=had))
    assert found.memory == pytest.approx(110 * MIB)


def test_a_limit_that_makes_it_wait_grows_and_what_it_was_denied_is_not_taken_for_its_need():
    found = proposed(use(pod(cpu=0.48, throttled=0.4), cpu_request=0.2, cpu_limit=0.5))
    assert found.cpu == pytest.approx(0.55)
    assert found.cpu_limit == pytest.approx(1.0)


def test_a_limit_that_was_the_request_stays_so():
    found = proposed(use(pod(), cpu_request=1, cpu_limit=1, memory_request=MIB, memory_limit=MIB))
    assert (found.cpu_limit, found.memory_limit) == (found.cpu, found.memory)


def test_a_limit_above_the_request_is_left_alone_while_it_fits():
    found = proposed(use(pod(), memory_request=50 * MIB, memory_limit=1024 * MIB))
    assert found.memory_limit is None


def test_memory_that_grows_without_an_end_is_left_alone():
    def growing(times):
        return 100 * MIB * (1 + (times - times[0]) / (5 * DAY))

    assert proposed(use(pod(memory=growing))).memory is None


def test_memory_that_comes_and_goes_with_the_day_does_not_grow():
    def daily(times):
        return 100 * MIB * (1.5 + np.sin(2 * np.pi * times / DAY))

    assert proposed(use(pod(memory=daily))).memory is not None


def test_too_little_history_says_when_there_is_enough():
    found = OwnRecommender().recommend(use(pod(days=1.0)), World(), NOW)
    assert isinstance(found, NotYet)
    assert found.when == pytest.approx(NOW + 2 * DAY, abs=600)
    assert "24 h of history" in found.why


def test_a_cron_job_counts_in_runs():
    runs = [pod(f"run{day}", days=0.02, ended=day, cpu=0.5) for day in range(2)]
    assert isinstance(OwnRecommender().recommend(use(*runs, kind="CronJob"), World(), NOW), NotYet)
    runs.append(pod("run2", days=0.02, ended=2, cpu=0.5))
    assert proposed(use(*runs, kind="CronJob")).cpu == pytest.approx(0.55)


def test_less_than_a_week_of_history_has_twice_the_margin():
    assert proposed(use(pod(days=4.0, memory=100 * MIB))).memory == pytest.approx(120 * MIB)


def test_days_that_differ_have_a_larger_margin():
    def erratic(times):
        return 100 * MIB * (1 + ((times - 1) // DAY % 2))

    found = proposed(use(pod(memory=erratic)))
    assert found.memory == pytest.approx((150 + 3 * 50) * MIB)


def test_nothing_is_below_the_floors():
    found = proposed(use(pod(cpu=flat(0.0001), memory=noisy(MIB))))
    assert (found.cpu, found.memory) == (0.010, 32 * MIB)
