"""The decision: what matters at a target."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.advisors.advice import Location
from moorage.advisors.apis.mechanical import Conversion
from moorage.advisors.apis.model import How, Seen
from moorage.advisors.apis.plan import exit_code, plan
from moorage.advisors.apis.versions import Targets
from moorage.advisors.render import Format, render
from moorage.errors import ExitCode
from moorage.reports.findings import Severity

from .helpers import AHEAD, BUDGET, CERTIFICATE, CLASS, CRON, STAYS, TABLE, sighting


def codes(seen: Seen, targets: Targets = AHEAD) -> list[str]:
    return [finding.code for finding in plan(seen, targets, TABLE).findings]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ((1, 20), []),
        ((1, 21), ["manifest-deprecated"]),
        ((1, 24), ["manifest-deprecated"]),
        ((1, 25), ["manifest-removed"]),
    ],
)
def test_the_target_decides(target: tuple[int, int], code: list[str]) -> None:
    assert codes(Seen((sighting(CRON),)), Targets(target)) == code


def test_what_stays_is_no_finding() -> None:
    assert codes(Seen((sighting(STAYS),))) == []


def test_other_projects_have_their_own_target() -> None:
    seen = Seen((sighting(CERTIFICATE),))
    assert codes(seen) == ["manifest-removed"]
    assert codes(seen, Targets((1, 38), {"cert-manager": (1, 5)})) == []
    assert codes(seen, Targets((1, 16))) == ["manifest-removed"]


def test_only_what_is_removed_fails_unless_strict() -> None:
    deprecated, removed = Seen((sighting(CLASS),)), Seen((sighting(CLASS), sighting(CRON)))
    for seen, strict, expected in (
        (Seen(), True, ExitCode.OK),
        (deprecated, False, ExitCode.OK),
        (deprecated, True, ExitCode.FINDINGS),
        (removed, False, ExitCode.FINDINGS),
    ):
        assert exit_code(plan(seen, AHEAD, TABLE), seen, strict=strict) is expected


def test_what_could_not_be_read_is_no_pass() -> None:
    seen = Seen(unread=("a.yaml: no",))
    advice = plan(seen, AHEAD, TABLE)
    assert exit_code(advice, seen, strict=False) is ExitCode.FAILURE
    assert advice.notes == ("not judged: a.yaml: no",)


def test_a_webhook_that_will_match_nothing_is_the_worst() -> None:
    advice = plan(Seen(tuple(sighting(CRON, how, thing=how.value) for how in How)), AHEAD, TABLE)
    assert len(advice.findings) == len(How)
    assert advice.findings[0].code == "admission-removed"
    assert advice.findings[0].severity is Severity.CRITICAL


def test_a_finding_says_what_until_when_and_what_instead() -> None:
    [finding] = plan(Seen((sighting(BUDGET),)), AHEAD, TABLE).findings
    assert finding.summary == (
        "it is written in policy/v1beta1, deprecated since Kubernetes 1.21 and removed in 1.25; use policy/v1"
    )
    assert finding.consequence.startswith("From Kubernetes 1.25 on: ")
    assert finding.evidence["replacement"] == "policy/v1 PodDisruptionBudget"
    [ahead] = plan(Seen((sighting(CLASS),)), AHEAD, TABLE).findings
    assert "Kubernetes 1.39 does not serve it" in ahead.consequence
    assert ahead.severity is Severity.LOW


def test_a_conversion_is_the_change_and_its_ground_is_told() -> None:
    content = {"apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": {"name": "a"}}
    new = {**content, "apiVersion": "batch/v1"}

    def converted(change: Conversion) -> Any:
        seen = Seen((sighting(CRON, content=content),))
        [finding] = plan(seen, AHEAD, TABLE, convert=lambda _: change).findings
        return finding

    finding = converted(Conversion(new, "because", ("spec.x was: a It is now: b",)))
    assert [each.content for each in finding.change] == [new]
    assert finding.evidence["conversion"] == "because"
    assert finding.evidence["attention"] == ["spec.x was: a It is now: b"]
    assert converted(Conversion(None, "it takes a person")).change == ()
    nameless = {**new, "metadata": {"generateName": "a-"}}
    assert converted(Conversion(nameless, "because")).change == ()


def test_the_line_of_a_finding_is_not_its_identity() -> None:
    first, second = (
        plan(
            Seen((sighting(CRON, location=Location("x", "a.yaml", line), evidence={"n": line}),)),
            AHEAD,
            TABLE,
        )
        for line in (1, 7)
    )
    assert [f.identity() for f in first.findings] == [f.identity() for f in second.findings]


def test_a_target_beyond_what_is_known_is_said() -> None:
    assert plan(Seen(), Targets((1, 38)), TABLE).notes == ()
    [note] = plan(Seen(), Targets((1, 41)), TABLE).notes
    assert "1.37" in note


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            sighting,
            st.sampled_from([CRON, BUDGET, CLASS, STAYS, CERTIFICATE]),
            st.sampled_from(list(How)),
            thing=st.sampled_from(["a", "b"]),
            who=st.sampled_from(["", "x"]),
            parts=st.sampled_from([(), ("one",)]),
        ),
        max_size=12,
    ),
    st.randoms(),
)
def test_advice_is_idempotent_and_knows_no_order(seen: list[Any], random: Any) -> None:
    shuffled = [*seen, *seen]
    random.shuffle(shuffled)
    first, second = (plan(Seen(tuple(each)), AHEAD, TABLE) for each in (seen, shuffled))
    assert first == second
    assert len({finding.identity() for finding in first.findings}) == len(first.findings)


@pytest.mark.parametrize("wanted", list(Format))
def test_every_format_says_it(wanted: Format) -> None:
    text = render(plan(Seen((sighting(BUDGET),)), AHEAD, TABLE), wanted)
    assert "policy/v1beta1" in text
    assert "PodDisruptionBudget shop/web" in text
