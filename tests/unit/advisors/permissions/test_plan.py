"""What is advised, and what is left alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from moorage.advisors.permissions.model import Who
from moorage.advisors.permissions.plan import Wanted, plan
from moorage.advisors.permissions.scan import scan
from moorage.reports.findings import Action, Severity

from .helpers import (
    BACKGROUND,
    NOW,
    account,
    advise,
    applied,
    binding,
    codes,
    event,
    only,
    rbac,
    role,
    rule,
    write,
)

CLUSTER = {"name": "r", "namespace": ""}
BOUND = {"kind": "ClusterRole", "namespace": ""}
ANN = Who("ann", ("devs", "system:authenticated"))


def test_a_binding_of_which_nothing_is_used_goes(tmp_path: Path) -> None:
    found = only(advise(tmp_path, [role(rule("get list", "secrets")), binding()], []), "unused-binding")
    assert [(each.action, each.name) for each in found.change] == [(Action.DELETE, "RoleBinding shop/b")]
    assert found.subject == "ServiceAccount shop/web"
    assert found.severity is Severity.MEDIUM  # Secrets are high, and these of one namespace only
    assert found.evidence["removed"] == ["get, list secrets"]


def test_a_rule_is_cut_to_the_verbs_and_resources_that_are_used(tmp_path: Path) -> None:
    objects = [role(rule("get list delete", "pods services"), rule("get", "secrets")), binding()]
    events = [event("get", name="x"), event("list"), event("get", "services", name="y")]
    advice = advise(tmp_path, objects, events)
    assert set(codes(advice)) == {"escalation", "unused-rule", "unused-verb"}
    change = only(advice, "unused-verb").change
    assert len(change) == 1
    assert change[0].content["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
    ]
    proof = only(advice, "unused-verb").evidence["proof"]
    assert proof == {"requestsStillAllowed": 3, "requestsLost": 0, "newlyAllowed": 0}


def test_what_is_used_in_full_is_no_finding(tmp_path: Path) -> None:
    objects = [role(rule("get list", "pods")), binding()]
    assert codes(advise(tmp_path, objects, [event("get", name="x"), event("list")])) == []


def test_a_wildcard_becomes_what_is_used_of_it(tmp_path: Path) -> None:
    objects = [role(rule("*", "*", "apps")), binding()]
    advice = advise(
        tmp_path, objects, [event("get", "apps/deployments", name="x"), event("list", "apps/deployments")]
    )
    assert only(advice, "wildcard-used-in-part").change[0].content["rules"] == [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]}
    ]


def test_a_grant_for_the_cluster_that_one_namespace_needs_moves_there(tmp_path: Path) -> None:
    objects = [role(rule("get", "pods"), **CLUSTER), binding(**BOUND)]
    found = only(advise(tmp_path, objects, [event("get", name="x")]), "cluster-wide-in-one-namespace")
    assert [each.content["kind"] for each in found.change] == ["Role", "RoleBinding", "ClusterRoleBinding"]
    assert found.change[0].content["metadata"]["namespace"] == "shop"
    assert [each.action for each in found.change] == [
        Action.APPLY,
        Action.APPLY,
        Action.DELETE,
    ]
    assert codes(advise(tmp_path, applied(objects, [found]), [event("get", name="x")])) == []


@pytest.mark.parametrize("namespace", ["blog", ""])
def test_a_grant_that_is_used_elsewhere_too_stays_for_the_cluster(tmp_path: Path, namespace: str) -> None:
    objects = [role(rule("get", "pods"), **CLUSTER), binding(**BOUND)]
    events = [event("get", name="x"), event("get", name="y", namespace=namespace)]
    assert codes(advise(tmp_path, objects, events)) == []


def test_subjects_of_one_binding_part_without_giving_each_other_back_what_was_taken(tmp_path: Path) -> None:
    objects = [role(rule("get delete", "pods")), binding("sa:shop/web", "sa:shop/db", "user:ann")]
    events = [event("get", name="x"), event("delete", who=account("db"), name="x")]
    advice = advise(tmp_path, objects, events)
    assert all(finding.change == advice.findings[0].change for finding in advice.findings)
    assert [each.name for each in advice.findings[0].change][-1] == "RoleBinding shop/b"
    assert advice.findings[0].change[-1].action is Action.DELETE
    after = applied(objects, advice.findings)
    assert not [f for f in advise(tmp_path, after, events).findings if f.change]


def test_the_same_subject_is_shown_alone_with_the_same_change(tmp_path: Path) -> None:
    objects = [role(rule("get delete", "pods")), binding("sa:shop/web", "sa:shop/db")]
    every = advise(tmp_path, objects, [event("get", name="x")])
    alone = advise(tmp_path, objects, [event("get", name="x")], subject="shop/db")
    assert {finding.subject for finding in alone.findings} == {"ServiceAccount shop/db"}
    assert alone.findings == tuple(f for f in every.findings if f.subject == "ServiceAccount shop/db")


def test_a_group_is_judged_by_all_its_members(tmp_path: Path) -> None:
    objects = [role(rule("get list delete", "pods")), binding("group:devs")]
    events = [event("get", who=ANN, name="x"), event("list", who=Who("bob", ("devs",)))]
    found = only(advise(tmp_path, objects, events), "unused-verb")
    assert found.evidence["members"] == {"seen": 2, "some": ["ann", "bob"]}
    assert found.change[0].content["rules"][0]["verbs"] == ["get", "list"]


def test_names_are_kept_to_where_they_are_few_and_steady(tmp_path: Path) -> None:
    objects = [role(rule("get", "configmaps secrets pods")), binding()]
    events = [
        event("get", what, name=name, days_ago=days)
        for days in (20, 10, 1)
        for what, name in (
            ("configmaps", "settings"),
            ("secrets", f"once-{days:.0f}"),
            ("pods", "web-5d4f8c7b9f-x2z4q"),
        )
    ]
    rules = only(advise(tmp_path, objects, events), "loose-rule").change[0].content["rules"]
    assert rules == [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["settings"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get"]},
    ]


# ---- what a log does not show ----------------------------------------------------------------------------


def test_what_the_api_server_asks_for_by_itself_is_kept(tmp_path: Path) -> None:
    objects = [role(rule("get create patch", "configmaps")), binding()]
    made = [event("patch", "configmaps", name="x", code=201), event("get", "configmaps", name="x")]
    assert [f for f in advise(tmp_path, objects, made).findings if f.code != "escalation"] == []
    patched = [event("patch", "configmaps", name="x"), event("get", "configmaps", name="x")]
    assert "create" in only(advise(tmp_path, objects, patched), "unused-verb").summary


def test_a_shell_over_websockets_keeps_create(tmp_path: Path) -> None:
    objects = [role(rule("get create", "pods/exec")), binding("user:ann")]
    events = [event("get", "pods:exec", who=ANN, name="x", code=101)]
    assert [f for f in advise(tmp_path, objects, events).findings if f.change] == []


def test_what_other_servers_ask_about_is_never_called_unused(tmp_path: Path) -> None:
    objects = [
        role(
            rule("get", "nodes/metrics pods"),
            rule("get", paths="/metrics"),
            rule("use", "policies", "x.io"),
            **CLUSTER,
        ),
        binding(**BOUND),
    ]
    assert (
        codes(advise(tmp_path, objects, [event("get", name="x"), event("get", name="y", namespace="b")]))
        == []
    )


def test_reviews_that_the_log_shows_count_as_use(tmp_path: Path) -> None:
    objects = [role(rule("get", paths="/api/x /api/y"), **CLUSTER), binding(**BOUND)]
    web = account()
    spec = {
        "user": web.name,
        "groups": list(web.groups),
        "nonResourceAttributes": {"verb": "get", "path": "/api/x"},
    }
    review = event(
        "create", "authorization.k8s.io/subjectaccessreviews", who=Who("proxy"), requestObject={"spec": spec}
    )
    assert only(advise(tmp_path, objects, [review]), "unused-resource").change[0].content["rules"] == [
        {"nonResourceURLs": ["/api/x"], "verbs": ["get"]}
    ]


def test_whoever_gives_permissions_away_keeps_what_it_gives(tmp_path: Path) -> None:
    objects = [
        role(rule("create", "roles", "rbac.authorization.k8s.io"), rule("get list", "pods")),
        binding(),
    ]
    advice = advise(tmp_path, objects, [event("create", "rbac.authorization.k8s.io/roles")])
    assert not [finding for finding in advice.findings if finding.change]
    assert any("write roles or bindings" in note and "shop/web" in note for note in advice.notes)


def test_whoever_acts_as_another_uses_the_right_to(tmp_path: Path) -> None:
    objects = [
        role(rule("impersonate", "users groups serviceaccounts"), **CLUSTER),
        binding("user:boss", **BOUND),
        role(rule("get list", "pods"), name="p"),
        binding("user:ann", to="p", name="p"),
    ]
    other = {"username": "ann", "groups": ["devs", "system:authenticated"]}
    advice = advise(tmp_path, objects, [event("get", who=Who("boss"), name="x", impersonatedUser=other)])
    assert {finding.subject for finding in advice.findings if finding.code == "unused-verb"} == {"User ann"}
    assert "unused-rule" not in codes(advice)
    assert "unused-binding" not in codes(advice)


def test_a_verb_that_nobody_has_in_the_log_is_not_called_unused(tmp_path: Path) -> None:
    objects = [role(rule("get watch update delete", "pods")), binding()]
    log = write(tmp_path / "writes.log", [event("update", name="x", days_ago=30), event("update", name="x")])
    advice = plan(scan([log], workers=1), rbac(*objects), Wanted(), now=NOW)
    rules = only(advice, "unused-verb").change[0].content["rules"]
    assert {verb for each in rules for verb in each["verbs"]} == {"get", "watch", "update"}
    assert any("audit policy" in note for note in advice.notes)


# ---- what counts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "decision", "kept"),
    [(200, "", True), (404, "", True), (409, "allow", True), (403, "allow", True), (500, "", True),
     (403, "", False), (401, "", False), (403, "forbid", False)],
)  # fmt: skip
def test_what_was_denied_is_no_use_and_what_failed_otherwise_was_allowed(
    tmp_path: Path, code: int, decision: str, *, kept: bool
) -> None:
    annotations = {"authorization.k8s.io/decision": decision} if decision else {}
    objects = [role(rule("get", "pods")), binding()]
    advice = advise(tmp_path, objects, [event("get", name="x", code=code, annotations=annotations)])
    assert (codes(advice) == []) is kept
    assert advice.facts["denied"] == (0 if kept else 1)


def test_only_the_window_counts(tmp_path: Path) -> None:
    objects = [role(rule("get list", "pods")), binding()]
    events = [event("get", name="x", days_ago=40), event("list", days_ago=2)]
    assert "get" in only(advise(tmp_path, objects, events), "unused-verb").summary
    assert codes(advise(tmp_path, objects, events, window=timedelta(days=60))) == []


def test_events_of_the_future_do_not_move_the_window(tmp_path: Path) -> None:
    objects = [role(rule("get list", "pods")), binding()]
    events = [event("get", name="x", days_ago=20), event("list", days_ago=-4000)]
    advice = advise(tmp_path, objects, events)
    assert codes(advice) == []
    assert any("clock" in note for note in advice.notes)


def test_a_log_that_covers_little_of_the_window_makes_little_sure(tmp_path: Path) -> None:
    objects = [role(rule("get", "pods")), binding()]
    sure = [
        only(advise(tmp_path, objects, [], window=timedelta(days=days)), "unused-binding")
        for days in (30, 300)
    ]
    assert sure[0].confidence > 0.75
    assert sure[1].confidence < 0.1
    assert sure[0].identity() == sure[1].identity()


def test_days_that_are_missing_in_a_log_make_it_less_sure(tmp_path: Path) -> None:
    gap = [each for each in BACKGROUND if not "2026-10-10" <= each["stageTimestamp"][:10] < "2026-10-20"]
    log = write(tmp_path / "gap.log", gap)
    advice = plan(scan([log], workers=1), rbac(role(rule("get", "pods")), binding()), Wanted(), now=NOW)
    assert 0.5 < only(advice, "unused-binding").confidence < 0.6
    assert any("On 10 days" in note for note in advice.notes)


def test_a_service_account_that_is_bound_as_a_user_is_none_of_the_systems(tmp_path: Path) -> None:
    objects = [
        role(rule("get", "pods")),
        binding("user:system:serviceaccount:shop:web", "group:system:serviceaccounts:kube-system"),
    ]
    advice = advise(tmp_path, objects, [])
    assert [finding.subject for finding in advice.findings] == ["User system:serviceaccount:shop:web"]


def test_system_subjects_and_young_ones_are_left_alone_and_named(tmp_path: Path) -> None:
    young = (NOW - timedelta(days=3)).isoformat()
    objects = [
        role(rule("get", "pods"), **CLUSTER),
        binding("sa:kube-system/x", "user:system:kube-scheduler", name="a", **BOUND),
        binding("sa:shop/new", name="b", creationTimestamp=young, **BOUND),
        binding("sa:shop/old", name="c", labels={"kubernetes.io/bootstrapping": "rbac-defaults"}, **BOUND),
        binding("group:system:authenticated", name="d", **BOUND),
    ]
    advice = advise(tmp_path, objects, [])
    assert {finding.subject for finding in advice.findings} == {"Group system:authenticated"}
    said = " ".join(advice.notes)
    assert "ServiceAccount kube-system/x" in said
    assert "younger than the window: ServiceAccount shop/new" in said


def test_an_account_that_does_not_exist_is_said_only_where_all_are_known(tmp_path: Path) -> None:
    objects = [role(rule("get", "secrets"), **CLUSTER), binding("sa:shop/web", "sa:blog/db", **BOUND)]
    there = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "shop"},
    }
    advice = advise(tmp_path, [*objects, there], [])
    assert only(advice, "subject-gone").subject == "ServiceAccount shop/web"
    assert only(advice, "unused-binding").subject == "ServiceAccount blog/db"
    assert codes(advise(tmp_path, objects, [], complete=True)) == ["subject-gone", "subject-gone"]


def test_power_that_nobody_needs_ranks_before_power_that_is_needed(tmp_path: Path) -> None:
    objects = [
        role(rule("*", "*", "*"), name="all", namespace=""),
        binding("user:idle", to="all", name="idle", **BOUND),
        role(rule("get", "secrets")),
        binding("sa:shop/web"),
    ]
    advice = advise(tmp_path, objects, [event("get", "secrets", name=f"s{n}", days_ago=1) for n in range(9)])
    assert (advice.findings[0].subject, advice.findings[0].severity) == ("User idle", Severity.CRITICAL)
    assert advice.findings[-1].code == "escalation"
    assert (advice.findings[-1].subject, advice.findings[-1].severity) == (
        "ServiceAccount shop/web",
        Severity.LOW,
    )
    assert advice.findings[-1].change == ()


@pytest.mark.parametrize("why", ["aggregated", "part of an aggregated one", "Kubernetes' own", "shared"])
def test_a_role_that_is_not_the_subjects_alone_is_never_changed(tmp_path: Path, why: str) -> None:
    given_role = role(rule("get list", "pods"), **CLUSTER)
    more = []
    if why == "aggregated":
        given_role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]}
    elif why == "part of an aggregated one":
        given_role["metadata"]["labels"] = {"x": "y"}
        more.append(
            {
                **role(name="whole", namespace=""),
                "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]},
            }
        )
    elif why == "Kubernetes' own":
        given_role["metadata"]["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    else:
        more.append(binding("sa:kube-system/x", name="other", **BOUND))
    objects = [given_role, binding(kind="ClusterRole"), *more]
    change = only(advise(tmp_path, objects, [event("get", name="x")]), "unused-verb").change
    assert not [each for each in change if each.name == "ClusterRole r"]
    assert [each.content["kind"] for each in change] == ["Role", "RoleBinding", "RoleBinding"]
