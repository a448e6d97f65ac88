"""Summing up what audits find: small, whatever they find."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from moorage.api.policyreport import ROWS_MAX, TREND_MAX, PolicyReportStatus, TrendPoint
from moorage.cli.policy_report import By, summed
from moorage.local.gatekeeper import Audit, Example, Found
from moorage.policies.cluster.report import EXAMPLES_OF_A_POLICY, REST, _same, summarise, thin
from moorage.policies.cluster.wanted import ConstraintKey, Meaning
from moorage.policies.model import Action

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
ETCD_LIMIT = 1_500_000


def meanings(policies: int) -> dict[ConstraintKey, Meaning]:
    return {
        ConstraintKey(f"Kind{number}", f"c{number}"): Meaning(
            f"policy-{number}", f"policy-{number}.all", ("all",), Action.ENFORCE, "high"
        )
        for number in range(policies)
    }


def audit(policies: int, namespaces: int, count: int) -> Audit:
    found = tuple(
        Found(f"Kind{policy}", f"c{policy}", "deny", f"namespace-{namespace}", "Pod", count)
        for policy in range(policies)
        for namespace in range(namespaces)
    )
    examples = tuple(
        Example(f"Kind{policy}", f"c{policy}", "namespace-0", "Pod", f"web-{number}", "x" * 512)
        for policy in range(policies)
        for number in range(5)
    )
    return Audit(NOW, found, examples)


def test_a_report_of_a_hundred_thousand_violations_is_small_and_counts_them_all() -> None:
    status = summarise(audit(63, 80, 20), meanings(63), (), ())
    assert status.totals is not None
    assert status.totals.all == 63 * 80 * 20
    assert sum(row.violations for row in status.rows) == status.totals.all
    assert len(status.rows) == ROWS_MAX + 1
    assert status.rows[-1].policy == REST
    assert len(json.dumps(status.model_dump(mode="json", by_alias=True))) < ETCD_LIMIT / 5
    by_policy = [example.policy for example in status.examples]
    assert max(map(by_policy.count, by_policy)) == EXAMPLES_OF_A_POLICY


def test_what_others_than_ours_have_found_is_left_aside() -> None:
    found = Audit(NOW, (Found("Theirs", "c", "deny", "shop", "Pod", 3),), ())
    assert summarise(found, meanings(1), (), ()).rows == []


@given(
    ages=st.lists(st.integers(0, 60 * 24 * 60), max_size=300),
)
def test_a_trend_keeps_the_newest_and_stays_short(ages: list[int]) -> None:
    points = [TrendPoint(at=NOW - timedelta(minutes=age), enforce=age) for age in ages]
    kept = thin(points, NOW)
    assert len(kept) <= TREND_MAX
    assert [point.at for point in kept] == sorted(point.at for point in kept)
    assert len({point.at for point in kept}) == len(kept)
    if any(age < 31 * 24 * 60 for age in ages):
        assert kept[-1].at == NOW - timedelta(minutes=min(ages))


def reported(name: str, rows: dict[tuple[str, str], int], before: int) -> dict:
    total = sum(rows.values())
    return {
        "metadata": {"name": name, "namespace": "project-shop"},
        "status": {
            "audited": "2026-11-24T12:00:00Z",
            "totals": {"enforce": total, "warn": 0, "audit": 0},
            "rows": [
                {"namespace": namespace, "policy": policy, "action": "enforce", "violations": count}
                for (namespace, policy), count in rows.items()
            ],
            "trend": [
                {"at": "2026-11-23T12:00:00Z", "enforce": before},
                {"at": "2026-11-24T12:00:00Z", "enforce": total},
            ],
        },
    }


def test_reports_are_summed_up_by_what_is_asked_for() -> None:
    reports = [
        reported("web", {("a", "one"): 3, ("b", "two"): 1}, before=1),
        reported("api", {("a", "one"): 2}, before=5),
    ]
    assert [(r["name"], r["total"], r["change"]) for r in summed(reports, By.CLUSTER)] == [
        ("shop/web", 4, 3),
        ("shop/api", 2, -3),
    ]
    assert [(r["name"], r["total"], r["change"]) for r in summed(reports, By.PROJECT)] == [("shop", 6, 0)]
    assert {r["audited"] for r in summed(reports, By.CLUSTER)} == {"2026-11-24T12:00:00Z"}
    assert [(r["name"], r["enforce"]) for r in summed(reports, By.POLICY)] == [("one", 5), ("two", 1)]
    assert [r["name"] for r in summed(reports, By.NAMESPACE)] == ["shop/web/a", "shop/api/a", "shop/web/b"]


def test_of_a_cluster_that_nobody_counted_a_day_ago_no_change_is_known() -> None:
    young = reported("web", {("a", "one"): 3}, before=3)
    young["status"]["trend"][0]["at"] = "2026-11-24T11:58:00Z"
    [record] = summed([young], By.CLUSTER)
    assert (record["total"], record["change"]) == (3, None)


def test_of_a_project_the_audit_that_is_the_longest_ago_counts() -> None:
    reports = [reported("web", {}, before=0), reported("api", {}, before=0)]
    reports[0]["status"]["audited"] = "2026-11-24T09:00:00Z"
    [record] = summed(reports, By.PROJECT)
    assert record["audited"] == "2026-11-24T09:00:00Z"


def test_a_report_that_says_nothing_new_is_written_now_and_then() -> None:
    def at(minutes: int) -> PolicyReportStatus:
        return summarise(Audit(NOW + timedelta(minutes=minutes), (), ()), {}, (), ())

    assert _same(at(0), at(9))
    assert not _same(at(0), at(10))
