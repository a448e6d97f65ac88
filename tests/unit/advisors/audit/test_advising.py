"""When advice is made, what is said of it, and which refusal is an advice's fault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from moorage.advisors.advice import Advice, Finding
from moorage.advisors.audit.counts import Refused, Signal
from moorage.advisors.audit.folding import Denial
from moorage.advisors.cluster import condition as saying
from moorage.advisors.cluster.harm import find_harm
from moorage.advisors.cluster.observe import Followed, granted
from moorage.advisors.cluster.timing import (
    ADVISE_ANNOTATION,
    Made,
    NotYet,
    Tempo,
    duration,
    is_due,
    not_yet,
    request_of,
    window_of,
)
from moorage.advisors.permissions.model import Request, Who
from moorage.reports.findings import Severity

from ..permissions.helpers import account

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SIGNAL = Signal(NOW - 40 * DAY, changes=3, denials=2)
TEMPO = Tempo()
MADE = Made(NOW - timedelta(minutes=1), SIGNAL, "", TEMPO.window)
RBAC = "rbac.authorization.k8s.io"


def cluster(**advice: str) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"advice": advice} if advice else {}}


@pytest.mark.parametrize(("text", "expected"), [("90m", "1:30:00"), ("12h", "12:00:00"), ("30d", "30 days")])
def test_a_window_is_written_as_people_say_it(text: str, expected: str) -> None:
    assert str(duration(text)).startswith(expected)


@pytest.mark.parametrize("text", ["", "0d", "30", "1w", "-1d", "91d", "2161h", "1.5h", " 1d", "1d "])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|more than"):
        duration(text)


def test_the_window_is_the_clusters_or_the_projects_or_the_platforms() -> None:
    project = {"metadata": {"name": "shop"}, "spec": {"advice": {"window": "7d"}}}
    assert window_of(project, cluster(window="12h"), TEMPO) == timedelta(hours=12)
    assert window_of(project, cluster(), TEMPO) == 7 * DAY
    assert window_of(None, cluster(), TEMPO) == 30 * DAY


def test_a_cluster_whose_events_do_not_fill_the_window_is_told_when_they_will() -> None:
    created = NOW - 10 * DAY
    assert not_yet(SIGNAL, created, 30 * DAY, NOW) == NotYet(created, created + 30 * DAY)
    assert not_yet(SIGNAL, created, 10 * DAY, NOW) is None
    # An old cluster that is listened to since yesterday has shown as little.
    listened = Signal(NOW - DAY, 0, 0)
    assert not_yet(listened, NOW - 99 * DAY, 30 * DAY, NOW) == NotYet(NOW - DAY, NOW + 29 * DAY)


@pytest.mark.parametrize(
    ("made", "signal", "request_", "window", "due"),
    [
        (None, SIGNAL, "", TEMPO.window, True),
        (MADE, SIGNAL, "", TEMPO.window, False),
        (MADE, Signal(SIGNAL.since, 4, 2), "", TEMPO.window, True),
        (MADE, Signal(SIGNAL.since, 3, 9), "", TEMPO.window, False),
        (MADE, SIGNAL, "please", TEMPO.window, True),
        (MADE, SIGNAL, "", DAY, True),
        (Made(NOW - timedelta(minutes=10), SIGNAL, "", TEMPO.window), SIGNAL, "", TEMPO.window, True),
        (
            Made(NOW - timedelta(seconds=2), SIGNAL, "", TEMPO.window),
            Signal(SIGNAL.since, 9, 9),
            "please",
            DAY,
            False,
        ),
    ],
    ids=[
        "the first",
        "at rest",
        "grants changed",
        "refusals alone",
        "asked for",
        "another window",
        "the interval",
        "calm",
    ],
)
def test_advice_is_made_in_its_time_after_a_change_and_when_it_is_asked_for(
    made: Made | None, signal: Signal, request_: str, window: timedelta, due: bool
) -> None:
    assert is_due(made, signal, request_, window, tempo=TEMPO, now=NOW) is due


def test_who_asks_for_advice_annotates_the_cluster() -> None:
    obj = {"metadata": {"name": "web", "annotations": {ADVISE_ANNOTATION: "monday"}}}
    assert (request_of(obj), request_of(cluster())) == ("monday", "")


def test_what_is_said_does_not_change_while_nothing_does() -> None:
    def found(events: int) -> Advice:
        finding = Finding("permissions", "User ada", "unused-rule", Severity.HIGH, 1, "x", {"events": events})
        return Advice("permissions", (finding,), facts={"events": events})

    assert saying.current(found(1), 30 * DAY) == saying.current(found(2), 30 * DAY)
    assert saying.current(found(1), 30 * DAY).message == (
        "permissions: 1 to decide on (1 high); the window is 30 days"
    )
    said = saying.collecting(NotYet(NOW, NOW + DAY), DAY)
    assert "from 2026-11-02 12:00 UTC on" in said.message
    assert not said.ok


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
