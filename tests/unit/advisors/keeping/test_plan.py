"""What is written about findings: once each, whatever their order, and never against what people decided."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.advisors.advice import Advice as Found
from moorage.advisors.advice import Change, Finding, Location
from moorage.advisors.keeping import life
from moorage.advisors.keeping.plan import (
    OPEN_MAX,
    Create,
    LeaveOut,
    Move,
    Remove,
    Step,
    Update,
    plan_advice,
    plan_outgrown,
)
from moorage.advisors.keeping.write import _wire, status_patch
from moorage.advisors.keeping.written import CHANGE_MAX, EVIDENCE_MAX, finding_of, name_of
from moorage.api.advice import HISTORY_MAX, Advice, AdviceState, Application, ApplicationPhase
from moorage.reports.findings import Action, Severity

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CLUSTER = "web"


def finding(subject: str = "ServiceAccount shop/web", **fields: Any) -> Finding:
    told: dict[str, Any] = {
        "advisor": "permissions",
        "subject": subject,
        "code": "unused-binding",
        "severity": Severity.HIGH,
        "confidence": 0.9,
        "summary": "RoleBinding shop/web gives Role shop/web, and nothing of it was used.",
        "evidence": {"requests": 0, "last": None},
        "change": (Change(Action.DELETE, head("RoleBinding", "web"), head("RoleBinding", "web")),),
        "consequence": "Whoever takes it over can read secrets.",
        "location": Location("RoleBinding shop/web"),
    }
    return Finding(**{**told, **fields})


def head(kind: str, name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata}


def run(*findings: Finding, at: datetime = NOW, advisor: str = "permissions") -> Found:
    return Found(advisor, findings, time=at)


class Cluster:
    """What an API server would have: steps are carried out, and objects come back as it sends them."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 0

    @property
    def advice(self) -> list[Advice]:
        return [Advice.parse(obj) for obj in self.objects.values()]

    def one(self) -> Advice:
        [item] = self.advice
        return item

    def carry_out(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            self.version += 1
            match step:
                case Create():
                    assert step.name not in self.objects
                    self.objects[step.name] = {
                        "apiVersion": "advice.moorage.dev/v1alpha1",
                        "kind": "Advice",
                        "metadata": {"name": step.name, "namespace": "project-shop"},
                    }
                    self._spec(step)
                    self.decide(step.name, step.status)
                case Update():
                    self._spec(step)
                case Move():
                    assert self.objects[step.name]["metadata"]["resourceVersion"] == step.version
                    self.decide(step.name, step.status)
                case Remove():
                    del self.objects[step.name]

    def decide(self, name: str, status: Any) -> None:
        self.objects[name]["status"] = merged(self.objects[name].get("status"), status_patch(status))
        self._touch(name)

    def see(self, found: Found, now: datetime = NOW) -> tuple[Step, ...]:
        steps = plan_advice(self.advice, found, CLUSTER, now)
        self.carry_out(steps)
        return steps

    def _spec(self, step: Create | Update) -> None:
        self.objects[step.name]["metadata"]["labels"] = dict(step.labels)
        self.objects[step.name]["spec"] = _wire(step.spec)
        self._touch(step.name)

    def _touch(self, name: str) -> None:
        self.objects[name]["metadata"]["resourceVersion"] = str(self.version)


def merged(value: Any, patch: Any) -> Any:
    """JSON merge patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        if item is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), item)
    return result


def applied(by: str = "ann", phase: ApplicationPhase = ApplicationPhase.APPLIED, at: datetime = NOW) -> Any:
    return Application(phase=phase, by=by, at=at)


SUBJECTS = [f"ServiceAccount shop/{name}" for name in ("web", "db", "cron", "mail")]
FINDINGS = st.lists(
    st.builds(
        finding,
        st.sampled_from(SUBJECTS),
        code=st.sampled_from(["unused-binding", "escalation"]),
        severity=st.sampled_from(list(Severity)),
        confidence=st.floats(0, 1),
        evidence=st.fixed_dictionaries({"requests": st.integers(0, 9)}),
    ),
    max_size=8,
)
DECISIONS = st.sampled_from(["nothing", "dismiss", "dismiss for a day", "apply", "begin", "revert"])


def decide(cluster: Cluster, what: str, now: datetime) -> None:
    for item in cluster.advice[:1]:
        status = item.status
        assert status is not None
        phases = {
            "apply": ApplicationPhase.APPLIED,
            "begin": ApplicationPhase.APPLYING,
            "revert": ApplicationPhase.REVERTED,
        }
        if what in phases:
            after = life.applied(status, applied(phase=phases[what], at=now), now=now)
        elif what.startswith("dismiss"):
            until = now + DAY if "day" in what else None
            after = life.dismissed(status, by="ann", reason="We know of it.", until=until, now=now)
        else:
            continue
        cluster.decide(item.metadata.name, after)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FINDINGS, DECISIONS, st.integers(0, 60 * 24 * 40)), max_size=5), st.randoms())
def test_what_was_written_once_is_not_written_again_and_order_makes_no_difference(
    history: list[tuple[list[Finding], str, int]], random_: random.Random
) -> None:
    cluster, now = Cluster(), NOW
    for findings, decision, minutes in history:
        now += timedelta(minutes=minutes)
        shuffled = findings + random_.sample(findings, len(findings) // 2)
        random_.shuffle(shuffled)
        objects = cluster.advice
        random_.shuffle(objects)
        planned = plan_advice(cluster.advice, run(*findings, at=now), CLUSTER, now)
        assert plan_advice(objects, run(*shuffled, at=now), CLUSTER, now) == planned
        cluster.carry_out(planned)
        assert plan_advice(cluster.advice, run(*shuffled, at=now), CLUSTER, now) == ()
        found = {name_of(each, CLUSTER) for each in findings}
        for item in cluster.advice:
            under_way = life.is_under_way(item.status)
            assert under_way or (item.state is AdviceState.RESOLVED) == (item.metadata.name not in found)
        decide(cluster, decision, now)


@settings(max_examples=40, deadline=None)
@given(st.lists(FINDINGS, max_size=6))
def test_what_is_dismissed_for_good_never_opens_again(runs: list[list[Finding]]) -> None:
    cluster, now = Cluster(), NOW
    cluster.see(run(finding()))
    decide(cluster, "dismiss", now)
    name = cluster.one().metadata.name
    for findings in runs:
        now += 35 * DAY
        cluster.see(run(*findings, at=now), now)
        [item] = [each for each in cluster.advice if each.metadata.name == name]
        assert item.state in {AdviceState.DISMISSED, AdviceState.RESOLVED}


def test_a_finding_has_one_name_whatever_is_counted() -> None:
    other = replace(finding(), severity=Severity.LOW, evidence={"requests": 7}, confidence=0.1, summary="x")
    assert name_of(other, CLUSTER) == name_of(finding(), CLUSTER)
    assert name_of(finding(parts=("rule",)), CLUSTER) != name_of(finding(), CLUSTER)


def test_a_dismissal_ends_on_its_day() -> None:
    cluster = Cluster()
    cluster.see(run(finding()))
    decide(cluster, "dismiss for a day", NOW)
    assert cluster.see(run(finding()), NOW + DAY - timedelta(minutes=1)) == ()
    [move] = cluster.see(run(finding()), NOW + DAY)
    assert isinstance(move, Move)
    item = cluster.one()
    assert item.state is AdviceState.OPEN
    assert item.status.dismissal is None
    assert item.status.history[-1].what == "opened again: the dismissal has ended"


def test_what_was_dismissed_and_gone_is_still_dismissed_when_it_comes_back() -> None:
    cluster = Cluster()
    cluster.see(run(finding()))
    decide(cluster, "dismiss", NOW)
    cluster.see(run(), NOW + HOUR)
    assert cluster.one().state is AdviceState.RESOLVED
    cluster.see(run(finding()), NOW + 2 * HOUR)
    assert cluster.one().state is AdviceState.DISMISSED
    assert cluster.see(run(), NOW + 400 * DAY)
    assert cluster.see(run(), NOW + 401 * DAY) == (), "it is remembered as long as it is dismissed"


def test_what_was_applied_is_resolved_when_it_is_found_no_more() -> None:
    cluster = Cluster()
    cluster.see(run(finding()))
    decide(cluster, "apply", NOW)
    assert cluster.see(run(finding()), NOW + timedelta(minutes=9)) == (), "the advisor may be behind"
    cluster.see(run(), NOW + timedelta(minutes=9))
    assert cluster.one().state is AdviceState.RESOLVED


def test_what_was_applied_and_put_back_by_somebody_opens_again() -> None:
    cluster = Cluster()
    cluster.see(run(finding()))
    decide(cluster, "apply", NOW)
    cluster.see(run(finding()), NOW + HOUR)
    assert cluster.one().state is AdviceState.OPEN
    assert "somebody may have put it back" in cluster.one().status.history[-1].what


def test_what_is_being_applied_is_left_alone() -> None:
    cluster = Cluster()
    cluster.see(run(finding()))
    decide(cluster, "begin", NOW)
    assert cluster.see(run(), NOW + 2 * DAY) == ()
    assert cluster.one().state is AdviceState.OPEN


def test_what_did_harm_stays_open_until_it_is_reverted() -> None:
    cluster = Cluster()
    cluster.see(run(finding()))
    decide(cluster, "apply", NOW)
    cluster.see(run(), NOW + HOUR)
    item = cluster.one()
    cluster.decide(item.metadata.name, life.harmed(item.status, why="get secrets is refused", now=NOW + HOUR))
    assert cluster.see(run(), NOW + 2 * DAY) == (), "that it is found no more is no sign that all is well"
    assert cluster.one().state is AdviceState.OPEN
    decide(cluster, "revert", NOW + 2 * DAY)
    cluster.see(run(), NOW + 3 * DAY)
    assert cluster.one().state is AdviceState.RESOLVED


def test_who_follows_or_takes_back_has_decided_anew_and_a_dismissal_counts_no_more() -> None:
    cluster = Cluster()
    cluster.see(run(finding()))
    first = cluster.one().status
    dismissed = life.dismissed(first, by="ann", reason="We know of it.", until=None, now=NOW)
    opened = life.reopened(dismissed, by="ann", why="after all", now=NOW)
    assert opened.dismissal is None
    for phase, state, stands in (
        (ApplicationPhase.APPLYING, AdviceState.DISMISSED, False),
        (ApplicationPhase.APPLIED, AdviceState.APPLIED, True),
        (ApplicationPhase.REVERTING, AdviceState.DISMISSED, True),
        (ApplicationPhase.REVERTED, AdviceState.OPEN, False),
    ):
        after = life.applied(dismissed, applied(phase=phase), now=NOW)
        assert after.state is state
        assert (after.dismissal is not None) == life.is_under_way(after)
        assert life.stands(after) == stands
    gone = life.when_gone(after, NOW)
    again = life.when_found(gone, severity=Severity.HIGH, before=Severity.HIGH, now=NOW + DAY)
    assert again.state is AdviceState.OPEN, "and not dismissed by what was decided before"


def test_a_change_of_severity_is_told() -> None:
    cluster = Cluster()
    cluster.see(run(finding()))
    cluster.see(run(finding(severity=Severity.CRITICAL)), NOW + HOUR)
    item = cluster.one()
    assert item.spec.severity == "critical"
    assert item.status.severity_change.was == "high"
    assert item.status.history[-1].what == "now critical, was high"


def test_counts_alone_are_written_by_the_hour() -> None:
    cluster = Cluster()
    cluster.see(run(finding()))
    more = finding(evidence={"requests": 5})
    minutes = timedelta(minutes=59)
    assert cluster.see(run(more, at=NOW + minutes), NOW + minutes) == ()
    [update] = cluster.see(run(more, at=NOW + HOUR), NOW + HOUR)
    assert isinstance(update, Update)
    assert cluster.one().spec.evidence == {"requests": 5}


def test_advice_of_other_advisors_and_clusters_is_left_alone() -> None:
    cluster = Cluster()
    cluster.see(run(finding()))
    assert plan_advice(cluster.advice, run(advisor="apis"), CLUSTER, NOW) == ()
    assert plan_advice(cluster.advice, run(), "other", NOW) == ()


def test_advice_about_what_could_not_be_judged_stays_as_it_is() -> None:
    cluster = Cluster()
    cluster.see(run(finding(), finding("User ada")))
    [move] = plan_advice(cluster.advice, run(), CLUSTER, NOW, unjudged={finding().subject})
    assert isinstance(move, Move)
    assert move.name == name_of(finding("User ada"), CLUSTER)


def test_too_many_findings_are_counted_and_the_worst_written() -> None:
    low = [finding(f"User {number}", severity=Severity.LOW) for number in range(OPEN_MAX)]
    high = [finding(f"User h{number}") for number in range(7)]
    cluster = Cluster()
    steps = cluster.see(run(*low, *high))
    assert sum(isinstance(step, Create) for step in steps) == OPEN_MAX
    assert sum(isinstance(step, LeaveOut) for step in steps) == len(high)
    names = {item.metadata.name for item in cluster.advice}
    assert {name_of(each, CLUSTER) for each in high} <= names
    again = plan_advice(cluster.advice, run(*high, *low), CLUSTER, NOW)
    assert {type(step) for step in again} == {LeaveOut}


def test_evidence_and_changes_are_bounded_and_the_rest_is_stored() -> None:
    evidence = {"requests": [f"get secrets {number}" for number in range(5000)], "window": {"days": 30}}
    change = tuple(
        Change(Action.APPLY, {**head("Role", f"r{number}"), "rules": [{"verbs": ["x" * 9000]}]}, {})
        for number in range(20)
    )
    large = finding(evidence=evidence, change=change)
    [stored] = plan_advice((), run(large), CLUSTER, NOW, stores=True)
    [cut] = plan_advice((), run(large), CLUSTER, NOW)
    assert isinstance(stored, Create)
    assert isinstance(cut, Create)
    assert [part.room for part in stored.parts] == ["evidence", "change"]
    assert stored.spec.stored_change.key == f"{stored.name}/change"
    assert stored.spec.stored_change.size > CHANGE_MAX
    assert len(str(stored.spec.evidence)) < 2 * EVIDENCE_MAX
    assert stored.spec.evidence["requests"][-1].startswith("… and ")
    assert cut.parts == ()
    assert cut.spec.change == []
    assert "too large" in cut.spec.evidence["changeLeftOut"]


def test_history_is_bounded() -> None:
    cluster, now = Cluster(), NOW
    for _ in range(HISTORY_MAX):
        now += HOUR
        cluster.see(run(finding(), at=now), now)
        now += HOUR
        cluster.see(run(at=now), now)
    assert len(cluster.one().status.history) == HISTORY_MAX


def test_an_advice_is_read_back_as_the_finding_that_it_was() -> None:
    cluster = Cluster()
    cluster.see(run(finding(evidence={"requests": 0})))
    expected = finding(evidence={"requests": 0})
    assert finding_of(cluster.one()) == expected
    assert finding_of(cluster.one()).change[0].was == head("RoleBinding", "web")


def test_the_rule_for_members_knows_how_long_history_is() -> None:
    text = files("moorage").joinpath("deploy", "members.yaml").read_text("utf-8")
    assert f"variables.after.size() >= {HISTORY_MAX} ||" in text


# ---- a longer window ---------------------------------------------------------------------------------------

MONTH = 30 * DAY


def with_window(told: Any = "1d", **fields: Any) -> Finding:
    return finding(evidence={"requests": 0, "window": told}, **fields)


def longer(cluster: Cluster, window: timedelta = MONTH, now: datetime = NOW) -> tuple[Step, ...]:
    steps = plan_outgrown(cluster.advice, window, now)
    cluster.carry_out(steps)
    return steps


def test_advice_of_a_shorter_window_is_withdrawn_and_comes_back_when_it_still_holds() -> None:
    cluster = Cluster()
    cluster.see(run(with_window()))
    assert longer(cluster)
    assert cluster.one().state is AdviceState.RESOLVED
    assert cluster.one().status.history[-1].what == (  # type: ignore[union-attr]
        "resolved: it was made with a window of 1d, which is 30d now"
    )
    assert not longer(cluster), "once is enough"
    cluster.see(run(with_window("30d")), NOW + MONTH)
    assert cluster.one().state is AdviceState.OPEN
    assert not longer(cluster)


@pytest.mark.parametrize("told", ["30d", "90d", None, {"days": 1}, "soon"])
def test_advice_of_the_same_window_or_of_one_that_is_not_known_stays(told: Any) -> None:
    cluster = Cluster()
    cluster.see(run(with_window(told)))
    assert not longer(cluster)


@pytest.mark.parametrize(
    "decided",
    [
        lambda status: life.dismissed(status, by="ann", reason="We know of it.", until=None, now=NOW),
        lambda status: life.applied(status, applied(), now=NOW),
        lambda status: life.applied(status, applied(phase=ApplicationPhase.APPLYING), now=NOW),
        lambda status: life.harmed(life.applied(status, applied(), now=NOW), why="refused", now=NOW),
    ],
    ids=["dismissed", "applied", "being applied", "applied, and did harm"],
)
def test_what_somebody_has_decided_stays_whatever_the_window(decided: Any) -> None:
    cluster = Cluster()
    cluster.see(run(with_window()))
    item = cluster.one()
    cluster.decide(item.metadata.name, decided(item.status))
    assert not longer(cluster)
