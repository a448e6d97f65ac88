"""What namespaces opted in to in vain, and what is said of a cluster then."""

from __future__ import annotations

import pytest

from moorage.kube.clusters import Said
from moorage.policies.cluster.condition import news, of_plan
from moorage.policies.cluster.optins import lost
from moorage.policies.cluster.plan import Memory, Plan

SETTLED = Plan((), 0, (), Memory(), settled=True)
PREFIX = "policy.moorage.dev/"


def namespaces(**sets: str) -> dict[str, dict[str, str]]:
    return {name: {f"{PREFIX}{said.split('=')[0]}": said.split("=")[1]} for name, said in sets.items()}


def test_an_opt_in_to_a_set_that_there_is_is_not_lost() -> None:
    assert lost({**namespaces(shop="baseline=enforce"), "other": {"team": "a"}}, ["baseline"]) == []


def test_an_opt_in_to_a_set_that_no_bundle_has_is_named_with_those_who_did() -> None:
    asked = namespaces(a="basline=warn", b="basline=enforce")
    assert lost(asked, ["baseline"]) == ["namespaces a, b opt in to the set basline, which no bundle has"]
    many = {f"n{number}": {f"{PREFIX}x": "warn"} for number in range(5)}
    assert lost(many, []) == ["namespaces n0, n1, n2 and 2 more opt in to the set x, which no bundle has"]


def test_a_value_that_is_no_action_is_named() -> None:
    assert lost(namespaces(shop="baseline=yes"), ["baseline"]) == [
        "namespace shop: 'yes' for the set baseline is none of enforce, warn and audit"
    ]


def test_what_is_never_judged_has_lost_nothing() -> None:
    assert lost({"kube-system": {f"{PREFIX}nope": "enforce"}}, []) == []


def test_the_condition_names_opt_ins_that_count_for_nothing() -> None:
    vain = lost(namespaces(shop="basline=enforce"), ["baseline"])
    said = of_plan(SETTLED, 1, 3, 0, vain)
    assert (said.ok, said.reason) == (True, "Enforced")
    assert said.message == (
        "1 policy judges; 0 exceptions count; namespace shop opts in to the set basline, which no bundle has"
    )


def test_bundles_by_which_nothing_judges_are_not_enforced() -> None:
    said = of_plan(SETTLED, 0, 0, 0, lost(namespaces(shop="baseline=enforce"), []))
    assert (said.ok, said.reason) == (False, "NothingJudges")
    assert "no set of the bundles names a policy" in said.message
    assert "namespace shop opts in to the set baseline" in said.message


@pytest.mark.parametrize(
    ("told", "said", "reason"),
    [
        ("", Said(ok=True, reason="Enforced"), "PoliciesEnforced"),
        ("Enforced", Said(ok=True, reason="Enforced", message="2 policies judge"), None),
        ("Enforced", Said(ok=False, reason="Progressing"), None),
        ("", Said(ok=False, reason="EngineStarting"), None),
        ("Enforced", Said(ok=False, reason="BundleUnsigned", message="x"), "PoliciesBundleUnsigned"),
        ("BundleUnsigned", Said(ok=True, reason="Enforced"), "PoliciesEnforced"),
    ],
)
def test_an_event_is_told_when_the_reason_is_another_and_not_on_the_way(
    told: str, said: Said, reason: str | None
) -> None:
    found = news(told, said)
    assert (found.reason if found else None) == reason
    assert found is None or found.warning is not said.ok
