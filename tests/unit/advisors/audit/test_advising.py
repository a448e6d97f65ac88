"""When advice is made, what is said of it, and which refusal is an advice's fault."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from moorage.advisors.advice import Advice, Finding
from moorage.advisors.audit.counts import Refused, Signal
from moorage.advisors.audit.folding import Denial
from moorage.advisors.cluster.condition import said_of
from moorage.advisors.cluster.harm import find_harm
from moorage.advisors.cluster.observe import Followed, granted
from moorage.advisors.cluster.permissions import too_early
from moorage.advisors.cluster.timing import (
    ADVISE_ANNOTATION,
    INTERVAL,
    LOOK_SECONDS,
    Made,
    Tempo,
    duration,
    is_due,
    request_of,
    rest,
    window_of,
)
from moorage.advisors.cluster.topic import Found, Silent
from moorage.advisors.permissions.model import Request, Who
from moorage.kube.clusters import Said
from moorage.reports.findings import Severity

from ..permissions.helpers import account

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SIGNAL = Signal(NOW - 40 * DAY, changes=3, denials=2)
TEMPO = Tempo()
MADE = Made(NOW - timedelta(minutes=1), 3, "", TEMPO.window)
RBAC = "rbac.authorization.k8s.io"


def cluster(**advice: str) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"advice": advice} if advice else {}}


@pytest.mark.parametrize(
    ("text", "expected"), [("90m", "1:30:00"), ("12h", "12:00:00"), ("30d", "30 days"), ("2w", "14 days")]
)
def test_a_window_is_written_as_people_say_it(text: str, expected: str) -> None:
    assert str(duration(text)).startswith(expected)


@pytest.mark.parametrize("text", ["", "0d", "30", "59s", "-1d", "91d", "13w", "2161h", " 1d", "1d "])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"length of time|is not from 1m to 90d"):
        duration(text)


def test_the_window_is_the_clusters_or_the_projects_or_the_platforms() -> None:
    project = {"metadata": {"name": "shop"}, "spec": {"advice": {"window": "7d"}}}
    assert window_of(project, cluster(window="12h"), TEMPO) == timedelta(hours=12)
    assert window_of(project, cluster(), TEMPO) == 7 * DAY
    assert window_of(None, cluster(), TEMPO) == 30 * DAY


def test_a_cluster_whose_events_do_not_fill_the_window_is_told_when_they_will() -> None:
    def until(signal: Signal | None, created: datetime, window: timedelta) -> datetime | None:
        early = too_early(signal, created, window, NOW)
        return early.until if early is not None else None

    created = NOW - 10 * DAY
    assert until(SIGNAL, created, 30 * DAY) == created + 30 * DAY
    assert too_early(SIGNAL, created, 10 * DAY, NOW) is None
    # An old cluster that is listened to since yesterday has shown as little.
    assert until(Signal(NOW - DAY, 0, 0), NOW - 99 * DAY, 30 * DAY) == NOW + 29 * DAY


def test_a_cluster_that_stays_silent_is_told_so_but_not_at_once() -> None:
    new, old = (too_early(None, created, DAY, NOW) for created in (NOW, NOW - DAY))
    assert new == Silent("Collecting", "not yet: no audit event has come in so far", NOW + 2 * MINUTE)
    assert old is not None
    assert (old.reason, old.until) == ("NoEvents", None)


@pytest.mark.parametrize(
    ("made", "stirred", "request_", "window", "due"),
    [
        (None, 3, "", TEMPO.window, True),
        (MADE, 3, "", TEMPO.window, False),
        (MADE, 4, "", TEMPO.window, True),
        (MADE, 3, "please", TEMPO.window, True),
        (MADE, 3, "", DAY, True),
        (Made(NOW - 10 * MINUTE, 3, "", TEMPO.window), 3, "", TEMPO.window, True),
        (Made(NOW - 2 * MINUTE, 3, "", 2 * MINUTE), 3, "", 2 * MINUTE, True),
        (replace(MADE, again=NOW), 3, "", TEMPO.window, True),
        (replace(MADE, again=NOW + MINUTE), 3, "", TEMPO.window, False),
        (Made(NOW - timedelta(seconds=2), 3, "", TEMPO.window, NOW), 9, "please", DAY, False),
    ],
    ids=[
        "the first",
        "at rest",
        "grants changed",
        "asked for",
        "another window",
        "the interval",
        "a window that is shorter than the interval",
        "it may be able to say something now",
        "it is not able yet",
        "calm",
    ],
)
def test_an_advisor_looks_in_its_time_after_a_change_and_when_it_is_asked(
    made: Made | None, stirred: int, request_: str, window: timedelta, due: bool
) -> None:
    assert is_due(made, stirred, request_, window, interval=INTERVAL, now=NOW) is due


def test_the_next_look_is_no_later_than_what_somebody_waits_for() -> None:
    def seconds(*again: timedelta | None) -> float:
        return rest([replace(MADE, again=each and NOW + each) for each in again], now=NOW)

    assert seconds() == seconds(None, DAY) == LOOK_SECONDS
    assert seconds(DAY, timedelta(seconds=4)) == 4
    assert seconds(-DAY) == 1


def test_who_asks_for_advice_annotates_the_cluster() -> None:
    obj = {"metadata": {"name": "web", "annotations": {ADVISE_ANNOTATION: "monday"}}}
    assert (request_of(obj), request_of(cluster())) == ("monday", "")


def found(events: int = 1, *severities: Severity) -> Found:
    findings = tuple(
        Finding("permissions", "User ada", "unused-rule", severity, 1, "x", {"events": events})
        for severity in severities
    )
    return Found(Advice("permissions", findings, facts={"events": events}), clean="all is used")


def test_what_is_said_does_not_change_while_nothing_does() -> None:
    one, two = (said_of({"permissions": found(events, Severity.HIGH)}, 30 * DAY) for events in (1, 2))
    assert one == two


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (
            {"permissions": found(1, Severity.HIGH, Severity.LOW), "apis": found()},
            Said(
                ok=True,
                reason="Current",
                message="permissions: 2 to decide on (1 high, 1 low); apis: all is used; "
                "the window is 30 days",
            ),
        ),
        (
            {"permissions": found(), "resources": Silent("Collecting", "not yet."), "apis": Silent("X", "y")},
            Said(
                ok=False, reason="Collecting", message="permissions: all is used; resources: not yet; apis: y"
            ),
        ),
    ],
    ids=["all have looked", "some cannot say anything"],
)
def test_each_advisor_has_its_part_of_what_is_said(
    outcomes: dict[str, Found | Silent], expected: Said
) -> None:
    assert said_of(outcomes, 30 * DAY) == expected


def role(verbs: list[str], namespace: str = "shop") -> dict[str, Any]:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": {"name": "web", "namespace": namespace},
        "rules": rules,
    }


def binding(name: str = "web", kind: str = "RoleBinding") -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": {"name": name, **({"namespace": "shop"} if kind == "RoleBinding" else {})},
        "roleRef": {"kind": "Role", "name": "web"},
        "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}],
    }


def refused(verb: str, *, who: Who | None = None, at: datetime = NOW) -> Refused:
    told = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return Refused(who or account(), (Denial(Request(verb, "", "pods", "", "shop", "a"), 2, told),))


FOLLOWED = Followed("ServiceAccount shop/web", NOW - timedelta(hours=1), (role(["get", "delete"]),))
AFTER = [role(["get"]), binding()]


def test_a_request_that_was_allowed_before_and_is_refused_now_is_harm() -> None:
    [harm] = find_harm([FOLLOWED], [refused("delete")], AFTER)
    assert harm.followed is FOLLOWED
    assert "was refused delete pods a in shop 2 times" in harm.why


@pytest.mark.parametrize(
    ("one", "objects"),
    [
        (refused("create"), AFTER),
        (refused("delete", who=account("other")), AFTER),
        (refused("delete", at=NOW - timedelta(hours=2)), AFTER),
        (refused("delete"), [role(["get", "delete"]), binding()]),
    ],
    ids=["never allowed", "another's", "before the change", "given back meanwhile"],
)
def test_what_is_no_fault_of_the_advice_is_no_harm(one: Refused, objects: list[dict[str, Any]]) -> None:
    assert find_harm([FOLLOWED], [one], objects) == []


def test_a_binding_that_was_deleted_is_there_again_for_the_comparison() -> None:
    followed = Followed("ServiceAccount shop/web", NOW - timedelta(hours=1), (binding(),))
    [harm] = find_harm([followed], [refused("get")], [role(["get"])])
    assert harm.denial.request.verb == "get"


def test_what_the_platform_grants_is_not_advised_on() -> None:
    objects = [role(["get"]), binding(), binding("moorage:advisor", "ClusterRoleBinding")]
    assert [each.name for each in granted(objects, origin="").bindings] == ["web"]
