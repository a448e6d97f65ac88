"""What the platform does about advice by itself: one thing, when it may, where it is wanted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.advisors.applying.images import Position
from moorage.advisors.automatic.health import Condition
from moorage.advisors.automatic.model import Item, Opening, Snapshot
from moorage.advisors.automatic.plan import (
    Apply,
    Finish,
    Idle,
    LetGo,
    Look,
    Settle,
    Step,
    TakeBack,
    plan,
)
from moorage.api.advice import AdviceState, ApplicationPhase

from .builders import (
    CLOSED,
    HAS,
    NEXT,
    NO_WINDOW,
    NOW,
    OPEN,
    POLICY,
    at,
    begun,
    done,
    item,
    live,
    snapshot,
    thing,
)

APPLYING, APPLIED, REVERTING, REVERTED = ApplicationPhase
BEFORE, AFTER, ELSEWHERE = Position.BEFORE, Position.AFTER, Position.ELSEWHERE
KILLED = Condition(wanted=2, ready=2, settled=True, failing=1, oom_killed=1)
HALF = Condition(wanted=2, ready=1, settled=True)
ROLLING = Condition(wanted=8, ready=7, settled=False)
STUCK = Condition(wanted=8, ready=5, settled=False)
OVER = NOW + POLICY.watch


def decided(made: Snapshot) -> Step:
    return plan(made, POLICY)


def test_open_advice_about_a_workload_that_is_opted_in_is_followed_in_the_window() -> None:
    assert decided(snapshot(item(), web=live())) == Apply("web-web")


@pytest.mark.parametrize(
    ("opening", "waiting"),
    [
        (CLOSED, True),
        (NO_WINDOW, True),
        (replace(OPEN, until=NOW + POLICY.watch - timedelta(seconds=1)), True),
    ],
    ids=["closed", "none", "closes while it would be watched"],
)
def test_nothing_is_begun_outside_of_the_window(opening: Opening, waiting: bool) -> None:
    assert decided(snapshot(item(), web=live(), opening=opening)) == Idle(waiting)


@pytest.mark.parametrize(
    "fields",
    [
        {"state": AdviceState.DISMISSED},
        {"state": AdviceState.RESOLVED},
        {"state": AdviceState.APPLIED, "done": done(APPLIED, by="member-ann")},
        {"confidence": 69},
        {"thing": None},
    ],
    ids=["dismissed", "resolved", "applied by a person", "not sure", "no change that is followed so"],
)
def test_advice_that_is_not_to_be_followed_is_not(fields: dict[str, Any]) -> None:
    assert decided(snapshot(item(**fields), web=live())) == Idle()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"held": "its rollouts are paused"}, "its rollouts are paused"),
        ({"condition": ROLLING}, "a rollout is on its way"),
        ({"has": {**HAS, **NEXT}}, "it is so already"),
        ({"has": {**HAS, "requests.cpu": "3"}}, "it has changed since the advice was made"),
        ({"has": {**HAS, "limits.memory": "8Gi"}}, "it has changed since the advice was made"),
    ],
)
def test_a_workload_that_is_not_as_it_should_be_is_left_alone(fields: dict[str, Any], why: str) -> None:
    assert decided(snapshot(item(), web=live(**fields))) == Idle(unfit=((thing(), why),))


def test_what_is_not_opted_in_is_not_touched() -> None:
    assert decided(snapshot(item(), web=live(opted_in=False))) == Idle()
    assert decided(snapshot(item())) == Idle()


def test_what_only_has_a_limit_asks_for_it() -> None:
    seen = item(seen={place: HAS_LIMITS[place] for place in HAS_LIMITS})
    assert decided(snapshot(seen, web=live(has={"limits.cpu": "2", "limits.memory": "4Gi"}))) == Apply(
        "web-web"
    )


HAS_LIMITS = {
    what: amount
    for group in ("requests", "limits")
    for what, amount in {f"{group}.cpu": 2, f"{group}.memory": 4 * 2**30}.items()
}


def test_of_a_change_of_several_containers_each_must_be_as_its_advice_saw_it() -> None:
    other = item(name="web-log", container="log", seen={})
    assert isinstance(decided(snapshot(item(), other, web=live())), Apply)
    stale = replace(other, seen={"requests.cpu": HAS_LIMITS["requests.cpu"]})
    assert isinstance(decided(snapshot(item(), stale, web=live())), Idle)


def test_the_worst_comes_first_and_what_was_refused_a_while_ago_does_not_come() -> None:
    worse = item("api", rank=3)
    made = snapshot(item(), worse, web=live(), api=live("api"))
    assert decided(made) == Apply("web-api")
    assert decided(replace(made, refused=frozenset({thing("api")}))) == Apply("web-web")


@pytest.mark.parametrize(
    ("name", "made", "step"),
    [
        (
            "too early to tell",
            snapshot(begun(), web=at(AFTER)),
            Look("web-web", thing(), NOW + timedelta(minutes=9)),
        ),
        ("killed for memory", snapshot(begun(), web=at(AFTER, condition=KILLED)), TakeBack),
        ("it was killed before, too", snapshot(begun(before=KILLED), web=at(AFTER, condition=KILLED)), Look),
        ("pods are replaced", snapshot(begun(), web=at(AFTER, condition=HALF)), Look),
        ("half of it stays away", snapshot(begun(), web=at(AFTER, condition=HALF), now=OVER), TakeBack),
        ("it was half before", snapshot(begun(before=HALF), web=at(AFTER, condition=HALF), now=OVER), Settle),
        ("well", snapshot(begun(), web=at(AFTER), now=OVER), Settle),
        ("a long rollout", snapshot(begun(), web=at(AFTER, condition=ROLLING), now=OVER), Look),
        ("with too few pods", snapshot(begun(), web=at(AFTER, condition=STUCK), now=OVER), TakeBack),
        (
            "too long a rollout",
            snapshot(begun(), web=at(AFTER, condition=ROLLING), now=OVER + 2 * POLICY.watch),
            TakeBack,
        ),
        ("nobody looked for long", snapshot(begun(), web=at(AFTER), now=OVER + timedelta(days=3)), Settle),
        ("worse when closed", snapshot(begun(), web=at(AFTER, condition=KILLED), opening=CLOSED), TakeBack),
        ("somebody changed it", snapshot(begun(), web=at(ELSEWHERE, condition=KILLED)), Settle),
        ("it is gone", snapshot(begun()), Settle),
        ("opted out", snapshot(begun(), web=at(AFTER, opted_in=False, condition=KILLED)), Settle),
    ],
)  # fmt: skip
def test_what_is_watched(name: str, made: Snapshot, step: Any) -> None:
    found = decided(made)
    assert found == step if not isinstance(step, type) else isinstance(found, step), name
    if step is TakeBack:
        assert isinstance(found, TakeBack)
        assert found.harm.startswith("Deployment shop/web: ")


@pytest.mark.parametrize(
    ("name", "phase", "position", "opening", "step"),
    [
        ("not begun, in time", APPLYING, BEFORE, OPEN, Finish),
        ("not begun, too late", APPLYING, BEFORE, CLOSED, TakeBack),
        ("done, in time", APPLYING, AFTER, OPEN, Finish),
        ("done, too late: no pod moves", APPLYING, AFTER, CLOSED, Finish),
        ("somebody else's by now", APPLYING, ELSEWHERE, OPEN, LetGo),
        ("on its way back", REVERTING, AFTER, CLOSED, TakeBack),
        ("back, not said", REVERTING, BEFORE, OPEN, TakeBack),
        ("somebody else's by now, too", REVERTING, ELSEWHERE, OPEN, LetGo),
    ],
)
def test_what_was_interrupted(
    name: str, phase: ApplicationPhase, position: Position, opening: Opening, step: type
) -> None:
    assert isinstance(decided(snapshot(begun(phase), web=at(position), opening=opening)), step), name
    assert decided(snapshot(begun(phase), opening=opening)) == LetGo(
        "web-web", "the workload is not there any more"
    )


def test_of_whoever_opted_out_in_between_nothing_more_is_changed() -> None:
    out = at(AFTER, opted_in=False)
    assert decided(snapshot(begun(APPLYING), web=out)) == Finish("web-web")  # it is only said
    assert decided(snapshot(begun(REVERTING), web=out)) == Idle()
    assert decided(snapshot(begun(harm="killed"), web=out)) == Idle()
    assert decided(snapshot(begun(REVERTING), web=at(BEFORE, opted_in=False))) == TakeBack("web-web")


def test_harm_that_is_written_is_taken_back_and_not_written_again() -> None:
    assert decided(snapshot(begun(harm="killed"), web=at(AFTER))) == TakeBack("web-web")


def test_what_a_person_does_is_left_to_them() -> None:
    theirs = begun(APPLYING, by="member-ann")
    assert decided(snapshot(theirs, item("api"), web=at(BEFORE), api=live("api"))) == Apply("web-api")
    mine = replace(theirs, name="web-2", done=None, state=AdviceState.OPEN)
    assert decided(snapshot(theirs, mine, web=at(BEFORE))) == Idle()


@pytest.mark.parametrize(
    ("name", "before", "sets", "follows"),
    [
        ("the same", done(REVERTED, harm="killed"), NEXT, False),
        ("hardly more", done(REVERTED, harm="killed"), {"requests.cpu": "270m"}, False),
        ("less", done(REVERTED, harm="killed"), {"requests.cpu": "100m"}, False),
        ("more", done(REVERTED, harm="killed"), {"requests.cpu": "300m"}, True),
        ("another thing", done(REVERTED, harm="killed"), {"requests.memory": "1Gi"}, False),
        (
            "more here and less there",
            done(REVERTED, harm="killed", sets={**NEXT, "requests.memory": "1Gi"}),
            {"requests.cpu": "500m", "requests.memory": "512Mi"},
            False,
        ),
        ("harm that a person applied and took back", done(REVERTED, harm="x", by="member-ann"), NEXT, False),
        ("a person took it back", done(REVERTED, by="member-ann"), NEXT, False),
        ("a person took it back; another", done(REVERTED, by="member-ann"), {"requests.cpu": "1"}, True),
        ("somebody put it back", done(APPLIED, over=True), NEXT, False),
        ("somebody put it back, and it is another", done(APPLIED, over=True), {"requests.cpu": "1"}, True),
        ("it was only interrupted", done(REVERTED), NEXT, True),
    ],
)
def test_what_became_of_it_before(name: str, before: Any, sets: dict[str, str], follows: bool) -> None:
    again = item(sets=sets, done=before)
    assert isinstance(decided(snapshot(again, web=live())), Apply if follows else Idle), name
    # The same holds for other advice with the change, and for what is resolved by now.
    old = item(name="web-old", done=before, state=AdviceState.RESOLVED)
    new = item(name="web-new", sets=sets)
    assert isinstance(decided(snapshot(old, new, web=live())), Apply if follows else Idle), name


def test_what_somebody_dismissed_is_not_done_by_another_advice_with_the_same_change() -> None:
    dismissed = item(name="web-no", state=AdviceState.DISMISSED)
    assert decided(snapshot(item(), dismissed, web=live())) == Idle()


ITEMS: list[Item] = [*(item(name=f"web-{n}", rank=n % 3, confidence=70 + n) for n in range(6)), item("api")]


@given(st.permutations(ITEMS), st.booleans())
def test_the_order_of_advice_makes_no_difference(items: list[Item], is_begun: bool) -> None:
    more = [begun()] if is_begun else []
    workloads = {"web": at(AFTER), "api": live("api")}
    assert decided(snapshot(*items, *more, **workloads)) == decided(snapshot(*more, *ITEMS, **workloads))
